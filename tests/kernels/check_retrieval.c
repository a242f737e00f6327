/* Retrieval: every result is the same bits on every backend. */
#include <math.h>
#include <stdlib.h>

#include "host/base/random.h"
#include "kernels/retrieval/hide.h"
#include "kernels/retrieval/identity_rank.h"
#include "kernels/retrieval/score_pairs.h"
#include "kernels/retrieval/set_score.h"
#include "kernels/retrieval/topk.h"
#include "kernels/retrieval/unit_rows.h"
#include "tests/kernels/check.h"

/* Rows in the case's dtype, or (f16) in half precision. */
static const void *rows(check_run *run, const char *name, int64_t count, bool half) {
  if (!half) return check_in(run, name, check_dtype(run), count, CHECK_NORMAL);
  _Float16 *values = malloc((size_t)(count + 1) * sizeof *values);
  xr_random random = xr_random_start(xr_random_key(5, name), 0);
  for (int64_t i = 0; i < count; i++) values[i] = (_Float16)(i % 9 ? xr_random_normal(&random) : 1e-6f * xr_random_normal(&random));
  const void *placed = check_in_bytes(run, name, values, (size_t)count * sizeof *values);
  free(values);
  return placed;
}

/* What is f32 under every dtype holds whole numbers, which the rounding of a bf16 case leaves alone.
 * layout: 0: rows follow one another; 1: strides and a bias; 2: queries in f16; 3: items in f16; 4: items packed before (CPU). */
static xr_status score_tile(check_run *run) {
  const int64_t queries = check_size(run, 0), gallery = check_size(run, 1), width = check_size(run, 2), layout = check_size(run, 3);
  const int64_t wider = layout == 1 ? 3 : 0;
  xr_score_tile a = {.queries = queries, .gallery = gallery, .width = width};
  a.query_dtype = layout == 2 ? XR_F16 : check_dtype(run);
  a.item_dtype = layout == 3 ? XR_F16 : check_dtype(run);
  if (layout == 1) {
    a.query_stride = width + wider;
    a.item_stride = width + 2 * wider;
    a.stride = gallery + wider;
    a.bias = check_in(run, "bias", XR_F32, gallery, CHECK_WHOLE);
  }
  a.query = rows(run, "query", queries * (width + wider), layout == 2);
  a.items = rows(run, "items", gallery * (width + 2 * wider), layout == 3);
  a.scores = check_out(run, "scores", XR_F32, queries * (gallery + wider));
  check_exact(run, "scores");
  if (layout == 4) {
    float *packed = check_workspace(run, xr_score_packed_bytes(gallery, width));
    if (!check_on_device(run)) XR_TRY(xr_score_pack_cpu(&a, packed));
    a.packed = packed;
  }
  a.workspace = check_workspace(run, xr_score_tile_workspace(&a));
  return CHECK_CALL(run, xr_score_tile, &a);
}

static const check_case score_tile_cases[] = {
    {{1, 1, 1, 0}},    {{1, 1, 1, 1}},     {{3, 2, 7, 1}},     {{13, 33, 8, 0}},   {{12, 32, 16, 4}},  {{129, 5, 17, 0}},
    {{5, 131, 31, 1}}, {{130, 140, 9, 0}}, {{64, 257, 36, 4}}, {{20, 40, 515, 0}}, {{3, 40, 1030, 1}}, {{7, 50, 24, 2}},
    {{7, 50, 24, 3}},  {{9, 10, 13, 3}},   {{0, 5, 8, 0}},     {{5, 0, 8, 0}},
};

/* wrong: pairs 1 and 2 name rows that are not there. */
static xr_status score_pairs(check_run *run) {
  const int64_t count = check_size(run, 0), width = check_size(run, 1), wrong = check_size(run, 3);
  enum { QUERIES = 7, GALLERY = 11 };
  xr_score_pairs a = {.count = count, .queries = QUERIES, .gallery = GALLERY, .width = width};
  const bool half = check_size(run, 2) == 2;
  a.query_dtype = check_dtype(run);
  a.item_dtype = half ? XR_F16 : check_dtype(run);
  a.item_stride = check_size(run, 2) == 1 ? width + 1 : 0;
  a.query = rows(run, "query", QUERIES * width, false);
  a.items = rows(run, "items", GALLERY * (width + 1), half);
  if (check_size(run, 2) == 1) a.bias = check_in(run, "bias", XR_F32, GALLERY, CHECK_WHOLE);
  const bool host = !check_on_device(run);
  xr_score_pair *pairs = malloc((size_t)(count + 1) * sizeof *pairs);
  for (int64_t i = 0; i < count; i++) pairs[i] = (xr_score_pair){(int32_t)(i * 5 % QUERIES), (int32_t)(i * 7 % GALLERY)};
  if (wrong && !host) {
    pairs[1].query = -1;
    pairs[2].item = GALLERY;
  }
  a.pairs = check_in_bytes(run, "pairs", pairs, (size_t)count * sizeof *pairs);
  free(pairs);
  a.scores = check_out(run, "scores", XR_F32, count);
  check_exact(run, "scores");
  XR_TRY(CHECK_CALL(run, xr_score_pairs, &a));
  if (wrong && host) a.scores[1] = a.scores[2] = NAN; /* what the header says of the device */
  return XR_OK;
}

