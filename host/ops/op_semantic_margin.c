/* semantic_margin, a loss whose gradient is made in forward, and feature_memory, which remembers features for its margins */
#include "host/ops/ops_internal.h"
#include "kernels/loss/centre/feature_memory.h"

/* ---- semantic_margin: in similarities f32 [B, B], identity i32 [B] (, cosines f32 [B, B]) (, image i32 [B]) (, length i32 [B]); out loss,
 * gradient [B, B] */
typedef struct {
  xr_margin_options options;
  int semantic, image, length; /* where among the inputs; 0: left out */
} margin_attributes;

static xr_semantic_margin margin_arguments(const xr_node *node, const xr_run *run) {
  const margin_attributes *at = xr_attributes(node);
  xr_semantic_margin k = {.batch = xr_input_shape(node, 0).dim[0], .options = at->options};
  if (!run) return k;
  k.similarity = run->in[0];
  k.identity = run->in[1];
  k.semantic = at->semantic ? run->in[at->semantic] : NULL;
  k.image = at->image ? run->in[at->image] : NULL;
  k.length = at->length ? run->in[at->length] : NULL;
  k.loss = run->out[0];
  k.gradient = run->out[1];
  k.workspace = run->workspace;
  k.dloss = run->dout[0];
  k.dsimilarity = run->din[0];
  k.accumulate_dsimilarity = xr_bit(run->accumulate, 0);
  return k;
}

static xr_status margin_infer(xr_node *node) {
  const margin_attributes *at = xr_attributes(node);
  XR_TRY(xr_expect_rank(node, 0, 2, "the similarities"));
  const int64_t batch = xr_input_shape(node, 0).dim[0];
  XR_TRY(xr_expect_input(node, 0, XR_F32, XR_SHAPE(batch, batch), "the similarities"));
  XR_TRY(xr_expect_input(node, 1, XR_I32, XR_SHAPE(batch), "the identities"));
  if (at->semantic) XR_TRY(xr_expect_input(node, at->semantic, XR_F32, XR_SHAPE(batch, batch), "the semantic cosines"));
  if (at->image) XR_TRY(xr_expect_input(node, at->image, XR_I32, XR_SHAPE(batch), "the image ids"));
  if (at->length) XR_TRY(xr_expect_input(node, at->length, XR_I32, XR_SHAPE(batch), "the captions' lengths"));
  xr_semantic_margin k = margin_arguments(node, NULL);
  static const float any_cosine;
  static const int32_t any_length;
  k.semantic = at->semantic ? &any_cosine : NULL; /* runs have them */
  k.length = at->length ? &any_length : NULL;
  XR_TRY(xr_semantic_margin_check(&k));
  xr_set_output(node, 0, XR_F32, XR_SHAPE(1));
  xr_set_output(node, 1, XR_F32, xr_input_shape(node, 0));
  return XR_OK;
}

static size_t margin_workspace(const xr_node *node, xr_run_kind kind) {
  const xr_semantic_margin k = margin_arguments(node, NULL);
  return kind.backward ? 0 : xr_semantic_margin_workspace(&k);
}

static xr_status margin_forward(const xr_node *node, const xr_run *run) {
  const xr_semantic_margin k = margin_arguments(node, run);
  return XR_ON(run, xr_semantic_margin_forward, &k);
}

static xr_status margin_backward(const xr_node *node, const xr_run *run) {
  const xr_semantic_margin k = margin_arguments(node, run);
  return XR_ON(run, xr_semantic_margin_backward, &k);
}

static const xr_op margin_op = {.name = "semantic_margin",
                                .infer = margin_infer,
                                .keep_out = 1u << 1,
                                .no_gradient_out = 1u << 1,
                                .workspace = margin_workspace,
                                .forward = margin_forward,
                                .backward = margin_backward};

xr_var xr_semantic_margin_loss(xr_graph *g, const char *label, xr_var similarity, xr_var semantic, xr_var identity, xr_var image,
                               xr_var length, xr_margin_options options) {
  margin_attributes at = {.options = options};
  xr_var in[5] = {similarity, identity}, out[2];
  int inputs = 2;
  if (semantic.id && xr_margin_reads_semantic(options.kind)) {
    at.semantic = inputs;
    in[inputs++] = xr_detach(g, "margins", semantic);
  }
  if (image.id && options.kind != XR_MARGIN_ASMR) {
    at.image = inputs;
    in[inputs++] = image;
  }
  if (length.id && options.kind == XR_MARGIN_QUALITY) {
    at.length = inputs;
    in[inputs++] = length;
  }
  xr_apply(g, &margin_op, label, &at, sizeof at, inputs, in, 2, out);
  return out[0];
}

/* ---- feature_memory: in x f32 [B, D], identity i32 [B], bank [C, D], seen [C] (state, which forward changes); out y [B, D] */
static xr_feature_memory memory_arguments(const xr_node *node, const xr_run *run) {
  const xr_shape x = xr_input_shape(node, 0);
  xr_feature_memory k = {
      .batch = x.dim[0], .width = x.dim[1], .classes = xr_input_shape(node, 3).dim[0], .momentum = *(const float *)xr_attributes(node)};
  if (!run) return k;
  k.x = run->in[0];
  k.identity = run->in[1];
  k.bank = (float *)(uintptr_t)run->in[2];
  k.seen = (float *)(uintptr_t)run->in[3];
  k.y = run->out[0];
  k.workspace = run->workspace;
  return k;
}

static xr_status memory_infer(xr_node *node) {
  XR_TRY(xr_expect_rank(node, 0, 2, "the features"));
  const xr_shape x = xr_input_shape(node, 0);
  XR_TRY(xr_expect_input(node, 0, XR_F32, x, "the features"));
  XR_TRY(xr_expect_input(node, 1, XR_I32, XR_SHAPE(x.dim[0]), "the identities"));
  const xr_feature_memory k = memory_arguments(node, NULL);
  XR_TRY(xr_feature_memory_check(&k));
  xr_set_output(node, 0, XR_F32, x);
  return XR_OK;
}

static size_t memory_workspace(const xr_node *node, xr_run_kind kind) {
  const xr_feature_memory k = memory_arguments(node, NULL);
  return kind.backward ? 0 : xr_feature_memory_workspace(&k);
}

static xr_status memory_forward(const xr_node *node, const xr_run *run) {
  const xr_feature_memory k = memory_arguments(node, run);
  return XR_ON(run, xr_feature_memory_forward, &k);
}

static const xr_op memory_op = {
    .name = "feature_memory", .infer = memory_infer, .no_gradient_out = 1u, .workspace = memory_workspace, .forward = memory_forward};

xr_var xr_feature_memory_of(xr_graph *g, const char *label, xr_var x, xr_var identity, int64_t classes, float momentum) {
  const xr_init zero = {XR_INIT_ZERO, 0};
  if (classes < 1) return xr_graph_fail(g, XR_BAD_ARGUMENT, "%s: a memory of %lld identities", label, (long long)classes);
  xr_scope_begin(g, "%s", label);
  xr_var bank = xr_state(g, "features", XR_SHAPE(classes, xr_last_dim(xr_shape_of(g, x))), zero);
  xr_var seen = xr_state(g, "seen", XR_SHAPE(classes), zero);
  xr_scope_end(g);
  return xr_apply_one(g, &memory_op, label, &momentum, sizeof momentum, 4, (xr_var[]){x, identity, bank, seen});
}
