/* Operations that keep state, centre_memory and feature_memory, in a graph: what it leaves from step to step, and node-by-node comparison.
 */
#include <criterion/criterion.h>
#include <math.h>

#include "host/base/memory.h"
#include "host/graph/check_nodes.h"
#include "host/graph/executor.h"
#include "host/ops/ops.h"
#include "kernels/loss/centre/centre_memory.h"
#include "kernels/loss/centre/feature_memory.h"

enum { BATCH = 6, WIDTH = 5, CLASSES = 4, COUNT = BATCH * WIDTH, BANK = CLASSES * WIDTH, SETS = 2 };
static const int32_t identity[BATCH] = {2, 0, 2, 3, 0, 2};

typedef struct {
  xr_parameters *parameters;
  xr_graph *graph;
  xr_plan *plan;
  xr_executor *executor;
  xr_var loss, identity;
} fixture;

static void start(fixture *f) {
  cr_assert(xr_executor_new(&f->executor, f->plan, (xr_executor_options){.check_finite = true}) == XR_OK, "%s", xr_message());
  memcpy(xr_executor_input(f->executor, f->identity), identity, sizeof identity);
}

/* `shared` (or NULL): the parameters of another graph. */
static fixture make(xr_parameters *shared, bool no_reuse) {
  fixture f = {.parameters = shared ? shared : xr_parameters_new()};
  f.graph = xr_graph_new(f.parameters, (xr_graph_options){.name = "state", .compute = XR_F32, .training = true});
  xr_var x[SETS];
  for (int s = 0; s < SETS; s++)
    x[s] = xr_scale_by(f.graph, "x", xr_param(f.graph, s ? "b" : "a", XR_SHAPE(BATCH, WIDTH), (xr_init){XR_INIT_NORMAL, 1}), 1);
  f.identity = xr_input(f.graph, "identity", XR_I32, XR_SHAPE(BATCH));
  f.loss = xr_centre_memory_loss(f.graph, "memory", SETS, x, f.identity, (xr_centre_memory_options){.classes = CLASSES, .momentum = 0.75f});
  xr_output(f.graph, "loss", f.loss);
  cr_assert(xr_graph_status(f.graph) == XR_OK, "%s", xr_message());
  if (!shared)
    cr_assert(xr_parameters_allocate(f.parameters, (xr_parameter_options){.seed = 7, .training = true}) == XR_OK, "%s", xr_message());
  cr_assert(xr_plan_new(&f.plan, f.graph, f.loss, (xr_plan_options){.backend = XR_CPU, .no_reuse = no_reuse}) == XR_OK, "%s", xr_message());
  cr_assert(xr_plan_check(f.plan) == XR_OK, "%s", xr_message());
  start(&f);
  return f;
}

static void drop(fixture *f, bool parameters) {
  xr_executor_free(f->executor);
  xr_plan_free(f->plan);
  xr_graph_free(f->graph);
  if (parameters) xr_parameters_free(f->parameters);
}

static void read(const fixture *f, xr_parameter_part part, const char *name, float *to) {
  const int index = xr_parameter_find(f->parameters, name);
  cr_assert(index >= 0, "no parameter %s", name);
  cr_assert(xr_parameter_read(f->parameters, part, index, to) == XR_OK, "%s", xr_message());
}

Test(state, steps_equal_the_kernel) {
  fixture f = make(NULL, false);
  float x[SETS][COUNT], dx[SETS][COUNT], bank[SETS][BANK] = {{0}}, seen[CLASSES] = {0}, loss, one = 1, got[BANK > COUNT ? BANK : COUNT];
  xr_centre_memory k = {.batch = BATCH, .width = WIDTH, .classes = CLASSES, .sets = SETS, .momentum = 0.75f, .identity = identity};
  k.seen = seen;
  k.loss = &loss;
  k.dloss = &one;
  k.workspace = xr_block_alloc(xr_centre_memory_workspace(&k));
  for (int s = 0; s < SETS; s++) {
    read(&f, XR_MASTER, s ? "b" : "a", x[s]);
    k.x[s] = x[s];
    k.dx[s] = dx[s];
    k.bank[s] = bank[s];
  }
  for (int step = 0; step < 3; step++) {
    xr_parameter_arrays p = xr_parameters_arrays(f.parameters);
    for (int c = 0; c < COUNT; c++) { /* another batch each time */
      p.master[xr_parameter_at(f.parameters, xr_parameter_find(f.parameters, "a"))->offset + c] = x[0][c] *= -0.5f;
    }
    cr_assert(xr_executor_step(f.executor, (xr_seed){3, (uint64_t)step}) == XR_OK, "%s", xr_message());
    cr_assert(xr_centre_memory_forward_cpu(&k) == XR_OK && xr_centre_memory_backward_cpu(&k) == XR_OK, "%s", xr_message());
    cr_assert_eq(*(const float *)xr_executor_value(f.executor, f.loss), loss, "step %d", step);
    for (int s = 0; s < SETS; s++) {
      read(&f, XR_MASTER, s ? "memory.text_centres" : "memory.image_centres", got);
      cr_assert_arr_eq(got, bank[s], sizeof bank[s], "step %d", step);
      read(&f, XR_GRADIENT, s ? "b" : "a", got);
      cr_assert_arr_eq(got, dx[s], sizeof dx[s], "step %d", step);
    }
    read(&f, XR_MASTER, "memory.seen", got);
    cr_assert(got[0] == 1 && got[1] == 0 && got[2] == 1 && got[3] == 1);
  }
  xr_block_free(k.workspace);
  drop(&f, true);
}

