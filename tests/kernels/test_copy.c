/* Copies are exact, so they are checked element by element against the index formulas of their headers. */
#include "kernels/copy/concat.h"
#include "kernels/copy/gather_rows.h"
#include "kernels/copy/gather_samples.h"
#include "kernels/copy/repeat.h"
#include "kernels/copy/slice.h"
#include "kernels/copy/take_rows.h"
#include "kernels/copy/transpose.h"
#include "tests/support/golden.h"
#include "tests/support/kernel.h"

static const xr_dtype dtypes[] = {XR_F32, XR_BF16};

static float at(const void *values, xr_dtype dtype, int64_t i) {
  return dtype == XR_F32 ? ((const float *)values)[i] : xr_bf16_to_f32(((const xr_bf16 *)values)[i]);
}

static float sum_of(float a, float b, xr_dtype dtype) { return dtype == XR_F32 ? a + b : xr_bf16_to_f32(xr_f32_to_bf16(a + b)); }

static void *copy_of(xr_blocks *held, const void *values, xr_dtype dtype, int64_t count) {
  return memcpy(xr_hold(held, xr_poisoned(dtype, count)), values, (size_t)count * xr_dtype_bytes(dtype));
}

static void check_slice(xr_slice a) {
  xr_blocks held = {.count = 0};
  const int64_t whole = a.outer * a.axis * a.inner, part = a.outer * a.length * a.inner;
  const void *old = xr_random_block(&held, a.dtype, whole, 3);
  a.x = xr_random_block(&held, a.dtype, whole, 1);
  a.dy = xr_random_block(&held, a.dtype, part, 2);
  a.y = xr_hold(&held, xr_poisoned(a.dtype, part));
  cr_assert(xr_slice_forward_cpu(&a) == XR_OK, "%s", xr_message());
  for (int accumulate = 0; accumulate < 2; accumulate++) {
    a.accumulate_dx = accumulate;
    a.dx = accumulate ? copy_of(&held, old, a.dtype, whole) : xr_hold(&held, xr_poisoned(a.dtype, whole));
    cr_assert(xr_slice_backward_cpu(&a) == XR_OK, "%s", xr_message());
    for (int64_t i = 0; i < whole; i++) {
      const int64_t o = i / (a.axis * a.inner), row = i / a.inner % a.axis - a.start, inner = i % a.inner;
      const bool taken = row >= 0 && row < a.length;
      const int64_t k = (o * a.length + row) * a.inner + inner;
      if (taken) cr_assert_eq(at(a.y, a.dtype, k), at(a.x, a.dtype, i));
      const float arrived = taken ? at(a.dy, a.dtype, k) : 0;
      cr_assert_eq(at(a.dx, a.dtype, i), accumulate ? sum_of(at(old, a.dtype, i), arrived, a.dtype) : arrived);
    }
  }
  xr_release(&held);
}

Test(copy, slice) {
  for (int d = 0; d < 2; d++) {
    check_slice((xr_slice){.outer = 3, .axis = 7, .inner = 5, .start = 2, .length = 4, .dtype = dtypes[d]});
    check_slice((xr_slice){.outer = 1, .axis = 7, .inner = 333, .start = 3, .length = 4, .dtype = dtypes[d]}); /* runs of 1332 */
    check_slice((xr_slice){.outer = 4, .axis = 3, .inner = 1, .start = 0, .length = 3, .dtype = dtypes[d]});
    check_slice((xr_slice){.outer = 2, .axis = 3, .inner = 2, .start = 3, .length = 0, .dtype = dtypes[d]});
  }
  xr_slice a = {.outer = 1, .axis = 3, .inner = 1, .start = 2, .length = 2, .dtype = XR_F32};
  cr_assert_eq(xr_slice_forward_cpu(&a), XR_BAD_SHAPE);
  cr_assert(strstr(xr_message(), "2 elements from 2 of an axis of 3"), "%s", xr_message());
  a.dtype = XR_I32;
  cr_assert_eq(xr_slice_backward_cpu(&a), XR_UNSUPPORTED);
}

