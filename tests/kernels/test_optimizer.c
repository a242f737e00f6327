#include <math.h>

#include "kernels/optimizer/adam.h"
#include "kernels/optimizer/global_norm.h"
#include "kernels/optimizer/sgd.h"
#include "tests/support/golden.h"
#include "tests/support/kernel.h"

/* As in tests/oracle/optimizer.py. */
enum { STEPS = 5, COUNT = 112, SEGMENTS = 3 };
static const xr_segment segments[SEGMENTS] = {
    {0, 37, 0, 1, 4e-5f, 1e-3f}, {40, 5, -1, 2, 0, 1e-3f}, {45, 64, 40, 5, 0.1f, 1e-8f}}; /* bf16 copies at 0 and 40 */
static const float rates[STEPS] = {1e-3f, 2e-3f, 3e-3f, 2e-3f, 5e-4f};

/* A table of `count` segments whose chunks fit in chunk[room]. */
static xr_segment_table table_of(const xr_segment *segment, int64_t count, xr_chunk *chunk, int64_t room) {
  xr_segment_table table = {.segment = segment, .chunk = chunk, .segments = count};
  cr_assert_eq(xr_count_chunks(segment, count, &table.chunks), XR_OK);
  cr_assert(table.chunks <= room);
  xr_cut_segments(segment, count, chunk);
  return table;
}

static bool owned(int i) { return i < 37 || (i >= 40 && i < 45) || (i >= 45 && i < 109); }

/* One training run's arrays. */
typedef struct {
  float *parameter, *gradients, *first, *second;
  xr_bf16 *compute;
  float norm;
  int32_t first_bad;
  double workspace[SEGMENTS];
  xr_chunk chunks[SEGMENTS];
  xr_optimizer_step step;
} run;

static run start(xr_golden *g, xr_blocks *held) {
  run r = {.step = {.gradient_scale = 1}};
  r.parameter = xr_hold(held, xr_golden_load(g, "parameter", XR_F32));
  r.gradients = xr_hold(held, xr_golden_load(g, "gradients", XR_F32));
  r.first = memset(xr_hold(held, xr_poisoned(XR_F32, COUNT)), 0, COUNT * sizeof(float));
  r.second = memset(xr_hold(held, xr_poisoned(XR_F32, COUNT)), 0, COUNT * sizeof(float));
  r.compute = xr_hold(held, xr_poisoned(XR_BF16, COUNT));
  return r;
}

static void clip(run *r, const float *gradient, float max_norm) {
  const xr_global_norm a = {.table = table_of(segments, SEGMENTS, r->chunks, SEGMENTS),
                            .gradient = gradient,
                            .max_norm = max_norm,
                            .norm = &r->norm,
                            .factor = &r->step.gradient_scale,
                            .first_bad = &r->first_bad,
                            .workspace = r->workspace};
  cr_assert_eq(xr_global_norm_workspace(&a), sizeof r->workspace);
  cr_assert(xr_global_norm_cpu(&a) == XR_OK, "%s", xr_message());
}

/* Elements of no segment are untouched (`untouched` is the array as it was; NULL: zeros), then zero as in the golden file. */
static void expect(xr_golden *g, const char *name, float *values, const float *untouched) {
  for (int i = 0; i < COUNT; i++) {
    if (owned(i)) continue;
    cr_assert_eq(values[i], untouched ? untouched[i] : 0, "%s[%d] belongs to nobody", name, i);
    values[i] = 0;
  }
  xr_golden_expect(g, name, values, XR_F32, XR_F32);
}

static void expect_compute(const run *r) {
  for (int k = 0; k < SEGMENTS; k++)
    for (int64_t i = 0; i < segments[k].count && segments[k].compute_offset >= 0; i++)
      cr_assert_eq(r->compute[segments[k].compute_offset + i], xr_f32_to_bf16(r->parameter[segments[k].offset + i]));
  for (int i = 37; i < 40; i++) cr_assert_eq(r->compute[i], 0xffff);
}

