/* The CUDA executor against the CPU's, on a small IRRA: on a device, or on the emulator (tests/emu). */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "host/base/memory.h"
#include "host/base/random.h"
#include "host/graph/check_nodes.h"
#include "host/graph/device.h"
#include "host/graph/executor.h"
#include "host/train/checkpoint.h"
#include "host/train/optimizer.h"
#include "models/method.h"
#ifdef XREID_EMU
#include "tests/emu/emu.h"
#endif

enum { BATCH = 4, CLASSES = 5, VOCABULARY = 600, CONTEXT = 7, STEPS = 10 };

typedef struct {
  xr_backend backend;
  xr_dtype compute;
  bool no_graph, poison, no_reuse, ahead; /* ahead: the next batch is fed while a step runs */
  bool masked;                            /* with masked words */
} variant;

typedef struct {
  variant v;
  xr_config *config;
  xr_parameters *parameters;
  xr_graph *graph;
  xr_training_graph model;
  xr_plan *plan;
  xr_optimizer *optimizer;
  xr_executor *executor;
} fixture;

static fixture make(variant v) {
  fixture f = {.v = v, .parameters = xr_parameters_new()};
  /* With a temperature of 0.02, three losses let rounding grow a thousandfold in ten steps. */
  const char *mlm = v.masked ? "loss.mlm.weight=1" : "loss.mlm.weight=0";
  const char *temperature = v.masked ? "loss.sdm.temperature=0.1" : "loss.sdm.temperature=0.02";
  const char *overrides[] = {
      "model.preset=tiny", "image.height=32",        "image.width=16",    "image.patch=8",     "image.stride=8",     "vision.layers=2",
      "text.layers=2",     "vision.width=24",        "vision.heads=2",    "text.width=16",     "text.heads=2",       "text.context=7",
      "model.embed=12",    "model.recompute=blocks", "loss.mlm.layers=2", "text.mask_aug=off", "text.mask_pad=true", mlm,
      temperature};
  cr_assert(xr_config_load(&f.config, NULL, overrides, sizeof overrides / sizeof *overrides) == XR_OK, "%s", xr_message());
  const xr_model_context context = {.config = f.config, .batch = BATCH, .classes = CLASSES, .vocabulary = VOCABULARY};
  f.graph = xr_graph_new(f.parameters, (xr_graph_options){.name = "train", .compute = v.compute, .training = true});
  xr_method_of(f.config)->train(f.graph, &context, &f.model);
  cr_assert(xr_graph_status(f.graph) == XR_OK, "%s", xr_message());
  cr_assert(xr_plan_new(&f.plan, f.graph, f.model.total, (xr_plan_options){.backend = v.backend, .no_reuse = v.no_reuse}) == XR_OK, "%s",
            xr_message());
  const xr_parameter_options options = {
      .seed = 5, .compute = v.compute, .training = true, .moments = xr_optimizer_moments(f.config), .backend = v.backend};
  cr_assert(xr_parameters_allocate(f.parameters, options) == XR_OK, "%s", xr_message());
  cr_assert(xr_optimizer_new(&f.optimizer, f.config, f.parameters) == XR_OK, "%s", xr_message());
  const xr_executor_options how = {.poison = v.poison, .no_graph = v.no_graph, .tail = xr_optimizer_tail(f.optimizer)};
  cr_assert(xr_executor_new(&f.executor, f.plan, how) == XR_OK, "%s", xr_message());
  return f;
}

static void drop(fixture *f) {
  xr_executor_free(f->executor);
  xr_optimizer_free(f->optimizer);
  xr_plan_free(f->plan);
  xr_graph_free(f->graph);
  xr_parameters_free(f->parameters);
  xr_config_free(f->config);
}

/* Every second word is hidden, as far as there are rows. */
static void feed_masks(const fixture *f, const int32_t *ids, const int32_t *end) {
  int32_t *masked = xr_executor_input(f->executor, f->model.masked_ids), *length = xr_executor_input(f->executor, f->model.length);
  int32_t *index = xr_executor_input(f->executor, f->model.mask_index), *label = xr_executor_input(f->executor, f->model.mask_label);
  const int64_t rows = xr_shape_of(f->graph, f->model.mask_index).dim[0];
  int64_t used = 0;
  for (int i = 0; i < BATCH * CONTEXT; i++) {
    const int b = i / CONTEXT, t = i % CONTEXT;
    length[b] = end[b] + 1;
    masked[i] = ids[i];
    if (t % 2 == 0 || t >= end[b] || used == rows - 1) continue;
    masked[i] = VOCABULARY - 3;
    index[used] = i;
    label[used++] = ids[i];
  }
  for (; used < rows; used++) index[used] = label[used] = -1;
}

