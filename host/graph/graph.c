#include "host/graph/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/random.h"
#include "host/graph/graph_internal.h"

enum { MAX_SCOPES = sizeof((xr_graph *)0)->scope_end / sizeof(size_t) };

static int add_tensor(xr_graph *g, xr_tensor tensor) {
  xr_tensor *t = xr_grow((void **)&g->tensors, &g->tensor_capacity, (size_t)g->tensor_count, sizeof *g->tensors)
                     ? NULL
                     : XR_NEW(g->arena, xr_tensor);
  if (!t) {
    xr_graph_fail(g, XR_NO_MEMORY, "out of memory");
    return 0;
  }
  *t = tensor;
  g->tensors[g->tensor_count] = t;
  return g->tensor_count++;
}

xr_graph *xr_graph_new(xr_parameters *parameters, xr_graph_options options) {
  xr_graph *g = calloc(1, sizeof *g);
  if (!g || !(g->arena = xr_arena_new())) {
    free(g);
    xr_fail(XR_NO_MEMORY, "out of memory");
    return NULL;
  }
  g->parameters = parameters;
  g->options = options;
  add_tensor(g, (xr_tensor){.name = "nothing", .producer = -1, .parameter = -1});
  return g;
}

void xr_graph_free(xr_graph *g) {
  if (!g) return;
  xr_arena_free(g->arena);
  free(g->tensors);
  free(g->nodes);
  free(g);
}

xr_status xr_graph_status(const xr_graph *g) { return g->status == XR_OK ? XR_OK : xr_fail(g->status, "%s", g->message); }

/* Keeps this thread's message as the graph's first failure. */
static void stick(xr_graph *g, xr_status status) {
  if (g->status != XR_OK) return;
  g->status = status;
  snprintf(g->message, sizeof g->message, "%s", xr_message());
}

xr_var xr_graph_fail(xr_graph *g, xr_status code, const char *format, ...) {
  if (g->status == XR_OK) {
    char text[800];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    stick(g, xr_fail(code, "%s%s%s", g->scope, *g->scope ? ": " : "", text));
  }
  return (xr_var){0};
}

void xr_scope_begin(xr_graph *g, const char *format, ...) {
  char name[128];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(name, sizeof name, format, arguments);
  va_end(arguments);
  size_t length = strlen(g->scope);
  if (g->scope_depth == MAX_SCOPES || length + strlen(name) + 2 > sizeof g->scope) {
    xr_graph_fail(g, XR_BAD_ARGUMENT, "scopes are nested too deeply at %s", name);
    return;
  }
  g->scope_end[g->scope_depth++] = length;
  snprintf(g->scope + length, sizeof g->scope - length, "%s%s", length ? "." : "", name);
}

void xr_scope_end(xr_graph *g) {
  if (g->scope_depth) g->scope[g->scope_end[--g->scope_depth]] = '\0';
}

void xr_pass_begin(xr_graph *g, const char *name) {
  if (g->pass) xr_graph_fail(g, XR_BAD_ARGUMENT, "the pass %s begins within the pass %s", name, g->pass);
  if (!(g->pass = xr_arena_copy(g->arena, name))) xr_graph_fail(g, XR_NO_MEMORY, "out of memory");
}

void xr_pass_end(xr_graph *g) { g->pass = NULL; }

void xr_recompute_begin(xr_graph *g) {
  g->recomputing = true;
  g->recompute_groups++;
}

void xr_recompute_end(xr_graph *g) { g->recomputing = false; }

static char *path_of(xr_graph *g, const char *label) {
  return xr_arena_format(g->arena, "%s%s%s", g->scope, *g->scope && *label ? "." : "", label);
}

static char *node_path_of(xr_graph *g, const char *label) {
  char *path = path_of(g, label);
  return path && g->pass ? xr_arena_format(g->arena, "%s.%s", g->pass, path) : path;
}

static xr_var add_named(xr_graph *g, xr_tensor tensor) {
  if (!tensor.name) return xr_graph_fail(g, XR_NO_MEMORY, "out of memory");
  return (xr_var){add_tensor(g, tensor)};
}

