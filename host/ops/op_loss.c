/* cross_entropy, sdm, weighted_sum: losses of one f32 element whose gradient is made in forward */
#include "host/ops/ops_internal.h"
#include "kernels/loss/cross_entropy.h"
#include "kernels/loss/sdm.h"
#include "kernels/loss/weighted_sum.h"

/* ---- cross_entropy: in logits [R, C], labels i32 [R]; out gradient [R, C] (over the logits, where it may), loss, row losses [R] */
static xr_status cross_entropy_infer(xr_node *node) {
  xr_shape logits = xr_input_shape(node, 0);
  XR_TRY(xr_expect_float(node, 0));
  XR_TRY(xr_expect_rank(node, 0, 2, "the logits"));
  XR_TRY(xr_expect_input(node, 1, XR_I32, XR_SHAPE(logits.dim[0]), "the labels"));
  xr_set_output(node, 0, xr_input_dtype(node, 0), logits);
  xr_set_output(node, 1, XR_F32, XR_SHAPE(1));
  xr_set_output(node, 2, XR_F32, XR_SHAPE(logits.dim[0]));
  return XR_OK;
}

static xr_cross_entropy cross_entropy_arguments(const xr_node *node, const xr_run *run) {
  xr_shape logits = xr_input_shape(node, 0);
  return (xr_cross_entropy){.rows = logits.dim[0],
                            .classes = logits.dim[1],
                            .dtype = xr_input_dtype(node, 0),
                            .smoothing = *(const float *)xr_attributes(node),
                            .logits = run->in[0],
                            .labels = run->in[1],
                            .gradient = run->out[0],
                            .loss = run->out[1],
                            .row_loss = run->out[2],
                            .dloss = run->dout[1],
                            .dlogits = run->din[0],
                            .accumulate_dlogits = xr_bit(run->accumulate, 0)};
}

static xr_status cross_entropy_forward(const xr_node *node, const xr_run *run) {
  xr_cross_entropy k = cross_entropy_arguments(node, run);
  return XR_ON(run, xr_cross_entropy_forward, &k);
}

static xr_status cross_entropy_backward(const xr_node *node, const xr_run *run) {
  xr_cross_entropy k = cross_entropy_arguments(node, run);
  return XR_ON(run, xr_cross_entropy_backward, &k);
}

static const xr_op cross_entropy_op = {.name = "cross_entropy",
                                       .infer = cross_entropy_infer,
                                       .keep_out = 1u,
                                       .no_gradient_out = 1u | 1u << 2,
                                       .in_place = true,
                                       .forward = cross_entropy_forward,
                                       .backward = cross_entropy_backward};

xr_var xr_cross_entropy_loss(xr_graph *g, const char *label, xr_var logits, xr_var labels, float smoothing) {
  xr_var out[3];
  xr_apply(g, &cross_entropy_op, label, &smoothing, sizeof smoothing, 2, (xr_var[]){logits, labels}, 3, out);
  return out[1];
}

/* ---- sdm: in cosines f32 [B, B], identity i32 [B] (, image i32 [B]); out loss, gradient [B, B] */
static xr_status sdm_infer(xr_node *node) {
  xr_shape s = xr_input_shape(node, 0);
  XR_TRY(xr_expect_rank(node, 0, 2, "the cosines"));
  XR_TRY(xr_expect_input(node, 0, XR_F32, XR_SHAPE(s.dim[0], s.dim[0]), "the cosines"));
  for (int i = 1; i < xr_input_count(node); i++)
    XR_TRY(xr_expect_input(node, i, XR_I32, XR_SHAPE(s.dim[0]), i == 1 ? "the identities" : "the image ids"));
  xr_set_output(node, 0, XR_F32, XR_SHAPE(1));
  xr_set_output(node, 1, XR_F32, s);
  return XR_OK;
}

