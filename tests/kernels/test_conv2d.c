#include "kernels/conv/conv2d.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "host/base/memory.h"
#include "tests/support/golden.h"
#include "tests/support/threads.h"

static const struct {
  const char *name;
  int64_t stride, pad;
  bool bias;
} cases[] = {{"single", 1, 0, true}, {"pointwise", 1, 0, true},     {"pointwise_stride", 2, 0, false},
             {"three", 1, 1, true},  {"three_stride", 2, 1, false}, {"stem", 2, 3, false},
             {"grey", 1, 1, true},   {"uneven", 1, 0, true},        {"wide", 1, 1, false}};

enum { CASES = sizeof cases / sizeof *cases };

static void *workspace_of(const xr_conv2d *a) {
  const size_t bytes = xr_conv2d_workspace(a);
  return bytes ? xr_poisoned(XR_U8, (int64_t)bytes) : NULL;
}

static void run_golden(int index, xr_dtype dtype) {
  xr_golden g = xr_golden_open("conv2d");
  g.name = cases[index].name;
  const bool bias = cases[index].bias;
  xr_conv2d a = {.batch = xr_golden_dim(&g, "x", 0),
                 .height = xr_golden_dim(&g, "x", 1),
                 .width = xr_golden_dim(&g, "x", 2),
                 .in = xr_golden_dim(&g, "x", 3),
                 .out = xr_golden_dim(&g, "weight", 0),
                 .kernel_height = xr_golden_dim(&g, "weight", 1),
                 .kernel_width = xr_golden_dim(&g, "weight", 2),
                 .stride = cases[index].stride,
                 .pad = cases[index].pad,
                 .dtype = dtype};
  void *x = xr_golden_load(&g, "x", dtype), *weight = xr_golden_load(&g, "weight", dtype), *dy = xr_golden_load(&g, "dy", dtype);
  float *b = bias ? xr_golden_load(&g, "bias", XR_F32) : NULL;
  const int64_t x_count = a.batch * a.height * a.width * a.in, weights = a.out * a.kernel_height * a.kernel_width * a.in;
  a.x = x;
  a.weight = weight;
  a.bias = b;
  a.dy = dy;
  a.y = xr_poisoned(dtype, a.batch * xr_conv2d_out_height(&a) * xr_conv2d_out_width(&a) * a.out);
  a.dx = xr_poisoned(dtype, x_count);
  a.dweight = xr_poisoned(XR_F32, weights);
  a.dbias = bias ? xr_poisoned(XR_F32, a.out) : NULL;
  a.workspace = workspace_of(&a);
  cr_assert(xr_conv2d_forward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "y", a.y, dtype, dtype);
  cr_assert(xr_conv2d_backward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "dx", a.dx, dtype, dtype);
  xr_golden_expect(&g, "dweight", a.dweight, XR_F32, dtype);
  if (bias) xr_golden_expect(&g, "dbias", a.dbias, XR_F32, dtype);
  void *blocks[] = {x, weight, dy, b, a.y, a.dx, a.dweight, a.dbias, a.workspace};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) xr_block_free(blocks[i]);
  xr_golden_close(&g);
}

Test(conv2d, golden_f32) {
  for (int i = 0; i < CASES; i++) run_golden(i, XR_F32);
}

Test(conv2d, golden_bf16) {
  for (int i = 0; i < CASES; i++) run_golden(i, XR_BF16);
}

/* As on a processor without bf16 products: operands are widened, results narrowed. Each test is a process of its own, and the library reads
 * this once. */
Test(conv2d, golden_bf16_by_way_of_f32) {
  setenv("ONEDNN_MAX_CPU_ISA", "AVX2", 1);
  for (int i = 0; i < CASES; i++) run_golden(i, XR_BF16);
}

Test(conv2d, golden_with_objects_made_anew) {
  run_golden(3, XR_BF16);
  xr_conv2d_cache_clear();
  run_golden(3, XR_BF16);
}

/* ---- whole layers on random numbers */
enum { BATCH = 37, HEIGHT = 11, WIDTH = 7, IN = 20, OUT = 33, RESULTS = 4 }; /* y, dx, dweight, dbias */

typedef struct {
  xr_conv2d a;
  void *x, *weight, *dy;
  float *bias;
  int64_t count[RESULTS];
  xr_dtype dtype[RESULTS];
} layer;