static void check_repeat(xr_repeat a) {
  xr_blocks held = {.count = 0};
  const int64_t once = a.outer * a.inner;
  const void *old = xr_random_block(&held, a.dtype, once, 3);
  a.x = xr_random_block(&held, a.dtype, once, 1);
  a.dy = xr_random_block(&held, a.dtype, once * a.count, 2);
  a.y = xr_hold(&held, xr_poisoned(a.dtype, once * a.count));
  a.dx = copy_of(&held, old, a.dtype, once);
  cr_assert(xr_repeat_forward_cpu(&a) == XR_OK && xr_repeat_backward_cpu(&a) == XR_OK, "%s", xr_message());
  for (int64_t i = 0; i < once; i++) {
    float sum = 0;
    for (int64_t c = 0; c < a.count; c++) {
      const int64_t k = (i / a.inner * a.count + c) * a.inner + i % a.inner;
      cr_assert_eq(at(a.y, a.dtype, k), at(a.x, a.dtype, i));
      sum += at(a.dy, a.dtype, k);
    }
    cr_assert_eq(at(a.dx, a.dtype, i), sum_of(sum, a.accumulate_dx ? at(old, a.dtype, i) : 0, a.dtype));
  }
  xr_release(&held);
}

Test(copy, repeat) {
  for (int d = 0; d < 2; d++) {
    check_repeat((xr_repeat){.outer = 1, .count = 5, .inner = 1033, .dtype = dtypes[d]});
    check_repeat((xr_repeat){.outer = 4, .count = 3, .inner = 7, .dtype = dtypes[d], .accumulate_dx = true});
    check_repeat((xr_repeat){.outer = 3, .count = 1, .inner = 1, .dtype = dtypes[d]});
  }
  xr_repeat a = {.outer = 2, .count = 0, .inner = 3, .dtype = XR_F32};
  cr_assert_eq(xr_repeat_forward_cpu(&a), XR_BAD_SHAPE);
  cr_assert(strstr(xr_message(), "2 slabs of 3 elements, 0 times"), "%s", xr_message());
  a.dtype = XR_I32;
  cr_assert_eq(xr_repeat_backward_cpu(&a), XR_UNSUPPORTED);
}

static void check_concat(xr_concat a) {
  xr_blocks held = {.count = 0};
  int64_t axis = 0;
  const void *old[XR_MAX_CONCAT];
  for (int k = 0; k < a.inputs; k++) {
    const int64_t count = a.outer * a.axis[k] * a.inner;
    a.x[k] = xr_random_block(&held, a.dtype, count, (uint64_t)k);
    old[k] = xr_random_block(&held, a.dtype, count, (uint64_t)k + 100);
    a.accumulate_dx[k] = k % 2;
    a.dx[k] = k == 2 ? NULL : copy_of(&held, old[k], a.dtype, count);
    axis += a.axis[k];
  }
  a.dy = xr_random_block(&held, a.dtype, a.outer * axis * a.inner, 50);
  a.y = xr_hold(&held, xr_poisoned(a.dtype, a.outer * axis * a.inner));
  cr_assert(xr_concat_forward_cpu(&a) == XR_OK, "%s", xr_message());
  cr_assert(xr_concat_backward_cpu(&a) == XR_OK, "%s", xr_message());
  int64_t first = 0;
  for (int k = 0; k < a.inputs; first += a.axis[k++]) {
    for (int64_t i = 0; i < a.outer * a.axis[k] * a.inner; i++) {
      const int64_t o = i / (a.axis[k] * a.inner), row = i / a.inner % a.axis[k] + first, j = (o * axis + row) * a.inner + i % a.inner;
      const float g = at(a.dy, a.dtype, j);
      cr_assert_eq(at(a.y, a.dtype, j), at(a.x[k], a.dtype, i));
      if (a.dx[k]) cr_assert_eq(at(a.dx[k], a.dtype, i), a.accumulate_dx[k] ? sum_of(at(old[k], a.dtype, i), g, a.dtype) : g);
    }
  }
  xr_release(&held);
}