static const check_case score_pairs_cases[] = {
    {{1, 1, 0, 0}},    {{9, 3, 1, 0}},   {{10, 64, 0, 0}}, {{131, 65, 1, 0}},
    {{33, 512, 0, 0}}, {{25, 36, 2, 0}}, {{5, 8, 0, 1}},   {{0, 8, 0, 0}},
};

/* kind: 0: both results; 1: strides, lengths alone; 2: f16; 3: in place (f32). */
static xr_status unit_rows(check_run *run) {
  const int64_t count = check_size(run, 0), width = check_size(run, 1), kind = check_size(run, 2);
  xr_unit_rows a = {.rows = count, .width = width, .dtype = kind == 2 ? XR_F16 : kind == 3 ? XR_F32 : check_dtype(run)};
  if (kind == 3) {
    a.y = check_inout(run, "y", XR_F32, count * width, CHECK_WHOLE);
    a.x = a.y;
    check_exact(run, "y");
    return CHECK_CALL(run, xr_unit_rows, &a);
  }
  a.x_stride = kind == 1 ? width + 5 : 0;
  a.x = rows(run, "x", count * (width + (kind == 1 ? 5 : 0)), kind == 2);
  a.minus_half_squares = check_out(run, "minus_half_squares", XR_F32, count);
  check_exact(run, "minus_half_squares");
  if (kind != 1) {
    a.y_stride = width + 2;
    a.y = check_out(run, "y", XR_F32, count * (width + 2));
    check_exact(run, "y");
  }
  return CHECK_CALL(run, xr_unit_rows, &a);
}

static const check_case unit_rows_cases[] = {
    {{1, 1, 0}}, {{3, 31, 0}}, {{9, 33, 1}}, {{17, 512, 0}}, {{5, 300, 2}}, {{4, 257, 3}}, {{2, 1029, 0}}, {{0, 8, 0}},
};

/* layout: 0: no global score; 1: one; 2: in place of it, with strides. fill: of the cosines; 2: one is NaN. */
static xr_status set_score(check_run *run) {
  const int64_t queries = check_size(run, 0), gallery = check_size(run, 1), k1 = check_size(run, 2), k2 = check_size(run, 3);
  const int64_t layout = check_size(run, 5), wider = layout == 2 ? 5 : 0, cosines = queries * k1 * (gallery * k2 + wider);
  xr_set_score a = {.queries = queries,
                    .gallery = gallery,
                    .query_set = k1,
                    .item_set = k2,
                    .kind = (xr_set_kind)check_size(run, 4),
                    .sharpness = layout == 1 ? 100 : 16,
                    .weight = layout == 0 ? 1 : 0.3f,
                    .cosine_stride = layout == 2 ? gallery * k2 + wider : 0,
                    .global_stride = layout == 2 ? gallery + wider : 0,
                    .stride = layout == 2 ? gallery + wider : 0};
  const int64_t fill = check_size(run, 6);
  if (fill == 2) {
    float *values = malloc((size_t)cosines * sizeof *values);
    for (int64_t i = 0; i < cosines; i++) values[i] = i == cosines / 2 ? NAN : (float)(i % 7) / 8;
    a.cosines = check_in_values(run, "cosines", XR_F32, cosines, values);
    free(values);
  } else {
    a.cosines = check_in(run, "cosines", XR_F32, cosines, fill ? CHECK_WHOLE : CHECK_UNIT);
  }
  if (layout == 1) a.global = check_in(run, "global", XR_F32, queries * gallery, CHECK_NORMAL);
  if (layout == 2)
    a.global = a.scores = check_inout(run, "scores", XR_F32, queries * (gallery + wider), CHECK_NORMAL);
  else
    a.scores = check_out(run, "scores", XR_F32, queries * gallery);
  check_exact(run, "scores");
  return CHECK_CALL(run, xr_set_score, &a);
}