static void run_adam(const char *name, bool decoupled) {
  xr_golden g = xr_golden_open("optimizer");
  g.name = name;
  xr_blocks held = {.count = 0};
  run r = start(&g, &held);
  const float *before = xr_hold(&held, xr_golden_load(&g, "parameter", XR_F32)), max_norm = (float)xr_golden_scalar(&g, "max_norm");
  xr_adam a = {.table = table_of(segments, SEGMENTS, r.chunks, SEGMENTS),
               .beta1 = 0.9,
               .beta2 = 0.999,
               .decoupled_decay = decoupled,
               .step = &r.step,
               .parameter = r.parameter,
               .first_moment = r.first,
               .second_moment = r.second,
               .compute = r.compute};
  for (int step = 0; step < STEPS; step++) {
    a.gradient = r.gradients + step * COUNT;
    r.step.lr = rates[step];
    r.step.step = step + 1;
    clip(&r, a.gradient, max_norm);
    cr_assert(xr_adam_cpu(&a) == XR_OK, "%s", xr_message());
  }
  expect_compute(&r);
  expect(&g, "final", r.parameter, before);
  expect(&g, "first_moment", r.first, NULL);
  expect(&g, "second_moment", r.second, NULL);
  xr_release(&held);
  xr_golden_close(&g);
}

Test(optimizer, adam) { run_adam("adam", false); }
Test(optimizer, adam_with_clipping) { run_adam("adam_clipped", false); }
Test(optimizer, adamw) { run_adam("adamw", true); }

static void run_sgd(const char *name, float momentum, bool nesterov) {
  xr_golden g = xr_golden_open("optimizer");
  g.name = name;
  xr_blocks held = {.count = 0};
  run r = start(&g, &held);
  const float *before = xr_hold(&held, xr_golden_load(&g, "parameter", XR_F32));
  for (int i = 0; i < COUNT; i++) r.first[i] = owned(i) ? NAN : 0; /* the first step must not read it */
  xr_sgd a = {.table = table_of(segments, SEGMENTS, r.chunks, SEGMENTS),
              .momentum = momentum,
              .nesterov = nesterov,
              .step = &r.step,
              .parameter = r.parameter,
              .momentum_buffer = momentum > 0 ? r.first : NULL,
              .compute = r.compute};
  for (int step = 0; step < STEPS; step++) {
    a.gradient = r.gradients + step * COUNT;
    r.step.lr = rates[step];
    r.step.step = step + 1;
    cr_assert(xr_sgd_cpu(&a) == XR_OK, "%s", xr_message());
  }
  expect_compute(&r);
  expect(&g, "final", r.parameter, before);
  if (momentum > 0) expect(&g, "momentum_buffer", r.first, NULL);
  xr_release(&held);
  xr_golden_close(&g);
}

Test(optimizer, sgd) { run_sgd("sgd", 0, false); }
Test(optimizer, sgd_with_momentum) { run_sgd("momentum", 0.9f, false); }
Test(optimizer, sgd_with_nesterov) { run_sgd("nesterov", 0.9f, true); }

static void run_clip(const char *name) {
  xr_golden g = xr_golden_open("optimizer");
  g.name = name;
  xr_blocks held = {.count = 0};
  const int64_t count = xr_golden_dim(&g, "gradient", 0);
  float *gradient = xr_hold(&held, xr_golden_load(&g, "gradient", XR_F32)), norm, factor;
  int32_t first_bad;
  double workspace[2];
  xr_chunk chunks[2];
  const xr_segment parts[2] = {{.offset = 0, .count = 1000}, {.offset = 1000, .count = count - 1000}};
  const xr_global_norm a = {.table = table_of(parts, 2, chunks, 2),
                            .gradient = gradient,
                            .max_norm = (float)xr_golden_scalar(&g, "max_norm"),
                            .norm = &norm,
                            .factor = &factor,
                            .first_bad = &first_bad,
                            .workspace = workspace};
  cr_assert(xr_global_norm_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "norm", &norm, XR_F32, XR_F32);
  cr_assert_eq(first_bad, -1);
  for (int64_t i = 0; i < count; i++) gradient[i] *= factor;
  xr_golden_expect(&g, "clipped", gradient, XR_F32, XR_F32);
  xr_release(&held);
  xr_golden_close(&g);
}

Test(optimizer, norm_and_clipping) { run_clip("clip"); }
Test(optimizer, a_norm_below_the_limit_is_not_scaled) { run_clip("loose"); }

