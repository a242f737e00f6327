/* ESA as a whole: every choice that its configuration offers records, plans and makes a finite step, on every backend of this build; its
 * gradient, what training does to it, and what it costs. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/base/random.h"
#include "tests/support/method_step.h"

static const char *const tiny[] = {"method=esa",     "model.preset=tiny", "image.height=32", "image.width=32", "vision.layers=2",
                                   "text.layers=2",  "vision.width=16",   "vision.heads=2",  "text.width=16",  "text.heads=2",
                                   "text.context=9", "model.embed=16",    "esa.heads=2",     "esa.depth=2",    "esa.head_width=8",
                                   "esa.set_size=3", "sampler.batch=6",   "image.patch=16",  "image.stride=16"};
enum { TINY = sizeof tiny / sizeof *tiny, MORE = 6 };

static xr_config *load(const char *const more[MORE]) { return method_config(tiny, TINY, more, MORE); }

static fixture make(const char *const more[MORE], xr_backend backend) { return method_step_new(load(more), backend, 2); }

static float value(const fixture *f, xr_var v) { return *(const float *)xr_executor_value(f->executor, v); }

static float term(const fixture *f, const char *name) {
  for (int i = 0; i < f->model.losses; i++)
    if (strcmp(f->model.loss_name[i], name) == 0) return value(f, f->model.loss[i]);
  cr_assert_fail("there is no loss %s", name);
  return NAN;
}

/* One step; its total. Every value and gradient in it is finite. */
static float step(const fixture *f, const int32_t identity[BATCH], const int32_t image[BATCH]) {
  method_step_feed(f, identity, image);
  cr_assert(xr_executor_step(f->executor, (xr_seed){3, 7}) == XR_OK, "%s", xr_message());
  cr_assert(xr_executor_wait(f->executor) == XR_OK, "%s", xr_message());
  for (int i = 0; i < f->model.losses; i++) {
    const float loss = value(f, f->model.loss[i]);
    cr_assert(isfinite(loss) && loss >= -1e-6f, "%s is %g", f->model.loss_name[i], (double)loss);
  }
  if (f->model.set_cosine.id) cr_assert(fabsf(value(f, f->model.set_cosine)) <= 1 + 1e-6f);
  return value(f, f->model.total);
}

static const char *const choices[][MORE] = {
    {NULL},
    {"esa.kind=query"},
    {"esa.kind=pie"},
    {"esa.kind=topk", "esa.text_ratio=0.5"},
    {"esa.kind=cluster"},
    {"esa.kind=decoder"},
    {"esa.post_norm=true", "esa.text_tokens=with_end"},
    {"esa.shared_queries=true", "esa.similarity=aligned"},
    {"esa.kind=query", "esa.shared_queries=true", "esa.similarity=optimal"},
    {"esa.kind=cluster", "esa.shared_queries=true", "esa.similarity=chamfer"},
    {"esa.kind=decoder", "esa.similarity=aligned", "esa.set_size=4"},
    {"esa.kind=topk", "esa.similarity=aligned", "esa.image_ratio=1"},
    {"esa.similarity=mil"},
    {"esa.similarity=avg", "esa.set_size=1"},
    {"loss.asm.kind=fixed"},
    {"loss.asm.kind=pos_ratio", "loss.asm.reduction=sum"},
    {"loss.asm.kind=quality", "loss.asm.reduction=lse"},
    {"loss.asm.kind=commonality", "loss.asm.positives=all_same_pid"},
    {"loss.asm.kind=asmr"},
    {"loss.asm.positives=all_same_pid_soft", "loss.asm.semantic_source=both", "loss.asm.stretch=false"},
    {"loss.asm.semantic_source=ema", "loss.asm.reduction=sum"},
    {"loss.asm.semantic_source=image", "loss.mmd.kernel=gauss"},
    {"loss.mmd.weight=0", "loss.uniformity.weight=0", "loss.diversity.weight=0.1"},
    {"loss.asm.weight=0", "loss.mmd.weight=0", "loss.uniformity.weight=0", "esa.score_weight=0"},
    {"loss.mlm.weight=1", "loss.mlm.layers=1", "text.mask_aug=shared"},
    {"model.precision=bf16", "model.recompute=blocks"},
    {"model.precision=bf16", "esa.kind=topk", "model.recompute=blocks"},
    {"model.precision=bf16", "esa.kind=pie", "esa.dropout=0.5"},
};
enum { CHOICES = sizeof choices / sizeof *choices };

