/* normalize_image, patchify, class_token, token_embedding, pick_token, take_rows, masked_mean */
#include "host/ops/ops_internal.h"
#include "kernels/copy/gather_rows.h"
#include "kernels/copy/take_rows.h"
#include "kernels/embedding/class_token.h"
#include "kernels/embedding/token_embedding.h"
#include "kernels/linear/patchify.h"
#include "kernels/pool/masked_mean.h"

/* ---- normalize_image: in pixels u8 [B, H, W, 3] (, decisions i32 [B, 7]) */
enum { DECISION_WORDS = sizeof(xr_augment_decision) / sizeof(int32_t) };

static xr_status normalize_infer(xr_node *node) {
  xr_shape shape = xr_input_shape(node, 0);
  XR_TRY(xr_expect_rank(node, 0, 4, "the pixels"));
  XR_TRY(xr_expect_input(node, 0, XR_U8, XR_SHAPE(shape.dim[0], shape.dim[1], shape.dim[2], 3), "the pixels"));
  if (xr_input_count(node) > 1)
    XR_TRY(xr_expect_input(node, 1, XR_I32, XR_SHAPE(shape.dim[0], DECISION_WORDS), "the augmentation decisions"));
  xr_set_output(node, 0, xr_compute_dtype(node), shape);
  return XR_OK;
}

static xr_status normalize_forward(const xr_node *node, const xr_run *run) {
  const xr_image_statistics *s = xr_attributes(node);
  xr_shape shape = xr_input_shape(node, 0);
  xr_augment k = {.count = shape.dim[0],
                  .height = (int32_t)shape.dim[1],
                  .width = (int32_t)shape.dim[2],
                  .pixels = run->in[0],
                  .decisions = xr_input_count(node) > 1 ? run->in[1] : NULL,
                  .dtype = xr_output_dtype(node, 0),
                  .out = run->out[0]};
  memcpy(k.mean, s->mean, sizeof k.mean);
  memcpy(k.std, s->std, sizeof k.std);
  memcpy(k.fill, s->fill, sizeof k.fill);
  return XR_ON(run, xr_augment_forward, &k);
}

static const xr_op normalize_op = {.name = "normalize_image", .infer = normalize_infer, .forward = normalize_forward};

xr_var xr_normalize_image(xr_graph *g, const char *label, xr_var pixels, xr_var decisions, xr_image_statistics statistics) {
  return xr_apply_one(g, &normalize_op, label, &statistics, sizeof statistics, decisions.id ? 2 : 1, (xr_var[]){pixels, decisions});
}

/* ---- patchify: in images [B, H, W, 3] */
typedef struct {
  int64_t patch, stride;
} patchify_attributes;

static xr_patchify patchify_arguments(const xr_node *node, const xr_run *run) {
  const patchify_attributes *a = xr_attributes(node);
  xr_shape shape = xr_input_shape(node, 0);
  return (xr_patchify){.batch = shape.dim[0],
                       .height = shape.dim[1],
                       .width = shape.dim[2],
                       .patch = a->patch,
                       .stride = a->stride,
                       .dtype = xr_input_dtype(node, 0),
                       .x = run->in[0],
                       .y = run->out[0]};
}

static xr_status patchify_infer(xr_node *node) {
  const patchify_attributes *a = xr_attributes(node);
  xr_shape shape = xr_input_shape(node, 0);
  XR_TRY(xr_expect_float(node, 0));
  XR_TRY(xr_expect_rank(node, 0, 4, "the image"));
  if (a->patch < 1 || a->stride < 1 || shape.dim[1] < a->patch || shape.dim[2] < a->patch || shape.dim[3] != 3)
    return xr_fail(XR_BAD_SHAPE, "patches of %lld x %lld at stride %lld do not fit %s", (long long)a->patch, (long long)a->patch,
                   (long long)a->stride, xr_shape_to_text(shape).text);
  int64_t rows = (shape.dim[1] - a->patch) / a->stride + 1, columns = (shape.dim[2] - a->patch) / a->stride + 1;
  xr_set_output(node, 0, xr_input_dtype(node, 0), XR_SHAPE(shape.dim[0], rows * columns, 3 * a->patch * a->patch));
  return XR_OK;
}

