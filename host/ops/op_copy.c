/* reshape, detach, slice, repeat, concat, transpose */
#include "host/ops/ops_internal.h"
#include "kernels/copy/concat.h"
#include "kernels/copy/repeat.h"
#include "kernels/copy/slice.h"
#include "kernels/copy/transpose.h"
#include "kernels/elementwise/scale.h"

/* A shape seen as [outer, axis, inner]. */
static int64_t outer_of(xr_shape shape, int axis) {
  int64_t n = 1;
  for (int i = 0; i < axis; i++) n *= shape.dim[i];
  return n;
}

static int64_t inner_of(xr_shape shape, int axis) {
  int64_t n = 1;
  for (int i = axis + 1; i < shape.rank; i++) n *= shape.dim[i];
  return n;
}

static xr_status expect_axis(xr_shape shape, int axis) {
  return axis >= 0 && axis < shape.rank ? XR_OK : xr_fail(XR_BAD_SHAPE, "there is no axis %d in %s", axis, xr_shape_to_text(shape).text);
}

/* ---- reshape: the same memory */
typedef struct {
  xr_shape shape;
} reshape_attributes;

static xr_status reshape_infer(xr_node *node) {
  const reshape_attributes *a = xr_attributes(node);
  xr_shape from = xr_input_shape(node, 0);
  if (xr_elements(from) != xr_elements(a->shape))
    return xr_fail(XR_BAD_SHAPE, "%s cannot be seen as %s", xr_shape_to_text(from).text, xr_shape_to_text(a->shape).text);
  xr_set_output(node, 0, xr_input_dtype(node, 0), a->shape);
  return XR_OK;
}

/* Views share the memory of what they show, but not that of a parameter: the plan has no place for parameters. */
static xr_status view_forward(const xr_node *node, const xr_run *run) {
  if (run->in[0] == run->out[0]) return XR_OK;
  const int64_t count = xr_elements(xr_output_shape(node, 0));
  const xr_scale k = {.count = count, .dtype = xr_output_dtype(node, 0), .alpha = 1, .x = run->in[0], .y = run->out[0]};
  return XR_ON(run, xr_scale_forward, &k);
}

static xr_status reshape_backward(const xr_node *node, const xr_run *run) {
  return xr_pass_on(run, 0, run->dout[0], xr_input_dtype(node, 0), xr_elements(xr_input_shape(node, 0)));
}

static const xr_op reshape_op = {
    .name = "reshape", .infer = reshape_infer, .pass_gradient = 1u, .is_view = true, .forward = view_forward, .backward = reshape_backward};

xr_var xr_reshape(xr_graph *g, const char *label, xr_var x, xr_shape shape) {
  return xr_apply_one(g, &reshape_op, label, &(reshape_attributes){shape}, sizeof(reshape_attributes), 1, &x);
}

/* ---- detach: the same memory, and no gradient goes back */
static const xr_op detach_op = {
    .name = "detach", .infer = xr_infer_like_input, .is_view = true, .no_gradient_out = 1u, .forward = view_forward};

xr_var xr_detach(xr_graph *g, const char *label, xr_var x) { return xr_apply_one(g, &detach_op, label, NULL, 0, 1, &x); }

/* ---- slice */
typedef struct {
  int axis;
  int64_t start, length;
} slice_attributes;

static xr_status slice_infer(xr_node *node) {
  const slice_attributes *a = xr_attributes(node);
  xr_shape shape = xr_input_shape(node, 0);
  XR_TRY(xr_expect_float(node, 0));
  XR_TRY(expect_axis(shape, a->axis));
  if (a->start < 0 || a->length < 1 || a->start + a->length > shape.dim[a->axis])
    return xr_fail(XR_BAD_SHAPE, "%lld elements from %lld on do not lie in axis %d of %s", (long long)a->length, (long long)a->start,
                   a->axis, xr_shape_to_text(shape).text);
  shape.dim[a->axis] = a->length;
  xr_set_output(node, 0, xr_input_dtype(node, 0), shape);
  return XR_OK;
}

static xr_slice slice_arguments(const xr_node *node, const xr_run *run) {
  const slice_attributes *a = xr_attributes(node);
  xr_shape shape = xr_input_shape(node, 0);
  return (xr_slice){.outer = outer_of(shape, a->axis),
                    .axis = shape.dim[a->axis],
                    .inner = inner_of(shape, a->axis),
                    .start = a->start,
                    .length = a->length,
                    .dtype = xr_input_dtype(node, 0),
                    .x = run->in[0],
                    .y = run->out[0],
                    .dy = run->dout[0],
                    .dx = run->din[0],
                    .accumulate_dx = xr_bit(run->accumulate, 0)};
}