Test(state, remembered_features_equal_the_kernel) {
  fixture f = {.parameters = xr_parameters_new()};
  f.graph = xr_graph_new(f.parameters, (xr_graph_options){.name = "state", .compute = XR_F32, .training = true});
  xr_var x = xr_input(f.graph, "x", XR_F32, XR_SHAPE(BATCH, WIDTH));
  f.identity = xr_input(f.graph, "identity", XR_I32, XR_SHAPE(BATCH));
  xr_var y = xr_feature_memory_of(f.graph, "memory", x, f.identity, CLASSES, 0.75f);
  xr_output(f.graph, "y", y);
  cr_assert(xr_graph_status(f.graph) == XR_OK, "%s", xr_message());
  cr_assert(xr_parameters_allocate(f.parameters, (xr_parameter_options){.seed = 7, .training = true}) == XR_OK, "%s", xr_message());
  cr_assert(xr_plan_new(&f.plan, f.graph, (xr_var){0}, (xr_plan_options){.backend = XR_CPU}) == XR_OK, "%s", xr_message());
  start(&f);
  float values[COUNT], bank[BANK] = {0}, seen[CLASSES] = {0}, expected[COUNT], got[BANK];
  xr_feature_memory k = {.batch = BATCH, .width = WIDTH, .classes = CLASSES, .momentum = 0.75f, .x = values, .identity = identity};
  k.bank = bank;
  k.seen = seen;
  k.y = expected;
  k.workspace = xr_block_alloc(xr_feature_memory_workspace(&k));
  for (int step = 0; step < 3; step++) {
    for (int c = 0; c < COUNT; c++) values[c] = sinf((float)(c + 100 * step));
    memcpy(xr_executor_input(f.executor, x), values, sizeof values);
    cr_assert(xr_executor_forward(f.executor, (xr_seed){3, (uint64_t)step}) == XR_OK, "%s", xr_message());
    cr_assert(xr_feature_memory_forward_cpu(&k) == XR_OK, "%s", xr_message());
    cr_assert_arr_eq(xr_executor_value(f.executor, y), expected, sizeof expected, "step %d", step);
    read(&f, XR_MASTER, "memory.features", got);
    cr_assert_arr_eq(got, bank, sizeof bank, "step %d", step);
  }
  xr_block_free(k.workspace);
  drop(&f, true);
}

/* ---- batchnorm */
enum { BN_BATCH = 3, BN_COUNT = BN_BATCH * 2 * 2 * WIDTH };

typedef struct {
  xr_graph *graph;
  xr_plan *plan;
  xr_executor *executor;
  xr_var x, y;
} norm;

static norm make_norm(xr_parameters *parameters, bool training, bool again) {
  norm n = {.graph = xr_graph_new(parameters, (xr_graph_options){.name = "norm", .compute = XR_F32, .training = training})};
  n.x = xr_input(n.graph, "x", XR_F32, XR_SHAPE(BN_BATCH, 2, 2, WIDTH));
  if (again) xr_recompute_begin(n.graph);
  n.y = xr_batchnorm_of(n.graph, n.x, "bn1", (xr_batchnorm_options){.freeze_bias = true});
  n.y = xr_batchnorm_of(n.graph, n.y, "bn2", (xr_batchnorm_options){.relu = true, .add = n.x});
  if (again) xr_recompute_end(n.graph);
  n.y = xr_set_spread_of(n.graph, "spread",
                         xr_l2_normalize_rows(n.graph, "unit", xr_reshape(n.graph, "rows", n.y, XR_SHAPE(BN_BATCH, 4, WIDTH))),
                         XR_SPREAD_UNIFORMITY);
  xr_output(n.graph, "y", n.y);
  cr_assert(xr_graph_status(n.graph) == XR_OK, "%s", xr_message());
  return n;
}

static void start_norm(norm *n, bool training) {
  cr_assert(xr_plan_new(&n->plan, n->graph, training ? n->y : (xr_var){0}, (xr_plan_options){.backend = XR_CPU}) == XR_OK, "%s",
            xr_message());
  cr_assert(xr_plan_check(n->plan) == XR_OK, "%s", xr_message());
  cr_assert(xr_executor_new(&n->executor, n->plan, (xr_executor_options){.poison = true}) == XR_OK, "%s", xr_message());
  float *x = xr_executor_input(n->executor, n->x);
  for (int i = 0; i < BN_COUNT; i++) x[i] = 2 + sinf((float)(7 * i));
}