Test(optimizer, a_gradient_that_is_not_finite_is_located_and_the_step_left_out) {
  for (int kind = 0; kind < 3; kind++) {
    const float bad = kind == 0 ? NAN : kind == 1 ? INFINITY : -INFINITY;
    float gradient[COUNT], w[COUNT], m[COUNT], v[COUNT];
    run r = {.step = {.lr = 1, .step = 1}};
    for (int i = 0; i < COUNT; i++) gradient[i] = w[i] = m[i] = v[i] = 0x1p100f; /* its square overflows f32, but is finite */
    clip(&r, gradient, 0);
    cr_assert(r.first_bad == -1 && r.step.gradient_scale == 1 && isfinite(r.norm));
    gradient[38] = bad; /* belongs to no segment */
    clip(&r, gradient, 1);
    cr_assert(r.first_bad == -1 && isfinite(r.norm));
    gradient[44] = gradient[108] = bad;
    clip(&r, gradient, 1);
    cr_assert_eq(r.first_bad, 1);
    cr_assert(isnan(r.norm) && isnan(r.step.gradient_scale));
    const xr_adam adam = {.table = table_of(segments, SEGMENTS, r.chunks, SEGMENTS),
                          .beta1 = 0.9,
                          .beta2 = 0.999,
                          .step = &r.step,
                          .parameter = w,
                          .gradient = gradient,
                          .first_moment = m,
                          .second_moment = v};
    const xr_sgd sgd = {.table = table_of(segments, SEGMENTS, r.chunks, SEGMENTS),
                        .momentum = 0.9f,
                        .step = &r.step,
                        .parameter = w,
                        .gradient = gradient,
                        .momentum_buffer = m};
    cr_assert_eq(xr_adam_cpu(&adam), XR_OK);
    cr_assert_eq(xr_sgd_cpu(&sgd), XR_OK);
    for (int i = 0; i < COUNT; i++) cr_assert(w[i] == 0x1p100f && m[i] == 0x1p100f && v[i] == 0x1p100f);
  }
}

Test(optimizer, a_loss_that_is_not_finite_leaves_the_step_out) {
  float gradient[COUNT], loss;
  for (int i = 0; i < COUNT; i++) gradient[i] = 1;
  run r = {.step = {.lr = 1, .step = 1}};
  xr_global_norm a = {.table = table_of(segments, SEGMENTS, r.chunks, SEGMENTS),
                      .gradient = gradient,
                      .loss = &loss,
                      .max_norm = 1,
                      .norm = &r.norm,
                      .factor = &r.step.gradient_scale,
                      .first_bad = &r.first_bad,
                      .workspace = r.workspace};
  const float losses[3] = {NAN, INFINITY, -INFINITY};
  for (int i = 0; i < 3; i++) {
    loss = losses[i];
    cr_assert_eq(xr_global_norm_cpu(&a), XR_OK);
    cr_assert(isnan(r.step.gradient_scale) && r.norm == (float)sqrt(106) && r.first_bad == -1);
  }
  loss = 3e38f;
  cr_assert_eq(xr_global_norm_cpu(&a), XR_OK);
  cr_assert_float_eq(r.step.gradient_scale, 1 / sqrt(106), 1e-7);
}

Test(optimizer, segments_are_cut_into_chunks_in_order) {
  const xr_segment parts[4] = {
      {.offset = 7, .count = XR_CHUNK}, {.offset = 3, .count = 0}, {.offset = 50000, .count = 2 * XR_CHUNK + 1}, {.count = 1}};
  xr_chunk chunk[5];
  const xr_segment_table table = table_of(parts, 4, chunk, 5);
  const xr_chunk expected[5] = {
      {7, XR_CHUNK, 0}, {50000, XR_CHUNK, 2}, {50000 + XR_CHUNK, XR_CHUNK, 2}, {50000 + 2 * XR_CHUNK, 1, 2}, {0, 1, 3}};
  cr_assert_eq(table.chunks, 5);
  cr_assert(memcmp(chunk, expected, sizeof chunk) == 0);
}

