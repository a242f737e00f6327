/* The planner on a small IRRA: least memory, proofs that can fail, the same bits whatever the plan. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/base/random.h"
#include "host/graph/executor.h"
#include "host/graph/plan_internal.h"
#include "kernels/common/threads.h"
#include "models/method.h"

enum { BATCH = 4, CLASSES = 5, VOCABULARY = 600 };

typedef struct {
  xr_config *config;
  xr_parameters *parameters;
  xr_graph *graph;
  xr_training_graph model;
  xr_plan *plan;
  xr_executor *executor;
} fixture;

typedef struct {
  xr_dtype compute;
  bool recompute, no_reuse, poison;
} variant;

static fixture make(variant v) {
  fixture f = {.parameters = xr_parameters_new()};
  const char *overrides[] = {"model.preset=tiny", "image.height=32",
                             "image.width=16",    "image.patch=8",
                             "image.stride=8",    "vision.layers=3",
                             "text.layers=2",     "vision.width=24",
                             "vision.heads=2",    "text.width=16",
                             "text.heads=2",      "text.context=7",
                             "model.embed=12",    v.recompute ? "model.recompute=blocks" : "model.recompute=none"};
  cr_assert(xr_config_load(&f.config, NULL, overrides, sizeof overrides / sizeof *overrides) == XR_OK, "%s", xr_message());
  xr_model_context context = {.config = f.config, .batch = BATCH, .classes = CLASSES, .vocabulary = VOCABULARY};
  f.graph = xr_graph_new(f.parameters, (xr_graph_options){.name = "train", .compute = v.compute, .training = true});
  xr_method_of(f.config)->train(f.graph, &context, &f.model);
  cr_assert(xr_graph_status(f.graph) == XR_OK, "%s", xr_message());
  cr_assert(xr_plan_new(&f.plan, f.graph, f.model.total, (xr_plan_options){.backend = XR_CPU, .no_reuse = v.no_reuse}) == XR_OK, "%s",
            xr_message());
  cr_assert(xr_parameters_allocate(f.parameters, (xr_parameter_options){.seed = 5, .compute = v.compute, .training = true, .moments = 2}) ==
            XR_OK);
  cr_assert(xr_executor_new(&f.executor, f.plan, (xr_executor_options){.poison = v.poison}) == XR_OK, "%s", xr_message());
  xr_random r = xr_random_start(1, 2);
  uint8_t *pixels = xr_executor_input(f.executor, f.model.pixels);
  int32_t *ids = xr_executor_input(f.executor, f.model.ids), *end = xr_executor_input(f.executor, f.model.end);
  int32_t *identity = xr_executor_input(f.executor, f.model.identity), *image = xr_executor_input(f.executor, f.model.image);
  for (int64_t i = 0; i < xr_elements(xr_shape_of(f.graph, f.model.pixels)); i++) pixels[i] = (uint8_t)xr_random_below(&r, 256);
  for (int i = 0; i < BATCH * 7; i++) ids[i] = (int32_t)xr_random_below(&r, VOCABULARY);
  for (int i = 0; i < BATCH; i++) {
    end[i] = 3 + i;
    identity[i] = i / 2;
    image[i] = i;
  }
  memset(xr_executor_input(f.executor, f.model.decisions), 0, BATCH * sizeof(xr_augment_decision));
  return f;
}

static void drop(fixture *f) {
  xr_executor_free(f->executor);
  xr_plan_free(f->plan);
  xr_graph_free(f->graph);
  xr_parameters_free(f->parameters);
  xr_config_free(f->config);
}

/* The loss and all gradients of one step. */
static float *gradients_of(variant v, int threads, int64_t *count, float *loss) {
  xr_threads_set(threads);
  fixture f = make(v);
  cr_assert(xr_executor_step(f.executor, (xr_seed){9, 1}) == XR_OK, "%s", xr_message());
  xr_parameter_arrays a = xr_parameters_arrays(f.parameters);
  float *copy = xr_block_alloc((size_t)a.elements * sizeof *copy);
  memcpy(copy, a.gradient, (size_t)a.elements * sizeof *copy);
  *count = a.elements;
  *loss = *(const float *)xr_executor_value(f.executor, f.model.total);
  drop(&f);
  return copy;
}

