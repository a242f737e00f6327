/* centre_alignment, centre_memory, semi_positive_triplet: losses on who is who in a batch, whose gradient is made in forward */
#include "host/ops/ops_internal.h"
#include "kernels/loss/centre/centre_memory.h"

/* ---- centre_alignment: in 2 or 3 x f32 [B, D], identity i32 [B]; out loss, samples an identity, their numbers [B], gradient [A, B, D] */
static xr_centre_alignment centre_arguments(const xr_node *node, const xr_run *run) {
  const int sets = xr_input_count(node) - 1;
  const xr_shape x = xr_input_shape(node, 0);
  xr_centre_alignment k = {.batch = x.dim[0], .width = x.dim[1], .sets = sets, .options = *(const xr_centre_options *)xr_attributes(node)};
  if (!run) return k;
  for (int set = 0; set < sets; set++) {
    k.x[set] = run->in[set];
    k.dx[set] = run->din[set];
    k.accumulate_dx[set] = xr_bit(run->accumulate, set);
  }
  k.identity = run->in[sets];
  k.loss = run->out[0];
  k.mean_count = run->out[1];
  k.segment = run->out[2];
  k.gradient = run->out[3];
  k.workspace = run->workspace;
  k.dloss = run->dout[0];
  return k;
}

static xr_status centre_infer(xr_node *node) {
  const int sets = xr_input_count(node) - 1;
  const xr_shape x = xr_input_shape(node, 0);
  XR_TRY(xr_expect_rank(node, 0, 2, "the first set"));
  for (int set = 0; set < sets; set++) XR_TRY(xr_expect_input(node, set, XR_F32, x, "a set of features"));
  XR_TRY(xr_expect_input(node, sets, XR_I32, XR_SHAPE(x.dim[0]), "the identities"));
  const xr_centre_alignment k = centre_arguments(node, NULL);
  XR_TRY(xr_centre_alignment_check(&k));
  xr_set_output(node, 0, XR_F32, XR_SHAPE(1));
  xr_set_output(node, 1, XR_F32, XR_SHAPE(1));
  xr_set_output(node, 2, XR_I32, XR_SHAPE(x.dim[0]));
  xr_set_output(node, 3, XR_F32, XR_SHAPE(sets, x.dim[0], x.dim[1]));
  return XR_OK;
}

static size_t centre_workspace(const xr_node *node, xr_run_kind kind) {
  const xr_centre_alignment k = centre_arguments(node, NULL);
  return kind.backward ? 0 : xr_centre_alignment_workspace(&k);
}

static xr_status centre_forward(const xr_node *node, const xr_run *run) {
  const xr_centre_alignment k = centre_arguments(node, run);
  return XR_ON(run, xr_centre_alignment_forward, &k);
}

static xr_status centre_backward(const xr_node *node, const xr_run *run) {
  const xr_centre_alignment k = centre_arguments(node, run);
  return XR_ON(run, xr_centre_alignment_backward, &k);
}

static const xr_op centre_op = {.name = "centre_alignment",
                                .infer = centre_infer,
                                .keep_out = 1u << 2 | 1u << 3,
                                .no_gradient_out = 1u << 1 | 1u << 2 | 1u << 3,
                                .workspace = centre_workspace,
                                .forward = centre_forward,
                                .backward = centre_backward};

xr_var xr_centre_alignment_loss(xr_graph *g, const char *label, int sets, const xr_var *x, xr_var identity, xr_centre_options options,
                                xr_var *mean_count) {
  xr_var in[XR_CENTRE_SETS + 1], out[4];
  if (sets < 2 || sets > XR_CENTRE_SETS) return xr_graph_fail(g, XR_BAD_ARGUMENT, "%s: %d sets of features, 2 or 3 are legal", label, sets);
  memcpy(in, x, (size_t)sets * sizeof *x);
  in[sets] = identity;
  xr_apply(g, &centre_op, label, &options, sizeof options, sets + 1, in, 4, out);
  if (mean_count) *mean_count = out[1];
  return out[0];
}

/* ---- centre_memory: in 2 or 3 x f32 [B, D], identity i32 [B], as many banks f32 [C, D], seen f32 [C]; out loss. Banks and seen are
 * state, which forward changes. */
static int memory_sets(const xr_node *node) { return (xr_input_count(node) - 2) / 2; }

static xr_centre_memory memory_arguments(const xr_node *node, const xr_run *run) {
  const xr_centre_memory_options *o = xr_attributes(node);
  const int sets = memory_sets(node);
  const xr_shape x = xr_input_shape(node, 0);
  xr_centre_memory k = {.batch = x.dim[0],
                        .width = x.dim[1],
                        .classes = o->classes,
                        .sets = sets,
                        .momentum = o->momentum,
                        .stop_gradient_combined = o->stop_gradient_combined};
  if (!run) return k;
  for (int set = 0; set < sets; set++) {
    k.x[set] = run->in[set];
    k.bank[set] = (float *)(uintptr_t)run->in[sets + 1 + set];
    k.dx[set] = run->din[set];
    k.accumulate_dx[set] = xr_bit(run->accumulate, set);
  }
  k.identity = run->in[sets];
  k.seen = (float *)(uintptr_t)run->in[2 * sets + 1];
  k.loss = run->out[0];
  k.workspace = run->workspace;
  k.dloss = run->dout[0];
  return k;
}

