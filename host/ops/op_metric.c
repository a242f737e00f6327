/* weighted_regularized_triplet and centre_mining, losses on features whose gradient is made in forward; modality_memory, one that keeps
 * centres as state */
#include "host/ops/ops_internal.h"
#include "kernels/loss/centre/modality_memory.h"

/* The inputs that all three begin with: features f32 [B, D], identity i32 [B]. */
static xr_status expect_features(xr_node *node) {
  XR_TRY(xr_expect_rank(node, 0, 2, "the features"));
  const xr_shape x = xr_input_shape(node, 0);
  XR_TRY(xr_expect_input(node, 0, XR_F32, x, "the features"));
  return xr_expect_input(node, 1, XR_I32, XR_SHAPE(x.dim[0]), "the identities");
}

/* ---- weighted_regularized_triplet: in features, identity; out loss, gradient [B, D] */
static xr_weighted_regularized_triplet wrt_arguments(const xr_node *node, const xr_run *run) {
  const xr_shape x = xr_input_shape(node, 0);
  xr_weighted_regularized_triplet k = {.batch = x.dim[0], .width = x.dim[1], .options = *(const xr_wrt_options *)xr_attributes(node)};
  if (!run) return k;
  k.x = run->in[0];
  k.identity = run->in[1];
  k.loss = run->out[0];
  k.gradient = run->out[1];
  k.workspace = run->workspace;
  k.dloss = run->dout[0];
  k.dx = run->din[0];
  k.accumulate_dx = xr_bit(run->accumulate, 0);
  return k;
}

static xr_status wrt_infer(xr_node *node) {
  XR_TRY(expect_features(node));
  const xr_weighted_regularized_triplet k = wrt_arguments(node, NULL);
  XR_TRY(xr_weighted_regularized_triplet_check(&k));
  xr_set_output(node, 0, XR_F32, XR_SHAPE(1));
  xr_set_output(node, 1, XR_F32, xr_input_shape(node, 0));
  return XR_OK;
}

static size_t wrt_workspace(const xr_node *node, xr_run_kind kind) {
  const xr_weighted_regularized_triplet k = wrt_arguments(node, NULL);
  return kind.backward ? 0 : xr_weighted_regularized_triplet_workspace(&k);
}

static xr_status wrt_forward(const xr_node *node, const xr_run *run) {
  const xr_weighted_regularized_triplet k = wrt_arguments(node, run);
  return XR_ON(run, xr_weighted_regularized_triplet_forward, &k);
}

static xr_status wrt_backward(const xr_node *node, const xr_run *run) {
  const xr_weighted_regularized_triplet k = wrt_arguments(node, run);
  return XR_ON(run, xr_weighted_regularized_triplet_backward, &k);
}

static const xr_op wrt_op = {.name = "weighted_regularized_triplet",
                             .infer = wrt_infer,
                             .keep_out = 1u << 1,
                             .no_gradient_out = 1u << 1,
                             .workspace = wrt_workspace,
                             .forward = wrt_forward,
                             .backward = wrt_backward};

xr_var xr_weighted_regularized_triplet_loss(xr_graph *g, const char *label, xr_var x, xr_var identity, xr_wrt_options options) {
  xr_var out[2];
  xr_apply(g, &wrt_op, label, &options, sizeof options, 2, (xr_var[]){x, identity}, 2, out);
  return out[0];
}

/* ---- centre_mining: in features, identity; out loss, gradient [B, D] */
typedef struct {
  xr_mining_options options;
  int64_t visible;
} mining_attributes;

static xr_centre_mining mining_arguments(const xr_node *node, const xr_run *run) {
  const mining_attributes *at = xr_attributes(node);
  const xr_shape x = xr_input_shape(node, 0);
  xr_centre_mining k = {.batch = x.dim[0], .visible = at->visible, .width = x.dim[1], .options = at->options};
  if (!run) return k;
  k.x = run->in[0];
  k.identity = run->in[1];
  k.loss = run->out[0];
  k.gradient = run->out[1];
  k.workspace = run->workspace;
  k.dloss = run->dout[0];
  k.dx = run->din[0];
  k.accumulate_dx = xr_bit(run->accumulate, 0);
  return k;
}

static xr_status mining_infer(xr_node *node) {
  XR_TRY(expect_features(node));
  const xr_centre_mining k = mining_arguments(node, NULL);
  XR_TRY(xr_centre_mining_check(&k));
  xr_set_output(node, 0, XR_F32, XR_SHAPE(1));
  xr_set_output(node, 1, XR_F32, xr_input_shape(node, 0));
  return XR_OK;
}

static size_t mining_workspace(const xr_node *node, xr_run_kind kind) {
  const xr_centre_mining k = mining_arguments(node, NULL);
  return kind.backward ? 0 : xr_centre_mining_workspace(&k);
}

