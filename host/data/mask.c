#include "host/data/mask.h"

#include <math.h>

#include "host/base/random.h"

enum { MAX_CONTEXT = 1 << 16 /* blocks of random words that a sample has */ };

xr_status xr_mask_check(const xr_mask_options *o) {
  if (!(o->probability >= 0 && o->probability <= 1))
    return xr_fail(XR_BAD_INPUT, "masked words: a probability of %g", (double)o->probability);
  if (!(o->mask_share >= 0 && o->random_share >= 0 && o->mask_share + o->random_share <= 1.00001f))
    return xr_fail(XR_BAD_INPUT, "masked words: shares of %g (mask) and %g (random) of one whole", (double)o->mask_share,
                   (double)o->random_share);
  return XR_OK;
}

int64_t xr_mask_capacity(int64_t batch, int64_t context, float probability) {
  const int64_t words = context - 2, most = batch * words;
  const double p = (double)probability, none = pow(1 - p, (double)words); /* then the first word is taken */
  const double expected = (double)batch * ((double)words * p + none), deviation = sqrt((double)most * p * (1 - p));
  const int64_t rows = ((int64_t)ceil(expected + 6 * deviation) + 7) / 8 * 8;
  return rows < most ? rows : most;
}

void xr_mask_caption(const xr_mask_options *o, xr_mask_draw draw, int32_t mask_id, int context, int32_t *ids, int32_t *target) {
  int chosen = 0, first = -1;
  for (int i = 0; i < context; i++) {
    const int32_t id = ids[i];
    if (target) target[i] = -1;
    if (id <= 0 || id >= mask_id) continue;
    if (first < 0) first = i;
    const xr_philox random = xr_philox_at(draw.key, draw.epoch, draw.position * MAX_CONTEXT + (uint64_t)i);
    if (!(xr_uniform(random.word[0]) < o->probability)) continue;
    const float kind = xr_uniform(random.word[1]);
    if (kind < o->mask_share)
      ids[i] = mask_id;
    else if (kind < o->mask_share + o->random_share)
      ids[i] = 1 + (int32_t)xr_below(random.word[2], (uint32_t)(mask_id - 1));
    if (target) target[i] = id;
    chosen++;
  }
  if (chosen || first < 0 || !(o->probability > 0)) return;
  if (target) target[first] = ids[first];
  ids[first] = mask_id;
}

int64_t xr_mask_collect(int64_t places, int32_t *ids, const int32_t *target, int64_t capacity, int32_t *index, int32_t *label) {
  int64_t words = 0;
  for (int64_t i = 0; i < places; i++) {
    if (target[i] < 0) continue;
    if (words == capacity) {
      ids[i] = target[i];
      continue;
    }
    index[words] = (int32_t)i;
    label[words++] = target[i];
  }
  for (int64_t r = words; r < capacity; r++) index[r] = label[r] = -1;
  return words;
}