static xr_status patchify_forward(const xr_node *node, const xr_run *run) {
  xr_patchify k = patchify_arguments(node, run);
  return XR_ON(run, xr_patchify_forward, &k);
}

static const xr_op patchify_op = {.name = "patchify", .infer = patchify_infer, .forward = patchify_forward};

xr_var xr_patchify_of(xr_graph *g, const char *label, xr_var images, int64_t patch, int64_t stride) {
  return xr_apply_one(g, &patchify_op, label, &(patchify_attributes){patch, stride}, sizeof(patchify_attributes), 1, &images);
}

/* ---- class_token: in x [B, N, D], class token [D], position [N + 1, D] */
static xr_status class_token_infer(xr_node *node) {
  xr_shape x = xr_input_shape(node, 0);
  XR_TRY(xr_expect_float(node, 0));
  XR_TRY(xr_expect_rank(node, 0, 3, "the tokens"));
  XR_TRY(xr_expect_input(node, 1, XR_F32, XR_SHAPE(x.dim[2]), "the class token"));
  XR_TRY(xr_expect_input(node, 2, xr_input_dtype(node, 0), XR_SHAPE(x.dim[1] + 1, x.dim[2]), "the position table"));
  xr_set_output(node, 0, xr_input_dtype(node, 0), XR_SHAPE(x.dim[0], x.dim[1] + 1, x.dim[2]));
  return XR_OK;
}

static xr_class_token class_token_arguments(const xr_node *node, const xr_run *run) {
  xr_shape x = xr_input_shape(node, 0);
  return (xr_class_token){.batch = x.dim[0],
                          .tokens = x.dim[1],
                          .width = x.dim[2],
                          .dtype = xr_input_dtype(node, 0),
                          .x = run->in[0],
                          .class_token = run->in[1],
                          .position = run->in[2],
                          .y = run->out[0],
                          .dy = run->dout[0],
                          .dx = run->din[0],
                          .dclass_token = run->din[1],
                          .dposition = run->din[2],
                          .accumulate_dx = xr_bit(run->accumulate, 0),
                          .accumulate_dclass_token = xr_bit(run->accumulate, 1),
                          .accumulate_dposition = xr_bit(run->accumulate, 2)};
}

static xr_status class_token_forward(const xr_node *node, const xr_run *run) {
  xr_class_token k = class_token_arguments(node, run);
  return XR_ON(run, xr_class_token_forward, &k);
}

static xr_status class_token_backward(const xr_node *node, const xr_run *run) {
  xr_class_token k = class_token_arguments(node, run);
  return XR_ON(run, xr_class_token_backward, &k);
}

static const xr_op class_token_op = {.name = "class_token",
                                     .infer = class_token_infer,
                                     .f32_gradient = 1u << 2,
                                     .forward = class_token_forward,
                                     .backward = class_token_backward};

xr_var xr_class_token_and_position(xr_graph *g, const char *label, xr_var x, xr_var class_token, xr_var position) {
  return xr_apply_one(g, &class_token_op, label, NULL, 0, 3, (xr_var[]){x, class_token, position});
}

/* ---- token_embedding: in ids i32 [B, T], table [V, D], position [T, D] */
static xr_status embed_infer(xr_node *node) {
  xr_shape ids = xr_input_shape(node, 0), table = xr_input_shape(node, 1);
  XR_TRY(xr_expect_rank(node, 0, 2, "the token ids"));
  XR_TRY(xr_expect_rank(node, 1, 2, "the token table"));
  XR_TRY(xr_expect_input(node, 0, XR_I32, ids, "the token ids"));
  XR_TRY(xr_expect_float(node, 1));
  XR_TRY(xr_expect_input(node, 2, xr_input_dtype(node, 1), XR_SHAPE(ids.dim[1], table.dim[1]), "the position table"));
  xr_set_output(node, 0, xr_input_dtype(node, 1), XR_SHAPE(ids.dim[0], ids.dim[1], table.dim[1]));
  return XR_OK;
}

