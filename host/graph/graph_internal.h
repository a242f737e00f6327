/* The graph as the planner and the executors of this folder see it. */
#pragma once

#include "host/base/memory.h"
#include "host/graph/graph.h"

typedef enum { XR_TENSOR_INPUT, XR_TENSOR_PARAMETER, XR_TENSOR_ACTIVATION } xr_tensor_kind;

typedef struct {
  const char *name; /* inputs and outputs: the caller's; others: the producer's path */
  xr_tensor_kind kind;
  xr_dtype dtype;
  xr_shape shape;
  int parameter;               /* index, or -1 */
  int producer, producer_slot; /* node and its output, or -1 */
  bool needs_gradient, is_output;
} xr_tensor;

struct xr_node {
  const xr_graph *graph;
  const xr_op *op;
  const char *path;
  void *attributes;
  int in_count, out_count;
  int32_t in[XR_MAX_IN], out[XR_MAX_OUT]; /* tensor ids; 0: left out */
  uint32_t keep_in, keep_out;
  int recompute_group; /* 0: none */
  uint64_t key;
};

struct xr_graph {
  xr_arena *arena;
  xr_parameters *parameters;
  xr_graph_options options;
  xr_tensor **tensors; /* [0] stands for "nothing" */
  size_t tensor_capacity;
  int tensor_count;
  xr_node **nodes;
  size_t node_capacity;
  int node_count;
  char scope[512];
  size_t scope_end[32]; /* lengths of the enclosing scopes */
  int scope_depth;
  const char *pass; /* begins the paths of nodes; NULL: none */
  int recompute_groups;
  bool recomputing;
  xr_status status;
  char message[1000];
};

static inline size_t xr_tensor_bytes(const xr_tensor *t) { return (size_t)xr_elements(t->shape) * xr_dtype_bytes(t->dtype); }