Test(copy, concat) {
  for (int d = 0; d < 2; d++) {
    check_concat((xr_concat){.inputs = 4, .outer = 3, .inner = 5, .axis = {2, 1, 3, 4}, .dtype = dtypes[d]});
    check_concat((xr_concat){.inputs = 1, .outer = 1, .inner = 1, .axis = {1}, .dtype = dtypes[d]});
    check_concat((xr_concat){.inputs = 8, .outer = 2, .inner = 300, .axis = {5, 0, 1, 1, 2, 1, 1, 1}, .dtype = dtypes[d]});
  }
  xr_concat a = {.inputs = 9, .dtype = XR_F32};
  cr_assert_eq(xr_concat_forward_cpu(&a), XR_BAD_ARGUMENT);
  a = (xr_concat){.inputs = 2, .outer = 1, .inner = 1, .axis = {1, -1}, .dtype = XR_F32};
  cr_assert_eq(xr_concat_forward_cpu(&a), XR_BAD_SHAPE);
  cr_assert(strstr(xr_message(), "input 1 is [1, -1, 1]"), "%s", xr_message());
}

static void check_transpose(xr_transpose a) {
  xr_blocks held = {.count = 0};
  int64_t count = 1;
  for (int k = 0; k < a.rank; k++) count *= a.dim[k];
  const void *old = xr_random_block(&held, a.dtype, count, 3);
  a.x = xr_random_block(&held, a.dtype, count, 1);
  a.dy = xr_random_block(&held, a.dtype, count, 2);
  a.y = xr_hold(&held, xr_poisoned(a.dtype, count));
  cr_assert(xr_transpose_forward_cpu(&a) == XR_OK, "%s", xr_message());
  for (int accumulate = 0; accumulate < 2; accumulate++) {
    a.accumulate_dx = accumulate;
    a.dx = accumulate ? copy_of(&held, old, a.dtype, count) : xr_hold(&held, xr_poisoned(a.dtype, count));
    cr_assert(xr_transpose_backward_cpu(&a) == XR_OK, "%s", xr_message());
    for (int64_t i = 0; i < count; i++) {
      int64_t place[XR_MAX_TRANSPOSE], rest = i, j = 0; /* of element i of x; j is its number in y */
      for (int k = a.rank - 1; k >= 0; rest /= a.dim[k--]) place[k] = rest % a.dim[k];
      for (int k = 0; k < a.rank; k++) j = j * a.dim[a.order[k]] + place[a.order[k]];
      cr_assert_eq(at(a.y, a.dtype, j), at(a.x, a.dtype, i));
      const float g = at(a.dy, a.dtype, j);
      cr_assert_eq(at(a.dx, a.dtype, i), accumulate ? sum_of(at(old, a.dtype, i), g, a.dtype) : g);
    }
  }
  xr_release(&held);
}

Test(copy, transpose) {
  for (int d = 0; d < 2; d++) {
    check_transpose((xr_transpose){.rank = 1, .dim = {9}, .order = {0}, .dtype = dtypes[d]});
    check_transpose((xr_transpose){.rank = 2, .dim = {7, 1100}, .order = {1, 0}, .dtype = dtypes[d]});
    check_transpose((xr_transpose){.rank = 2, .dim = {1100, 3}, .order = {1, 0}, .dtype = dtypes[d]});
    check_transpose((xr_transpose){.rank = 3, .dim = {2, 3, 5}, .order = {1, 2, 0}, .dtype = dtypes[d]});
    check_transpose((xr_transpose){.rank = 4, .dim = {2, 3, 4, 5}, .order = {0, 2, 1, 3}, .dtype = dtypes[d]});
    check_transpose((xr_transpose){.rank = 4, .dim = {2, 3, 4, 5}, .order = {3, 0, 1, 2}, .dtype = dtypes[d]});
  }
  xr_transpose a = {.rank = 3, .dim = {1, 1, 1}, .order = {0, 2, 2}, .dtype = XR_F32};
  cr_assert_eq(xr_transpose_forward_cpu(&a), XR_BAD_ARGUMENT);
  cr_assert(strstr(xr_message(), "order[2] = 2; each of 0 to 2"), "%s", xr_message());
  a.rank = 5;
  cr_assert_eq(xr_transpose_forward_cpu(&a), XR_BAD_SHAPE);
}