static xr_token_embedding embed_arguments(const xr_node *node, const xr_run *run) {
  xr_shape ids = xr_input_shape(node, 0), table = xr_input_shape(node, 1);
  xr_token_embedding k = {
      .batch = ids.dim[0], .tokens = ids.dim[1], .vocabulary = table.dim[0], .width = table.dim[1], .dtype = xr_input_dtype(node, 1)};
  if (!run) return k;
  k.ids = run->in[0];
  k.table = run->in[1];
  k.position = run->in[2];
  k.y = run->out[0];
  k.dy = run->dout[0];
  k.dtable = run->din[1];
  k.dposition = run->din[2];
  k.accumulate_dtable = xr_bit(run->accumulate, 1);
  k.accumulate_dposition = xr_bit(run->accumulate, 2);
  k.workspace = run->workspace;
  return k;
}

static size_t embed_workspace(const xr_node *node, xr_run_kind kind) {
  xr_token_embedding k = embed_arguments(node, NULL);
  return kind.backward ? xr_token_embedding_workspace(&k) : 0;
}

static xr_status embed_forward(const xr_node *node, const xr_run *run) {
  xr_token_embedding k = embed_arguments(node, run);
  return XR_ON(run, xr_token_embedding_forward, &k);
}

static xr_status embed_backward(const xr_node *node, const xr_run *run) {
  xr_token_embedding k = embed_arguments(node, run);
  return XR_ON(run, xr_token_embedding_backward, &k);
}

static const xr_op embed_op = {.name = "token_embedding",
                               .infer = embed_infer,
                               .keep_in = 1u,
                               .reads_part = 1u << 1,
                               .f32_gradient = 1u << 1 | 1u << 2,
                               .workspace = embed_workspace,
                               .forward = embed_forward,
                               .backward = embed_backward};

xr_var xr_embed_tokens(xr_graph *g, const char *label, xr_var ids, xr_var table, xr_var position) {
  return xr_apply_one(g, &embed_op, label, NULL, 0, 3, (xr_var[]){ids, table, position});
}

/* ---- pick_token: in x [B, N, D], index i32 [B] */
static xr_status pick_infer(xr_node *node) {
  xr_shape x = xr_input_shape(node, 0);
  XR_TRY(xr_expect_float(node, 0));
  XR_TRY(xr_expect_rank(node, 0, 3, "the tokens"));
  XR_TRY(xr_expect_input(node, 1, XR_I32, XR_SHAPE(x.dim[0]), "the index"));
  xr_set_output(node, 0, xr_input_dtype(node, 0), XR_SHAPE(x.dim[0], x.dim[2]));
  return XR_OK;
}

static xr_gather_rows pick_arguments(const xr_node *node, const xr_run *run) {
  xr_shape x = xr_input_shape(node, 0);
  return (xr_gather_rows){.batch = x.dim[0],
                          .tokens = x.dim[1],
                          .width = x.dim[2],
                          .dtype = xr_input_dtype(node, 0),
                          .index = run->in[1],
                          .x = run->in[0],
                          .y = run->out[0],
                          .dy = run->dout[0],
                          .dx = run->din[0],
                          .accumulate_dx = xr_bit(run->accumulate, 0)};
}

static xr_status pick_forward(const xr_node *node, const xr_run *run) {
  xr_gather_rows k = pick_arguments(node, run);
  return XR_ON(run, xr_gather_rows_forward, &k);
}

static xr_status pick_backward(const xr_node *node, const xr_run *run) {
  xr_gather_rows k = pick_arguments(node, run);
  return XR_ON(run, xr_gather_rows_backward, &k);
}

static const xr_op pick_op = {
    .name = "pick_token", .infer = pick_infer, .keep_in = 1u << 1, .reads_part = 1u, .forward = pick_forward, .backward = pick_backward};

xr_var xr_pick_token(xr_graph *g, const char *label, xr_var x, xr_var index) {
  return xr_apply_one(g, &pick_op, label, NULL, 0, 2, (xr_var[]){x, index});
}