static layer layer_of(xr_dtype dtype, int64_t kernel, int64_t stride) {
  layer l = {.a = {.batch = BATCH,
                   .height = HEIGHT,
                   .width = WIDTH,
                   .in = IN,
                   .out = OUT,
                   .kernel_height = kernel,
                   .kernel_width = kernel,
                   .stride = stride,
                   .pad = kernel / 2,
                   .dtype = dtype},
             .dtype = {dtype, dtype, XR_F32, XR_F32}};
  l.count[0] = BATCH * xr_conv2d_out_height(&l.a) * xr_conv2d_out_width(&l.a) * OUT;
  l.count[1] = BATCH * HEIGHT * WIDTH * IN;
  l.count[2] = OUT * kernel * kernel * IN;
  l.count[3] = OUT;
  l.a.x = l.x = xr_random_values(dtype, l.count[1], 1);
  l.a.weight = l.weight = xr_random_values(dtype, l.count[2], 2);
  l.a.dy = l.dy = xr_random_values(dtype, l.count[0], 3);
  l.a.bias = l.bias = xr_random_values(XR_F32, OUT, 4);
  return l;
}

static void drop(layer *l) {
  void *blocks[] = {l->x, l->weight, l->dy, l->bias};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) xr_block_free(blocks[i]);
}

