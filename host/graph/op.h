/* What an operation tells the planner and the executors. One const xr_op per operation, in host/ops. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/status.h"
#include "host/graph/tensor.h"
#include "kernels/common/seed.h"
#include "kernels/common/stream.h"

enum { XR_MAX_IN = 12, XR_MAX_OUT = 4 };

typedef enum { XR_CPU, XR_CUDA } xr_backend;

/* kernel_cpu(arguments), or kernel_cuda(arguments, stream). */
#ifdef XREID_CUDA
#define XR_ON_BACKEND(backend, stream, kernel, arguments) \
  ((backend) == XR_CUDA ? kernel##_cuda((arguments), (stream)) : kernel##_cpu(arguments))
#else
#define XR_ON_BACKEND(backend, stream, kernel, arguments) ((void)(backend), (void)(stream), kernel##_cpu(arguments))
#endif

typedef struct xr_node xr_node;

/* The pointers of one node, already planned. */
typedef struct {
  const void *in[XR_MAX_IN];
  void *out[XR_MAX_OUT];
  void *din[XR_MAX_IN];   /* NULL: nobody needs this gradient. Parameters: f32; others: the dtype of the tensor */
  void *dout[XR_MAX_OUT]; /* NULL: no gradient reaches this output */
  uint32_t accumulate;    /* bit i: add to din[i]; else assign */
  uint32_t dout_owned;    /* bit j: backward may overwrite dout[j] */
  void *workspace;
  const xr_seed *seed; /* of the step: key = the run's seed, counter = the step. Memory of the backend, as every pointer here */
  xr_backend backend;
  xr_stream stream; /* of the device; NULL on the CPU */
  bool again;       /* forward of a node that ran before in this step (xr_recompute_begin): state stays as it is */
  bool tf32;        /* CUDA: products of layers in f32 may round their operands to 10 bits */
} xr_run;

/* What the planner decided about one run of a node, before any memory exists. */
typedef struct {
  bool backward;
  uint32_t accumulate, dout_owned; /* as in xr_run */
} xr_run_kind;

typedef xr_status (*xr_run_function)(const xr_node *node, const xr_run *run);

typedef struct xr_op {
  const char *name;
  /* Checks inputs and attributes, sets the outputs' shapes and dtypes (xr_set_output) and, where they depend on attributes, the
   * node's own copies of keep_in and keep_out. Fails with a message that holds both shapes. */
  xr_status (*infer)(xr_node *node);
  uint32_t keep_in, keep_out; /* inputs and outputs that backward reads; every other tensor's memory is reused */
  uint32_t reads_part;        /* inputs of which forward reads as many bytes as its output has: tables and what is sliced */
  uint32_t
      f32_gradient; /* inputs whose gradient backward writes in f32 when they are parameters in another dtype; no other input may be one */
  uint32_t no_gradient_out; /* outputs that carry no gradient: statistics, saved scores */
  bool in_place;            /* out[0] may take the memory of in[0], when nobody else needs in[0] afterwards */
  /* Inputs whose gradient may live in the memory of dout[0]. Unless pass_modifies, the gradient is equal to dout[0]; with it, backward
   * computes the new value over dout[0], which happens only when nobody else reads that memory any more. Backward must compare
   * pointers: din[i] == dout[0] (or == an earlier din) asks for no copy. */
  uint32_t pass_gradient;
  bool pass_modifies;
  bool is_view; /* out[0] is in[0] under another shape: no memory; forward copies parameters */
  size_t (*workspace)(const xr_node *node, xr_run_kind kind); /* bytes; NULL: none */
  double (*flops)(const xr_node *node, bool backward);        /* of matrix products: 2 for each multiply-add; NULL: none */
  xr_run_function forward, backward;                          /* on the backend that the run names */
} xr_op;

/* ---- what infer, workspace, flops and the run functions see of a node */
const void *xr_attributes(const xr_node *node);
const char *xr_node_path(const xr_node *node); /* "visual.transformer.resblocks.3.ln_1" */
uint64_t xr_node_key(const xr_node *node);     /* stable over graphs: for random numbers */
int xr_input_count(const xr_node *node);
xr_shape xr_input_shape(const xr_node *node, int i);
xr_dtype xr_input_dtype(const xr_node *node, int i);
bool xr_input_needs_gradient(const xr_node *node, int i);
xr_dtype xr_input_gradient_dtype(const xr_node *node, int i); /* of din[i]: f32 for a parameter, else the input's */
xr_shape xr_output_shape(const xr_node *node, int i);
xr_dtype xr_output_dtype(const xr_node *node, int i);
xr_dtype xr_compute_dtype(const xr_node *node);
bool xr_node_training(const xr_node *node);
void xr_set_output(xr_node *node, int i, xr_dtype dtype, xr_shape shape);
void xr_set_keep(xr_node *node, uint32_t keep_in, uint32_t keep_out);

static inline bool xr_bit(uint32_t mask, int i) { return mask >> i & 1u; }