static const int32_t mixed[BATCH] = {0, 0, 3, 3, 3, 1}, images[BATCH] = {0, 1, 2, 2, 3, 4};
static const int32_t alone[BATCH] = {0, 1, 2, 3, 4, 0}, together[BATCH] = {2, 2, 2, 2, 2, 2}, one_image[BATCH] = {7, 7, 7, 7, 7, 7};

static void try_all(xr_backend backend) {
  for (int i = 0; i < CHOICES; i++) {
    fixture f = make(choices[i], backend);
    step(&f, mixed, images);
    method_step_free(&f);
  }
}

Test(esa, every_choice_makes_a_finite_step) { try_all(XR_CPU); }

/* A batch with nothing to rank leaves every term finite; triplets without a negative are 0. */
Test(esa, batches_of_single_samples_of_one_person_and_of_one_image) {
  for (int i = 0; i < CHOICES; i++) {
    fixture f = make(choices[i], XR_CPU);
    step(&f, alone, images);
    step(&f, together, images);
    step(&f, together, one_image);
    if (f.config->loss.asm_.weight > 0 && f.config->loss.asm_.kind != XR_CONFIG_ASM_ASMR) cr_assert_eq(term(&f, "asm"), 0);
    method_step_free(&f);
  }
}

/* Without a loss on sets or a score of sets nothing of them is there. */
Test(esa, sets_that_nobody_wants_are_not_made) {
  fixture f = make(choices[23], XR_CPU);
  cr_assert_eq(f.model.losses, 2);
  cr_assert(!f.model.words.id && !f.model.set_cosine.id);
  for (int i = 0; i < xr_parameter_count(f.parameters); i++) cr_assert(strncmp(xr_parameter_at(f.parameters, i)->name, "esa", 3) != 0);
  method_step_free(&f);
}

/* ---- the gradient of the whole graph, by differences along drawn directions */
/* Kinds without choices (of a hardest negative, of tokens), so that the loss is smooth. */
static const char *const smooth[][MORE] = {
    {"esa.dropout=0", "loss.asm.reduction=lse", "loss.asm.kind=fixed", "loss.asm.margin=1"},
    {"esa.dropout=0", "loss.asm.reduction=lse", "loss.asm.kind=fixed", "loss.asm.margin=1", "esa.kind=query"},
    {"esa.dropout=0", "loss.asm.reduction=lse", "loss.asm.kind=fixed", "loss.asm.margin=1", "esa.kind=pie"},
    {"esa.dropout=0", "loss.asm.reduction=lse", "loss.asm.kind=fixed", "loss.asm.margin=1", "esa.kind=cluster"},
    {"esa.dropout=0", "loss.asm.reduction=lse", "loss.asm.kind=fixed", "loss.asm.margin=1", "esa.kind=decoder"},
};

static double total_at(const fixture *f) {
  cr_assert(xr_executor_forward(f->executor, (xr_seed){3, 7}) == XR_OK, "%s", xr_message());
  return (double)value(f, f->model.total);
}

/* Draws a direction in the space of all parameters; returns the gradient's slope along it. */
static double draw_direction(const fixture *f, int trial, float *direction) {
  const xr_parameter_arrays a = xr_parameters_arrays(f->parameters);
  xr_random r = xr_random_start(100, (uint64_t)trial);
  double length = 0, slope = 0;
  memset(direction, 0, (size_t)a.elements * sizeof *direction);
  for (int i = 0; i < xr_parameter_count(f->parameters); i++) {
    const xr_parameter *p = xr_parameter_at(f->parameters, i);
    for (int64_t k = p->offset; k < p->offset + xr_elements(p->shape); k++) {
      direction[k] = xr_random_normal(&r);
      length += (double)direction[k] * (double)direction[k];
    }
  }
  for (int64_t k = 0; k < a.elements; k++) {
    direction[k] = (float)((double)direction[k] / sqrt(length));
    slope += (double)a.gradient[k] * (double)direction[k];
  }
  return slope;
}