static void check_gather(int64_t batch, int64_t tokens, int64_t width, const int32_t *index, xr_dtype dtype) {
  xr_blocks held = {.count = 0};
  xr_gather_rows a = {.batch = batch, .tokens = tokens, .width = width, .dtype = dtype, .index = index};
  const int64_t whole = batch * tokens * width;
  const void *old = xr_random_block(&held, dtype, whole, 3);
  a.x = xr_random_block(&held, dtype, whole, 1);
  a.dy = xr_random_block(&held, dtype, batch * width, 2);
  a.y = xr_hold(&held, xr_poisoned(dtype, batch * width));
  cr_assert(xr_gather_rows_forward_cpu(&a) == XR_OK, "%s", xr_message());
  for (int accumulate = 0; accumulate < 2; accumulate++) {
    a.accumulate_dx = accumulate;
    a.dx = accumulate ? copy_of(&held, old, dtype, whole) : xr_hold(&held, xr_poisoned(dtype, whole));
    cr_assert(xr_gather_rows_backward_cpu(&a) == XR_OK, "%s", xr_message());
    for (int64_t i = 0; i < whole; i++) {
      const int64_t b = i / (tokens * width), j = b * width + i % width;
      const bool taken = i / width % tokens == index[b];
      if (taken) cr_assert_eq(at(a.y, dtype, j), at(a.x, dtype, i));
      const float arrived = taken ? at(a.dy, dtype, j) : 0;
      cr_assert_eq(at(a.dx, dtype, i), accumulate ? sum_of(at(old, dtype, i), arrived, dtype) : arrived);
    }
  }
  xr_release(&held);
}

Test(copy, gather_rows) {
  for (int d = 0; d < 2; d++) {
    check_gather(1, 1, 1, (const int32_t[]){0}, dtypes[d]);
    check_gather(3, 5, 33, (const int32_t[]){4, 0, 2}, dtypes[d]);
    check_gather(2, 2, 1100, (const int32_t[]){1, 1}, dtypes[d]);
  }
  for (int32_t bad = -1; bad <= 5; bad += 6) {
    const int32_t index[2] = {4, bad};
    float y[2] = {9, 9};
    const float x[10] = {0};
    const xr_gather_rows a = {.batch = 2, .tokens = 5, .width = 1, .dtype = XR_F32, .index = index, .x = x, .y = y};
    cr_assert_eq(xr_gather_rows_forward_cpu(&a), XR_BAD_INPUT);
    cr_assert(strstr(xr_message(), "sample 1 asks for token "), "%s", xr_message());
    cr_assert(strstr(xr_message(), " of 5 (counted from 0)"), "%s", xr_message());
    cr_assert_eq(y[0], 9);
    cr_assert_eq(xr_gather_rows_backward_cpu(&a), XR_BAD_INPUT);
  }
}