static xr_status memory_infer(xr_node *node) {
  const int sets = memory_sets(node);
  const xr_shape x = xr_input_shape(node, 0);
  XR_TRY(xr_expect_rank(node, 0, 2, "the first set"));
  for (int set = 0; set < sets; set++) XR_TRY(xr_expect_input(node, set, XR_F32, x, "a set of features"));
  XR_TRY(xr_expect_input(node, sets, XR_I32, XR_SHAPE(x.dim[0]), "the identities"));
  const xr_centre_memory k = memory_arguments(node, NULL);
  XR_TRY(xr_centre_memory_check(&k));
  xr_set_output(node, 0, XR_F32, XR_SHAPE(1));
  xr_set_keep(node, (1u << (2 * sets + 1)) - 1, 0);
  return XR_OK;
}

static size_t memory_workspace(const xr_node *node, xr_run_kind kind) {
  const xr_centre_memory k = memory_arguments(node, NULL);
  return kind.backward ? 0 : xr_centre_memory_workspace(&k);
}

static xr_status memory_forward(const xr_node *node, const xr_run *run) {
  const xr_centre_memory k = memory_arguments(node, run);
  return XR_ON(run, xr_centre_memory_forward, &k);
}

static xr_status memory_backward(const xr_node *node, const xr_run *run) {
  const xr_centre_memory k = memory_arguments(node, run);
  return XR_ON(run, xr_centre_memory_backward, &k);
}

static const xr_op memory_op = {
    .name = "centre_memory", .infer = memory_infer, .workspace = memory_workspace, .forward = memory_forward, .backward = memory_backward};

xr_var xr_centre_memory_loss(xr_graph *g, const char *label, int sets, const xr_var *x, xr_var identity, xr_centre_memory_options options) {
  static const char *const bank[XR_CENTRE_SETS] = {"image_centres", "text_centres", "combined_centres"};
  const xr_init zero = {XR_INIT_ZERO, 0};
  xr_var in[2 * XR_CENTRE_SETS + 2];
  if (sets < 2 || sets > XR_CENTRE_SETS || options.classes < 1)
    return xr_graph_fail(g, XR_BAD_ARGUMENT, "%s: %d sets of features (2 or 3 are legal), %lld identities", label, sets,
                         (long long)options.classes);
  const int64_t width = xr_last_dim(xr_shape_of(g, x[0]));
  memcpy(in, x, (size_t)sets * sizeof *x);
  in[sets] = identity;
  xr_scope_begin(g, "%s", label);
  for (int set = 0; set < sets; set++) in[sets + 1 + set] = xr_state(g, bank[set], XR_SHAPE(options.classes, width), zero);
  in[2 * sets + 1] = xr_state(g, "seen", XR_SHAPE(options.classes), zero);
  xr_scope_end(g);
  return xr_apply_one(g, &memory_op, label, &options, sizeof options, 2 * sets + 2, in);
}

/* ---- semi_positive_triplet: in cosines f32 [B, B], identity i32 [B], image i32 [B]; out loss, gradient [B, B] */
static xr_semi_positive_triplet triplet_arguments(const xr_node *node, const xr_run *run) {
  xr_semi_positive_triplet k = {
      .batch = xr_input_shape(node, 0).dim[0], .options = *(const xr_triplet_options *)xr_attributes(node), .node = xr_node_key(node)};
  if (!run) return k;
  k.similarity = run->in[0];
  k.identity = run->in[1];
  k.image = run->in[2];
  k.seed = run->seed;
  k.loss = run->out[0];
  k.gradient = run->out[1];
  k.workspace = run->workspace;
  k.dloss = run->dout[0];
  k.dsimilarity = run->din[0];
  k.accumulate_dsimilarity = xr_bit(run->accumulate, 0);
  return k;
}

static xr_status triplet_infer(xr_node *node) {
  XR_TRY(xr_expect_rank(node, 0, 2, "the cosines"));
  const int64_t batch = xr_input_shape(node, 0).dim[0];
  XR_TRY(xr_expect_input(node, 0, XR_F32, XR_SHAPE(batch, batch), "the cosines"));
  XR_TRY(xr_expect_input(node, 1, XR_I32, XR_SHAPE(batch), "the identities"));
  XR_TRY(xr_expect_input(node, 2, XR_I32, XR_SHAPE(batch), "the image ids"));
  static const xr_seed any;
  xr_semi_positive_triplet k = triplet_arguments(node, NULL);
  k.seed = &any; /* runs have one */
  XR_TRY(xr_semi_positive_triplet_check(&k));
  xr_set_output(node, 0, XR_F32, XR_SHAPE(1));
  xr_set_output(node, 1, XR_F32, xr_input_shape(node, 0));
  return XR_OK;
}

static size_t triplet_workspace(const xr_node *node, xr_run_kind kind) {
  const xr_semi_positive_triplet k = triplet_arguments(node, NULL);
  return kind.backward ? 0 : xr_semi_positive_triplet_workspace(&k);
}

static xr_status triplet_forward(const xr_node *node, const xr_run *run) {
  const xr_semi_positive_triplet k = triplet_arguments(node, run);
  return XR_ON(run, xr_semi_positive_triplet_forward, &k);
}

static xr_status triplet_backward(const xr_node *node, const xr_run *run) {
  const xr_semi_positive_triplet k = triplet_arguments(node, run);
  return XR_ON(run, xr_semi_positive_triplet_backward, &k);
}

static const xr_op triplet_op = {.name = "semi_positive_triplet",
                                 .infer = triplet_infer,
                                 .keep_out = 1u << 1,
                                 .no_gradient_out = 1u << 1,
                                 .workspace = triplet_workspace,
                                 .forward = triplet_forward,
                                 .backward = triplet_backward};

xr_var xr_semi_positive_triplet_loss(xr_graph *g, const char *label, xr_var cosine, xr_var identity, xr_var image,
                                     xr_triplet_options options) {
  xr_var out[2];
  xr_apply(g, &triplet_op, label, &options, sizeof options, 3, (xr_var[]){cosine, identity, image}, 2, out);
  return out[0];
}