Test(esa, gradient_of_the_whole_graph_by_differences) {
  for (size_t c = 0; c < sizeof smooth / sizeof *smooth; c++) {
    fixture f = make(smooth[c], XR_CPU);
    step(&f, mixed, images);
    const xr_parameter_arrays a = xr_parameters_arrays(f.parameters);
    float *saved = xr_block_alloc((size_t)a.elements * sizeof *saved), *direction = xr_block_alloc((size_t)a.elements * sizeof *direction);
    memcpy(saved, a.master, (size_t)a.elements * sizeof *saved);
    double squares = 0;
    for (int64_t k = 0; k < a.elements; k++) squares += (double)a.gradient[k] * (double)a.gradient[k];
    for (int trial = 0; trial < 3; trial++) {
      const double slope = draw_direction(&f, trial, direction), h = 2e-2;
      double side[4]; /* at h, -h, 2h, -2h: the error of their combination is of fourth order */
      for (int s = 0; s < 4; s++) {
        const double at = (s % 2 ? -h : h) * (s / 2 + 1);
        for (int64_t k = 0; k < a.elements; k++) a.master[k] = saved[k] + (float)(at * (double)direction[k]);
        side[s] = total_at(&f);
      }
      memcpy(a.master, saved, (size_t)a.elements * sizeof *saved);
      const double numeric = (8 * (side[0] - side[1]) - (side[2] - side[3])) / (12 * h);
      const double allowed = 64 * 0x1p-24 * fabs(side[0]) / h + 2e-3 * sqrt(squares / (double)a.elements) + 1e-3 * fabs(slope);
      cr_assert(fabs(numeric - slope) <= allowed, "%s: trial %d: slope %.6g, by differences %.6g; allowed difference %.3g", smooth[c][4],
                trial, slope, numeric, allowed);
    }
    xr_block_free(saved);
    xr_block_free(direction);
    method_step_free(&f);
  }
}

/* ---- training on one batch */
/* A step of this length against the gradient. */
static void descend(const fixture *f, double length) {
  const xr_parameter_arrays a = xr_parameters_arrays(f->parameters);
  double squares = 0;
  for (int64_t k = 0; k < a.elements; k++) squares += (double)a.gradient[k] * (double)a.gradient[k];
  for (int64_t k = 0; k < a.elements; k++) a.master[k] -= (float)(length / sqrt(squares) * (double)a.gradient[k]);
}

Test(esa, losses_fall_and_sets_stay_apart) {
  for (int i = 0; i < 6; i++) {
    fixture f = make(choices[i], XR_CPU);
    const float before = step(&f, mixed, images), asm_before = term(&f, "asm");
    for (int s = 0; s < 40; s++) {
      descend(&f, 0.2 * (1 - s / 40.0));
      step(&f, mixed, images);
    }
    const float after = value(&f, f.model.total);
    cr_assert(after < 0.5f * before, "%s: the total goes from %g to %g", choices[i][0], (double)before, (double)after);
    cr_assert(term(&f, "asm") < asm_before, "%s: asm goes from %g to %g", choices[i][0], (double)asm_before, (double)term(&f, "asm"));
    if (i == 0) cr_assert_lt(value(&f, f.model.set_cosine), 0.95f); /* of slots, which compete; the others may collapse */
    method_step_free(&f);
  }
}

/* ---- size */
static xr_work full_size(const char *const more[], size_t count, int64_t *parameters) {
  const char *overrides[16] = {"model.classes=11003", "text.vocabulary_size=49408"};
  memcpy(overrides + 2, more, count * sizeof *more);
  xr_config *config;
  xr_task task;
  xr_model model;
  cr_assert(xr_config_load(&config, NULL, overrides, 2 + count) == XR_OK, "%s", xr_message());
  cr_assert(xr_task_describe(&task, config) == XR_OK && xr_model_new(&model, &task, (xr_model_options){0}) == XR_OK, "%s", xr_message());
  const xr_work work = xr_plan_work(model.plan);
  *parameters = xr_parameter_elements(model.parameters);
  xr_model_free(&model);
  xr_task_close(&task);
  xr_config_free(config);
  return work;
}

Test(esa, costs_little_more_than_two_towers) {
  const char *const bare[] = {"method=esa", "esa.score_weight=0", "loss.asm.weight=0", "loss.mmd.weight=0", "loss.uniformity.weight=0"};
  const char *const whole[] = {"method=esa"};
  int64_t towers_parameters, esa_parameters;
  const xr_work towers = full_size(bare, 5, &towers_parameters), esa = full_size(whole, 1, &esa_parameters);
  /* a modality: queries, q, kv and out without biases, FFN, five norms */
  const int64_t width = 512, inner = 4 * 128, set = 4 * width + 4 * inner * width, mlp = 8 * width * width + 5 * width;
  cr_assert_eq(esa_parameters, towers_parameters + 2 * (set + mlp + 5 * 2 * width));
  const double ratio = (esa.forward_flops + esa.backward_flops) / (towers.forward_flops + towers.backward_flops);
  cr_assert(ratio > 1 && ratio < 1.03, "%.4f times the towers' arithmetic", ratio);
}

#ifdef XREID_CUDA
Test(esa, every_choice_makes_a_finite_step_on_cuda) {
  xr_device device;
  if (xr_device_open(&device, "cuda") != XR_OK) cr_skip_test("%s", xr_message());
  try_all(XR_CUDA);
}
#endif
