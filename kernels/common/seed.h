/* Where the random numbers of a kernel come from: pure functions of (key, counter, node, element), see host/base/random.h. */
#pragma once

#include "host/base/random.h"

/* Read when a kernel runs, so that one memory place can hold the seed of the current step. */
typedef struct {
  uint64_t key;     /* of the run (and of the rank, where ranks must differ) */
  uint64_t counter; /* the step */
} xr_seed;

/* Four random words for the elements 4 * block .. 4 * block + 3 of one graph node. */
XR_RANDOM_INLINE xr_philox xr_seed_words(const xr_seed *seed, uint64_t node, uint64_t block) {
  return xr_philox_at(seed->key + node * 0x9E3779B97F4A7C15u, seed->counter, block);
}
