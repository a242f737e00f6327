/* Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 *
 * A number is a pure function of (key, counter): no state, so results depend neither on threads nor on ranks nor on where a run
 * was resumed. Keys come from the run's seed; counters say what the number is for (step, node, element). */
#pragma once

#include <math.h>
#include <stdint.h>

#ifdef __CUDACC__
#define XR_RANDOM_INLINE __host__ __device__ static inline
#else
#define XR_RANDOM_INLINE static inline
#endif

typedef struct {
  uint32_t word[4];
} xr_philox;

XR_RANDOM_INLINE xr_philox xr_philox_at(uint64_t key, uint64_t high, uint64_t low) {
  uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
  xr_philox c = {{(uint32_t)low, (uint32_t)(low >> 32), (uint32_t)high, (uint32_t)(high >> 32)}};
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xD2511F53u * c.word[0], p1 = (uint64_t)0xCD9E8D57u * c.word[2];
    xr_philox next = {{(uint32_t)(p1 >> 32) ^ c.word[1] ^ k0, (uint32_t)p1, (uint32_t)(p0 >> 32) ^ c.word[3] ^ k1, (uint32_t)p0}};
    c = next;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c;
}

/* [0, 1) with 24 bits. */
XR_RANDOM_INLINE float xr_uniform(uint32_t word) { return (float)(word >> 8) * 0x1p-24f; }

/* 0 .. n-1 by multiplication: biased by less than n / 2^32. */
XR_RANDOM_INLINE uint32_t xr_below(uint32_t word, uint32_t n) { return (uint32_t)(((uint64_t)word * n) >> 32); }

/* A key for one purpose of a run: FNV-1a of the name, mixed with the seed. Different names give unrelated sequences. */
static inline uint64_t xr_random_key(uint64_t seed, const char *purpose) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (; *purpose; purpose++) hash = (hash ^ (unsigned char)*purpose) * 0x100000001b3u;
  return (hash ^ seed) * 0x9E3779B97F4A7C15u + seed;
}

/* Standard normal from two words (Box-Muller), exact enough for initial weights. */
static inline float xr_normal(uint32_t a, uint32_t b) {
  float u = ((float)(a >> 8) + 1.0f) * 0x1p-24f; /* (0, 1] */
  return sqrtf(-2.0f * logf(u)) * cosf(6.28318530717958647692f * xr_uniform(b));
}

/* A sequential view of one (key, high) stream, for host code that draws one number after another. */
typedef struct {
  uint64_t key, high, low;
  xr_philox block;
  int used;
} xr_random;

static inline xr_random xr_random_start(uint64_t key, uint64_t high) {
  xr_random r = {.key = key, .high = high, .low = 0, .block = {{0}}, .used = 4};
  return r;
}

static inline uint32_t xr_random_word(xr_random *r) {
  if (r->used == 4) {
    r->block = xr_philox_at(r->key, r->high, r->low++);
    r->used = 0;
  }
  return r->block.word[r->used++];
}

static inline float xr_random_uniform(xr_random *r) { return xr_uniform(xr_random_word(r)); }
static inline uint32_t xr_random_below(xr_random *r, uint32_t n) { return xr_below(xr_random_word(r), n); }
static inline float xr_random_normal(xr_random *r) {
  uint32_t a = xr_random_word(r);
  return xr_normal(a, xr_random_word(r));
}