static const check_case set_score_cases[] = {
    {{1, 1, 1, 1, 0, 0, 0}},   {{3, 19, 4, 4, 0, 1, 0}}, {{2, 300, 3, 5, 0, 2, 0}}, {{2, 17, 16, 16, 0, 0, 0}}, {{3, 19, 4, 4, 1, 1, 1}},
    {{2, 70, 1, 7, 1, 2, 0}},  {{3, 19, 4, 2, 2, 1, 0}}, {{3, 19, 2, 4, 3, 2, 0}},  {{3, 19, 4, 4, 4, 1, 0}},   {{3, 19, 2, 5, 4, 2, 1}},
    {{2, 9, 16, 11, 4, 0, 0}}, {{3, 19, 4, 4, 5, 1, 0}}, {{2, 9, 3, 3, 0, 1, 2}},   {{2, 9, 3, 3, 1, 1, 2}},    {{2, 9, 3, 3, 2, 0, 2}},
    {{2, 9, 3, 3, 4, 1, 2}},   {{0, 5, 2, 2, 0, 0, 0}},  {{5, 0, 2, 2, 0, 0, 0}},
};

/* marked: a NaN here and there; hidden: by code. */
static xr_status hide(check_run *run) {
  const int64_t queries = check_size(run, 0), gallery = check_size(run, 1), marked = check_size(run, 2), stride = gallery + 3;
  xr_hide a = {.queries = queries, .gallery = gallery, .stride = stride};
  float *values = malloc((size_t)(queries * stride + 1) * sizeof *values);
  for (int64_t i = 0; i < queries * stride; i++) values[i] = marked && i % 97 == 5 ? NAN : (float)(i % 13);
  /* inout buffers have no values of the caller's: the scores are made by the kernel's own copy of an input */
  const float *from = check_in_values(run, "from", XR_F32, queries * stride, values);
  free(values);
  a.scores = check_out(run, "scores", XR_F32, queries * stride);
  const float one = 1;
  const float *unit = check_in_values(run, "unit", XR_F32, 1, &one);
  xr_score_tile copy = {.queries = queries * stride, .gallery = 1, .width = 1, .query = from, .items = unit, .scores = a.scores};
  copy.workspace = check_workspace(run, xr_score_tile_workspace(&copy));
  XR_TRY(CHECK_CALL(run, xr_score_tile, &copy));
  if (check_size(run, 3)) {
    a.item_code = check_in_ids(run, "item_code", gallery, 0, 4);
    a.hidden_code = check_in_ids(run, "hidden_code", queries, -1, 5);
  }
  if (marked) a.nan_at = check_out(run, "nan_at", XR_I32, queries);
  check_exact(run, "scores");
  return CHECK_CALL(run, xr_hide, &a);
}

static const check_case hide_cases[] = {{{1, 1, 1, 1}},  {{5, 300, 1, 1}}, {{3, 1000, 0, 1}},
                                        {{4, 33, 1, 0}}, {{0, 4, 1, 1}},   {{3, 0, 1, 1}}};

/* ---- scores with ties and NaN, positives of them, items chosen */
typedef struct {
  int64_t queries, gallery;
  float *values;
  int32_t *chosen;
  int64_t chosen_count;
} scene;

static scene scene_of(int64_t queries, int64_t gallery, bool ties, bool some) {
  scene s = {.queries = queries, .gallery = gallery};
  s.values = malloc((size_t)(queries * gallery + 1) * sizeof *s.values);
  s.chosen = some ? malloc((size_t)(gallery + 1) * sizeof *s.chosen) : NULL;
  xr_random random = xr_random_start(11, 3);
  for (int64_t i = 0; i < queries * gallery; i++) {
    const float x = ties ? (float)xr_random_below(&random, 20) - 9 : xr_random_normal(&random);
    s.values[i] = xr_random_below(&random, 40) == 0 ? NAN : x == 0 && i % 2 ? -0.0f : i % 31 == 7 ? -INFINITY : x;
  }
  for (int64_t g = 0; some && g < gallery; g++)
    if (xr_random_below(&random, 3)) s.chosen[s.chosen_count++] = (int32_t)g;
  return s;
}