xr_var xr_input(xr_graph *g, const char *name, xr_dtype dtype, xr_shape shape) {
  if (g->status != XR_OK) return (xr_var){0};
  if (xr_elements(shape) < 1) return xr_graph_fail(g, XR_BAD_SHAPE, "the input %s is empty: %s", name, xr_shape_to_text(shape).text);
  return add_named(
      g, (xr_tensor){.name = path_of(g, name), .kind = XR_TENSOR_INPUT, .dtype = dtype, .shape = shape, .producer = -1, .parameter = -1});
}

static xr_var parameter(xr_graph *g, const char *name, xr_shape shape, xr_init init, xr_parameter_kind kind) {
  if (g->status != XR_OK) return (xr_var){0};
  char *path = path_of(g, name);
  if (!path) return xr_graph_fail(g, XR_NO_MEMORY, "out of memory");
  int index;
  xr_status status = xr_parameters_add(g->parameters, path, shape, init, kind, &index);
  if (status != XR_OK) {
    stick(g, status);
    return (xr_var){0};
  }
  for (int i = 1; i < g->tensor_count; i++) /* one tensor a parameter, however often it is asked for */
    if (g->tensors[i]->kind == XR_TENSOR_PARAMETER && g->tensors[i]->parameter == index) return (xr_var){i};
  xr_dtype dtype = shape.rank >= 2 && !kind.state && !kind.f32 ? g->options.compute : XR_F32;
  return add_named(g, (xr_tensor){.name = path,
                                  .kind = XR_TENSOR_PARAMETER,
                                  .dtype = dtype,
                                  .shape = shape,
                                  .producer = -1,
                                  .parameter = index,
                                  .needs_gradient = g->options.training && !kind.state});
}

xr_var xr_param(xr_graph *g, const char *name, xr_shape shape, xr_init init) {
  return parameter(g, name, shape, init, (xr_parameter_kind){0});
}
xr_var xr_param_f32(xr_graph *g, const char *name, xr_shape shape, xr_init init) {
  return parameter(g, name, shape, init, (xr_parameter_kind){.f32 = true});
}
xr_var xr_state(xr_graph *g, const char *name, xr_shape shape, xr_init init) {
  return parameter(g, name, shape, init, (xr_parameter_kind){.state = true});
}
xr_var xr_param_like(xr_graph *g, const char *name, const char *like, xr_shape shape, xr_init init) {
  return parameter(g, name, shape, init, (xr_parameter_kind){.like = like});
}

void xr_output(xr_graph *g, const char *name, xr_var v) {
  if (g->status != XR_OK) return;
  char *copy = xr_arena_copy(g->arena, name);
  if (!copy || !v.id) {
    xr_graph_fail(g, copy ? XR_BAD_ARGUMENT : XR_NO_MEMORY, "the output %s is nothing", name);
    return;
  }
  g->tensors[v.id]->is_output = true;
  g->tensors[v.id]->name = copy;
}

