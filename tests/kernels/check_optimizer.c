#include <math.h>
#include <stdlib.h>

#include "kernels/optimizer/adam.h"
#include "kernels/optimizer/global_norm.h"
#include "kernels/optimizer/sgd.h"
#include "tests/kernels/check.h"

/* How the arrays are cut: what the segments are. Elements between them belong to nobody and must stay as they are. */
enum {
  SMALL,   /* few elements, odd places: no 16-byte accesses */
  ALIGNED, /* as xr_parameters lays them out: multiples of 16 elements, odd lengths; several chunks, a length of 0 */
  SHIFTED, /* the bf16 copies alone are not aligned */
  NONE
};
enum { LAYOUTS = 4, MOST_SEGMENTS = 5, MOST_CHUNKS = 16 };

typedef struct {
  int64_t elements, compute_elements;
  int segments;
  xr_segment segment[MOST_SEGMENTS];
} layout;

static const layout layouts[LAYOUTS] = {
    [SMALL] = {112, 112, 3, {{0, 37, 0, 1, 4e-5f, 1e-3f}, {40, 5, -1, 2, 0, 1e-3f}, {45, 64, 40, 5, 0.1f, 1e-8f}}},
    [ALIGNED] = {55000,
                 55000,
                 5,
                 {{0, 1, -1, 1, 0, 1e-8f},
                  {16, 2 * XR_CHUNK, 0, 1, 0.1f, 1e-8f},
                  {16 + 2 * XR_CHUNK, 0, -1, 1, 0, 1e-8f},
                  {32 + 2 * XR_CHUNK, XR_CHUNK + 1031, 2 * XR_CHUNK, 5, 4e-5f, 1e-3f},
                  {64 + 3 * XR_CHUNK + 1040, 770, -1, 0.1f, 0, 1e-8f}}},
    [SHIFTED] = {2100, 2100, 2, {{0, 1024, 2, 1, 0.1f, 1e-8f}, {1024, 1029, 1031, 1, 0, 1e-8f}}},
    [NONE] = {16, 16, 0, {{0}}},
};

static xr_segment_table table_of(check_run *run, const layout *l) {
  xr_chunk chunk[MOST_CHUNKS];
  xr_segment_table table = {.segments = l->segments};
  if (xr_count_chunks(l->segment, l->segments, &table.chunks) != XR_OK || table.chunks > MOST_CHUNKS) abort();
  xr_cut_segments(l->segment, l->segments, chunk);
  table.segment = check_in_bytes(run, "segments", l->segment, (size_t)l->segments * sizeof(xr_segment));
  table.chunk = check_in_bytes(run, "chunks", chunk, (size_t)table.chunks * sizeof(xr_chunk));
  return table;
}

enum { DECOUPLED = 1, NESTEROV = 1, NO_MOMENTUM = 2, LEFT_OUT = 4 };

static const xr_optimizer_step *step_of(check_run *run, int64_t step, bool left_out) {
  xr_optimizer_step s; /* with its padding, if any */
  memset(&s, 0, sizeof s);
  s.lr = 0.01f;
  s.gradient_scale = left_out ? NAN : 0.7f;
  s.step = step;
  return check_in_bytes(run, "step", &s, sizeof s);
}

/* The CPU refuses steps before the first; a device has to make NaN of the parameters. The truth is made by hand from the first step. */
static int64_t legal_step(const check_run *run) { return check_on_device(run) || check_size(run, 1) > 0 ? check_size(run, 1) : 1; }

static void spoil(const check_run *run, const layout *l, float *parameter, xr_bf16 *compute) {
  if (legal_step(run) == check_size(run, 1)) return;
  for (int k = 0; k < l->segments; k++) {
    const xr_segment *s = &l->segment[k];
    memset(parameter + s->offset, 0xff, (size_t)s->count * sizeof *parameter);
    if (s->compute_offset >= 0) memset(compute + s->compute_offset, 0xff, (size_t)s->count * sizeof *compute);
  }
}

static xr_bf16 *compute_of(check_run *run, const layout *l) {
  xr_bf16 *compute = check_inout(run, "compute", XR_BF16, l->compute_elements, CHECK_NORMAL);
  check_factor(run, "compute", 0x1p14); /* bf16: a change of the last bit of f32 may move it by 2^-8 */
  return compute;
}

static xr_status adam(check_run *run) {
  const layout *l = &layouts[check_size(run, 0)];
  const int64_t flags = check_size(run, 2);
  xr_adam a = {.table = table_of(run, l), .beta1 = 0.9, .beta2 = 0.999, .decoupled_decay = flags & DECOUPLED};
  a.step = step_of(run, legal_step(run), flags & LEFT_OUT);
  a.gradient = check_in(run, "gradient", XR_F32, l->elements, CHECK_NORMAL);
  a.parameter = check_inout(run, "parameter", XR_F32, l->elements, CHECK_NORMAL);
  a.first_moment = check_inout(run, "first_moment", XR_F32, l->elements, CHECK_NORMAL);
  a.second_moment = check_inout(run, "second_moment", XR_F32, l->elements, CHECK_POSITIVE);
  a.compute = compute_of(run, l);
  XR_TRY(CHECK_CALL(run, xr_adam, &a));
  spoil(run, l, a.parameter, a.compute);
  return XR_OK;
}

