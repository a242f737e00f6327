/* match_pairs, gather_samples: the pairs of image-text matching, and the samples that they are made of */
#include "host/ops/ops_internal.h"
#include "kernels/copy/gather_samples.h"

/* ---- match_pairs: in cosines f32 [B, B], identity i32 [B]; out image, text, label, each i32 [3 B] */
static xr_match_pairs pairs_arguments(const xr_node *node, const xr_run *run) {
  const xr_match_options *o = xr_attributes(node);
  xr_match_pairs k = {.batch = xr_input_shape(node, 0).dim[0], .negative = o->negative, .tau = o->tau, .node = xr_node_key(node)};
  if (!run) return k;
  k.similarity = run->in[0];
  k.identity = run->in[1];
  k.seed = run->seed;
  k.image = run->out[0];
  k.text = run->out[1];
  k.label = run->out[2];
  return k;
}

static xr_status pairs_infer(xr_node *node) {
  XR_TRY(xr_expect_rank(node, 0, 2, "the cosines"));
  const int64_t batch = xr_input_shape(node, 0).dim[0];
  XR_TRY(xr_expect_input(node, 0, XR_F32, XR_SHAPE(batch, batch), "the cosines"));
  XR_TRY(xr_expect_input(node, 1, XR_I32, XR_SHAPE(batch), "the identities"));
  const xr_match_pairs k = pairs_arguments(node, NULL);
  XR_TRY(xr_match_pairs_check(&k));
  for (int i = 0; i < 3; i++) xr_set_output(node, i, XR_I32, XR_SHAPE(3 * batch));
  return XR_OK;
}

static xr_status pairs_forward(const xr_node *node, const xr_run *run) {
  const xr_match_pairs k = pairs_arguments(node, run);
  return XR_ON(run, xr_match_pairs_forward, &k);
}

static const xr_op pairs_op = {.name = "match_pairs", .infer = pairs_infer, .no_gradient_out = 7u, .forward = pairs_forward};

xr_pairs xr_match_pairs_of(xr_graph *g, const char *label, xr_var cosine, xr_var identity, xr_match_options options) {
  xr_var out[3];
  xr_apply(g, &pairs_op, label, &options, sizeof options, 2, (xr_var[]){cosine, identity}, 3, out);
  return (xr_pairs){.image = out[0], .text = out[1], .label = out[2]};
}

/* ---- gather_samples: in x [B, ..], index i32 [P] */
static xr_status gather_infer(xr_node *node) {
  xr_shape shape = xr_input_shape(node, 0);
  if (shape.rank < 1 || xr_input_shape(node, 1).rank != 1)
    return xr_fail(XR_BAD_SHAPE, "samples of %s at %s, [B, ..] and [P] are expected", xr_shape_to_text(shape).text,
                   xr_shape_to_text(xr_input_shape(node, 1)).text);
  XR_TRY(xr_expect_input(node, 1, XR_I32, XR_SHAPE(xr_input_shape(node, 1).dim[0]), "the index"));
  shape.dim[0] = xr_input_shape(node, 1).dim[0];
  xr_set_output(node, 0, xr_input_dtype(node, 0), shape);
  return XR_OK;
}

static xr_gather_samples gather_arguments(const xr_node *node, const xr_run *run) {
  const xr_shape x = xr_input_shape(node, 0), y = xr_output_shape(node, 0);
  return (xr_gather_samples){.samples = x.dim[0],
                             .places = y.dim[0],
                             .width = x.dim[0] ? xr_elements(x) / x.dim[0] : 0,
                             .dtype = xr_input_dtype(node, 0),
                             .index = run->in[1],
                             .x = run->in[0],
                             .y = run->out[0],
                             .dy = run->dout[0],
                             .dx = run->din[0],
                             .accumulate_dx = xr_bit(run->accumulate, 0)};
}

static xr_status gather_forward(const xr_node *node, const xr_run *run) {
  const xr_gather_samples k = gather_arguments(node, run);
  return XR_ON(run, xr_gather_samples_forward, &k);
}

static xr_status gather_backward(const xr_node *node, const xr_run *run) {
  const xr_gather_samples k = gather_arguments(node, run);
  return XR_ON(run, xr_gather_samples_backward, &k);
}

static const xr_op gather_op = {
    .name = "gather_samples", .infer = gather_infer, .keep_in = 1u << 1, .forward = gather_forward, .backward = gather_backward};

xr_var xr_gather_samples_of(xr_graph *g, const char *label, xr_var x, xr_var index) {
  return xr_apply_one(g, &gather_op, label, NULL, 0, 2, (xr_var[]){x, index});
}