Test(optimizer, same_for_any_threads) {
  enum { N = 70001 };
  xr_blocks held = {.count = 0};
  const xr_segment parts[3] = {{0, 20000, 0, 1, 0.1f, 1e-8f}, {20000, 1, -1, 1, 0, 1e-8f}, {20001, 50000, 20000, 1, 0.1f, 1e-8f}};
  const float *gradient = xr_random_block(&held, XR_F32, N, 1), *initial = xr_random_block(&held, XR_F32, N, 2);
  float *state = xr_hold(&held, xr_poisoned(XR_F32, 3 * N + 2)), *reference = xr_hold(&held, xr_poisoned(XR_F32, 3 * N + 2));
  xr_bf16 *compute = xr_hold(&held, xr_poisoned(XR_BF16, N)), *reference_compute = xr_hold(&held, xr_poisoned(XR_BF16, N));
  xr_optimizer_step step = {.lr = 0.01f};
  int32_t first_bad;
  xr_chunk chunks[16];
  const xr_segment_table table = table_of(parts, 3, chunks, 16);
  const xr_global_norm norm = {.table = table,
                               .gradient = gradient,
                               .max_norm = 1,
                               .norm = state + 3 * N,
                               .factor = &step.gradient_scale,
                               .first_bad = &first_bad,
                               .workspace = xr_hold(&held, xr_poisoned(XR_F64, 16))};
  const xr_adam adam = {.table = table,
                        .beta1 = 0.9,
                        .beta2 = 0.999,
                        .step = &step,
                        .parameter = state,
                        .gradient = gradient,
                        .first_moment = state + N,
                        .second_moment = state + 2 * N,
                        .compute = compute};
  const xr_sgd sgd = {.table = table,
                      .momentum = 0.9f,
                      .nesterov = true,
                      .step = &step,
                      .parameter = state,
                      .gradient = gradient,
                      .momentum_buffer = state + N,
                      .compute = compute};
  cr_assert(xr_global_norm_workspace(&norm) <= 16 * sizeof(double));
  for (int threads = 1; threads <= 3; threads++) {
    omp_set_num_threads(threads);
    memset(state, 0, (3 * N + 2) * sizeof *state);
    memcpy(state, initial, N * sizeof *state);
    for (step.step = 1; step.step <= 4; step.step++) {
      cr_assert_eq(xr_global_norm_cpu(&norm), XR_OK);
      cr_assert_eq(step.step % 2 ? xr_adam_cpu(&adam) : xr_sgd_cpu(&sgd), XR_OK);
    }
    state[3 * N + 1] = step.gradient_scale;
    if (threads == 1) {
      memcpy(reference, state, (3 * N + 2) * sizeof *state);
      memcpy(reference_compute, compute, N * sizeof *compute);
    }
    cr_assert(memcmp(reference, state, (3 * N + 2) * sizeof *state) == 0, "%d threads give another result", threads);
    cr_assert(memcmp(reference_compute, compute, N * sizeof *compute) == 0, "%d threads give another bf16 copy", threads);
  }
  xr_release(&held);
}

Test(optimizer, wrong_arguments_are_refused) {
  xr_optimizer_step step = {.lr = 1, .gradient_scale = 1, .step = 0};
  xr_adam adam = {.step = &step};
  xr_sgd sgd = {.step = &step};
  cr_assert_eq(xr_adam_cpu(&adam), XR_BAD_ARGUMENT);
  cr_assert(strstr(xr_message(), "adam: step 0; the first is 1"), "%s", xr_message());
  cr_assert_eq(xr_sgd_cpu(&sgd), XR_BAD_ARGUMENT);
  step.step = 1;
  sgd.nesterov = true;
  cr_assert_eq(xr_sgd_cpu(&sgd), XR_BAD_ARGUMENT);
  const xr_segment wrong[2] = {{.count = 1}, {.offset = -1, .count = 1}};
  int64_t chunks;
  cr_assert_eq(xr_count_chunks(wrong, 2, &chunks), XR_BAD_SHAPE);
  cr_assert(strstr(xr_message(), "segment 1 starts at -1 and has 1 elements"), "%s", xr_message());
  const xr_global_norm norm = {.max_norm = -1};
  cr_assert_eq(xr_global_norm_cpu(&norm), XR_BAD_ARGUMENT);
}