/* ---- take_rows: in x [.., D], index i32 [R] */
static xr_status take_infer(xr_node *node) {
  xr_shape index = xr_input_shape(node, 1);
  XR_TRY(xr_expect_float(node, 0));
  XR_TRY(xr_expect_rank(node, 1, 1, "the index"));
  XR_TRY(xr_expect_input(node, 1, XR_I32, index, "the index"));
  xr_set_output(node, 0, xr_input_dtype(node, 0), XR_SHAPE(index.dim[0], xr_last_dim(xr_input_shape(node, 0))));
  return XR_OK;
}

static xr_take_rows take_arguments(const xr_node *node, const xr_run *run) {
  xr_shape x = xr_input_shape(node, 0);
  return (xr_take_rows){.rows = xr_rows(x),
                        .width = xr_last_dim(x),
                        .taken = xr_input_shape(node, 1).dim[0],
                        .dtype = xr_input_dtype(node, 0),
                        .index = run->in[1],
                        .x = run->in[0],
                        .y = run->out[0],
                        .dy = run->dout[0],
                        .dx = run->din[0],
                        .accumulate_dx = xr_bit(run->accumulate, 0)};
}

static xr_status take_forward(const xr_node *node, const xr_run *run) {
  xr_take_rows k = take_arguments(node, run);
  return XR_ON(run, xr_take_rows_forward, &k);
}

static xr_status take_backward(const xr_node *node, const xr_run *run) {
  xr_take_rows k = take_arguments(node, run);
  return XR_ON(run, xr_take_rows_backward, &k);
}

static const xr_op take_op = {
    .name = "take_rows", .infer = take_infer, .keep_in = 1u << 1, .reads_part = 1u, .forward = take_forward, .backward = take_backward};

xr_var xr_take_rows_of(xr_graph *g, const char *label, xr_var x, xr_var index) {
  return xr_apply_one(g, &take_op, label, NULL, 0, 2, (xr_var[]){x, index});
}

/* ---- masked_mean: in x [B, N, D] (, length i32 [B]) */
typedef struct {
  int64_t first;
} mean_attributes;

static xr_status mean_infer(xr_node *node) {
  xr_shape x = xr_input_shape(node, 0);
  XR_TRY(xr_expect_float(node, 0));
  XR_TRY(xr_expect_rank(node, 0, 3, "the tokens"));
  if (xr_input_count(node) > 1) XR_TRY(xr_expect_input(node, 1, XR_I32, XR_SHAPE(x.dim[0]), "the length"));
  xr_set_output(node, 0, xr_input_dtype(node, 0), XR_SHAPE(x.dim[0], x.dim[2]));
  return XR_OK;
}

static xr_masked_mean mean_arguments(const xr_node *node, const xr_run *run) {
  const mean_attributes *a = xr_attributes(node);
  xr_shape x = xr_input_shape(node, 0);
  return (xr_masked_mean){.batch = x.dim[0],
                          .tokens = x.dim[1],
                          .width = x.dim[2],
                          .first = a->first,
                          .dtype = xr_input_dtype(node, 0),
                          .length = xr_input_count(node) > 1 ? run->in[1] : NULL,
                          .x = run->in[0],
                          .y = run->out[0],
                          .dy = run->dout[0],
                          .dx = run->din[0],
                          .accumulate_dx = xr_bit(run->accumulate, 0)};
}

static xr_status mean_forward(const xr_node *node, const xr_run *run) {
  xr_masked_mean k = mean_arguments(node, run);
  return XR_ON(run, xr_masked_mean_forward, &k);
}

static xr_status mean_backward(const xr_node *node, const xr_run *run) {
  xr_masked_mean k = mean_arguments(node, run);
  return XR_ON(run, xr_masked_mean_backward, &k);
}

static const xr_op mean_op = {
    .name = "masked_mean", .infer = mean_infer, .keep_in = 1u << 1, .forward = mean_forward, .backward = mean_backward};

xr_var xr_masked_mean_of(xr_graph *g, const char *label, xr_var x, xr_var length, int64_t first) {
  return xr_apply_one(g, &mean_op, label, &(mean_attributes){first}, sizeof(mean_attributes), length.id ? 2 : 1, (xr_var[]){x, length});
}
