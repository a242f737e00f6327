/* What a plan says to people and programs. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/graph/plan_internal.h"

static const double MIB = 1048576.0;

xr_memory xr_plan_memory(const xr_plan *plan) {
  xr_parameter_arrays a = xr_parameters_arrays(plan->graph->parameters);
  xr_parameter_options o = xr_parameters_options(plan->graph->parameters);
  size_t array = (size_t)a.elements * sizeof(float);
  xr_memory m = {.parameters = array,
                 .compute_copies = (size_t)a.compute_elements * sizeof(xr_bf16),
                 .gradients = o.training ? array : 0,
                 .moments = o.training ? array * (size_t)o.moments : 0,
                 .arena = plan->arena_bytes,
                 .lower_bound = plan->lower_bound,
                 .unshared = plan->unshared};
  for (int i = 0; i < plan->block_count; i++) {
    const xr_block_place *b = &plan->blocks[i];
    if (b->first > plan->fullest_tick || b->last < plan->fullest_tick) continue;
    const xr_piece *p = &plan->pieces[b->leader];
    bool input = p->kind == XR_PIECE_VALUE && plan->graph->tensors[p->owner]->kind == XR_TENSOR_INPUT;
    size_t *part = p->kind == XR_PIECE_WORKSPACE  ? &m.workspace
                   : p->kind == XR_PIECE_GRADIENT ? &m.activation_gradients
                   : input                        ? &m.inputs
                                                  : &m.values;
    *part += b->bytes;
  }
  m.total = m.parameters + m.compute_copies + m.gradients + m.moments + m.arena;
  return m;
}

static double tick_flops(const xr_plan *plan, const xr_tick *tick) {
  const xr_node *node = plan->graph->nodes[tick->node];
  return node->op->flops ? node->op->flops(node, tick->kind == XR_TICK_BACKWARD) : 0;
}

/* Gradients of parameters are f32 whatever the parameter is read in. */
static double gradient_bytes(const xr_tensor *t) {
  return (double)xr_elements(t->shape) * (double)(t->kind == XR_TENSOR_PARAMETER ? sizeof(float) : xr_dtype_bytes(t->dtype));
}

/* Forward reads its inputs and writes its outputs; backward reads what was kept and the gradients of the outputs, and writes those of the
 * inputs. */
static double tick_bytes(const xr_plan *plan, const xr_tick *tick) {
  const xr_graph *g = plan->graph;
  const xr_node *node = g->nodes[tick->node];
  bool backward = tick->kind == XR_TICK_BACKWARD;
  double bytes = 0;
  if (node->op->is_view) return 0;
  for (int j = 0; j < node->in_count; j++) {
    double size = (double)xr_tensor_bytes(g->tensors[node->in[j]]);
    if (!node->in[j]) continue;
    if (!backward && xr_bit(node->op->reads_part, j)) size = fmin(size, (double)xr_tensor_bytes(g->tensors[node->out[0]]));
    if (!backward || xr_bit(node->keep_in, j)) bytes += size;
    if (backward && plan->reached[node->in[j]]) bytes += gradient_bytes(g->tensors[node->in[j]]);
  }
  for (int j = 0; j < node->out_count; j++) {
    double size = (double)xr_tensor_bytes(g->tensors[node->out[j]]);
    if (!backward || xr_bit(node->keep_out, j)) bytes += size;
    if (backward && plan->reached[node->out[j]]) bytes += size;
  }
  return bytes;
}

xr_work xr_plan_work(const xr_plan *plan) {
  xr_work w = {0};
  double *part[] = {[XR_TICK_FORWARD] = &w.forward_flops, [XR_TICK_RECOMPUTE] = &w.recompute_flops, [XR_TICK_BACKWARD] = &w.backward_flops};
  for (int at = 0; at < plan->tick_count; at++) {
    *part[plan->ticks[at].kind] += tick_flops(plan, &plan->ticks[at]);
    w.bytes_moved += tick_bytes(plan, &plan->ticks[at]);
  }
  return w;
}

xr_work xr_plan_node_work(const xr_plan *plan, const xr_node *node, bool backward) {
  xr_work w = {0};
  for (int at = 0; at < plan->tick_count; at++) {
    const xr_tick *tick = &plan->ticks[at];
    if (plan->graph->nodes[tick->node] != node || (tick->kind == XR_TICK_BACKWARD) != backward || tick->kind == XR_TICK_RECOMPUTE) continue;
    *(backward ? &w.backward_flops : &w.forward_flops) += tick_flops(plan, tick);
    w.bytes_moved += tick_bytes(plan, tick);
  }
  return w;
}

double xr_plan_floor_seconds(const xr_plan *plan, xr_device_speed speed) {
  double seconds = 0;
  for (int at = 0; at < plan->tick_count; at++) {
    double arithmetic = tick_flops(plan, &plan->ticks[at]) / speed.flops_per_second,
           traffic = tick_bytes(plan, &plan->ticks[at]) / speed.bytes_per_second;
    seconds += arithmetic > traffic ? arithmetic : traffic;
  }
  xr_memory m = xr_plan_memory(plan);
  if (plan->backward_start < plan->tick_count) /* the optimiser reads parameters, gradients and moments, and writes all but the gradients */
    seconds += (double)(2 * m.parameters + m.gradients + 2 * m.moments + m.compute_copies) / speed.bytes_per_second;
  return seconds;
}