static void expect_same_bits(variant a, int threads_a, variant b, int threads_b) {
  int64_t n, m;
  float loss_a, loss_b, *x = gradients_of(a, threads_a, &n, &loss_a), *y = gradients_of(b, threads_b, &m, &loss_b);
  cr_assert_eq(n, m);
  cr_assert(memcmp(&loss_a, &loss_b, sizeof loss_a) == 0, "losses %.9g and %.9g", (double)loss_a, (double)loss_b);
  cr_assert(memcmp(x, y, (size_t)n * sizeof *x) == 0, "the gradients differ");
  xr_block_free(x);
  xr_block_free(y);
}

Test(plan, meets_the_lower_bound_within_two_percent) {
  const variant variants[] = {{XR_F32, false, false, false}, {XR_F32, true, false, false}, {XR_BF16, false, false, false}};
  for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
    fixture f = make(variants[i]);
    xr_memory m = xr_plan_memory(f.plan);
    cr_assert(xr_plan_check(f.plan) == XR_OK, "%s", xr_message());
    cr_assert(m.arena >= m.lower_bound && (double)m.arena <= 1.02 * (double)m.lower_bound, "planned %zu, lower bound %zu", m.arena,
              m.lower_bound);
    cr_assert_lt(m.arena, m.unshared);
    drop(&f);
  }
}

Test(plan, recompute_saves_memory_and_changes_no_bit) {
  variant keep = {XR_F32, false, false, false}, again = {XR_F32, true, false, false};
  fixture a = make(keep), b = make(again);
  cr_assert_lt(xr_plan_memory(b.plan).arena, xr_plan_memory(a.plan).arena);
  cr_assert_gt(xr_plan_work(b.plan).recompute_flops, 0);
  drop(&a);
  drop(&b);
  expect_same_bits(keep, 2, again, 2);
  keep.compute = again.compute = XR_BF16;
  expect_same_bits(keep, 2, again, 2);
}

Test(plan, reuse_and_poison_change_no_bit) {
  variant plain = {XR_F32, false, false, false}, apart = {XR_F32, false, true, false}, poisoned = {XR_F32, true, false, true};
  expect_same_bits(plain, 1, apart, 1);
  expect_same_bits(plain, 1, poisoned, 1);
}

Test(plan, threads_change_no_bit) {
  for (int bf16 = 0; bf16 < 2; bf16++) {
    variant v = {bf16 ? XR_BF16 : XR_F32, false, false, false};
    expect_same_bits(v, 1, v, 2);
    expect_same_bits(v, 1, v, 3);
  }
}

Test(plan, check_finds_blocks_that_overlap) {
  fixture f = make((variant){XR_F32, false, false, false});
  for (int i = 1; i < f.plan->block_count; i++) {
    xr_block_place *a = &f.plan->blocks[0], *b = &f.plan->blocks[i];
    if (a->first > b->last || b->first > a->last) continue;
    b->offset = a->offset;
    cr_assert_eq(xr_plan_check(f.plan), XR_BAD_ARGUMENT);
    cr_assert(strstr(xr_message(), "overlap"), "%s", xr_message());
    drop(&f);
    return;
  }
  cr_assert(false, "no two blocks live at the same time");
}

Test(plan, check_finds_a_life_that_is_too_short) {
  fixture f = make((variant){XR_F32, false, false, false});
  int longest = 0;
  for (int i = 0; i < f.plan->block_count; i++)
    if (f.plan->blocks[i].last - f.plan->blocks[i].first > f.plan->blocks[longest].last - f.plan->blocks[longest].first) longest = i;
  f.plan->blocks[longest].last = f.plan->blocks[longest].first;
  cr_assert_eq(xr_plan_check(f.plan), XR_BAD_ARGUMENT);
  cr_assert(strstr(xr_message(), "does not fit its block"), "%s", xr_message());
  drop(&f);
}

