/* What the operation files of this folder share. */
#pragma once

#include <string.h>

#include "host/graph/op.h"
#include "host/ops/ops.h"

/* A kernel on the backend that the run names. */
#define XR_ON(run, kernel, arguments) XR_ON_BACKEND((run)->backend, (run)->stream, kernel, arguments)

/* Records an operation with one output. */
static inline xr_var xr_apply_one(xr_graph *g, const xr_op *op, const char *label, const void *attributes, size_t bytes, int inputs,
                                  const xr_var *in) {
  xr_var out;
  xr_apply(g, op, label, attributes, bytes, inputs, in, 1, &out);
  return out;
}

static inline bool xr_is_float_dtype(xr_dtype dtype) { return dtype == XR_F32 || dtype == XR_BF16; }

/* Fails unless input i is f32 or bf16. */
static inline xr_status xr_expect_float(const xr_node *node, int i) {
  xr_dtype dtype = xr_input_dtype(node, i);
  return xr_is_float_dtype(dtype) ? XR_OK : xr_fail(XR_BAD_SHAPE, "input %d is %s, floating point is expected", i, xr_dtype_name(dtype));
}

/* Fails unless input i has this dtype and shape; `what` names it in the message. */
static inline xr_status xr_expect_input(const xr_node *node, int i, xr_dtype dtype, xr_shape shape, const char *what) {
  xr_shape got = xr_input_shape(node, i);
  if (xr_same_shape(got, shape) && xr_input_dtype(node, i) == dtype) return XR_OK;
  return xr_fail(XR_BAD_SHAPE, "%s is %s %s, expected is %s %s", what, xr_dtype_name(xr_input_dtype(node, i)), xr_shape_to_text(got).text,
                 xr_dtype_name(dtype), xr_shape_to_text(shape).text);
}

static inline xr_status xr_expect_rank(const xr_node *node, int i, int rank, const char *what) {
  xr_shape got = xr_input_shape(node, i);
  return got.rank == rank ? XR_OK : xr_fail(XR_BAD_SHAPE, "%s is %s, %d dimensions are expected", what, xr_shape_to_text(got).text, rank);
}

/* Output 0 like input 0; for elementwise operations. */
xr_status xr_infer_like_input(xr_node *node);

/* din[i] = or += source, unless nobody needs it or there is nothing to assign because it is the same memory (an input that is there twice
 * is added to there). For gradients that are passed on unchanged. */
xr_status xr_pass_on(const xr_run *run, int i, const void *source, xr_dtype dtype, int64_t count);