static const char *piece_name(const xr_plan *plan, const xr_piece *p) {
  return p->kind == XR_PIECE_WORKSPACE ? plan->graph->nodes[p->owner]->path : plan->graph->tensors[p->owner]->name;
}

static const char *const kind_name[] = {[XR_PIECE_VALUE] = "value",
                                        [XR_PIECE_REVIVED] = "recomputed value",
                                        [XR_PIECE_GRADIENT] = "gradient",
                                        [XR_PIECE_WORKSPACE] = "workspace"};

void xr_plan_print_nodes(const xr_plan *plan, FILE *out) {
  const xr_graph *g = plan->graph;
  fprintf(out, "%5s  %-52s %-18s %-22s %10s  %-11s %10s\n", "node", "path", "operation", "output", "MiB", "ticks", "GFLOP");
  for (int i = 0; i < g->node_count; i++) {
    const xr_node *node = g->nodes[i];
    const xr_tensor *t = g->tensors[node->out[0]];
    const xr_piece *p = &plan->pieces[plan->value[node->out[0]]];
    char life[32];
    snprintf(life, sizeof life, "%d-%d", p->first, p->last);
    fprintf(out, "%5d  %-52s %-18s %-4s %-17s %10.3f  %-11s %10.3f\n", i, node->path, node->op->name, xr_dtype_name(t->dtype),
            xr_shape_to_text(t->shape).text, (double)xr_tensor_bytes(t) / MIB, life, tick_flops(plan, &plan->ticks[i]) * 1e-9);
  }
}

static int larger_block(const void *a, const void *b) {
  const xr_block_place *x = *(const xr_block_place *const *)a, *y = *(const xr_block_place *const *)b;
  return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

void xr_plan_print_largest(const xr_plan *plan, int count, FILE *out) {
  const xr_block_place **live = malloc(((size_t)plan->block_count + 1) * sizeof(const xr_block_place *));
  int found = 0;
  for (int i = 0; live && i < plan->block_count; i++)
    if (plan->blocks[i].first <= plan->fullest_tick && plan->fullest_tick <= plan->blocks[i].last) live[found++] = &plan->blocks[i];
  if (found) qsort(live, (size_t)found, sizeof *live, larger_block);
  for (int i = 0; i < found && i < count; i++) {
    const xr_piece *p = &plan->pieces[live[i]->leader];
    fprintf(out, "  %10.3f MiB  %s (%s)\n", (double)live[i]->bytes / MIB, piece_name(plan, p), kind_name[p->kind]);
  }
  free(live);
}

static json_t *nodes_to_json(const xr_plan *plan) {
  const xr_graph *g = plan->graph;
  json_t *list = json_array();
  for (int i = 0; i < g->node_count; i++) {
    const xr_node *node = g->nodes[i];
    const xr_tensor *t = g->tensors[node->out[0]];
    int piece = plan->value[node->out[0]], block = plan->block_of_piece[piece];
    json_t *shape = json_array();
    for (int d = 0; d < t->shape.rank; d++) json_array_append_new(shape, json_integer(t->shape.dim[d]));
    double backward = plan->backward_tick[i] >= 0 ? tick_flops(plan, &plan->ticks[plan->backward_tick[i]]) : 0;
    json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o, s:I, s:I, s:[i,i], s:f, s:f}", "path", node->path, "op", node->op->name,
                                          "dtype", xr_dtype_name(t->dtype), "shape", shape, "bytes", (json_int_t)xr_tensor_bytes(t),
                                          "offset", (json_int_t)(block < 0 ? -1 : (json_int_t)plan->blocks[block].offset), "life",
                                          plan->pieces[piece].first, plan->pieces[piece].last, "forward_flops",
                                          tick_flops(plan, &plan->ticks[i]), "backward_flops", backward));
  }
  return list;
}

char *xr_plan_to_json(const xr_plan *plan, xr_device_speed speed) {
  xr_memory m = xr_plan_memory(plan);
  xr_work w = xr_plan_work(plan);
  json_t *memory = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "parameters", (json_int_t)m.parameters,
                             "compute_copies", (json_int_t)m.compute_copies, "gradients", (json_int_t)m.gradients, "moments",
                             (json_int_t)m.moments, "arena", (json_int_t)m.arena, "lower_bound", (json_int_t)m.lower_bound, "unshared",
                             (json_int_t)m.unshared, "inputs", (json_int_t)m.inputs, "values", (json_int_t)m.values, "activation_gradients",
                             (json_int_t)m.activation_gradients, "workspace", (json_int_t)m.workspace, "total", (json_int_t)m.total);
  json_t *work = json_pack("{s:f, s:f, s:f, s:f, s:f}", "forward_flops", w.forward_flops, "backward_flops", w.backward_flops,
                           "recompute_flops", w.recompute_flops, "bytes_moved", w.bytes_moved, "floor_seconds",
                           xr_plan_floor_seconds(plan, speed));
  json_t *all = json_pack("{s:s, s:s, s:I, s:i, s:o, s:o, s:o}", "graph", plan->graph->options.name, "compute",
                          xr_dtype_name(plan->graph->options.compute), "parameters",
                          (json_int_t)xr_parameter_elements(plan->graph->parameters), "ticks", plan->tick_count, "memory", memory, "work",
                          work, "nodes", nodes_to_json(plan));
  char *text = all ? json_dumps(all, JSON_INDENT(1)) : NULL;
  json_decref(all);
  if (!text) xr_fail(XR_NO_MEMORY, "out of memory");
  return text;
}