static void check_samples(int64_t samples, int64_t places, int64_t width, const int32_t *index, xr_dtype dtype) {
  xr_blocks held = {.count = 0};
  xr_gather_samples a = {.samples = samples, .places = places, .width = width, .dtype = dtype, .index = index};
  const void *x = xr_random_block(&held, dtype, samples * width, 1), *dy = xr_random_block(&held, dtype, places * width, 2);
  const void *old = xr_random_block(&held, dtype, samples * width, 3);
  a.x = x;
  a.y = xr_hold(&held, xr_poisoned(dtype, places * width));
  cr_assert(xr_gather_samples_forward_cpu(&a) == XR_OK, "%s", xr_message());
  for (int64_t i = 0; i < places * width; i++) cr_assert_eq(at(a.y, dtype, i), at(x, dtype, index[i / width] * width + i % width));
  a.dy = dy;
  for (int accumulate = 0; accumulate < 2; accumulate++) {
    a.accumulate_dx = accumulate;
    a.dx = accumulate ? copy_of(&held, old, dtype, samples * width) : xr_hold(&held, xr_poisoned(dtype, samples * width));
    cr_assert(xr_gather_samples_backward_cpu(&a) == XR_OK, "%s", xr_message());
    for (int64_t i = 0; i < samples * width; i++) {
      float sum = 0;
      for (int64_t p = 0; p < places; p++)
        if (index[p] == i / width) sum += at(dy, dtype, p * width + i % width);
      cr_assert_eq(at(a.dx, dtype, i), sum_of(accumulate ? at(old, dtype, i) : 0, sum, dtype));
    }
  }
  xr_release(&held);
}

Test(copy, gather_samples) {
  for (int d = 0; d < 2; d++) {
    check_samples(1, 1, 1, (const int32_t[]){0}, dtypes[d]);
    check_samples(4, 6, 33, (const int32_t[]){3, 0, 3, 1, 3, 0}, dtypes[d]);
    check_samples(3, 2, 1100, (const int32_t[]){2, 2}, dtypes[d]);
  }
  const int32_t index[3] = {1, 0, 1}, from[2] = {-5, 1 << 30}, wrong[2] = {0, 2};
  int32_t to[3] = {0};
  xr_gather_samples a = {.samples = 2, .places = 3, .width = 1, .dtype = XR_I32, .index = index, .x = from, .y = to};
  cr_assert_eq(xr_gather_samples_forward_cpu(&a), XR_OK);
  cr_assert(to[0] == 1 << 30 && to[1] == -5 && to[2] == 1 << 30);
  cr_assert_eq(xr_gather_samples_backward_cpu(&a), XR_UNSUPPORTED);
  a.places = 2;
  a.index = wrong;
  cr_assert_eq(xr_gather_samples_forward_cpu(&a), XR_BAD_INPUT);
  cr_assert(strstr(xr_message(), "place 1 asks for sample 2 of 2"), "%s", xr_message());
}

static void check_take(int64_t rows, int64_t width, int64_t taken, const int32_t *index, xr_dtype dtype) {
  xr_blocks held = {.count = 0};
  xr_take_rows a = {.rows = rows, .width = width, .taken = taken, .dtype = dtype, .index = index};
  const int64_t whole = rows * width;
  const void *old = xr_random_block(&held, dtype, whole, 3);
  a.x = xr_random_block(&held, dtype, whole, 1);
  a.dy = xr_random_block(&held, dtype, taken * width, 2);
  a.y = xr_hold(&held, xr_poisoned(dtype, taken * width));
  cr_assert(xr_take_rows_forward_cpu(&a) == XR_OK, "%s", xr_message());
  for (int64_t i = 0; i < taken * width; i++)
    cr_assert_eq(at(a.y, dtype, i), index[i / width] < 0 ? 0 : at(a.x, dtype, index[i / width] * width + i % width));
  for (int accumulate = 0; accumulate < 2; accumulate++) {
    a.accumulate_dx = accumulate;
    a.dx = accumulate ? copy_of(&held, old, dtype, whole) : xr_hold(&held, xr_poisoned(dtype, whole));
    cr_assert(xr_take_rows_backward_cpu(&a) == XR_OK, "%s", xr_message());
    for (int64_t i = 0; i < whole; i++) {
      float arrived = 0;
      for (int64_t r = 0; r < taken; r++)
        if (index[r] == i / width) arrived = at(a.dy, dtype, r * width + i % width);
      cr_assert_eq(at(a.dx, dtype, i), accumulate ? sum_of(at(old, dtype, i), arrived, dtype) : arrived);
    }
  }
  xr_release(&held);
}