static xr_status slice_forward(const xr_node *node, const xr_run *run) {
  xr_slice k = slice_arguments(node, run);
  return XR_ON(run, xr_slice_forward, &k);
}

static xr_status slice_backward(const xr_node *node, const xr_run *run) {
  xr_slice k = slice_arguments(node, run);
  return XR_ON(run, xr_slice_backward, &k);
}

static const xr_op slice_op = {
    .name = "slice", .infer = slice_infer, .reads_part = 1u, .forward = slice_forward, .backward = slice_backward};

xr_var xr_slice_of(xr_graph *g, const char *label, xr_var x, int axis, int64_t start, int64_t length) {
  return xr_apply_one(g, &slice_op, label, &(slice_attributes){axis, start, length}, sizeof(slice_attributes), 1, &x);
}

xr_var xr_token_at(xr_graph *g, const char *label, xr_var x, int64_t index) {
  xr_shape shape = xr_shape_of(g, x);
  if (x.id && shape.rank != 3)
    return xr_graph_fail(g, XR_BAD_SHAPE, "%s: tokens are [B, N, D], this is %s", label, xr_shape_to_text(shape).text);
  xr_var token = xr_slice_of(g, label, x, 1, index, 1);
  return xr_reshape(g, label, token, XR_SHAPE(shape.dim[0], shape.dim[2]));
}

/* ---- repeat */
typedef struct {
  int axis;
  int64_t count;
} repeat_attributes;

static xr_repeat repeat_arguments(const xr_node *node, const xr_run *run) {
  const repeat_attributes *a = xr_attributes(node);
  const xr_shape x = xr_input_shape(node, 0);
  xr_repeat k = {.outer = outer_of(x, a->axis), .count = a->count, .inner = inner_of(x, a->axis - 1), .dtype = xr_input_dtype(node, 0)};
  if (!run) return k;
  k.x = run->in[0];
  k.y = run->out[0];
  k.dy = run->dout[0];
  k.dx = run->din[0];
  k.accumulate_dx = xr_bit(run->accumulate, 0);
  return k;
}

static xr_status repeat_infer(xr_node *node) {
  const repeat_attributes *a = xr_attributes(node);
  const xr_shape x = xr_input_shape(node, 0);
  XR_TRY(xr_expect_float(node, 0));
  if (x.rank == XR_MAX_RANK) return xr_fail(XR_BAD_SHAPE, "%s has no room for another axis", xr_shape_to_text(x).text);
  if (a->axis != x.rank) XR_TRY(expect_axis(x, a->axis));
  const xr_repeat k = repeat_arguments(node, NULL);
  XR_TRY(xr_repeat_check(&k));
  xr_shape y = {.rank = x.rank + 1};
  for (int i = 0; i < y.rank; i++) y.dim[i] = i == a->axis ? a->count : x.dim[i < a->axis ? i : i - 1];
  xr_set_output(node, 0, k.dtype, y);
  return XR_OK;
}

static xr_status repeat_forward(const xr_node *node, const xr_run *run) {
  const xr_repeat k = repeat_arguments(node, run);
  return XR_ON(run, xr_repeat_forward, &k);
}

static xr_status repeat_backward(const xr_node *node, const xr_run *run) {
  const xr_repeat k = repeat_arguments(node, run);
  return XR_ON(run, xr_repeat_backward, &k);
}

static const xr_op repeat_op = {.name = "repeat", .infer = repeat_infer, .forward = repeat_forward, .backward = repeat_backward};

xr_var xr_repeat_of(xr_graph *g, const char *label, xr_var x, int axis, int64_t count) {
  return xr_apply_one(g, &repeat_op, label, &(repeat_attributes){axis, count}, sizeof(repeat_attributes), 1, &x);
}

/* ---- concat */
typedef struct {
  int axis;
} concat_attributes;

static xr_status concat_infer(xr_node *node) {
  const concat_attributes *a = xr_attributes(node);
  xr_shape shape = xr_input_shape(node, 0);
  XR_TRY(expect_axis(shape, a->axis));
  XR_TRY(xr_expect_float(node, 0));
  for (int i = 1; i < xr_input_count(node); i++) {
    xr_shape other = xr_input_shape(node, i), aligned = other;
    if (other.rank > a->axis) aligned.dim[a->axis] = xr_input_shape(node, 0).dim[a->axis];
    if (!xr_same_shape(aligned, xr_input_shape(node, 0)) || xr_input_dtype(node, i) != xr_input_dtype(node, 0))
      return xr_fail(XR_BAD_SHAPE, "%s and %s do not join along axis %d", xr_shape_to_text(xr_input_shape(node, 0)).text,
                     xr_shape_to_text(other).text, a->axis);
    shape.dim[a->axis] += other.dim[a->axis];
  }
  xr_set_output(node, 0, xr_input_dtype(node, 0), shape);
  return XR_OK;
}

