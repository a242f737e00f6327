#include "kernels/conv/conv2d.h"
#include "kernels/conv/token_conv.h"
#include "tests/kernels/check.h"

static void *gradient(check_run *run, const char *name, xr_dtype dtype, int64_t count, bool accumulate) {
  return accumulate ? check_inout(run, name, dtype, count, CHECK_NORMAL) : check_out(run, name, dtype, count);
}

/* flags: the lengths are NULL, LENGTHS (from the golden file or at random), or ILLEGAL (sample 1 of 3 has one) */
enum { ACCUMULATE = 1, NO_DX = 2, NO_WEIGHT = 4, OTHER_DTYPE = 8, LENGTHS = 16, ILLEGAL = 32 };

static xr_status token_conv(check_run *run) {
  const int64_t batch = check_size(run, 0), tokens = check_size(run, 1), width = check_size(run, 2), taps = check_size(run, 3);
  const int64_t flags = check_size(run, 4), tensor = batch * tokens * width;
  const bool accumulate = flags & ACCUMULATE, host = !check_on_device(run);
  const xr_dtype dtype = check_dtype(run), other = dtype == XR_F32 ? XR_BF16 : XR_F32;
  xr_token_conv a = {.batch = batch, .tokens = tokens, .width = width, .taps = taps, .dtype = dtype, .weight_dtype = dtype};
  if (flags & OTHER_DTYPE) a.weight_dtype = other;
  const int32_t some[3] = {(int32_t)tokens, host ? 0 : accumulate ? -1 : (int32_t)tokens + 1, 1};
  if (flags & LENGTHS) a.length = check_in_ids(run, "length", batch, 0, (int32_t)tokens + 1);
  if (flags & ILLEGAL) a.length = check_in_bytes(run, "length", some, sizeof some);
  a.x = check_in(run, "x", dtype, tensor, CHECK_NORMAL);
  a.weight = check_in(run, "weight", a.weight_dtype, width * taps,
                      flags & OTHER_DTYPE ? CHECK_WHOLE : CHECK_NORMAL); /* whole: equal in both */
  a.y = check_out(run, "y", dtype, tensor);
  XR_TRY(CHECK_CALL(run, xr_token_conv_forward, &a));
  a.dy = check_in(run, "dy", dtype, tensor, CHECK_NORMAL);
  a.accumulate_dx = a.accumulate_dweight = accumulate;
  if (!(flags & NO_DX)) a.dx = gradient(run, "dx", dtype, tensor, accumulate);
  if (!(flags & NO_WEIGHT)) {
    a.dweight = gradient(run, "dweight", XR_F32, width * taps, accumulate);
    a.workspace = check_workspace(run, xr_token_conv_workspace(&a));
  }
  XR_TRY(CHECK_CALL(run, xr_token_conv_backward, &a));
  if (!(flags & ILLEGAL) || !host) return XR_OK;
  /* On a device nobody looks at lengths first: what the header says of illegal ones. */
  const size_t sample = (size_t)(tokens * width) * xr_dtype_bytes(dtype);
  memset((char *)a.y + sample, 0xff, sample);
  memset((char *)a.dx + sample, 0xff, sample);
  memset(a.dweight, 0xff, (size_t)(width * taps) * sizeof *a.dweight);
  return XR_OK;
}

/* Runs of 4 tokens and their ends, strips of 32 pieces of channels, more samples than partial sums (64). */
static const check_case token_conv_cases[] = {
    {{1, 1, 1, 1, 0}, .golden = "single"},
    {{2, 3, 9, 1, LENGTHS}, .golden = "pointwise"},
    {{2, 2, 5, 9, 0}, .golden = "short"},
    {{3, 6, 17, 3, 0}, .golden = "three"},
    {{5, 7, 8, 5, LENGTHS}, .golden = "five"},
    {{2, 9, 18, 7, LENGTHS}, .golden = "seven"},
    {{1, 2, 270, 3, 0}, .golden = "wide"},
    {{0, 4, 8, 3, ACCUMULATE}},
    {{0, 4, 9, 5, 0}},
    {{3, 0, 8, 3, 0}},
    {{2, 4, 0, 3, 0}},
    {{2, 77, 512, 5, LENGTHS}},
    {{3, 13, 264, 3, ACCUMULATE | LENGTHS}},
    {{2, 21, 40, 9, ACCUMULATE}},
    {{3, 10, 33, 5, ACCUMULATE | LENGTHS | OTHER_DTYPE}},
    {{2, 8, 64, 9, OTHER_DTYPE}},
    {{65, 5, 16, 3, LENGTHS}},
    {{130, 3, 7, 7, ACCUMULATE}},
    {{3, 5, 24, 1, NO_DX}},
    {{3, 5, 24, 3, NO_WEIGHT | LENGTHS}},
    {{3, 9, 24, 5, ILLEGAL}},
    {{3, 9, 7, 3, ILLEGAL | ACCUMULATE}},
};

/* ---- maps */
enum { BIAS = 1, ADD_DX = 2, ADD_DWEIGHT = 4, ADD_DBIAS = 8, ADD_ALL = 14, ONLY_DX = 16, ONLY_WEIGHT = 32 };

