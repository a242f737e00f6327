#include "kernels/linear/gemm.h"

#include <criterion/criterion.h>
#include <oneapi/dnnl/dnnl.h>

#include "host/base/memory.h"
#include "host/base/random.h"
#include "tests/support/golden.h"
#include "tests/support/threads.h"

static void run(xr_gemm *a, bool serial) {
  const size_t bytes = serial ? xr_gemm_serial_workspace(a) : xr_gemm_workspace(a);
  a->workspace = bytes ? xr_poisoned(XR_U8, (int64_t)bytes) : NULL;
  cr_assert((serial ? xr_gemm_serial_cpu(a) : xr_gemm_cpu(a)) == XR_OK, "%s", xr_message());
  xr_block_free(a->workspace);
}

static const struct {
  const char *name;
  bool transpose_a, transpose_b, bias;
  xr_activation_kind activation;
} golden_cases[] = {{"1x1x1", false, false, false, XR_ACTIVATION_NONE},
                    {"5x17x33", false, true, true, XR_ACTIVATION_QUICK_GELU},
                    {"33x26x7", true, false, false, XR_ACTIVATION_NONE},
                    {"40x19x65", true, true, true, XR_ACTIVATION_GELU},
                    {"66x10x12", false, true, true, XR_ACTIVATION_NONE}};

static void run_golden(int index, xr_dtype dtype, xr_dtype c_dtype) {
  xr_golden g = xr_golden_open("gemm");
  g.name = golden_cases[index].name;
  const bool ta = golden_cases[index].transpose_a, tb = golden_cases[index].transpose_b;
  const int64_t m = xr_golden_dim(&g, "a", ta), k = xr_golden_dim(&g, "a", !ta), n = xr_golden_dim(&g, "b", !tb);
  const bool activated = golden_cases[index].activation != XR_ACTIVATION_NONE;
  void *a = xr_golden_load(&g, "a", dtype), *b = xr_golden_load(&g, "b", dtype), *c = xr_poisoned(c_dtype, m * n),
       *pre = activated ? xr_poisoned(c_dtype, m * n) : NULL;
  float *bias = golden_cases[index].bias ? xr_golden_load(&g, "bias", XR_F32) : NULL;
  xr_gemm product = {.m = m,
                     .n = n,
                     .k = k,
                     .transpose_a = ta,
                     .transpose_b = tb,
                     .dtype = dtype,
                     .c_dtype = c_dtype,
                     .a = a,
                     .b = b,
                     .c = c,
                     .lda = ta ? m : k,
                     .ldb = tb ? k : n,
                     .ldc = n,
                     .alpha = (float)xr_golden_scalar(&g, "alpha"),
                     .bias = bias,
                     .activation = golden_cases[index].activation,
                     .pre = pre};
  run(&product, false);
  const xr_dtype precision = dtype == XR_F32 && c_dtype == XR_F32 ? XR_F32 : XR_BF16;
  xr_golden_expect(&g, "c", c, c_dtype, precision);
  if (activated) xr_golden_expect(&g, "pre", pre, c_dtype, precision);
  xr_block_free(a);
  xr_block_free(b);
  xr_block_free(c);
  xr_block_free(pre);
  xr_block_free(bias);
  xr_golden_close(&g);
}

static void run_goldens(xr_dtype dtype, xr_dtype c_dtype) {
  for (int i = 0; i < (int)(sizeof golden_cases / sizeof *golden_cases); i++) run_golden(i, dtype, c_dtype);
}

Test(gemm, golden_f32) { run_goldens(XR_F32, XR_F32); }
Test(gemm, golden_bf16) { run_goldens(XR_BF16, XR_BF16); }
Test(gemm, golden_f32_to_bf16) { run_goldens(XR_F32, XR_BF16); }
Test(gemm, golden_bf16_to_f32) { run_goldens(XR_BF16, XR_F32); }

/* ---- exactness: small whole numbers, whose sums are exact in f32 and, where a bf16 result is asked for, small enough for bf16 */

static void put(void *base, xr_dtype dtype, int64_t i, float value) {
  if (dtype == XR_F32)
    ((float *)base)[i] = value;
  else
    ((xr_bf16 *)base)[i] = xr_f32_to_bf16(value);
}

static float get(const void *base, xr_dtype dtype, int64_t i) {
  return dtype == XR_F32 ? ((const float *)base)[i] : xr_bf16_to_f32(((const xr_bf16 *)base)[i]);
}