/* Into fresh blocks. accumulate: bit i adds to result i, which holds ones. */
static void run(const layer *l, unsigned accumulate, void **result) {
  xr_conv2d a = l->a;
  for (int i = 0; i < RESULTS; i++) {
    result[i] = xr_poisoned(l->dtype[i], l->count[i]);
    for (int64_t k = 0; accumulate >> i & 1 && k < l->count[i]; k++) {
      if (l->dtype[i] == XR_F32)
        ((float *)result[i])[k] = 1;
      else
        ((xr_bf16 *)result[i])[k] = xr_f32_to_bf16(1);
    }
  }
  a.y = result[0];
  a.dx = result[1];
  a.dweight = result[2];
  a.dbias = result[3];
  a.accumulate_dx = accumulate & 2;
  a.accumulate_dweight = accumulate & 4;
  a.accumulate_dbias = accumulate & 8;
  a.workspace = workspace_of(&a);
  cr_assert(xr_conv2d_forward_cpu(&a) == XR_OK && xr_conv2d_backward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_block_free(a.workspace);
}

static const int64_t kernels[][2] = {{3, 1}, {3, 2}, {1, 1}, {1, 2}}; /* size, stride */
enum { KERNELS = sizeof kernels / sizeof *kernels };

static void free_all(void **blocks, int count) {
  for (int i = 0; i < count; i++) xr_block_free(blocks[i]);
}

/* Each gradient with its own flag: what is added to ones is what is assigned, plus 1. */
static void run_accumulate(void) {
  for (xr_dtype dtype = XR_F32; dtype <= XR_BF16; dtype++) {
    for (int kernel = 0; kernel < KERNELS; kernel++) {
      layer l = layer_of(dtype, kernels[kernel][0], kernels[kernel][1]);
      void *assigned[RESULTS];
      run(&l, 0, assigned);
      for (unsigned flag = 2; flag <= 8; flag *= 2) {
        void *added[RESULTS];
        run(&l, flag, added);
        for (int i = 0; i < RESULTS; i++) {
          const double step = l.dtype[i] == XR_F32 ? 0x1p-13 : 0.5; /* sums of up to 2,849 terms; dx up to 64, rounded twice */
          for (int64_t k = 0; k < l.count[i]; k++) {
            const bool wide = l.dtype[i] == XR_F32;
            const double one = (double)(wide ? ((float *)assigned[i])[k] : xr_bf16_to_f32(((xr_bf16 *)assigned[i])[k]));
            const double two = (double)(wide ? ((float *)added[i])[k] : xr_bf16_to_f32(((xr_bf16 *)added[i])[k]));
            if (flag >> i & 1)
              cr_assert_float_eq(two, one + 1, step, "result %d[%lld]: %g, added to 1 %g", i, (long long)k, one, two);
            else
              cr_assert(two == one, "result %d[%lld] is %g, and %g where another was added to", i, (long long)k, one, two);
          }
        }
        free_all(added, RESULTS);
      }
      free_all(assigned, RESULTS);
      drop(&l);
    }
  }
}

Test(conv2d, gradients_accumulate_each_on_its_own) { run_accumulate(); }

Test(conv2d, gradients_accumulate_by_way_of_f32) {
  setenv("ONEDNN_MAX_CPU_ISA", "AVX2", 1);
  run_accumulate();
}

Test(conv2d, same_bytes_for_any_number_of_threads) {
  for (xr_dtype dtype = XR_F32; dtype <= XR_BF16; dtype++) {
    for (int kernel = 0; kernel < KERNELS; kernel++) {
      layer l = layer_of(dtype, kernels[kernel][0], kernels[kernel][1]);
      void *result[3][RESULTS];
      for (int threads = 1; threads <= 3; threads++) {
        xr_set_threads(threads);
        xr_conv2d_cache_clear(); /* the objects are made with this number of threads, too */
        run(&l, 2, result[threads - 1]);
        for (int i = 0; i < RESULTS; i++)
          cr_assert_arr_eq(result[threads - 1][i], result[0][i], (size_t)l.count[i] * xr_dtype_bytes(l.dtype[i]),
                           "result %d, %s, kernel %d, %d threads", i, xr_dtype_name(dtype), kernel, threads);
      }
      free_all(&result[0][0], 3 * RESULTS);
      drop(&l);
    }
  }
}

/* An image's y and dx do not depend on what else is in the batch. */
Test(conv2d, images_are_independent) {
  layer l = layer_of(XR_F32, 3, 2);
  void *all[RESULTS], *one[RESULTS];
  run(&l, 0, all);
  layer single = l;
  single.a.batch = 1;
  for (int i = 0; i < 2; i++) single.count[i] /= BATCH;
  single.a.x = (const float *)l.x + 5 * single.count[1];
  single.a.dy = (const float *)l.dy + 5 * single.count[0];
  run(&single, 0, one);
  for (int i = 0; i < 2; i++)
    cr_assert_arr_eq(one[i], (float *)all[i] + 5 * single.count[i], (size_t)single.count[i] * sizeof(float), "result %d", i);
  free_all(all, RESULTS);
  free_all(one, RESULTS);
  drop(&l);
}

Test(conv2d, no_images_give_gradients_of_zero) {
  float weight[18] = {0}, dweight[18], dbias[2];
  for (int kernel = 1; kernel <= 3; kernel += 2) {
    memset(dweight, 0xff, sizeof dweight);
    memset(dbias, 0xff, sizeof dbias);
    xr_conv2d a = {.height = 4, .width = 3, .in = 1, .out = 2, .kernel_height = kernel, .kernel_width = kernel, .stride = 1};
    a.weight = weight;
    a.dweight = dweight;
    a.dbias = dbias;
    a.workspace = workspace_of(&a);
    cr_assert(xr_conv2d_forward_cpu(&a) == XR_OK && xr_conv2d_backward_cpu(&a) == XR_OK, "%s", xr_message());
    for (int i = 0; i < 2 * kernel * kernel; i++) cr_assert_eq(dweight[i], 0);
    for (int i = 0; i < 2; i++) cr_assert_eq(dbias[i], 0);
    xr_block_free(a.workspace);
  }
}

Test(conv2d, bad_arguments_are_refused) {
  const xr_conv2d good = {
      .batch = 1, .height = 4, .width = 5, .in = 3, .out = 2, .kernel_height = 3, .kernel_width = 3, .stride = 1, .pad = 1};
  cr_assert_eq(xr_conv2d_check(&good), XR_OK);
  xr_conv2d a = good;
  a.stride = 0;
  cr_assert_eq(xr_conv2d_forward_cpu(&a), XR_BAD_SHAPE);
  a = good;
  a.pad = 3;
  cr_assert_eq(xr_conv2d_forward_cpu(&a), XR_BAD_SHAPE);
  cr_assert(strstr(xr_message(), "a padding of 3 is not smaller"), "%s", xr_message());
  a = good;
  a.kernel_height = 7;
  cr_assert_eq(xr_conv2d_backward_cpu(&a), XR_BAD_SHAPE);
  cr_assert(strstr(xr_message(), "does not fit maps of 4 x 5"), "%s", xr_message());
  a = good;
  a.dtype = XR_I32;
  cr_assert_eq(xr_conv2d_forward_cpu(&a), XR_UNSUPPORTED);
}
