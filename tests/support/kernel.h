/* What the tests of kernels check besides golden values, and memory for them. */
#pragma once

#include <criterion/criterion.h>

#include "host/base/dtype.h"
#include "host/base/memory.h"

#ifdef _OPENMP
#include <omp.h>
#else
static inline void omp_set_num_threads(int threads) { (void)threads; }
#endif

/* Blocks that a test frees together. */
typedef struct {
  void *block[64];
  int count;
} xr_blocks;

void *xr_hold(xr_blocks *blocks, void *block); /* returns block */
void xr_release(xr_blocks *blocks);

/* `count` standard normal numbers in dtype f32 or bf16, different for each seed. */
void *xr_random_block(xr_blocks *blocks, xr_dtype dtype, int64_t count, uint64_t seed);

/* Fails the test unless twice[i] = 2 once[i]: what a gradient is that was assigned, then accumulated. Exact for f32, to one rounding
 * for bf16 (whose second summand was not rounded). */
void xr_expect_doubled(const void *once, const void *twice, xr_dtype dtype, int64_t count, const char *what);

/* Fails the test unless `call` returns XR_OK and leaves the same `bytes` at `output` with 1, 2 and 3 threads. */
#define XR_EXPECT_SAME_FOR_ANY_THREADS(call, output, bytes)                                                         \
  do {                                                                                                              \
    void *xr_first = NULL;                                                                                          \
    for (int xr_threads = 1; xr_threads <= 3; xr_threads++) {                                                       \
      omp_set_num_threads(xr_threads);                                                                              \
      memset((output), 0xff, (bytes));                                                                              \
      cr_assert((call) == XR_OK, "%s", xr_message());                                                               \
      if (!xr_first) {                                                                                              \
        xr_first = xr_block_alloc(bytes);                                                                           \
        memcpy(xr_first, (output), (bytes));                                                                        \
      }                                                                                                             \
      cr_assert(memcmp(xr_first, (output), (bytes)) == 0, "%s: %d threads give another result", #call, xr_threads); \
    }                                                                                                               \
    xr_block_free(xr_first);                                                                                        \
  } while (0)
