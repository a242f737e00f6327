/* One row of a tile of scores in device code: all of it or the chosen items. */
#pragma once

#include <cuda_runtime.h>
#include <math.h>
#include <stdint.h>

struct xr_tile_row {
  const float *scores;
  const int32_t *chosen;
  int64_t count, offset, gallery;

  /* Score and gallery index of item i of `count`; NaN for a chosen index outside the tile. */
  __device__ __forceinline__ float score(int64_t i, int64_t *index) const {
    *index = chosen ? chosen[i] : offset + i;
    const int64_t column = *index - offset;
    return column >= 0 && column < gallery ? scores[column] : NAN;
  }
};

/* Row q of the tile of a contract that has the fields of rank_count.h. */
template <class Tile> static __device__ __forceinline__ xr_tile_row xr_tile_row_at(const Tile &a, int64_t q) {
  return {a.scores + q * a.stride, a.chosen, a.chosen ? a.chosen_count : a.gallery, a.gallery_offset, a.gallery};
}
