/* For tests that results do not depend on the number of threads. */
#pragma once

#include "host/base/random.h"
#include "tests/support/golden.h"

#ifdef _OPENMP
#include <omp.h>
#endif

/* OpenMP threads from now on; nothing in a build without OpenMP. */
static inline void xr_set_threads(int threads) {
#ifdef _OPENMP
  omp_set_num_threads(threads);
#else
  (void)threads;
#endif
}

/* A fresh block of standard normal numbers, f32 or bf16. */
static inline void *xr_random_values(xr_dtype dtype, int64_t count, uint64_t key) {
  xr_random random = xr_random_start(key, 0);
  void *block = xr_poisoned(dtype, count);
  for (int64_t i = 0; i < count; i++) {
    const float value = xr_random_normal(&random);
    if (dtype == XR_F32)
      ((float *)block)[i] = value;
    else
      ((xr_bf16 *)block)[i] = xr_f32_to_bf16(value);
  }
  return block;
}
