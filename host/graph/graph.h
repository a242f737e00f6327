/* A graph: recorded once, by code that reads like eager code and runs nothing.
 *
 *   xr_scope_begin(g, "visual");
 *   xr_var h = xr_layernorm(g, x, "ln_pre");        operations: host/ops/ops.h
 *   xr_scope_end(g);
 *
 * Errors stick: the first bad shape is kept with its path; later calls do nothing; xr_graph_status() reports. A graph lives in one arena.
 */
#pragma once

#include "host/base/status.h"
#include "host/graph/op.h"
#include "host/graph/parameters.h"
#include "host/graph/tensor.h"

typedef struct {
  int32_t id; /* 0: nothing (an optional tensor left out, or an earlier call failed) */
} xr_var;

typedef struct xr_graph xr_graph;

typedef struct {
  const char *name; /* "train", "image embedding": for reports */
  xr_dtype compute; /* XR_F32 or XR_BF16: the dtype of activations and of matrices */
  bool training;    /* false: no gradients, dropout off */
} xr_graph_options;

/* NULL and a message when there is no memory. The parameters outlive the graph. */
xr_graph *xr_graph_new(xr_parameters *parameters, xr_graph_options options);
void xr_graph_free(xr_graph *g);
xr_status xr_graph_status(const xr_graph *g); /* the first failure; its message becomes this thread's xr_message() */

/* Records a failure of the model code itself, as sticky as a bad shape. Returns the empty variable. */
xr_var xr_graph_fail(xr_graph *g, xr_status code, const char *format, ...) __attribute__((format(printf, 3, 4)));

void xr_scope_begin(xr_graph *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
void xr_scope_end(xr_graph *g);

/* For a second pass through layers that were recorded before: the paths of nodes recorded between the two begin with "<name>."; parameters
 * and inputs keep their names. Passes do not nest. */
void xr_pass_begin(xr_graph *g, const char *name);
void xr_pass_end(xr_graph *g);

/* Nodes recorded between the two are run again during backward instead of being kept: less memory, more work, the same bits. */
void xr_recompute_begin(xr_graph *g);
void xr_recompute_end(xr_graph *g);

/* What a step is fed with; filled through xr_executor_input(). */
xr_var xr_input(xr_graph *g, const char *name, xr_dtype dtype, xr_shape shape);
/* "<scope>.<name>", shared by every graph over the same parameters. Matrices have the compute dtype, vectors are f32. */
xr_var xr_param(xr_graph *g, const char *name, xr_shape shape, xr_init init);
/* A matrix that is f32 in every graph: for operations other than matrix products, after a cast. */
xr_var xr_param_f32(xr_graph *g, const char *name, xr_shape shape, xr_init init);
/* A parameter that starts with the values of another one, `like` (its whole name): drawn or read from a file, not shared. */
xr_var xr_param_like(xr_graph *g, const char *name, const char *like, xr_shape shape, xr_init init);
/* As xr_param() for what an operation keeps from step to step and changes itself (a running mean): always f32, without gradient. */
xr_var xr_state(xr_graph *g, const char *name, xr_shape shape, xr_init init);
/* Keeps a tensor readable after the run, under this name. */
void xr_output(xr_graph *g, const char *name, xr_var v);

/* Records one operation. `label` ends the node's path; attributes are copied. in[i].id == 0 stands for an optional input left out.
 * Writes the outputs to out[0 .. outputs-1]. */
void xr_apply(xr_graph *g, const xr_op *op, const char *label, const void *attributes, size_t attribute_bytes, int inputs, const xr_var *in,
              int outputs, xr_var *out);

xr_shape xr_shape_of(const xr_graph *g, xr_var v); /* rank 0 for the empty variable */
xr_dtype xr_dtype_of(const xr_graph *g, xr_var v);
xr_graph_options xr_graph_options_of(const xr_graph *g);
int xr_node_count(const xr_graph *g);
int xr_tensor_count(const xr_graph *g); /* ids are 1 .. count - 1 */
bool xr_is_input(const xr_graph *g, xr_var v);