static xr_sdm sdm_arguments(const xr_node *node, const xr_run *run) {
  const xr_sdm_options *o = xr_attributes(node);
  xr_sdm k = {.batch = xr_input_shape(node, 0).dim[0], .tau = o->temperature, .semi_weight = o->semi_weight};
  if (!run) return k;
  k.similarity = run->in[0];
  k.labels = run->in[1];
  k.image_id = xr_input_count(node) > 2 ? run->in[2] : NULL;
  k.loss = run->out[0];
  k.gradient = run->out[1];
  k.workspace = run->workspace;
  k.dloss = run->dout[0];
  k.dsimilarity = run->din[0];
  k.accumulate_dsimilarity = xr_bit(run->accumulate, 0);
  return k;
}

static size_t sdm_workspace(const xr_node *node, xr_run_kind kind) {
  xr_sdm k = sdm_arguments(node, NULL);
  return kind.backward ? 0 : xr_sdm_workspace(&k);
}

static xr_status sdm_forward(const xr_node *node, const xr_run *run) {
  xr_sdm k = sdm_arguments(node, run);
  return XR_ON(run, xr_sdm_forward, &k);
}

static xr_status sdm_backward(const xr_node *node, const xr_run *run) {
  xr_sdm k = sdm_arguments(node, run);
  return XR_ON(run, xr_sdm_backward, &k);
}

static const xr_op sdm_op = {.name = "sdm",
                             .infer = sdm_infer,
                             .keep_out = 1u << 1,
                             .no_gradient_out = 1u << 1,
                             .workspace = sdm_workspace,
                             .forward = sdm_forward,
                             .backward = sdm_backward};

xr_var xr_sdm_loss(xr_graph *g, const char *label, xr_var cosine, xr_var identity, xr_var image, xr_sdm_options options) {
  xr_var out[2];
  xr_apply(g, &sdm_op, label, &options, sizeof options, image.id ? 3 : 2, (xr_var[]){cosine, identity, image}, 2, out);
  return out[0];
}

/* ---- weighted_sum: in losses; out their weighted sum */
typedef struct {
  float weight[XR_MAX_LOSSES];
} weights_attributes;

static xr_status sum_infer(xr_node *node) {
  for (int i = 0; i < xr_input_count(node); i++) XR_TRY(xr_expect_input(node, i, XR_F32, XR_SHAPE(1), "a loss"));
  xr_set_output(node, 0, XR_F32, XR_SHAPE(1));
  return XR_OK;
}

static xr_weighted_sum sum_arguments(const xr_node *node, const xr_run *run) {
  const weights_attributes *a = xr_attributes(node);
  xr_weighted_sum k = {.terms = xr_input_count(node), .total = run->out[0], .dtotal = run->dout[0]};
  for (int i = 0; i < k.terms; i++) {
    k.weight[i] = a->weight[i];
    k.loss[i] = run->in[i];
    k.dloss[i] = run->din[i];
    k.accumulate_dloss[i] = xr_bit(run->accumulate, i);
  }
  return k;
}

static xr_status sum_forward(const xr_node *node, const xr_run *run) {
  xr_weighted_sum k = sum_arguments(node, run);
  return XR_ON(run, xr_weighted_sum_forward, &k);
}

static xr_status sum_backward(const xr_node *node, const xr_run *run) {
  xr_weighted_sum k = sum_arguments(node, run);
  return XR_ON(run, xr_weighted_sum_backward, &k);
}

static const xr_op sum_op = {.name = "weighted_sum", .infer = sum_infer, .forward = sum_forward, .backward = sum_backward};

xr_var xr_weighted_loss(xr_graph *g, const char *label, int count, const xr_var *losses, const float *weights) {
  weights_attributes a = {{0}};
  if (count < 1 || count > XR_MAX_IN)
    return xr_graph_fail(g, XR_BAD_ARGUMENT, "%s: %d losses, 1 to %d can be added", label, count, XR_MAX_IN);
  memcpy(a.weight, weights, (size_t)count * sizeof *weights);
  return xr_apply_one(g, &sum_op, label, &a, sizeof a, count, losses);
}
