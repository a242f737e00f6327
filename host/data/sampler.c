#include "host/data/sampler.h"

#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/base/random.h"

typedef struct {
  size_t first, count; /* in by_identity */
} identity_range;

struct xr_sampler {
  xr_sampler_options options;
  xr_arena *arena;
  size_t count;
  int32_t *by_identity; /* identity sampler: the samples, grouped by identity */
  identity_range *identities;
  size_t identity_count;
};

/* 0 .. n-1, each exactly as likely as the others (Lemire, "Fast random integer generation in an interval", 2019). */
static uint32_t draw_below(xr_random *random, uint32_t n) {
  const uint32_t rejected = -n % n; /* 2^32 mod n */
  uint64_t product;
  do product = (uint64_t)xr_random_word(random) * n;
  while ((uint32_t)product < rejected);
  return (uint32_t)(product >> 32);
}

static void shuffle(xr_random *random, int32_t *items, size_t count) {
  for (size_t i = count; i > 1; i--) {
    const size_t j = draw_below(random, (uint32_t)i);
    const int32_t item = items[j];
    items[j] = items[i - 1];
    items[i - 1] = item;
  }
}

typedef struct {
  int32_t identity, sample;
} labelled;

static int compare_labelled(const void *a, const void *b) {
  const labelled *x = a, *y = b;
  if (x->identity != y->identity) return x->identity < y->identity ? -1 : 1;
  return (x->sample > y->sample) - (x->sample < y->sample);
}

/* Fills by_identity and identities. */
static xr_status group_by_identity(xr_sampler *s, const int32_t *identity) {
  labelled *sorted = malloc(s->count * sizeof *sorted);
  s->by_identity = XR_NEW_ARRAY(s->arena, int32_t, s->count);
  s->identities = XR_NEW_ARRAY(s->arena, identity_range, s->count);
  if (!sorted || !s->by_identity || !s->identities) {
    free(sorted);
    return xr_fail(XR_NO_MEMORY, "out of memory: a sampler of %zu samples", s->count);
  }
  for (size_t i = 0; i < s->count; i++) sorted[i] = (labelled){identity[i], (int32_t)i};
  qsort(sorted, s->count, sizeof *sorted, compare_labelled);
  for (size_t i = 0; i < s->count; i++) {
    if (!i || sorted[i].identity != sorted[i - 1].identity) s->identities[s->identity_count++].first = i;
    s->identities[s->identity_count - 1].count++;
    s->by_identity[i] = sorted[i].sample;
  }
  free(sorted);
  return XR_OK;
}

static xr_status check_identity_options(const xr_sampler_options *o) {
  if (o->per_identity < 1)
    return xr_fail(XR_BAD_INPUT, "the identity sampler needs at least 1 sample an identity, not %d", o->per_identity);
  const int32_t rest = o->batch % o->per_identity, below = o->batch - rest;
  if (!rest) return XR_OK;
  const int32_t nearest = below && rest * 2 <= o->per_identity ? below : below + o->per_identity;
  return xr_fail(XR_BAD_INPUT, "a batch of %d cannot hold identities of %d samples each: the nearest batch that can is %d", o->batch,
                 o->per_identity, nearest);
}

static xr_status fill(xr_sampler *s, const int32_t *identity) {
  const xr_sampler_options *o = &s->options;
  if (!s->count || s->count > INT32_MAX) return xr_fail(XR_BAD_INPUT, "a sampler of %zu samples", s->count);
  if (o->batch < 1) return xr_fail(XR_BAD_INPUT, "a batch of %d samples", o->batch);
  if (o->kind == XR_SAMPLER_RANDOM) {
    if (o->drop_last && s->count < (size_t)o->batch)
      return xr_fail(XR_BAD_INPUT, "%zu samples do not fill one batch of %d: use a smaller batch, or keep the last one", s->count,
                     o->batch);
    return XR_OK;
  }
  XR_TRY(check_identity_options(o));
  XR_TRY(group_by_identity(s, identity));
  const int32_t per_batch = o->batch / o->per_identity;
  if (s->identity_count < (size_t)per_batch)
    return xr_fail(XR_BAD_INPUT, "a batch of %d needs %d identities of %d samples, the data has %zu identities", o->batch, per_batch,
                   o->per_identity, s->identity_count);
  return XR_OK;
}