static void feed(const fixture *f, int step) {
  xr_random r = xr_random_start(1, (uint64_t)step);
  uint8_t *pixels = xr_executor_input(f->executor, f->model.pixels);
  int32_t *ids = xr_executor_input(f->executor, f->model.ids), *end = xr_executor_input(f->executor, f->model.end);
  int32_t *identity = xr_executor_input(f->executor, f->model.identity), *image = xr_executor_input(f->executor, f->model.image);
  xr_augment_decision *decisions = xr_executor_input(f->executor, f->model.decisions);
  cr_assert(pixels && ids && end && identity && image && decisions, "%s", xr_message());
  for (int64_t i = 0; i < xr_elements(xr_shape_of(f->graph, f->model.pixels)); i++) pixels[i] = (uint8_t)xr_random_below(&r, 256);
  for (int i = 0; i < BATCH * CONTEXT; i++) ids[i] = (int32_t)xr_random_below(&r, VOCABULARY);
  for (int i = 0; i < BATCH; i++) {
    end[i] = 3 + (int32_t)xr_random_below(&r, 4);
    identity[i] = (i + step) / 2 % CLASSES;
    image[i] = i;
  }
  memset(decisions, 0, BATCH * sizeof *decisions);
  if (f->v.masked) feed_masks(f, ids, end);
}

static float loss_of(const fixture *f) { return *(const float *)xr_executor_value(f->executor, f->model.total); }

static void start(const fixture *f, int step) {
  xr_optimizer_set(f->optimizer, 1e-3 * (1 + step % 3), step + 1);
  cr_assert(xr_executor_step(f->executor, (xr_seed){9, (uint64_t)step}) == XR_OK, "%s", xr_message());
}

/* Steps first .. end-1; losses and gradient norms. */
static void train(const fixture *f, int first, int end, float *losses, float *norms) {
  feed(f, first);
  for (int step = first; step < end; step++) {
    start(f, step);
    if (f->v.ahead && step + 1 < end) {
      feed(f, step + 1);
      cr_assert(xr_executor_upload(f->executor) == XR_OK, "%s", xr_message());
    }
    cr_assert(xr_executor_wait(f->executor) == XR_OK, "%s", xr_message());
    const xr_update update = xr_optimizer_update(f->optimizer);
    cr_assert_eq(update.bad_parameter, -1);
    losses[step] = loss_of(f);
    norms[step] = update.gradient_norm;
    if (!f->v.ahead && step + 1 < end) feed(f, step + 1);
  }
}

static void expect_same_state(const fixture *a, const fixture *b) {
  const xr_parameter_part parts[] = {XR_MASTER, XR_MOMENT_0, XR_MOMENT_1};
  const int64_t n = xr_parameters_arrays(a->parameters).elements;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    xr_parameter_view x, y;
    cr_assert(xr_parameters_view(a->parameters, parts[i], &x) == XR_OK && xr_parameters_view(b->parameters, parts[i], &y) == XR_OK, "%s",
              xr_message());
    cr_assert(memcmp(x.values, y.values, (size_t)n * sizeof *x.values) == 0, "array %d of the parameters differs", (int)parts[i]);
    xr_parameters_view_end(&x);
    xr_parameters_view_end(&y);
  }
}

static void expect_same_run(variant a, variant b) {
  float losses[2][STEPS], norms[2][STEPS];
  fixture x = make(a), y = make(b);
  train(&x, 0, STEPS, losses[0], norms[0]);
  train(&y, 0, STEPS, losses[1], norms[1]);
  for (int i = 0; i < STEPS; i++) {
    cr_assert(memcmp(&losses[0][i], &losses[1][i], sizeof(float)) == 0, "step %d: losses %.9g and %.9g", i, (double)losses[0][i],
              (double)losses[1][i]);
    cr_assert(memcmp(&norms[0][i], &norms[1][i], sizeof(float)) == 0, "step %d: gradients of length %.9g and %.9g", i, (double)norms[0][i],
              (double)norms[1][i]);
  }
  expect_same_state(&x, &y);
  drop(&x);
  drop(&y);
}