static xr_status conv2d(check_run *run) {
  const int64_t flags = check_size(run, 7), kernel = check_size(run, 5);
  const xr_dtype dtype = check_dtype(run);
  xr_conv2d a = {.batch = check_size(run, 0),
                 .height = check_size(run, 1),
                 .width = check_size(run, 2),
                 .in = check_size(run, 3),
                 .out = check_size(run, 4),
                 .kernel_height = kernel % 10,
                 .kernel_width = kernel / 10 ? kernel / 10 : kernel,
                 .stride = check_size(run, 6) / 10,
                 .pad = check_size(run, 6) % 10,
                 .dtype = dtype,
                 .accumulate_dx = flags & ADD_DX,
                 .accumulate_dweight = flags & ADD_DWEIGHT,
                 .accumulate_dbias = flags & ADD_DBIAS};
  const int64_t x = a.batch * a.height * a.width * a.in, weight = a.out * a.kernel_height * a.kernel_width * a.in;
  const int64_t y = a.batch * xr_conv2d_out_height(&a) * xr_conv2d_out_width(&a) * a.out;
  a.x = check_in(run, "x", dtype, x, CHECK_NORMAL);
  a.weight = check_in(run, "weight", dtype, weight, CHECK_NORMAL);
  if (flags & BIAS) a.bias = check_in(run, "bias", XR_F32, a.out, CHECK_NORMAL);
  a.y = check_out(run, "y", dtype, y);
  a.workspace = check_workspace(run, xr_conv2d_workspace(&a));
  XR_TRY(CHECK_CALL(run, xr_conv2d_forward, &a));
  a.y = NULL;
  a.dy = check_in(run, "dy", dtype, y, CHECK_NORMAL);
  if (!(flags & ONLY_WEIGHT)) a.dx = gradient(run, "dx", dtype, x, a.accumulate_dx);
  if (!(flags & ONLY_DX)) a.dweight = gradient(run, "dweight", XR_F32, weight, a.accumulate_dweight);
  if ((flags & BIAS) && !(flags & ONLY_DX)) a.dbias = gradient(run, "dbias", XR_F32, a.out, a.accumulate_dbias);
  a.workspace = check_workspace(run, xr_conv2d_workspace(&a));
  return CHECK_CALL(run, xr_conv2d_backward, &a);
}

/* kernel: height and, where it differs, ten times the width; stride_pad: ten times the stride, and the padding */
static const check_case conv2d_cases[] = {
    {{1, 1, 1, 1, 1, 1, 10, BIAS}, .golden = "single"},
    {{2, 3, 3, 7, 9, 1, 10, BIAS}, .golden = "pointwise"},
    {{2, 5, 4, 4, 5, 1, 20, 0}, .golden = "pointwise_stride"},
    {{2, 4, 3, 5, 6, 3, 11, BIAS}, .golden = "three"},
    {{2, 5, 6, 3, 5, 3, 21, 0}, .golden = "three_stride"},
    {{1, 11, 7, 3, 3, 7, 23, 0}, .golden = "stem"},
    {{1, 6, 11, 1, 5, 3, 11, BIAS}, .golden = "grey"},
    {{2, 6, 5, 4, 3, 32, 10, BIAS}, .golden = "uneven"},
    {{1, 2, 2, 17, 3, 3, 11, 0}, .golden = "wide"},
    {{0, 4, 4, 3, 5, 3, 11, BIAS}},
    {{0, 4, 4, 3, 5, 3, 11, BIAS | ADD_ALL}},
    {{0, 4, 4, 3, 5, 1, 10, BIAS}},
    {{17, 9, 5, 16, 24, 3, 11, BIAS | ADD_ALL}}, /* more images than runs of images */
    {{35, 6, 5, 8, 10, 3, 21, BIAS | ADD_DX}},   /* runs of three, the last of two */
    {{3, 9, 5, 16, 24, 3, 21, BIAS | ADD_DWEIGHT}},
    {{3, 9, 5, 16, 24, 3, 11, BIAS | ADD_DBIAS}},
    {{5, 6, 7, 12, 20, 1, 10, BIAS | ADD_ALL}},
    {{5, 6, 7, 12, 20, 1, 20, ADD_ALL}},
    {{3, 7, 6, 9, 8, 3, 11, BIAS | ONLY_DX}},
    {{3, 7, 6, 9, 8, 3, 11, BIAS | ONLY_WEIGHT}},
    {{2, 19, 10, 3, 64, 7, 23, 0}},
    {{2, 6, 4, 65, 130, 3, 11, 0}},
};

static const check_op ops[] = {
    {"conv2d", conv2d, "batch height width in out kernel stride_pad flags", CHECK_FLOATS, CHECK_CASES(conv2d_cases), .golden = "conv2d"},
    {"token_conv", token_conv, "batch tokens width taps flags", CHECK_FLOATS, CHECK_CASES(token_conv_cases), .golden = "token_conv"},
};
CHECK_OPS(ops)