xr_status xr_sampler_open(xr_sampler **sampler, const int32_t *identity, size_t count, const xr_sampler_options *options) {
  *sampler = NULL;
  xr_arena *arena = xr_arena_new();
  xr_sampler *s = arena ? XR_NEW(arena, xr_sampler) : NULL;
  if (!s) {
    xr_arena_free(arena);
    return XR_NO_MEMORY;
  }
  *s = (xr_sampler){.options = *options, .arena = arena, .count = count};
  xr_status status = fill(s, identity);
  if (status == XR_OK)
    *sampler = s;
  else
    xr_sampler_free(s);
  return status;
}

void xr_sampler_free(xr_sampler *sampler) {
  if (sampler) xr_arena_free(sampler->arena);
}

int32_t xr_sampler_batch(const xr_sampler *sampler) { return sampler->options.batch; }
size_t xr_sampler_samples(const xr_sampler *sampler) { return sampler->count; }

static xr_status random_epoch(const xr_sampler *s, xr_random *random, int32_t **order, size_t *count) {
  int32_t *list = malloc(s->count * sizeof *list);
  if (!list) return xr_fail(XR_NO_MEMORY, "out of memory: an epoch of %zu samples", s->count);
  for (size_t i = 0; i < s->count; i++) list[i] = (int32_t)i;
  shuffle(random, list, s->count);
  *order = list;
  *count = s->options.drop_last ? s->count - s->count % (size_t)s->options.batch : s->count;
  return XR_OK;
}

/* An identity's groups of one epoch: K samples each, one after another in the epoch's pool. */
typedef struct {
  size_t next, end;
} group_range;

/* Lays out every identity's groups in `pool`. */
static void make_groups(const xr_sampler *s, xr_random *random, int32_t *pool, group_range *groups) {
  const size_t k = (size_t)s->options.per_identity;
  size_t used = 0;
  for (size_t i = 0; i < s->identity_count; i++) {
    const identity_range *range = &s->identities[i];
    const int32_t *samples = s->by_identity + range->first;
    size_t kept = k;
    if (range->count < k) {
      for (size_t j = 0; j < k; j++) pool[used + j] = samples[draw_below(random, (uint32_t)range->count)];
    } else {
      memcpy(pool + used, samples, range->count * sizeof *pool);
      shuffle(random, pool + used, range->count);
      kept = range->count - range->count % k;
    }
    groups[i] = (group_range){used, used + kept};
    used += kept;
  }
}

/* Draws batches until fewer than P identities have a group left; returns the number of samples in `order`. */
static size_t draw_batches(const xr_sampler *s, xr_random *random, const int32_t *pool, group_range *groups, int32_t *available,
                           int32_t *order) {
  const size_t k = (size_t)s->options.per_identity, per_batch = (size_t)s->options.batch / k;
  size_t left = s->identity_count, used = 0;
  for (size_t i = 0; i < left; i++) available[i] = (int32_t)i;
  while (left >= per_batch) {
    for (size_t i = 0; i < per_batch; i++) {
      const size_t j = i + draw_below(random, (uint32_t)(left - i));
      const int32_t chosen = available[j];
      available[j] = available[i];
      available[i] = chosen;
      memcpy(order + used, pool + groups[chosen].next, k * sizeof *order);
      groups[chosen].next += k;
      used += k;
    }
    for (size_t i = per_batch; i-- > 0;) /* backwards: the last one, which takes the place, has been looked at */
      if (groups[available[i]].next == groups[available[i]].end) available[i] = available[--left];
  }
  return used;
}

static xr_status identity_epoch(const xr_sampler *s, xr_random *random, int32_t **order, size_t *count) {
  const size_t room = s->count + s->identity_count * (size_t)s->options.per_identity;
  int32_t *pool = malloc(room * sizeof *pool), *list = malloc(room * sizeof *list);
  int32_t *available = calloc(s->identity_count, sizeof *available);
  group_range *groups = calloc(s->identity_count, sizeof *groups);
  if (pool && list && available && groups) {
    make_groups(s, random, pool, groups);
    *count = draw_batches(s, random, pool, groups, available, list);
    *order = list;
  } else {
    free(list);
  }
  free(pool);
  free(available);
  free(groups);
  return *order ? XR_OK : xr_fail(XR_NO_MEMORY, "out of memory: an epoch of %zu samples", room);
}

xr_status xr_sampler_epoch(const xr_sampler *sampler, uint64_t epoch, int32_t **order, size_t *count) {
  *order = NULL;
  *count = 0;
  xr_random random = xr_random_start(xr_random_key(sampler->options.seed, "sampler"), epoch);
  return sampler->options.kind == XR_SAMPLER_RANDOM ? random_epoch(sampler, &random, order, count)
                                                    : identity_epoch(sampler, &random, order, count);
}
