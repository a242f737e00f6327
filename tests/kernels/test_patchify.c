#include "kernels/linear/patchify.h"

#include <criterion/criterion.h>

#include "host/base/memory.h"
#include "kernels/linear/gemm.h"
#include "tests/support/golden.h"

static void run_golden(const char *name, int64_t stride, xr_dtype dtype) {
  xr_golden g = xr_golden_open("patchify");
  g.name = name;
  void *x = xr_golden_load(&g, "x", dtype), *weight = xr_golden_load(&g, "weight", dtype);
  xr_patchify a = {.batch = xr_golden_dim(&g, "x", 0),
                   .height = xr_golden_dim(&g, "x", 1),
                   .width = xr_golden_dim(&g, "x", 2),
                   .patch = xr_golden_dim(&g, "weight", 2),
                   .stride = stride,
                   .dtype = dtype,
                   .x = x};
  const int64_t rows = a.batch * xr_patchify_rows(&a) * xr_patchify_cols(&a), in = 3 * a.patch * a.patch,
                out = xr_golden_dim(&g, "weight", 0);
  cr_assert_eq(rows, a.batch * xr_golden_dim(&g, "y", 1));
  a.y = xr_poisoned(dtype, rows * in);
  cr_assert(xr_patchify_forward_cpu(&a) == XR_OK, "%s", xr_message());
  float *y = xr_poisoned(XR_F32, rows * out);
  xr_gemm product = {
      .m = rows, .n = out, .k = in, .transpose_b = true, .dtype = dtype, .a = a.y, .b = weight, .c = y, .lda = in, .ldb = in, .ldc = out};
  const size_t bytes = xr_gemm_workspace(&product);
  product.workspace = bytes ? xr_poisoned(XR_U8, (int64_t)bytes) : NULL;
  cr_assert(xr_gemm_cpu(&product) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "y", y, XR_F32, dtype);
  void *blocks[] = {x, weight, y, a.y, product.workspace};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) xr_block_free(blocks[i]);
  xr_golden_close(&g);
}

Test(patchify, a_product_with_patches_is_a_convolution) {
  for (xr_dtype dtype = XR_F32; dtype <= XR_BF16; dtype++) {
    run_golden("12x8_patch4_stride4", 4, dtype);
    run_golden("11x9_patch3_stride2", 2, dtype);
    run_golden("5x5_patch5_stride1", 1, dtype);
    run_golden("4x3_patch1_stride1", 1, dtype);
  }
}

Test(patchify, patches_larger_than_the_image_are_refused) {
  xr_patchify a = {.batch = 1, .height = 4, .width = 3, .patch = 4, .stride = 4};
  cr_assert_eq(xr_patchify_forward_cpu(&a), XR_BAD_SHAPE);
  cr_assert(strstr(xr_message(), "patches of 4 pixels every 4 pixels in 1 images of 4 x 3"), "%s", xr_message());
}
