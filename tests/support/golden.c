#include "tests/support/golden.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/base/memory.h"

xr_golden xr_golden_open(const char *file) {
  char path[512];
  snprintf(path, sizeof path, "%s/golden/%s.safetensors", XREID_TEST_FOLDER, file);
  xr_golden golden = {.name = ""};
  cr_assert(xr_safetensors_open(&golden.file, path) == XR_OK, "%s", xr_message());
  return golden;
}

void xr_golden_close(xr_golden *golden) {
  xr_safetensors_close(golden->file);
  golden->file = NULL;
}

static const xr_stored_tensor *find(const xr_golden *golden, const char *tensor, const char *suffix) {
  char name[256];
  snprintf(name, sizeof name, "%s.%s%s", golden->name, tensor, suffix);
  const xr_stored_tensor *found = xr_safetensors_find(golden->file, name);
  cr_assert(found, "the golden file has no tensor %s", name);
  return found;
}

const xr_stored_tensor *xr_golden_tensor(const xr_golden *golden, const char *tensor) { return find(golden, tensor, ""); }

int64_t xr_golden_dim(const xr_golden *golden, const char *tensor, int axis) {
  const xr_stored_tensor *t = find(golden, tensor, "");
  cr_assert(axis < t->rank, "%s.%s has %d dimensions", golden->name, tensor, t->rank);
  return t->dim[axis];
}

static double scalar_of(const xr_stored_tensor *t) {
  double value;
  cr_assert(t->dtype == XR_F64 && xr_stored_elements(t) == 1, "%s is no f64 scalar", t->name);
  memcpy(&value, t->data, sizeof value);
  return value;
}

double xr_golden_scalar(const xr_golden *golden, const char *tensor) { return scalar_of(find(golden, tensor, "")); }

void *xr_golden_load(const xr_golden *golden, const char *tensor, xr_dtype dtype) {
  const xr_stored_tensor *t = find(golden, tensor, "");
  int64_t n = xr_stored_elements(t);
  float *values = xr_block_alloc((size_t)n * sizeof *values);
  void *out = dtype == XR_F32 ? values : xr_block_alloc((size_t)n * xr_dtype_bytes(dtype));
  cr_assert(values && out, "%s", xr_message());
  xr_stored_to_f32(t, values);
  for (int64_t i = 0; i < n && dtype != XR_F32; i++) {
    if (dtype == XR_BF16)
      ((xr_bf16 *)out)[i] = xr_f32_to_bf16(values[i]);
    else if (dtype == XR_I32)
      ((int32_t *)out)[i] = (int32_t)values[i];
    else
      cr_assert(false, "xr_golden_load: dtype %s", xr_dtype_name(dtype));
  }
  if (dtype != XR_F32) xr_block_free(values);
  return out;
}

void *xr_poisoned(xr_dtype dtype, int64_t count) {
  size_t bytes = (size_t)count * xr_dtype_bytes(dtype);
  void *block = xr_block_alloc(bytes);
  cr_assert(block, "%s", xr_message());
  return memset(block, 0xff, bytes);
}

void xr_golden_expect(const xr_golden *golden, const char *result, const void *values, xr_dtype dtype, xr_dtype precision) {
  const xr_stored_tensor *truth = find(golden, result, "");
  cr_assert(truth->dtype == XR_F64, "%s.%s is not stored in double precision", golden->name, result);
  double naive = scalar_of(find(golden, result, precision == XR_F32 ? ".naive_f32" : ".naive_bf16"));
  double worst = 0, largest = 0;
  int64_t n = xr_stored_elements(truth), where = 0;
  for (int64_t i = 0; i < n; i++) {
    double expected;
    memcpy(&expected, (const char *)truth->data + (size_t)i * sizeof expected, sizeof expected);
    double got = dtype == XR_BF16 ? (double)xr_bf16_to_f32(((const xr_bf16 *)values)[i]) : (double)((const float *)values)[i];
    double error = fabs(got - expected);
    if (!(error <= worst)) { /* a NaN is the worst of all */
      worst = error;
      where = i;
    }
    largest = fmax(largest, fabs(expected));
  }
  double allowed = 2 * naive + largest * (precision == XR_F32 ? 0x1p-24 : 0x1p-8);
  cr_assert(worst <= allowed, "%s.%s (%s): element %lld is off by %.3g; allowed are %.3g (naive error %.3g, largest value %.3g)",
            golden->name, result, xr_dtype_name(precision), (long long)where, worst, allowed, naive, largest);
}