Test(copy, take_rows) {
  for (int d = 0; d < 2; d++) {
    check_take(1, 1, 1, (const int32_t[]){0}, dtypes[d]);
    check_take(7, 33, 4, (const int32_t[]){0, 2, 3, 6}, dtypes[d]);
    check_take(5, 1100, 3, (const int32_t[]){4, -1, -1}, dtypes[d]);
    check_take(3, 8, 3, (const int32_t[]){0, 1, 2}, dtypes[d]);
    check_take(3, 8, 2, (const int32_t[]){-1, -1}, dtypes[d]);
    check_take(3, 8, 0, NULL, dtypes[d]);
  }
  const struct {
    int32_t index[3];
    const char *message;
  } bad[] = {{{0, 5, -1}, "place 1 asks for row 5 of 5 (counted from 0; -1: none)"},
             {{0, -2, -1}, "place 1 asks for row -2 of 5"},
             {{1, 1, 2}, "place 1 asks for row 1: rows ascend and -1 comes last"},
             {{3, 4, 2}, "place 2 asks for row 2: rows ascend"},
             {{3, -1, 4}, "place 2 asks for row 4: rows ascend"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    float y[3] = {9, 9, 9};
    const float x[5] = {0};
    const xr_take_rows a = {.rows = 5, .width = 1, .taken = 3, .dtype = XR_F32, .index = bad[i].index, .x = x, .y = y};
    cr_assert_eq(xr_take_rows_forward_cpu(&a), XR_BAD_INPUT);
    cr_assert(strstr(xr_message(), bad[i].message), "%s", xr_message());
    cr_assert_eq(y[0], 9);
    cr_assert_eq(xr_take_rows_backward_cpu(&a), XR_BAD_INPUT);
  }
  xr_take_rows a = {.rows = -1, .dtype = XR_F32};
  cr_assert_eq(xr_take_rows_forward_cpu(&a), XR_BAD_SHAPE);
  a.dtype = XR_U8;
  cr_assert_eq(xr_take_rows_backward_cpu(&a), XR_UNSUPPORTED);
}

Test(copy, same_for_any_threads) {
  enum { OUTER = 5, AXIS = 31, INNER = 77, COUNT = OUTER * AXIS * INNER };
  xr_blocks held = {.count = 0};
  const void *x = xr_random_block(&held, XR_F32, COUNT, 1);
  void *y = xr_hold(&held, xr_poisoned(XR_F32, COUNT));
  const int32_t index[OUTER] = {30, 0, 3, 4, 5};
  const xr_slice slice = {.outer = OUTER, .axis = AXIS, .inner = INNER, .start = 3, .length = 11, .dtype = XR_F32, .dy = x, .dx = y};
  const xr_concat concat = {.inputs = 2, .outer = OUTER, .inner = INNER, .axis = {10, 21}, .dtype = XR_F32, .x = {x, x}, .y = y};
  const xr_transpose transpose = {.rank = 3, .dim = {OUTER, AXIS, INNER}, .order = {2, 0, 1}, .dtype = XR_F32, .x = x, .y = y};
  const xr_gather_rows gather = {.batch = OUTER, .tokens = AXIS, .width = INNER, .dtype = XR_F32, .index = index, .dy = x, .dx = y};
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_slice_backward_cpu(&slice), y, COUNT * sizeof(float));
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_concat_forward_cpu(&concat), y, COUNT * sizeof(float));
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_transpose_forward_cpu(&transpose), y, COUNT * sizeof(float));
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_gather_rows_backward_cpu(&gather), y, COUNT * sizeof(float));
  const xr_gather_samples samples = {
      .samples = OUTER * AXIS, .places = OUTER, .width = INNER, .dtype = XR_F32, .index = index, .dy = x, .dx = y};
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_gather_samples_backward_cpu(&samples), y, COUNT * sizeof(float));
  const int32_t rows[] = {0, 5, 77, 150, -1};
  const xr_take_rows take = {.rows = OUTER * AXIS, .width = INNER, .taken = 5, .dtype = XR_F32, .index = rows, .dy = x, .dx = y};
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_take_rows_backward_cpu(&take), y, COUNT * sizeof(float));
  xr_release(&held);
}