void xr_apply(xr_graph *g, const xr_op *op, const char *label, const void *attributes, size_t attribute_bytes, int inputs, const xr_var *in,
              int outputs, xr_var *out) {
  for (int i = 0; i < outputs; i++) out[i] = (xr_var){0};
  if (g->status != XR_OK) return;
  xr_node *node = xr_grow((void **)&g->nodes, &g->node_capacity, (size_t)g->node_count, sizeof *g->nodes) ? NULL
                                                                                                          : XR_NEW(g->arena, xr_node);
  char *path = node_path_of(g, label);
  void *copy = attribute_bytes ? xr_arena_alloc(g->arena, attribute_bytes) : NULL;
  if (!node || !path || (attribute_bytes && !copy) || inputs > XR_MAX_IN || outputs > XR_MAX_OUT) {
    xr_graph_fail(g, node && path ? XR_BAD_ARGUMENT : XR_NO_MEMORY, "%s: cannot record the node (%d inputs, %d outputs)", op->name, inputs,
                  outputs);
    return;
  }
  if (attribute_bytes) memcpy(copy, attributes, attribute_bytes);
  *node = (xr_node){.graph = g,
                    .op = op,
                    .path = path,
                    .attributes = copy,
                    .in_count = inputs,
                    .out_count = outputs,
                    .keep_in = op->keep_in,
                    .keep_out = op->keep_out,
                    .recompute_group = g->recomputing ? g->recompute_groups : 0,
                    .key = xr_random_key(0, path)};
  bool needs_gradient = false;
  for (int i = 0; i < inputs; i++) {
    node->in[i] = in[i].id;
    const xr_tensor *t = g->tensors[in[i].id];
    needs_gradient = needs_gradient || t->needs_gradient;
    if (t->kind == XR_TENSOR_PARAMETER && t->dtype != XR_F32 && t->needs_gradient && !xr_bit(op->f32_gradient, i))
      xr_graph_fail(g, XR_BAD_ARGUMENT, "%s: %s has no f32 gradient for the parameter %s; take xr_param_f32() and cast it", path, op->name,
                    t->name);
  }
  if (g->status != XR_OK) return;
  for (int i = 0; i < outputs; i++) {
    bool differentiable = needs_gradient && !xr_bit(op->no_gradient_out, i);
    node->out[i] = add_tensor(g, (xr_tensor){.name = path,
                                             .kind = XR_TENSOR_ACTIVATION,
                                             .producer = g->node_count,
                                             .producer_slot = i,
                                             .parameter = -1,
                                             .needs_gradient = differentiable});
    if (!node->out[i]) return;
  }
  xr_status status = op->infer(node);
  if (status != XR_OK) {
    stick(g, xr_fail_in(status, "%s (%s)", path, op->name));
    return;
  }
  g->nodes[g->node_count++] = node;
  for (int i = 0; i < outputs; i++) out[i] = (xr_var){node->out[i]};
}

xr_shape xr_shape_of(const xr_graph *g, xr_var v) { return g->tensors[v.id]->shape; }
xr_dtype xr_dtype_of(const xr_graph *g, xr_var v) { return g->tensors[v.id]->dtype; }
xr_graph_options xr_graph_options_of(const xr_graph *g) { return g->options; }
int xr_node_count(const xr_graph *g) { return g->node_count; }
int xr_tensor_count(const xr_graph *g) { return g->tensor_count; }
bool xr_is_input(const xr_graph *g, xr_var v) { return v.id && g->tensors[v.id]->kind == XR_TENSOR_INPUT; }

/* ---- op.h: a node as its operation sees it */
static const xr_tensor *input(const xr_node *node, int i) { return node->graph->tensors[i < node->in_count ? node->in[i] : 0]; }
static xr_tensor *output(const xr_node *node, int i) { return node->graph->tensors[node->out[i]]; }

const void *xr_attributes(const xr_node *node) { return node->attributes; }
const char *xr_node_path(const xr_node *node) { return node->path; }
uint64_t xr_node_key(const xr_node *node) { return node->key; }
int xr_input_count(const xr_node *node) { return node->in_count; }
xr_shape xr_input_shape(const xr_node *node, int i) { return input(node, i)->shape; }
xr_dtype xr_input_dtype(const xr_node *node, int i) { return input(node, i)->dtype; }
bool xr_input_needs_gradient(const xr_node *node, int i) { return input(node, i)->needs_gradient; }
xr_dtype xr_input_gradient_dtype(const xr_node *node, int i) {
  return input(node, i)->kind == XR_TENSOR_PARAMETER ? XR_F32 : input(node, i)->dtype;
}
xr_shape xr_output_shape(const xr_node *node, int i) { return output(node, i)->shape; }
xr_dtype xr_output_dtype(const xr_node *node, int i) { return output(node, i)->dtype; }
xr_dtype xr_compute_dtype(const xr_node *node) { return node->graph->options.compute; }
bool xr_node_training(const xr_node *node) { return node->graph->options.training; }

void xr_set_output(xr_node *node, int i, xr_dtype dtype, xr_shape shape) {
  output(node, i)->dtype = dtype;
  output(node, i)->shape = shape;
}

void xr_set_keep(xr_node *node, uint32_t keep_in, uint32_t keep_out) {
  node->keep_in = keep_in;
  node->keep_out = keep_out;
}