#ifndef XREID_CUDA
Test(executor_cuda, a_build_without_cuda_says_so) {
  xr_device device;
  cr_assert_eq(xr_device_open(&device, "cuda"), XR_UNSUPPORTED);
  cr_assert(strstr(xr_message(), "no CUDA backend"), "%s", xr_message());
  cr_assert_eq(xr_device_open(&device, "auto"), XR_OK);
  cr_assert_eq(device.backend, XR_CPU);
  fixture f = make((variant){.backend = XR_CPU, .compute = XR_F32});
  xr_plan *plan;
  xr_executor *executor;
  cr_assert_eq(xr_plan_new(&plan, f.graph, f.model.total, (xr_plan_options){.backend = XR_CUDA}), XR_OK);
  cr_assert_eq(xr_executor_new(&executor, plan, (xr_executor_options){0}), XR_UNSUPPORTED);
  cr_assert(strstr(xr_message(), "CUDA"), "%s", xr_message());
  xr_plan_free(plan);
  drop(&f);
}

/* The same sequence of calls that a device needs leaves the same bits on the CPU, whether or not batches are fed ahead of time there. */
Test(executor_cuda, the_cpu_follows_the_same_calls) {
  const variant cpu = {.backend = XR_CPU, .compute = XR_F32, .masked = true},
                poisoned = {.backend = XR_CPU, .compute = XR_F32, .poison = true, .masked = true};
  expect_same_run(cpu, poisoned);
}
#else
static void open_device(void) {
  xr_device device;
  if (xr_device_open(&device, "cuda") != XR_OK) cr_skip_test("%s", xr_message());
}

static void losses_of(xr_backend backend, xr_dtype compute, bool masked, float *losses, float *norms) {
  fixture f = make((variant){.backend = backend, .compute = compute, .masked = masked});
  train(&f, 0, STEPS, losses, norms);
  drop(&f);
}

static double furthest(const float *losses, const float *from) {
  double most = 0;
  for (int i = 0; i < STEPS; i++) most = fmax(most, fabs((double)losses[i] / (double)from[i] - 1));
  return most;
}

static void expect_the_cpus_losses(bool masked) {
  float cpu[STEPS], cuda[STEPS], cpu_norms[STEPS], cuda_norms[STEPS];
  losses_of(XR_CPU, XR_F32, masked, cpu, cpu_norms);
  losses_of(XR_CUDA, XR_F32, masked, cuda, cuda_norms);
  cr_assert_lt(furthest(cuda, cpu), 1e-5);
  cr_assert_lt(furthest(cuda_norms, cpu_norms), 1e-4);
  cr_assert(cpu[0] != cpu[1], "the steps are all alike");
}

Test(executor_cuda, ten_steps_have_the_cpus_losses) {
  open_device();
  expect_the_cpus_losses(false);
}

Test(executor_cuda, ten_steps_with_masked_words_have_the_cpus_losses) {
  open_device();
  expect_the_cpus_losses(true);
}

/* Rounding to bf16 takes a run off that of f32; CUDA's may be off by twice as much as the CPU's. */
Test(executor_cuda, ten_steps_in_bf16_stay_as_near_as_the_cpus) {
  open_device();
  float exact[STEPS], cpu[STEPS], cuda[STEPS], norms[STEPS];
  losses_of(XR_CPU, XR_F32, true, exact, norms);
  losses_of(XR_CPU, XR_BF16, true, cpu, norms);
  losses_of(XR_CUDA, XR_BF16, true, cuda, norms);
  const double cpu_error = furthest(cpu, exact), cuda_error = furthest(cuda, exact);
  cr_assert(cpu_error > 0 && cuda_error <= 2 * cpu_error, "off by %.3g on the CPU, by %.3g on CUDA", cpu_error, cuda_error);
}

static const variant replayed = {.backend = XR_CUDA, .compute = XR_F32, .masked = true};

Test(executor_cuda, replay_gives_the_bits_of_node_by_node) {
  open_device();
  variant eager = replayed;
  eager.no_graph = true;
  expect_same_run(replayed, eager);
}

#ifdef XREID_EMU
/* Node by node, a profiler's timeline reads like the model; a replayed step has no ranges. */
Test(executor_cuda, scopes_are_ranges_of_a_timeline) {
  open_device();
  fixture f = make(replayed);
  float losses[STEPS], norms[STEPS];
  emu_take_ranges();
  train(&f, 0, 1, losses, norms);
  const char *ranges = emu_take_ranges();
  int depth = 0, least = 1;
  for (const char *c = ranges; *c; c++) {
    depth += (*c == '{') - (*c == '}');
    if (depth < least) least = depth;
  }
  cr_assert(depth == 0 && least == 0 && strstr(ranges, "visual{") && strstr(ranges, "resblocks{1{ln_1{}") && strstr(ranges, "update{}"),
            "%.2000s", ranges);
  train(&f, 1, 2, losses, norms); /* captured: each node by itself */
  cr_assert(strstr(emu_take_ranges(), "visual{transformer{resblocks{1{ln_1{}}}}}"));
  train(&f, 2, 4, losses, norms);
  cr_assert_str_eq(emu_take_ranges(), "");
  drop(&f);
}
#endif

