/* Vectors of f32 with a fused multiply-add that is one on every processor: an instruction where there is one, else C's fmaf. */
#pragma once

#include <math.h>

#if defined(__AVX512F__) || (defined(__AVX2__) && defined(__FMA__))
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
enum { XR_FMA_LANES = 16, XR_FMA_ROWS = 12 }; /* 12 x 2 sums, 2 vectors of items: 26 of 32 registers */
#elif defined(__AVX2__) && defined(__FMA__)
enum { XR_FMA_LANES = 8, XR_FMA_ROWS = 6 }; /* 6 x 2 sums: 15 of 16 registers */
#else
enum { XR_FMA_LANES = 4, XR_FMA_ROWS = 6 };
#endif

typedef float xr_vector __attribute__((vector_size(4 * XR_FMA_LANES)));
typedef float xr_vector_anywhere __attribute__((vector_size(4 * XR_FMA_LANES), aligned(4), may_alias));

static inline xr_vector xr_vector_load(const float *p) { return *(const xr_vector_anywhere *)p; }
static inline void xr_vector_store(float *p, xr_vector v) { *(xr_vector_anywhere *)p = v; }
static inline xr_vector xr_vector_of(float x) { return x - (xr_vector){0}; }

/* a b + c, rounded once. */
static inline xr_vector xr_vector_fma(xr_vector a, xr_vector b, xr_vector c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__AVX2__) && defined(__FMA__)
  return _mm256_fmadd_ps(a, b, c);
#else
  for (int i = 0; i < XR_FMA_LANES; i++) c[i] = fmaf(a[i], b[i], c[i]);
  return c;
#endif
}
