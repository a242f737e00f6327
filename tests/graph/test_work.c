/* The bytes and operations that a plan counts, against counts by hand. */
#include <criterion/criterion.h>
#include <string.h>

#include "host/graph/executor.h"
#include "host/ops/ops.h"

enum { BATCH = 3, TOKENS = 5, WIDTH = 8, WORDS = 1000 };

typedef struct {
  xr_parameters *parameters;
  xr_graph *graph;
  xr_plan *plan;
  xr_executor *executor; /* only to look at ticks */
} fixture;

static xr_var embed(xr_graph *g) {
  const xr_init normal = {XR_INIT_NORMAL, 1};
  return xr_embed_tokens(g, "op", xr_input(g, "ids", XR_I32, XR_SHAPE(BATCH, TOKENS)), xr_param(g, "table", XR_SHAPE(WORDS, WIDTH), normal),
                         xr_param(g, "position", XR_SHAPE(TOKENS, WIDTH), normal));
}

static xr_var embed_and_pick(xr_graph *g) {
  xr_var tokens = xr_embed_tokens(g, "embed", xr_input(g, "ids", XR_I32, XR_SHAPE(BATCH, TOKENS)),
                                  xr_param(g, "table", XR_SHAPE(WORDS, WIDTH), (xr_init){XR_INIT_NORMAL, 1}),
                                  xr_param(g, "position", XR_SHAPE(TOKENS, WIDTH), (xr_init){XR_INIT_NORMAL, 1}));
  return xr_pick_token(g, "op", tokens, xr_input(g, "index", XR_I32, XR_SHAPE(BATCH)));
}

static xr_var layer(xr_graph *g) {
  const xr_init normal = {XR_INIT_NORMAL, 1};
  xr_var x = xr_cast_to(g, "x", xr_param_f32(g, "x", XR_SHAPE(BATCH, WIDTH), normal), xr_graph_options_of(g).compute);
  return xr_linear_with(g, "op", x, xr_param(g, "w", XR_SHAPE(TOKENS, WIDTH), normal), xr_param(g, "b", XR_SHAPE(TOKENS), normal),
                        (xr_linear_options){0});
}

static void expect(xr_var (*build)(xr_graph *g), xr_dtype compute, double forward_bytes, double backward_bytes, double forward_flops,
                   double backward_flops) {
  fixture f = {.parameters = xr_parameters_new()};
  f.graph = xr_graph_new(f.parameters, (xr_graph_options){.name = "work", .compute = compute, .training = true});
  xr_var y = build(f.graph);
  const int64_t rows = xr_rows(xr_shape_of(f.graph, y));
  xr_var logits = xr_reshape(f.graph, "rows", y, XR_SHAPE(rows, xr_last_dim(xr_shape_of(f.graph, y))));
  xr_var loss = xr_cross_entropy_loss(f.graph, "loss", logits, xr_input(f.graph, "labels", XR_I32, XR_SHAPE(rows)), 0);
  cr_assert(xr_graph_status(f.graph) == XR_OK, "%s", xr_message());
  cr_assert(xr_parameters_allocate(f.parameters, (xr_parameter_options){.compute = compute, .training = true}) == XR_OK);
  cr_assert(xr_plan_new(&f.plan, f.graph, loss, (xr_plan_options){0}) == XR_OK, "%s", xr_message());
  cr_assert(xr_executor_new(&f.executor, f.plan, (xr_executor_options){0}) == XR_OK, "%s", xr_message());
  int found = 0;
  for (int at = 0; at < xr_executor_tick_count(f.executor); at++) {
    bool backward;
    const xr_node *node = xr_executor_tick_node(f.executor, at, &backward);
    if (strcmp(xr_node_path(node), "op") != 0) continue;
    const xr_work w = xr_plan_node_work(f.plan, node, backward);
    cr_expect_eq(w.bytes_moved, backward ? backward_bytes : forward_bytes, "%s: %g bytes", backward ? "backward" : "forward",
                 w.bytes_moved);
    cr_expect_eq(w.forward_flops + w.backward_flops, backward ? backward_flops : forward_flops);
    found++;
  }
  cr_assert_eq(found, 2);
  xr_executor_free(f.executor);
  xr_plan_free(f.plan);
  xr_graph_free(f.graph);
  xr_parameters_free(f.parameters);
}

/* Forward reads as many rows of the table as it writes; backward writes all of the table's gradient, in f32. */
Test(work, a_table_counts_as_far_as_it_is_read) {
  const double ids = 4 * BATCH * TOKENS, y = BATCH * TOKENS * WIDTH, position = TOKENS * WIDTH, table = WORDS * WIDTH;
  expect(embed, XR_F32, ids + 4 * (y + position + y), ids + 4 * (table + position + y), 0, 0);
  expect(embed, XR_BF16, ids + 2 * (y + position + y), ids + 4 * (table + position) + 2 * y, 0, 0);
}

Test(work, picked_rows_count_and_others_do_not) {
  const double index = 4 * BATCH, y = BATCH * WIDTH, x = BATCH * TOKENS * WIDTH;
  expect(embed_and_pick, XR_F32, index + 4 * (y + y), index + 4 * (x + y), 0, 0);
}

/* x, w and their gradients; the gradients of parameters are f32. */
Test(work, a_layer) {
  const double x = BATCH * WIDTH, w = TOKENS * WIDTH, b = TOKENS, y = BATCH * TOKENS, product = 2.0 * BATCH * TOKENS * WIDTH;
  expect(layer, XR_F32, 4 * (x + w + b + y), 4 * (x + w + x + w + b + y), product, 2 * product);
  expect(layer, XR_BF16, 2 * (x + w) + 4 * b + 2 * y, 2 * (x + w) + 2 * x + 4 * (w + b) + 2 * y, product, 2 * product);
}
