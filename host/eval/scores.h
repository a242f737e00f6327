/* Where an evaluation's scores come from: tiles and single pairs, made from features and sets (scorer.h) or copied from a matrix. Higher
 * is better. Also decides how much of each side is worked on at a time. */
#pragma once

#include "host/eval/evaluate.h"
#include "host/eval/scorer.h"

typedef struct {
  const xr_evaluation_input *in;
  xr_backend backend;
  xr_stream stream;
  /* Queries are loaded `chunk` at a time, items `block` at a time; a tile is up to `tile_rows` queries x the loaded items. */
  int64_t chunk, block, tile_rows, pairs;
  int64_t first[XR_SIDES], count[XR_SIDES]; /* what is loaded */
  xr_scorer *scorer;                        /* NULL for a matrix */
  float *tile;                              /* of the backend, [tile_rows, block] */
  float *copied;                            /* plain memory for rows of a matrix: the tile itself on the CPU */
} xr_score_source;

/* `memory_bytes` is shared out among the rows of both sides and the tile. On failure there is nothing to close. */
xr_status xr_score_source_open(xr_score_source *source, const xr_evaluation_input *in, size_t memory_bytes, xr_backend backend);
void xr_score_source_close(xr_score_source *source);

/* Rows first .. first + count - 1 of a side, up to `chunk` or `block`; for_tiles: see scorer.h. */
xr_status xr_score_source_load(xr_score_source *source, xr_side side, int64_t first, int64_t count, bool for_tiles);

/* source->tile [count, loaded items]: queries `first` .. of those loaded (numbered in the whole evaluation). */
xr_status xr_score_source_tile(xr_score_source *source, int64_t first, int64_t count);

/* scores[i] of pairs[i], up to `pairs` at a time, numbered from the first loaded query and item. Plain memory. */
xr_status xr_score_source_pairs(xr_score_source *source, const xr_score_pair *pairs, int64_t count, float *scores);
