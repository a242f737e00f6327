/* The plan of a graph: when everything runs, how long every tensor lives, and where it lies in one arena. Pure arithmetic: no memory is
 * touched and no device is needed.
 *
 * Ticks: node i runs forward at tick i; the backward ticks follow in reverse order, with the forward ticks of recomputed nodes between
 * them. A piece of memory (a value, the second life of a recomputed value, a gradient, a workspace) lives from its first to its last tick.
 * Pieces that may share memory (views, in-place results, gradients passed on unchanged) form one block. Blocks are placed by size, the
 * largest first, at the lowest offset free during their life (greedy by size: Pisarchyk and Lee, arXiv 2001.03288). */
#pragma once

#include <stdio.h>

#include "host/base/status.h"
#include "host/graph/graph.h"

typedef struct xr_plan xr_plan;

typedef struct {
  xr_backend backend;
  bool no_reuse; /* every block lives to the end: for node-by-node checks */
} xr_plan_options;

/* Plans forward for all nodes and, when `loss` is not empty, backward from it. `loss` is one f32 element. */
xr_status xr_plan_new(xr_plan **plan, const xr_graph *graph, xr_var loss, xr_plan_options options);
void xr_plan_free(xr_plan *plan);

/* Proves from the finished plan alone that blocks that live at the same tick do not overlap in memory and that nothing is read before it
 * was written. Fails with the two pieces it found. */
xr_status xr_plan_check(const xr_plan *plan);

typedef struct {                                         /* bytes */
  size_t parameters, compute_copies, gradients, moments; /* of the parameter store */
  size_t arena;                                          /* everything planned */
  size_t lower_bound;                                    /* the most that is alive at one tick: no plan needs less */
  size_t unshared;                                       /* what the arena would need without any reuse */
  /* the arena's content at its fullest tick */
  size_t inputs, values, activation_gradients, workspace;
  size_t total;
} xr_memory;
xr_memory xr_plan_memory(const xr_plan *plan);

typedef struct {
  double forward_flops, backward_flops, recompute_flops; /* matrix products, 2 for each multiply-add */
  double bytes_moved;                                    /* each tick's inputs read and outputs written once */
} xr_work;
xr_work xr_plan_work(const xr_plan *plan);

/* The same of one node in one direction. */
xr_work xr_plan_node_work(const xr_plan *plan, const xr_node *node, bool backward);

typedef struct { /* assumed speed of a device, for the floor under a step's time */
  double flops_per_second, bytes_per_second;
} xr_device_speed;
/* Seconds below which no step can go at that speed: per tick the larger of its arithmetic and its traffic; the optimiser's traffic last. */
double xr_plan_floor_seconds(const xr_plan *plan, xr_device_speed speed);

/* One line a node (path, operation, output shape, bytes, life, FLOPs), then the ten largest pieces alive at the fullest tick. */
void xr_plan_print_nodes(const xr_plan *plan, FILE *out);
void xr_plan_print_largest(const xr_plan *plan, int count, FILE *out);

/* The same as JSON text (malloc; the caller frees it); NULL when there is no memory. */
char *xr_plan_to_json(const xr_plan *plan, xr_device_speed speed);