static void scene_free(scene *s) {
  free(s->values);
  free(s->chosen);
}

static int compare_positives(const void *a, const void *b) {
  const xr_positive *x = a, *y = b;
  if (x->score != y->score) return x->score > y->score ? -1 : 1;
  return (x->index > y->index) - (x->index < y->index);
}

/* Up to `wanted` positives of query q. */
static int64_t positives_of(const scene *s, int64_t q, int64_t wanted, xr_positive *out) {
  int64_t n = 0;
  const int64_t step = wanted ? s->gallery / wanted : 0;
  for (int64_t g = q; wanted && g < s->gallery && n<wanted; g += step> 0 ? step : 1) {
    const float score = s->values[q * s->gallery + g];
    if (score == score) out[n++] = (xr_positive){score, (int32_t)g};
  }
  if (n) qsort(out, (size_t)n, sizeof *out, compare_positives);
  return n;
}

/* ties: the rule; positives of query q: `positives` * q. The row comes in two tiles. */
static xr_status rank_count(check_run *run) {
  const int64_t queries = check_size(run, 0), gallery = check_size(run, 1), most = check_size(run, 2), half = gallery / 2;
  scene s = scene_of(queries, gallery, true, check_size(run, 4));
  int64_t *first = malloc((size_t)(queries + 1) * sizeof *first);
  xr_positive *positives = malloc((size_t)(queries * queries * most + 1) * sizeof *positives);
  first[0] = 0;
  for (int64_t q = 0; q < queries; q++) first[q + 1] = first[q] + positives_of(&s, q, most * q, positives + first[q]);
  const int64_t count = first[queries];
  xr_rank_count a = {.queries = queries, .stride = gallery, .ties = (xr_tie_rule)check_size(run, 3)};
  const float *scores = check_in_values(run, "scores", XR_F32, queries * gallery, s.values);
  const int32_t *chosen = s.chosen ? check_in_bytes(run, "chosen", s.chosen, (size_t)s.chosen_count * sizeof *s.chosen) : NULL;
  a.first = check_in_bytes(run, "first", first, (size_t)(queries + 1) * sizeof *first);
  a.positives = check_in_bytes(run, "positives", positives, (size_t)count * sizeof *positives);
  a.ahead = check_inout(run, "ahead", XR_I32, count, CHECK_ZERO);
  a.equal = check_inout(run, "equal", XR_I32, count, CHECK_WHOLE);
  int64_t low = 0;
  while (low < s.chosen_count && s.chosen[low] < half) low++;
  xr_status status = XR_OK;
  for (int part = 1; status == XR_OK && part >= 0; part--) {
    a.gallery_offset = part ? half : 0;
    a.gallery = part ? gallery - half : half;
    a.scores = scores + a.gallery_offset;
    a.chosen = chosen ? chosen + (part ? low : 0) : NULL;
    a.chosen_count = part ? s.chosen_count - low : low;
    status = CHECK_CALL(run, xr_rank_count, &a);
  }
  free(first);
  free(positives);
  scene_free(&s);
  return status;
}

static const check_case rank_count_cases[] = {
    {{2, 1, 1, 0, 0}},       {{3, 40, 3, 0, 0}},  {{3, 40, 3, 1, 0}},   {{3, 40, 3, 2, 0}}, {{4, 300, 20, 0, 1}},
    {{2, 2300, 1100, 0, 0}}, {{2, 90, 60, 1, 1}}, {{2, 9001, 2, 2, 1}}, {{1, 50, 3, 0, 0}}, {{0, 50, 3, 0, 0}},
};

static xr_status identity_rank(check_run *run) {
  const int64_t queries = check_size(run, 0), gallery = check_size(run, 1), identities = check_size(run, 2), half = gallery / 3;
  scene s = scene_of(queries, gallery, true, check_size(run, 4));
  xr_positive *best = malloc((size_t)(queries + 1) * sizeof *best);
  for (int64_t q = 0; q < queries; q++)
    if (q % 4 == 3 || !positives_of(&s, q, 1, &best[q])) best[q].index = -1;
  xr_identity_rank a = {.queries = queries, .stride = gallery, .identities = identities, .ties = (xr_tie_rule)check_size(run, 3)};
  const float *scores = check_in_values(run, "scores", XR_F32, queries * gallery, s.values);
  a.chosen = s.chosen ? check_in_bytes(run, "chosen", s.chosen, (size_t)s.chosen_count * sizeof *s.chosen) : NULL;
  a.chosen_count = s.chosen_count;
  a.item_identity = check_in_ids(run, "item_identity", gallery, 0, (int32_t)identities);
  a.own_identity = check_in_ids(run, "own_identity", queries, -1, (int32_t)identities);
  a.best = check_in_bytes(run, "best", best, (size_t)queries * sizeof *best);
  a.bits = (uint32_t *)check_inout(run, "bits", XR_I32, queries * xr_identity_words(identities), CHECK_ZERO);
  xr_status status = XR_OK;
  for (int part = s.chosen ? 1 : 2; status == XR_OK && part > 0; part--) {
    a.gallery_offset = part == 2 ? half : 0;
    a.gallery = s.chosen ? gallery : part == 2 ? gallery - half : half;
    a.scores = scores + a.gallery_offset;
    status = CHECK_CALL(run, xr_identity_rank, &a);
  }
  free(best);
  scene_free(&s);
  return status;
}

