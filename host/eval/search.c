#include "host/eval/search.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "host/eval/evaluate.h"

/* Features or sets of an index, read in the order of its rows. */
typedef struct {
  xr_index *index;
  bool sets;
  size_t row_bytes;
  int64_t shard; /* that the last row came from */
} index_reader;

static void copy_rows(char *to, const char *from, int64_t count, size_t row_bytes) {
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < count; i++) memcpy(to + (size_t)i * row_bytes, from + (size_t)i * row_bytes, row_bytes);
}

static xr_status read_rows(void *context, int64_t first, int64_t count, void *rows) {
  index_reader *r = context;
  char *to = rows;
  xr_index_shard shard;
  while (count) {
    if (r->shard >= 0) XR_TRY(xr_index_shard_at(r->index, r->shard, &shard));
    if (r->shard < 0 || first < shard.first || first >= shard.first + shard.rows) {
      if (r->shard >= 0) xr_index_forget(r->index, r->shard);
      r->shard = xr_index_shard_of(r->index, first);
      xr_index_read_ahead(r->index, r->shard + 1); /* the disk works while this one is scored */
      continue;
    }
    const int64_t left = shard.first + shard.rows - first, n = count < left ? count : left;
    const char *from = r->sets ? shard.sets : shard.features;
    copy_rows(to, from + (size_t)(first - shard.first) * r->row_bytes, n, r->row_bytes);
    to += (size_t)n * r->row_bytes;
    first += n;
    count -= n;
  }
  return XR_OK;
}

static xr_status check_finite(const float *values, int64_t queries, int64_t width) {
  for (int64_t i = 0; values && i < queries * width; i++)
    if (!isfinite(values[i]))
      return xr_fail(XR_NOT_FINITE, "query %" PRId64 ": number %" PRId64 " of its features is %f", i / width, i % width, (double)values[i]);
  return XR_OK;
}

static xr_status check(const xr_index *index, const xr_search *s) {
  const xr_index_form *form = xr_index_form_of(index);
  if (s->queries < 1 || s->top_k < 1 || !s->features) return xr_fail(XR_BAD_SHAPE, "a search needs a query and at least one place");
  if (!xr_index_rows(index)) return xr_fail(XR_BAD_SHAPE, "%s holds no features: there is nothing to search", xr_index_folder(index));
  if (xr_needs_sets(&s->rule) && (!s->sets || !form->set_size))
    return xr_fail(XR_BAD_INPUT, "%s: the score needs embedding sets, which %s", xr_index_folder(index),
                   form->set_size ? "the query lacks" : "the index lacks");
  XR_TRY(check_finite(s->features, s->queries, form->width));
  return check_finite(s->sets, s->queries, form->width * form->set_size);
}

xr_status xr_search_index(xr_index *index, const xr_search *s, int64_t *rows, float *scores) {
  const xr_index_form *form = xr_index_form_of(index);
  const int64_t width = form->width, set_size = form->set_size;
  XR_TRY(check(index, s));
  index_reader features = {.index = index, .row_bytes = (size_t)width * xr_dtype_bytes(form->storage), .shard = -1};
  index_reader sets = {.index = index, .sets = true, .row_bytes = features.row_bytes * (size_t)set_size, .shard = -1};
  xr_evaluation_input in = {.queries = s->queries,
                            .gallery = xr_index_rows(index),
                            .rule = s->rule,
                            .query_features = {.data = s->features, .dtype = XR_F32},
                            .gallery_features = {.read = read_rows, .context = &features, .dtype = form->storage},
                            .width = width};
  if (xr_needs_sets(&s->rule)) {
    in.query_sets = (xr_row_source){.data = s->sets, .dtype = XR_F32};
    in.gallery_sets = (xr_row_source){.read = read_rows, .context = &sets, .dtype = form->storage};
    in.set_width = width;
    in.query_set_size = in.gallery_set_size = set_size;
  }
  xr_evaluation found;
  XR_TRY(xr_find_best(&in, &(xr_evaluation_options){.top_k = s->top_k, .memory_bytes = s->memory_bytes, .backend = s->backend}, &found));
  memcpy(rows, found.top_index, (size_t)(s->queries * s->top_k) * sizeof *rows);
  memcpy(scores, found.top_score, (size_t)(s->queries * s->top_k) * sizeof *scores);
  xr_evaluation_free(&found);
  return XR_OK;
}
