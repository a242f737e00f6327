/* The order of the training samples in an epoch: a pure function of (seed, epoch), so a resumed run goes on with the same batches.
 *
 * random    every sample once, shuffled. The last batch may be smaller; drop_last leaves it out.
 * identity  batches of P = batch / K identities with K samples each; a batch is P runs of K samples of one identity.
 *   An epoch: each identity's samples are shuffled and cut into groups of K, the rest (fewer than K) is left out until the next epoch;
 *   an identity with fewer than K samples has one group of K draws with replacement. Then, as long as at least P identities have a
 *   group left, P of them are drawn without replacement and give one group each. So no identity stands in a batch twice, every batch
 *   is full, an identity with n >= K samples is seen at most floor(n / K) * K times, and groups of frequent identities may be left
 *   over when fewer than P identities have any: the number of batches varies a little from epoch to epoch.
 *   (The RandomIdentitySampler of TransReID and IRRA, with counter-based random numbers.)
 *
 * All draws are unbiased: Fisher-Yates with rejection, keyed by (seed, epoch). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/status.h"

typedef enum { XR_SAMPLER_RANDOM, XR_SAMPLER_IDENTITY } xr_sampler_kind;

typedef struct {
  xr_sampler_kind kind;
  int32_t batch;        /* >= 1 */
  int32_t per_identity; /* K, identity only: divides batch */
  bool drop_last;       /* random only */
  uint64_t seed;
} xr_sampler_options;

typedef struct xr_sampler xr_sampler;

/* identity[count]: the label (or pid) of each sample; copied. Errors: no samples, a batch that is no multiple of K, fewer than P
 * identities, drop_last with fewer samples than a batch. */
xr_status xr_sampler_open(xr_sampler **sampler, const int32_t *identity, size_t count, const xr_sampler_options *options);
void xr_sampler_free(xr_sampler *sampler); /* NULL is allowed */

int32_t xr_sampler_batch(const xr_sampler *sampler);
size_t xr_sampler_samples(const xr_sampler *sampler); /* `count` above */

/* The samples of an epoch, batch after batch, in a fresh list that the caller frees with free(). */
xr_status xr_sampler_epoch(const xr_sampler *sampler, uint64_t epoch, int32_t **order, size_t *count);