Test(executor_cuda, poison_and_feeding_ahead_change_no_bit) {
  open_device();
  variant poisoned = replayed, ahead = replayed, apart = replayed;
  poisoned.poison = true;
  ahead.ahead = true;
  apart.no_reuse = true;
  expect_same_run(replayed, poisoned);
  expect_same_run(replayed, ahead);
  expect_same_run(replayed, apart);
}

/* An input that is not fed again keeps its values: the loss of a second forward is the first one's. */
Test(executor_cuda, inputs_stay_until_they_are_fed_again) {
  open_device();
  fixture f = make(replayed);
  feed(&f, 0);
  float first = 0;
  for (int i = 0; i < 4; i++) { /* node by node, captured, replayed */
    if (i == 3) feed(&f, 1);
    cr_assert(xr_executor_forward(f.executor, (xr_seed){1, 1}) == XR_OK, "%s", xr_message());
    cr_assert(xr_executor_wait(f.executor) == XR_OK, "%s", xr_message());
    if (i == 0) first = loss_of(&f);
    cr_assert(i == 3 ? loss_of(&f) != first : loss_of(&f) == first, "run %d", i);
  }
  cr_assert_null(xr_executor_value(f.executor, f.model.pixels), "an input is no output");
  drop(&f);
}

static void save(const fixture *f, const char *path, int64_t step) {
  const xr_progress_state at = {.step = step, .updates = step, .best = -1};
  cr_assert(xr_checkpoint_save(path, f->config, f->parameters, &at) == XR_OK, "%s", xr_message());
}

/* Half a run, a checkpoint, and the other half from it; and the same checkpoint on the CPU. */
Test(executor_cuda, a_checkpoint_goes_on_with_the_same_bits) {
  open_device();
  char path[] = "/tmp/xreid_test_executor_XXXXXX";
  const int fd = mkstemp(path);
  float losses[STEPS], norms[STEPS], again[STEPS];
  xr_progress_state at;
  fixture whole = make(replayed), half = make(replayed), rest = make(replayed);
  fixture cpu = make((variant){.backend = XR_CPU, .compute = XR_F32, .masked = true});
  train(&whole, 0, STEPS, losses, norms);
  train(&half, 0, STEPS / 2, again, norms);
  save(&half, path, STEPS / 2);
  cr_assert(xr_checkpoint_load(path, rest.parameters, &at) == XR_OK, "%s", xr_message());
  cr_assert(xr_checkpoint_load(path, cpu.parameters, &at) == XR_OK, "%s", xr_message());
  expect_same_state(&half, &cpu);
  train(&rest, STEPS / 2, STEPS, again, norms);
  cr_assert(memcmp(losses, again, sizeof losses) == 0, "the losses differ");
  expect_same_state(&whole, &rest);
  close(fd);
  unlink(path);
  drop(&whole);
  drop(&half);
  drop(&rest);
  drop(&cpu);
}

/* ---- node by node against the CPU */
enum { WORST = 3 };

static xr_status check_nodes(xr_dtype compute, double limit, const char *changed, xr_node_difference *worst) {
  fixture cuda = make((variant){.backend = XR_CUDA, .compute = compute, .no_reuse = true, .masked = true}),
          cpu = make((variant){.backend = XR_CPU, .compute = compute, .no_reuse = true, .masked = true});
  feed(&cuda, 0);
  feed(&cpu, 0);
  if (changed) {
    const int index = xr_parameter_find(cuda.parameters, changed);
    cr_assert_geq(index, 0);
    float *values = xr_block_alloc((size_t)xr_elements(xr_parameter_at(cuda.parameters, index)->shape) * sizeof *values);
    cr_assert(xr_parameter_read(cuda.parameters, XR_MASTER, index, values) == XR_OK, "%s", xr_message());
    values[1] += 0.25f;
    cr_assert(xr_parameter_write(cuda.parameters, XR_MASTER, index, values) == XR_OK, "%s", xr_message());
    xr_block_free(values);
  }
  const xr_status status = xr_check_nodes(cuda.executor, cpu.executor, (xr_seed){3, 4}, limit, worst, WORST);
  for (int i = 0; i < WORST; i++) worst[i].path = NULL; /* of a graph that goes now */
  drop(&cuda);
  drop(&cpu);
  return status;
}