/* A life cut short in the plan that runs: with dead memory poisoned the step cannot end with finite numbers. */
Test(plan, poison_shows_a_life_that_is_too_short) {
  fixture f = make((variant){XR_F32, false, false, true});
  xr_executor_free(f.executor);
  for (int i = 0; i < f.plan->block_count; i++) {
    const xr_piece *p = &f.plan->pieces[f.plan->blocks[i].leader];
    bool kept = p->kind == XR_PIECE_VALUE && f.plan->blocks[i].last > f.plan->backward_start &&
                f.graph->tensors[p->owner]->kind == XR_TENSOR_ACTIVATION && f.graph->tensors[p->owner]->producer_slot == 0;
    if (kept) f.plan->blocks[i].last = f.plan->backward_start - 1;
  }
  cr_assert(xr_executor_new(&f.executor, f.plan, (xr_executor_options){.poison = true, .check_finite = true}) == XR_OK);
  memset(xr_executor_input(f.executor, f.model.pixels), 100, (size_t)xr_elements(xr_shape_of(f.graph, f.model.pixels)));
  memset(xr_executor_input(f.executor, f.model.ids), 0, BATCH * 7 * sizeof(int32_t));
  memset(xr_executor_input(f.executor, f.model.end), 0, BATCH * sizeof(int32_t));
  memset(xr_executor_input(f.executor, f.model.identity), 0, BATCH * sizeof(int32_t));
  memset(xr_executor_input(f.executor, f.model.image), 0, BATCH * sizeof(int32_t));
  memset(xr_executor_input(f.executor, f.model.decisions), 0, BATCH * sizeof(xr_augment_decision));
  cr_assert_eq(xr_executor_step(f.executor, (xr_seed){9, 1}), XR_NOT_FINITE);
  drop(&f);
}

Test(plan, a_nan_is_traced_to_its_tensor) {
  fixture f = make((variant){XR_F32, false, false, false});
  int i = xr_parameter_find(f.parameters, "visual.transformer.resblocks.1.ln_2.weight");
  cr_assert_geq(i, 0);
  xr_parameters_arrays(f.parameters).master[xr_parameter_at(f.parameters, i)->offset] = (float)NAN;
  cr_assert_eq(xr_executor_find_nonfinite(f.executor, (xr_seed){9, 1}), XR_NOT_FINITE);
  cr_assert(strstr(xr_message(), "visual.transformer.resblocks.1.ln_2"), "%s", xr_message());
  drop(&f);
}

Test(graph, the_first_error_sticks_with_its_path_and_shapes) {
  xr_parameters *parameters = xr_parameters_new();
  xr_graph *g = xr_graph_new(parameters, (xr_graph_options){.name = "wrong", .compute = XR_F32, .training = true});
  xr_scope_begin(g, "tower");
  xr_scope_begin(g, "block.%d", 3);
  xr_var x = xr_input(g, "x", XR_F32, XR_SHAPE(2, 5)), w = xr_param(g, "w", XR_SHAPE(7, 6), (xr_init){XR_INIT_ZERO, 0});
  xr_var y = xr_linear_with(g, "fc", x, w, (xr_var){0}, (xr_linear_options){0});
  cr_assert_eq(y.id, 0);
  xr_layernorm_of(g, y, "ln", 1e-5f); /* does nothing */
  xr_linear_with(g, "other", x, x, x, (xr_linear_options){0});
  xr_scope_end(g);
  xr_scope_end(g);
  cr_assert_eq(xr_graph_status(g), XR_BAD_SHAPE);
  cr_assert_str_eq(xr_message(), "tower.block.3.fc (linear): rows of f32 [2, 5] do not fit the f32 weight [7, 6]");
  cr_assert_eq(xr_node_count(g), 0);
  xr_graph_free(g);
  xr_parameters_free(parameters);
}

Test(parameters, shared_by_name_and_checked_by_shape) {
  xr_parameters *p = xr_parameters_new();
  int a, b;
  cr_assert_eq(xr_parameters_add(p, "w", XR_SHAPE(3, 4), (xr_init){XR_INIT_NORMAL, 1}, (xr_parameter_kind){0}, &a), XR_OK);
  cr_assert_eq(xr_parameters_add(p, "w", XR_SHAPE(3, 4), (xr_init){XR_INIT_NORMAL, 1}, (xr_parameter_kind){0}, &b), XR_OK);
  cr_assert_eq(a, b);
  cr_assert_eq(xr_parameters_add(p, "w", XR_SHAPE(4, 3), (xr_init){XR_INIT_NORMAL, 1}, (xr_parameter_kind){0}, &b), XR_BAD_SHAPE);
  cr_assert_str_eq(xr_message(), "the parameter w is [3, 4] elsewhere and [4, 3] here");
  cr_assert_eq(xr_parameters_allocate(p, (xr_parameter_options){.seed = 1, .compute = XR_BF16}), XR_OK);
  cr_assert_eq(xr_parameters_add(p, "late", XR_SHAPE(1), (xr_init){XR_INIT_ZERO, 0}, (xr_parameter_kind){0}, &b), XR_BAD_ARGUMENT);
  xr_parameter_arrays arrays = xr_parameters_arrays(p);
  for (int i = 0; i < 12; i++) cr_assert_eq(arrays.compute[i], xr_f32_to_bf16(arrays.master[i]));
  xr_parameters_free(p);
}