static const check_case identity_rank_cases[] = {
    {{1, 1, 1, 0, 0}},    {{5, 60, 33, 0, 0}},   {{5, 60, 33, 1, 0}}, {{5, 60, 33, 2, 1}},
    {{9, 200, 96, 0, 1}}, {{2, 9000, 65, 0, 0}}, {{0, 9, 3, 0, 0}},
};

/* The row comes in tiles of `columns`, the last first. */
static xr_status topk(check_run *run) {
  const int64_t queries = check_size(run, 0), gallery = check_size(run, 1), k = check_size(run, 2), columns = check_size(run, 3);
  scene s = scene_of(queries, gallery, check_size(run, 4), check_size(run, 5));
  xr_topk a = {.queries = queries, .k = k, .stride = gallery};
  const float *scores = check_in_values(run, "scores", XR_F32, queries * gallery, s.values);
  a.chosen = s.chosen ? check_in_bytes(run, "chosen", s.chosen, (size_t)s.chosen_count * sizeof *s.chosen) : NULL;
  a.chosen_count = s.chosen_count;
  a.top_scores = check_out(run, "top_scores", XR_F32, queries * k);
  a.top_indices = check_out(run, "top_indices", XR_I64, queries * k);
  check_exact(run, "top_scores");
  xr_status status = CHECK_CALL(run, xr_topk_begin, &a);
  for (int64_t tile = columns ? (gallery - 1) / columns : -1; status == XR_OK && tile >= 0; tile--) {
    a.gallery_offset = tile * columns;
    a.gallery = gallery - a.gallery_offset < columns ? gallery - a.gallery_offset : columns;
    a.scores = scores + a.gallery_offset;
    status = CHECK_CALL(run, xr_topk_update, &a);
  }
  scene_free(&s);
  return status == XR_OK ? CHECK_CALL(run, xr_topk_finish, &a) : status;
}

static const check_case topk_cases[] = {
    {{1, 1, 1, 1, 0, 0}},      {{3, 40, 1, 17, 1, 0}}, {{3, 90, 7, 31, 1, 0}},        {{2, 90, 100, 40, 1, 0}}, {{2, 300, 33, 300, 1, 1}},
    {{2, 300, 260, 90, 0, 0}}, {{1, 5, 3, 0, 0, 0}},   {{1, 2200, 2050, 1500, 0, 0}}, {{0, 5, 3, 5, 0, 0}},
};

static const check_op ops[] = {
    {"score_tile", score_tile, "queries gallery width layout", CHECK_FLOATS, CHECK_CASES(score_tile_cases)},
    {"score_pairs", score_pairs, "count width layout wrong", CHECK_FLOATS, CHECK_CASES(score_pairs_cases)},
    {"unit_rows", unit_rows, "rows width kind", CHECK_FLOATS, CHECK_CASES(unit_rows_cases)},
    {"set_score", set_score, "queries gallery k1 k2 kind layout fill", CHECK_F32, CHECK_CASES(set_score_cases)},
    {"hide", hide, "queries gallery marked hidden", CHECK_F32, CHECK_CASES(hide_cases)},
    {"rank_count", rank_count, "queries gallery positives ties chosen", CHECK_F32, CHECK_CASES(rank_count_cases)},
    {"identity_rank", identity_rank, "queries gallery identities ties chosen", CHECK_F32, CHECK_CASES(identity_rank_cases)},
    {"topk", topk, "queries gallery k columns ties chosen", CHECK_F32, CHECK_CASES(topk_cases)},
};
CHECK_OPS(ops)