Test(executor_cuda, every_node_agrees_with_the_cpu) {
  open_device();
  xr_node_difference worst[WORST];
  cr_assert(check_nodes(XR_F32, 0x1p-14, NULL, worst) == XR_OK, "%s", xr_message());
  cr_assert(worst[0].error > 0, "nothing differs at all: was anything compared?");
  cr_assert(check_nodes(XR_BF16, 4 * 0x1p-9, NULL, worst) == XR_OK, "%s", xr_message());
}

Test(executor_cuda, a_node_that_differs_is_named) {
  open_device();
  xr_node_difference worst[WORST];
  cr_assert_eq(check_nodes(XR_F32, 0x1p-14, "visual.transformer.resblocks.1.ln_2.weight", worst), XR_BAD_ARGUMENT);
  cr_assert(strstr(xr_message(), "visual.transformer.resblocks.1.ln_2"), "%s", xr_message());
}

/* ---- what goes wrong */
Test(executor_cuda, a_nan_is_traced_and_the_step_left_out) {
  open_device();
  fixture f = make(replayed), untouched = make(replayed);
  float losses[STEPS], norms[STEPS];
  train(&f, 0, 3, losses, norms);
  train(&untouched, 0, 3, losses, norms);
  const int index = xr_parameter_find(f.parameters, "visual.transformer.resblocks.1.ln_2.weight");
  float values[24];
  for (int i = 0; i < 2; i++) {
    cr_assert(xr_parameter_read(f.parameters, XR_MASTER, index, values) == XR_OK, "%s", xr_message());
    values[3] = (float)NAN;
    cr_assert(xr_parameter_write(i ? untouched.parameters : f.parameters, XR_MASTER, index, values) == XR_OK, "%s", xr_message());
  }
  feed(&f, 3);
  start(&f, 3);
  feed(&f, 4); /* the batch after it is on its way, and is not what the search runs on */
  cr_assert(xr_executor_upload(f.executor) == XR_OK && xr_executor_wait(f.executor) == XR_OK, "%s", xr_message());
  cr_assert_geq(xr_optimizer_update(f.optimizer).bad_parameter, 0);
  cr_assert_eq(xr_executor_find_nonfinite(f.executor, (xr_seed){9, 3}), XR_NOT_FINITE);
  cr_assert(strstr(xr_message(), "visual.transformer.resblocks.1.ln_2"), "%s", xr_message());
  expect_same_state(&f, &untouched);
  drop(&f);
  drop(&untouched);
}

Test(executor_cuda, devices_that_are_not_there_are_named) {
  open_device();
  xr_device device;
  cr_assert_eq(xr_device_open(&device, "cuda:900"), XR_DEVICE);
  cr_assert(strstr(xr_message(), "there is no device cuda:900"), "%s", xr_message());
  cr_assert_eq(xr_device_open(&device, "cuda:x"), XR_BAD_ARGUMENT);
  cr_assert_eq(xr_device_open(&device, "auto"), XR_OK);
  cr_assert_eq(device.backend, XR_CUDA);
}

Test(executor_cuda, too_large_a_plan_says_what_would_fit) {
  open_device();
  fixture f = make(replayed);
  void *memory;
  cr_assert_eq(xr_executor_memory_new(&memory, f.plan, (size_t)1 << 50), XR_NO_MEMORY); /* more than the plan's: another plan's */
  cr_assert(strstr(xr_message(), "need 1073741824.0 MiB at a batch of 4") && strstr(xr_message(), "a smaller eval.batch") &&
                strstr(xr_message(), "are free"),
            "%s", xr_message());
  drop(&f);
}

Test(executor_cuda, plan_and_parameters_must_be_in_one_place) {
  open_device();
  fixture f = make((variant){.backend = XR_CPU, .compute = XR_F32});
  xr_plan *plan;
  xr_executor *executor;
  cr_assert_eq(xr_plan_new(&plan, f.graph, f.model.total, (xr_plan_options){.backend = XR_CUDA}), XR_OK);
  cr_assert_eq(xr_executor_new(&executor, plan, (xr_executor_options){0}), XR_BAD_ARGUMENT);
  xr_plan_free(plan);
  drop(&f);
}
#endif