static xr_concat concat_arguments(const xr_node *node, const xr_run *run) {
  const concat_attributes *a = xr_attributes(node);
  xr_shape shape = xr_output_shape(node, 0);
  xr_concat k = {.inputs = xr_input_count(node),
                 .outer = outer_of(shape, a->axis),
                 .inner = inner_of(shape, a->axis),
                 .dtype = xr_input_dtype(node, 0),
                 .y = run->out[0],
                 .dy = run->dout[0]};
  for (int i = 0; i < k.inputs; i++) {
    k.axis[i] = xr_input_shape(node, i).dim[a->axis];
    k.x[i] = run->in[i];
    k.dx[i] = run->din[i];
    k.accumulate_dx[i] = xr_bit(run->accumulate, i);
  }
  return k;
}

static xr_status concat_forward(const xr_node *node, const xr_run *run) {
  xr_concat k = concat_arguments(node, run);
  return XR_ON(run, xr_concat_forward, &k);
}

static xr_status concat_backward(const xr_node *node, const xr_run *run) {
  xr_concat k = concat_arguments(node, run);
  return XR_ON(run, xr_concat_backward, &k);
}

static const xr_op concat_op = {.name = "concat", .infer = concat_infer, .forward = concat_forward, .backward = concat_backward};

xr_var xr_concat_of(xr_graph *g, const char *label, int count, const xr_var *x, int axis) {
  if (count < 1 || count > XR_MAX_CONCAT)
    return xr_graph_fail(g, XR_BAD_ARGUMENT, "%s: %d tensors to join, 1 to %d are possible", label, count, XR_MAX_CONCAT);
  return xr_apply_one(g, &concat_op, label, &(concat_attributes){axis}, sizeof(concat_attributes), count, x);
}

/* ---- transpose */
typedef struct {
  int axes[XR_MAX_RANK];
} transpose_attributes;

static xr_status transpose_infer(xr_node *node) {
  const transpose_attributes *a = xr_attributes(node);
  xr_shape from = xr_input_shape(node, 0), to = from;
  unsigned seen = 0;
  XR_TRY(xr_expect_float(node, 0));
  for (int i = 0; i < from.rank; i++) {
    XR_TRY(expect_axis(from, a->axes[i]));
    seen |= 1u << a->axes[i];
    to.dim[i] = from.dim[a->axes[i]];
  }
  if (seen != (1u << from.rank) - 1) return xr_fail(XR_BAD_ARGUMENT, "the new order of the axes names one twice");
  xr_set_output(node, 0, xr_input_dtype(node, 0), to);
  return XR_OK;
}

static xr_transpose transpose_arguments(const xr_node *node, const xr_run *run) {
  const transpose_attributes *a = xr_attributes(node);
  xr_shape shape = xr_input_shape(node, 0);
  xr_transpose k = {.rank = shape.rank,
                    .dtype = xr_input_dtype(node, 0),
                    .x = run->in[0],
                    .y = run->out[0],
                    .dy = run->dout[0],
                    .dx = run->din[0],
                    .accumulate_dx = xr_bit(run->accumulate, 0)};
  for (int i = 0; i < shape.rank; i++) {
    k.dim[i] = shape.dim[i];
    k.order[i] = a->axes[i];
  }
  return k;
}

static xr_status transpose_forward(const xr_node *node, const xr_run *run) {
  xr_transpose k = transpose_arguments(node, run);
  return XR_ON(run, xr_transpose_forward, &k);
}

static xr_status transpose_backward(const xr_node *node, const xr_run *run) {
  xr_transpose k = transpose_arguments(node, run);
  return XR_ON(run, xr_transpose_backward, &k);
}

static const xr_op transpose_op = {
    .name = "transpose", .infer = transpose_infer, .forward = transpose_forward, .backward = transpose_backward};

xr_var xr_transpose_axes(xr_graph *g, const char *label, xr_var x, const int axes[XR_MAX_RANK]) {
  transpose_attributes a;
  memcpy(a.axes, axes, sizeof a.axes);
  return xr_apply_one(g, &transpose_op, label, &a, sizeof a, 1, &x);
}