static void drop_norm(norm *n) {
  xr_executor_free(n->executor);
  xr_plan_free(n->plan);
  xr_graph_free(n->graph);
}

/* Names of torchvision's files; what an optimiser or a gradient would change is the weights and the free bias alone. */
Test(state, batchnorm_has_its_parameters) {
  xr_parameters *parameters = xr_parameters_new();
  norm n = make_norm(parameters, true, false);
  static const struct {
    const char *name;
    bool state;
  } expected[] = {{"bn1.weight", false}, {"bn1.bias", true},  {"bn1.running_mean", true}, {"bn1.running_var", true},
                  {"bn2.weight", false}, {"bn2.bias", false}, {"bn2.running_mean", true}, {"bn2.running_var", true}};
  cr_assert_eq(xr_parameter_count(parameters), 8);
  for (int i = 0; i < 8; i++) {
    const int index = xr_parameter_find(parameters, expected[i].name);
    cr_assert(index >= 0, "no parameter %s", expected[i].name);
    cr_assert_eq(xr_parameter_at(parameters, index)->kind.state, expected[i].state, "%s", expected[i].name);
  }
  drop_norm(&n);
  xr_parameters_free(parameters);
}

/* A step moves the running statistics once, also where the nodes are computed again for backward; an inference graph over the same
 * parameters reads them and leaves them as they are. */
Test(state, batchnorm_in_training_and_inference) {
  float once[2][WIDTH], values[WIDTH], loss[2];
  for (int again = 0; again < 2; again++) {
    xr_parameters *parameters = xr_parameters_new();
    norm n = make_norm(parameters, true, again), reads = make_norm(parameters, false, false);
    cr_assert(xr_parameters_allocate(parameters, (xr_parameter_options){.seed = 7, .training = true}) == XR_OK, "%s", xr_message());
    start_norm(&n, true);
    start_norm(&reads, false);
    const fixture f = {.parameters = parameters};
    cr_assert(xr_executor_forward(reads.executor, (xr_seed){3, 0}) == XR_OK, "%s", xr_message());
    const float before = *(const float *)xr_executor_value(reads.executor, reads.y);
    cr_assert(xr_executor_step(n.executor, (xr_seed){3, 0}) == XR_OK, "%s", xr_message());
    read(&f, XR_MASTER, "bn1.running_mean", once[again]);
    for (int c = 0; c < WIDTH; c++) {
      double mean = 0;
      for (int i = c; i < BN_COUNT; i += WIDTH) mean += 2 + sin(7.0 * i);
      cr_assert_float_eq(once[again][c], 0.1 * mean * WIDTH / BN_COUNT, 1e-6);
    }
    cr_assert(xr_executor_forward(reads.executor, (xr_seed){3, 0}) == XR_OK, "%s", xr_message());
    loss[again] = *(const float *)xr_executor_value(reads.executor, reads.y);
    cr_assert(isfinite(before) && loss[again] != before, "inference does not read what training left");
    read(&f, XR_MASTER, "bn1.running_mean", values);
    cr_assert_arr_eq(values, once[again], sizeof values, "inference changes the state");
    drop_norm(&reads);
    drop_norm(&n);
    xr_parameters_free(parameters);
  }
  cr_assert_arr_eq(once[0], once[1], sizeof once[0]);
  cr_assert_eq(loss[0], loss[1]);
}

/* Two runs of a node over the same parameters start from the same state. */
Test(state, node_by_node_comparison) {
  fixture first = make(NULL, true), second = make(first.parameters, true);
  xr_node_difference worst[2];
  for (uint64_t step = 0; step < 3; step++) {
    xr_parameter_arrays p = xr_parameters_arrays(first.parameters);
    for (int64_t c = 0; c < COUNT; c++) p.master[c] *= -0.5f;
    cr_assert(xr_check_nodes(first.executor, second.executor, (xr_seed){3, step}, 0, worst, 2) == XR_OK, "%s", xr_message());
  }
  drop(&second, false);
  drop(&first, true);
}

Test(state, wrong_arguments_are_refused) {
  fixture f = {.parameters = xr_parameters_new()};
  f.graph = xr_graph_new(f.parameters, (xr_graph_options){.name = "state", .compute = XR_F32, .training = true});
  xr_var x[SETS];
  for (int s = 0; s < SETS; s++) x[s] = xr_input(f.graph, s ? "b" : "a", XR_F32, XR_SHAPE(BATCH, WIDTH + s));
  xr_centre_memory_loss(f.graph, "memory", SETS, x, xr_input(f.graph, "identity", XR_I32, XR_SHAPE(BATCH)),
                        (xr_centre_memory_options){.classes = CLASSES});
  cr_assert_eq(xr_graph_status(f.graph), XR_BAD_SHAPE);
  cr_assert(strstr(xr_message(), "memory") && strstr(xr_message(), "[6, 6]"), "%s", xr_message());
  xr_graph_free(f.graph);
  xr_parameters_free(f.parameters);
}