static void *whole_numbers(xr_random *random, xr_dtype dtype, int64_t count) {
  void *block = xr_poisoned(dtype, count);
  for (int64_t i = 0; i < count; i++) put(block, dtype, i, (float)(int)xr_random_below(random, 3) - 1);
  return block;
}

typedef struct {
  int64_t batch, m, n, k;
  bool transpose_a, transpose_b, accumulate, bias;
  int64_t pad; /* elements between rows, and between products */
} exact_case;

static double expected(const xr_gemm *g, const void *c_before, int64_t z, int64_t i, int64_t j) {
  double sum = 0;
  for (int64_t l = 0; l < g->k; l++)
    sum += (double)get(g->a, g->dtype, z * g->stride_a + (g->transpose_a ? l * g->lda + i : i * g->lda + l)) *
           (double)get(g->b, g->dtype, z * g->stride_b + (g->transpose_b ? j * g->ldb + l : l * g->ldb + j));
  sum *= g->alpha;
  if (g->bias) sum += g->bias[j];
  if (g->accumulate) sum += get(c_before, g->c_dtype, z * g->stride_c + i * g->ldc + j);
  return sum;
}

static void run_exact(const exact_case *e, xr_dtype dtype, xr_dtype c_dtype, bool serial) {
  xr_random random = xr_random_start(7, 0);
  const int64_t rows_a = e->transpose_a ? e->k : e->m, rows_b = e->transpose_b ? e->n : e->k;
  xr_gemm g = {.batch = e->batch,
               .m = e->m,
               .n = e->n,
               .k = e->k,
               .transpose_a = e->transpose_a,
               .transpose_b = e->transpose_b,
               .dtype = dtype,
               .c_dtype = c_dtype,
               .lda = (e->transpose_a ? e->m : e->k) + e->pad,
               .ldb = (e->transpose_b ? e->k : e->n) + e->pad,
               .ldc = e->n + e->pad,
               .alpha = 2,
               .accumulate = e->accumulate};
  g.stride_a = rows_a * g.lda + e->pad;
  g.stride_b = e->pad ? rows_b * g.ldb : 0; /* shared by the batch */
  g.stride_c = g.m * g.ldc + e->pad;
  void *a = whole_numbers(&random, dtype, e->batch * g.stride_a), *b = whole_numbers(&random, dtype, e->batch * rows_b * g.ldb),
       *c = whole_numbers(&random, c_dtype, e->batch * g.stride_c), *before = xr_poisoned(c_dtype, e->batch * g.stride_c);
  const size_t bytes = (size_t)(e->batch * g.stride_c) * xr_dtype_bytes(c_dtype);
  memcpy(before, c, bytes);
  float *bias = e->bias ? whole_numbers(&random, XR_F32, e->n) : NULL;
  g.a = a;
  g.b = b;
  g.c = c;
  g.bias = bias;
  run(&g, serial);
  for (int64_t z = 0; z < e->batch; z++) { /* before becomes what c should be: what lies between rows stays */
    for (int64_t i = 0; i < e->m * e->n; i++)
      put(before, c_dtype, z * g.stride_c + i / e->n * g.ldc + i % e->n, (float)expected(&g, before, z, i / e->n, i % e->n));
  }
  cr_assert_arr_eq(c, before, bytes, "%lld products %lld x %lld x %lld, %s to %s", (long long)e->batch, (long long)e->m, (long long)e->n,
                   (long long)e->k, xr_dtype_name(dtype), xr_dtype_name(c_dtype));
  xr_block_free(a);
  xr_block_free(b);
  xr_block_free(c);
  xr_block_free(before);
  xr_block_free(bias);
}

static const exact_case exact_cases[] = {{1, 1, 1, 1, false, false, false, false, 0},    {1, 1, 1, 0, false, false, true, false, 1},
                                         {1, 3, 5, 0, false, true, false, true, 0},      {1, 0, 5, 4, false, true, false, true, 0},
                                         {2, 7, 1, 9, true, false, false, false, 3},     {3, 1, 19, 2, false, true, true, false, 1},
                                         {1, 65, 257, 33, true, true, false, true, 5},   {1, 300, 170, 40, false, true, false, true, 0},
                                         {1, 129, 500, 61, true, false, true, false, 7}, {5, 40, 30, 20, false, false, false, false, 0},
                                         {1, 9, 1100, 17, false, true, false, false, 0}, {1, 70, 40, 1200, true, false, true, false, 2}};

