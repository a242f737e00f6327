#include "tests/support/method_step.h"

#include <criterion/criterion.h>
#include <string.h>

#include "host/base/random.h"

xr_config *method_config(const char *const *tiny, size_t tiny_count, const char *const *more, size_t more_count) {
  const char *all[40];
  size_t count = tiny_count;
  cr_assert_leq(tiny_count + more_count, sizeof all / sizeof *all);
  memcpy(all, tiny, tiny_count * sizeof *all);
  for (size_t i = 0; i < more_count && more[i]; i++) all[count++] = more[i];
  xr_config *config;
  cr_assert(xr_config_load(&config, NULL, all, count) == XR_OK, "%s", xr_message());
  return config;
}

fixture method_step_new(xr_config *config, xr_backend backend, int shortest) {
  fixture f = {.config = config, .parameters = xr_parameters_new(), .shortest = shortest};
  const xr_dtype compute = f.config->model.precision == XR_CONFIG_BF16 ? XR_BF16 : XR_F32;
  const xr_model_context context = {.config = f.config, .batch = BATCH, .classes = CLASSES, .vocabulary = VOCABULARY};
  f.graph = xr_graph_new(f.parameters, (xr_graph_options){.name = "train", .compute = compute, .training = true});
  xr_method_of(f.config)->train(f.graph, &context, &f.model);
  cr_assert(xr_graph_status(f.graph) == XR_OK, "%s", xr_message());
  cr_assert(xr_plan_new(&f.plan, f.graph, f.model.total, (xr_plan_options){.backend = backend}) == XR_OK, "%s", xr_message());
  cr_assert(xr_plan_check(f.plan) == XR_OK, "%s", xr_message());
  const xr_parameter_options options = {.seed = 5, .compute = compute, .training = true, .backend = backend};
  cr_assert(xr_parameters_allocate(f.parameters, options) == XR_OK, "%s", xr_message());
  cr_assert(xr_executor_new(&f.executor, f.plan, (xr_executor_options){.check_finite = true, .poison = true}) == XR_OK, "%s", xr_message());
  return f;
}

void method_step_free(fixture *f) {
  xr_executor_free(f->executor);
  xr_plan_free(f->plan);
  xr_graph_free(f->graph);
  xr_parameters_free(f->parameters);
  xr_config_free(f->config);
}

static int32_t *input(const fixture *f, xr_var v) {
  if (!v.id) return NULL;
  int32_t *to = xr_executor_input(f->executor, v);
  cr_assert(to, "%s", xr_message());
  return to;
}

static void fill(int32_t *to, const int32_t *values, int count, int factor) {
  for (int i = 0; to && i < count; i++) to[i] = values[i] * factor;
}

void method_step_feed(const fixture *f, const int32_t identity[BATCH], const int32_t image[BATCH]) {
  xr_random r = xr_random_start(1, 1);
  int32_t ids[BATCH * CONTEXT], length[BATCH], end[BATCH], words[BATCH];
  uint8_t *pixels = (uint8_t *)input(f, f->model.pixels);
  for (int64_t i = 0; i < xr_elements(xr_shape_of(f->graph, f->model.pixels)); i++) pixels[i] = (uint8_t)xr_random_below(&r, 256);
  for (int i = 0; i < BATCH * CONTEXT; i++) ids[i] = (int32_t)xr_random_below(&r, VOCABULARY);
  for (int i = 0; i < BATCH; i++) {
    length[i] = f->shortest + i;
    end[i] = length[i] - 1;
    words[i] = length[i] - f->model.words_without;
  }
  memset(input(f, f->model.decisions), 0, BATCH * sizeof(xr_augment_decision));
  fill(input(f, f->model.ids), ids, BATCH * CONTEXT, 1);
  fill(input(f, f->model.masked_ids), ids, BATCH * CONTEXT, 1);
  fill(input(f, f->model.end), end, BATCH, 1);
  fill(input(f, f->model.length), length, BATCH, 1);
  fill(input(f, f->model.joint_length), length, BATCH, f->model.joint_scales);
  fill(input(f, f->model.words), words, BATCH, 1);
  fill(input(f, f->model.identity), identity, BATCH, 1);
  fill(input(f, f->model.image), image, BATCH, 1);
  int32_t *index = input(f, f->model.mask_index), *label = input(f, f->model.mask_label);
  const int64_t rows = index ? xr_elements(xr_shape_of(f->graph, f->model.mask_index)) : 0;
  for (int64_t i = 0; i < rows; i++) {
    index[i] = i < BATCH ? (int32_t)i * CONTEXT + 1 : -1;
    label[i] = i < BATCH ? ids[index[i]] : -1;
  }
}