static xr_status mining_forward(const xr_node *node, const xr_run *run) {
  const xr_centre_mining k = mining_arguments(node, run);
  return XR_ON(run, xr_centre_mining_forward, &k);
}

static xr_status mining_backward(const xr_node *node, const xr_run *run) {
  const xr_centre_mining k = mining_arguments(node, run);
  return XR_ON(run, xr_centre_mining_backward, &k);
}

static const xr_op mining_op = {.name = "centre_mining",
                                .infer = mining_infer,
                                .keep_out = 1u << 1,
                                .no_gradient_out = 1u << 1,
                                .workspace = mining_workspace,
                                .forward = mining_forward,
                                .backward = mining_backward};

xr_var xr_centre_mining_loss(xr_graph *g, const char *label, xr_var x, xr_var identity, int64_t visible, xr_mining_options options) {
  const mining_attributes at = {.options = options, .visible = visible};
  xr_var out[2];
  xr_apply(g, &mining_op, label, &at, sizeof at, 2, (xr_var[]){x, identity}, 2, out);
  return out[0];
}

/* ---- modality_memory: in features, identity, banks [C, D] twice, seen [2, C] (state, which forward changes); out loss, scale */
typedef struct {
  int64_t visible;
  float momentum;
} memory_attributes;

static xr_modality_memory memory_arguments(const xr_node *node, const xr_run *run) {
  const memory_attributes *at = xr_attributes(node);
  const xr_shape x = xr_input_shape(node, 0);
  xr_modality_memory k = {
      .batch = x.dim[0], .visible = at->visible, .width = x.dim[1], .classes = xr_input_shape(node, 2).dim[0], .momentum = at->momentum};
  if (!run) return k;
  k.x = run->in[0];
  k.identity = run->in[1];
  for (int side = 0; side < 2; side++) k.bank[side] = (float *)(uintptr_t)run->in[2 + side];
  k.seen = (float *)(uintptr_t)run->in[4];
  k.loss = run->out[0];
  k.scale = run->out[1];
  k.workspace = run->workspace;
  k.dloss = run->dout[0];
  k.dx = run->din[0];
  k.accumulate_dx = xr_bit(run->accumulate, 0);
  return k;
}

static xr_status memory_infer(xr_node *node) {
  XR_TRY(expect_features(node));
  const xr_modality_memory k = memory_arguments(node, NULL);
  XR_TRY(xr_modality_memory_check(&k));
  xr_set_output(node, 0, XR_F32, XR_SHAPE(1));
  xr_set_output(node, 1, XR_F32, XR_SHAPE(1));
  return XR_OK;
}

static size_t memory_workspace(const xr_node *node, xr_run_kind kind) {
  const xr_modality_memory k = memory_arguments(node, NULL);
  return kind.backward ? 0 : xr_modality_memory_workspace(&k);
}

static xr_status memory_forward(const xr_node *node, const xr_run *run) {
  const xr_modality_memory k = memory_arguments(node, run);
  return XR_ON(run, xr_modality_memory_forward, &k);
}

static xr_status memory_backward(const xr_node *node, const xr_run *run) {
  const xr_modality_memory k = memory_arguments(node, run);
  return XR_ON(run, xr_modality_memory_backward, &k);
}

static const xr_op memory_op = {.name = "modality_memory",
                                .infer = memory_infer,
                                .keep_in = (1u << 5) - 1,
                                .keep_out = 1u << 1,
                                .no_gradient_out = 1u << 1,
                                .workspace = memory_workspace,
                                .forward = memory_forward,
                                .backward = memory_backward};

xr_var xr_modality_memory_loss(xr_graph *g, const char *label, xr_var x, xr_var identity, int64_t visible, int64_t classes,
                               float momentum) {
  const xr_init zero = {XR_INIT_ZERO, 0};
  if (classes < 1) return xr_graph_fail(g, XR_BAD_ARGUMENT, "%s: a memory of %lld identities", label, (long long)classes);
  const memory_attributes at = {.visible = visible, .momentum = momentum};
  const int64_t width = xr_last_dim(xr_shape_of(g, x));
  xr_var out[2];
  xr_scope_begin(g, "%s", label);
  xr_var banks[2] = {xr_state(g, "visible_centres", XR_SHAPE(classes, width), zero),
                     xr_state(g, "infrared_centres", XR_SHAPE(classes, width), zero)};
  xr_var seen = xr_state(g, "seen", XR_SHAPE(2, classes), zero);
  xr_scope_end(g);
  xr_apply(g, &memory_op, label, &at, sizeof at, 5, (xr_var[]){x, identity, banks[0], banks[1], seen}, 2, out);
  return out[0];
}