static void run_all_exact(void) {
  for (size_t i = 0; i < sizeof exact_cases / sizeof *exact_cases; i++) {
    for (int serial = 0; serial < 2; serial++) {
      run_exact(&exact_cases[i], XR_F32, XR_F32, serial);
      run_exact(&exact_cases[i], XR_BF16, XR_F32, serial);
      if (exact_cases[i].k > 61) continue; /* sums beyond 256 */
      run_exact(&exact_cases[i], XR_F32, XR_BF16, serial);
      run_exact(&exact_cases[i], XR_BF16, XR_BF16, serial);
    }
  }
}

Test(gemm, whole_numbers_are_exact) { run_all_exact(); }

/* Each Criterion test is a process of its own, so this one alone runs as on an old processor. */
Test(gemm, whole_numbers_are_exact_without_bf16_instructions) {
  dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx2); /* refused where it means nothing: not on x86 */
  run_all_exact();
}

/* ---- the same bytes for any number of threads */

static void run_threads(int64_t m, int64_t n, int64_t k, bool transpose_a, bool transpose_b, xr_dtype dtype, xr_dtype c_dtype) {
  void *a = xr_random_values(dtype, m * k, 1), *b = xr_random_values(dtype, k * n, 2), *first = NULL;
  const size_t bytes = (size_t)(m * n) * xr_dtype_bytes(c_dtype);
  for (int threads = 1; threads <= 3; threads++) {
    void *c = xr_poisoned(c_dtype, m * n);
    xr_gemm g = {.m = m,
                 .n = n,
                 .k = k,
                 .transpose_a = transpose_a,
                 .transpose_b = transpose_b,
                 .dtype = dtype,
                 .c_dtype = c_dtype,
                 .a = a,
                 .b = b,
                 .c = c,
                 .lda = transpose_a ? m : k,
                 .ldb = transpose_b ? k : n,
                 .ldc = n};
    xr_set_threads(threads);
    run(&g, false);
    if (!first) {
      first = c;
      continue;
    }
    cr_assert_arr_eq(c, first, bytes, "%lld x %lld x %lld, %s, %d threads", (long long)m, (long long)n, (long long)k, xr_dtype_name(dtype),
                     threads);
    xr_block_free(c);
  }
  xr_block_free(a);
  xr_block_free(b);
  xr_block_free(first);
}

Test(gemm, same_bytes_for_any_number_of_threads) {
  for (xr_dtype dtype = XR_F32; dtype <= XR_BF16; dtype++) {
    run_threads(200, 330, 150, false, true, dtype, dtype);
    run_threads(330, 130, 90, false, false, dtype, dtype);
    run_threads(96, 64, 5000, true, false, dtype, XR_F32); /* the shape of a weight gradient: libraries split k by threads here */
    run_threads(3, 5, 4000, false, true, dtype, XR_F32);
  }
}

Test(gemm, more_shapes_than_the_cache_holds) {
  for (int64_t k = 1; k <= 300; k++) {
    const exact_case e = {1, 2, 3, k, false, true, false, false, 0};
    run_exact(&e, XR_BF16, XR_F32, false);
  }
  xr_gemm_cache_clear();
  const exact_case e = {1, 2, 3, 300, false, true, false, false, 0};
  run_exact(&e, XR_BF16, XR_F32, false);
}

Test(gemm, bad_arguments_are_refused) {
  float x[4] = {0};
  const xr_gemm good = {.m = 2, .n = 2, .k = 2, .a = x, .b = x, .c = x, .lda = 2, .ldb = 2, .ldc = 2};
  xr_gemm g = good;
  g.ldb = 1;
  cr_assert_eq(xr_gemm_cpu(&g), XR_BAD_SHAPE);
  cr_assert(strstr(xr_message(), "leading dimensions 2, 1, 2"), "%s", xr_message());
  g = good;
  g.m = -1;
  cr_assert_eq(xr_gemm_cpu(&g), XR_BAD_SHAPE);
  g = good;
  g.dtype = XR_F16;
  cr_assert_eq(xr_gemm_cpu(&g), XR_UNSUPPORTED);
  g = good;
  g.accumulate = true;
  g.activation = XR_ACTIVATION_GELU;
  cr_assert_eq(xr_gemm_cpu(&g), XR_UNSUPPORTED);
}