static const check_case adam_cases[] = {{{SMALL, 1, 0}},        {{SMALL, 1000, DECOUPLED}}, {{ALIGNED, 1, DECOUPLED}},
                                        {{ALIGNED, 100000, 0}}, {{SHIFTED, 7, DECOUPLED}},  {{NONE, 1, 0}},
                                        {{SMALL, 3, LEFT_OUT}}, {{ALIGNED, 2, LEFT_OUT}},   {{SMALL, 0, 0}}};

static xr_status sgd(check_run *run) {
  const layout *l = &layouts[check_size(run, 0)];
  const int64_t flags = check_size(run, 2);
  xr_sgd a = {.table = table_of(run, l), .momentum = flags & NO_MOMENTUM ? 0 : 0.9f, .nesterov = flags & NESTEROV};
  a.step = step_of(run, legal_step(run), flags & LEFT_OUT);
  a.gradient = check_in(run, "gradient", XR_F32, l->elements, CHECK_NORMAL);
  a.parameter = check_inout(run, "parameter", XR_F32, l->elements, CHECK_NORMAL);
  if (!(flags & NO_MOMENTUM)) { /* NaN before the first step, which must not read it */
    a.momentum_buffer = check_size(run, 1) <= 1 ? check_out(run, "momentum_buffer", XR_F32, l->elements)
                                                : check_inout(run, "momentum_buffer", XR_F32, l->elements, CHECK_NORMAL);
  }
  a.compute = compute_of(run, l);
  XR_TRY(CHECK_CALL(run, xr_sgd, &a));
  spoil(run, l, a.parameter, a.compute);
  return XR_OK;
}

static const check_case sgd_cases[] = {{{SMALL, 1, 0}},          {{SMALL, 2, NESTEROV}}, {{SMALL, 1, NO_MOMENTUM}},
                                       {{ALIGNED, 1, NESTEROV}}, {{ALIGNED, 9, 0}},      {{ALIGNED, 2, NO_MOMENTUM}},
                                       {{SHIFTED, 5, NESTEROV}}, {{NONE, 1, 0}},         {{ALIGNED, 2, LEFT_OUT}},
                                       {{SMALL, -1, 0}}};

/* max_norm in thousandths; the gradient's element `bad` and the loss are made non-finite where the case says so (-1: not). */
enum { NO_LOSS, GOOD_LOSS, BAD_LOSS };

static xr_status global_norm(check_run *run) {
  const layout *l = &layouts[check_size(run, 0)];
  const int64_t bad = check_size(run, 2), kind = check_size(run, 3);
  float *values = malloc((size_t)l->elements * sizeof *values);
  if (!values) abort();
  for (int64_t i = 0; i < l->elements; i++) values[i] = (float)(i * 7919 % 1009 - 500) / 64;
  if (bad >= 0) values[bad] = INFINITY;
  const float loss = kind == BAD_LOSS ? NAN : 2;
  xr_global_norm a = {.table = table_of(run, l), .max_norm = (float)check_size(run, 1) / 1000};
  a.gradient = check_in_values(run, "gradient", XR_F32, l->elements, values);
  free(values);
  a.loss = kind == NO_LOSS ? NULL : check_in_values(run, "loss", XR_F32, 1, &loss);
  a.norm = check_out(run, "norm", XR_F32, 1);
  a.factor = check_out(run, "factor", XR_F32, 1);
  a.first_bad = check_out(run, "first_bad", XR_I32, 1);
  a.workspace = check_workspace(run, xr_global_norm_workspace(&a));
  return CHECK_CALL(run, xr_global_norm, &a);
}

static const check_case global_norm_cases[] = {
    {{SMALL, 1000, -1, NO_LOSS}},
    {{SMALL, 1000000, -1, GOOD_LOSS}},
    {{SMALL, 0, 44, NO_LOSS}},
    {{SMALL, 1000, 38, GOOD_LOSS}}, /* in no segment */
    {{ALIGNED, 1000, -1, BAD_LOSS}},
    {{ALIGNED, 0, -1, NO_LOSS}},
    {{ALIGNED, 1000, 16 + 2 * XR_CHUNK - 1, NO_LOSS}},
    {{ALIGNED, 1000, 32 + 3 * XR_CHUNK + 1030, GOOD_LOSS}},
    {{NONE, 1000, 3, NO_LOSS}},
};

static const check_op ops[] = {
    {"adam", adam, "layout step flags", CHECK_F32, CHECK_CASES(adam_cases)},
    {"sgd", sgd, "layout step flags", CHECK_F32, CHECK_CASES(sgd_cases)},
    {"global_norm", global_norm, "layout max_norm/1000 bad loss", CHECK_F32, CHECK_CASES(global_norm_cases)},
};
CHECK_OPS(ops)
