#include "kernels/retrieval/identity_rank.h"

#include "kernels/retrieval/chosen.h"

static const char name[] = "identity rank";

xr_status xr_identity_rank_check(const xr_identity_rank *a) {
  if (a->identities < 0) return xr_fail(XR_BAD_SHAPE, "%s: %lld identities", name, (long long)a->identities);
  return xr_check_chosen(name, a->queries, a->gallery, a->gallery_offset, a->stride, a->chosen, a->chosen_count);
}

static xr_status check_identities(const xr_identity_rank *a) {
  const int64_t count = a->chosen ? a->chosen_count : a->gallery;
  for (int64_t i = 0; i < count; i++) {
    const int64_t g = a->chosen ? a->chosen[i] : a->gallery_offset + i;
    if (a->item_identity[g] < 0 || a->item_identity[g] >= a->identities)
      return xr_fail(XR_BAD_INPUT, "%s: gallery item %lld has identity %d of %lld", name, (long long)g, a->item_identity[g],
                     (long long)a->identities);
  }
  return XR_OK;
}

static void mark(const xr_identity_rank *a, const xr_row_block *b, const xr_positive *best, int32_t own, uint32_t *bits) {
  const int64_t enough = xr_block_below(b, xr_tie_bound(a->ties, best->index)); /* up to here an equal score precedes */
  for (int64_t c = 0; c < b->count; c++) {
    if (!(b->scores[c] >= best->score)) continue;
    if (b->scores[c] == best->score && c >= enough) continue;
    const int32_t identity = a->item_identity[xr_block_index(b, c)];
    if (identity != own) bits[identity / 32] |= 1u << identity % 32;
  }
}

xr_status xr_identity_rank_cpu(const xr_identity_rank *a) {
  XR_TRY(xr_identity_rank_check(a));
  XR_TRY(xr_check_chosen_values(name, a->gallery, a->gallery_offset, a->chosen, a->chosen_count));
  XR_TRY(check_identities(a));
#pragma omp parallel for schedule(static)
  for (int64_t q = 0; q < a->queries; q++) {
    if (a->best[q].index < 0) continue;
    float copy[XR_ROW_BLOCK];
    for (int64_t block = 0;; block++) {
      const xr_row_block b = xr_row_block_at(a->scores + q * a->stride, a->gallery_offset, a->gallery, a->chosen, a->chosen_count, block,
                                             copy);
      if (!b.count) break;
      mark(a, &b, &a->best[q], a->own_identity[q], a->bits + q * xr_identity_words(a->identities));
    }
  }
  return XR_OK;
}
