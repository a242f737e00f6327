#include "host/eval/rerank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/eval/rerank_distance.h"

/* Rows of different lengths behind each other: row i is index and value [start[i] .. start[i + 1]). */
typedef struct {
  int64_t *start;
  int32_t *index;
  float *value;
} sparse;

struct xr_reranker {
  xr_rerank_options options;
  int64_t queries, gallery, count; /* Q, G, N */
  xr_squared_distances squared;
  float *largest;      /* [N]: of an item's squared distances; 1 where that is 0 */
  int64_t near;        /* neighbours that are kept of an item */
  int32_t *neighbours; /* [N, near] */
  sparse close;        /* R(i, h) */
  sparse v;            /* V, its indices rising */
  sparse by_column;    /* the gallery's rows of V, column by column: indices are gallery items */
};

static int64_t at_most(int64_t x, int64_t limit) { return x < limit ? x : limit; }

/* ---- neighbours */
enum { ROWS = 64, PAIRS = 1 << 16 };

/* The first `near` items of a row of distances, in order. Insertion among those found so far: an equal one that comes later stays behind.
 */
static void select_nearest(const float *d, int64_t count, int64_t near, float *best, int32_t *to) {
  int64_t found = 0;
  for (int64_t j = 0; j < count; j++) {
    if (found == near && !(d[j] < best[near - 1])) continue;
    int64_t at = found < near ? found++ : near - 1;
    for (; at > 0 && d[j] < best[at - 1]; at--) {
      best[at] = best[at - 1];
      to[at] = to[at - 1];
    }
    best[at] = d[j];
    to[at] = (int32_t)j;
  }
}

static float largest_of(const float *row, int64_t count) {
  float largest = 0;
  int odd = 0;
#pragma omp simd reduction(max : largest) reduction(| : odd)
  for (int64_t j = 0; j < count; j++) {
    largest = row[j] > largest ? row[j] : largest;
    odd |= !(row[j] <= 3.0e38f);
  }
  return odd ? NAN : largest > 0 ? largest : 1;
}

static xr_status refuse(int64_t item, const float *row, int64_t count, int64_t queries) {
  int64_t j = 0;
  while (j < count - 1 && row[j] <= 3.0e38f) j++;
  return xr_fail(XR_NOT_FINITE, "re-ranking: the distance of %s %lld to %s %lld is not a finite number",
                 item < queries ? "query" : "gallery item", (long long)(item < queries ? item : item - queries),
                 j < queries ? "query" : "gallery item", (long long)(j < queries ? j : j - queries));
}

static xr_status find_neighbours(xr_reranker *r) {
  const int64_t n = r->count;
  float *tile = xr_block_alloc((size_t)(ROWS * n) * sizeof *tile), *best = xr_block_alloc((size_t)(ROWS * r->near) * sizeof *best);
  xr_status status = tile && best ? XR_OK : XR_NO_MEMORY;
  for (int64_t first = 0; status == XR_OK && first < n; first += ROWS) {
    const int64_t count = at_most(ROWS, n - first);
    status = xr_squared_rows(&r->squared, first, count, tile);
    if (status != XR_OK) break;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count; i++) {
      float *row = tile + i * n;
      const float largest = r->largest[first + i] = largest_of(row, n);
      if (largest != largest) continue;
      for (int64_t j = 0; j < n; j++) row[j] /= largest;
      select_nearest(row, n, r->near, best + i * r->near, r->neighbours + (first + i) * r->near);
    }
    for (int64_t i = 0; i < count && status == XR_OK; i++)
      if (r->largest[first + i] != r->largest[first + i]) status = refuse(first + i, tile + i * n, n, r->queries);
  }
  xr_block_free(best);
  xr_block_free(tile);
  return status;
}

/* ---- rows of different lengths are made twice: first counted, then written */
typedef struct {
  int32_t *stamp; /* [N]: of which row an item was last seen */
  float *sum;     /* [N]: the values of what is in list, where it has any */
  int32_t *list;  /* [N] */
  int32_t now;
} scratch;

/* Row i into s->list; its length. */
typedef int64_t (*row_maker)(const xr_reranker *r, int64_t i, scratch *s);

static int compare_indices(const void *a, const void *b) {
  const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  return (x > y) - (x < y);
}

static xr_status allocate_rows(sparse *to, int64_t rows, bool values) {
  for (int64_t i = 0; i < rows; i++) to->start[i + 1] += to->start[i];
  const size_t members = (size_t)(to->start[rows] ? to->start[rows] : 1);
  to->index = xr_block_alloc(members * sizeof *to->index);
  to->value = values ? xr_block_alloc(members * sizeof *to->value) : NULL;
  return to->index && (!values || to->value) ? XR_OK : XR_NO_MEMORY;
}

static xr_status start_rows(sparse *to, int64_t rows) {
  to->start = xr_block_alloc((size_t)(rows + 1) * sizeof *to->start);
  if (to->start) memset(to->start, 0, (size_t)(rows + 1) * sizeof *to->start);
  return to->start ? XR_OK : XR_NO_MEMORY;
}

/* One pass over all rows: counts them, or writes them. */
static bool make_pass(const xr_reranker *r, row_maker make, bool write, sparse *to) {
  bool complete = true;
#pragma omp parallel reduction(&& : complete)
  {
    const size_t n = (size_t)r->count;
    scratch s = {.stamp = calloc(n, sizeof *s.stamp), .sum = calloc(n, sizeof *s.sum), .list = malloc(n * sizeof *s.list)};
    const bool ready = s.stamp && s.sum && s.list;
    complete = complete && ready;
#pragma omp for schedule(static)
    for (int64_t i = 0; i < r->count; i++) {
      if (!ready) continue;
      const int64_t length = make(r, i, &s);
      if (!write) {
        to->start[i + 1] = length;
        continue;
      }
      qsort(s.list, (size_t)length, sizeof *s.list, compare_indices);
      memcpy(to->index + to->start[i], s.list, (size_t)length * sizeof *s.list);
      for (int64_t k = 0; to->value && k < length; k++) to->value[to->start[i] + k] = s.sum[s.list[k]];
    }
    free(s.stamp);
    free(s.sum);
    free(s.list);
  }
  return complete;
}

static xr_status make_rows(const xr_reranker *r, row_maker make, bool values, sparse *to) {
  XR_TRY(start_rows(to, r->count));
  if (!make_pass(r, make, false, to)) return xr_fail(XR_NO_MEMORY, "re-ranking: out of memory");
  XR_TRY(allocate_rows(to, r->count, values));
  return make_pass(r, make, true, to) ? XR_OK : xr_fail(XR_NO_MEMORY, "re-ranking: out of memory");
}

static void free_rows(sparse *s) {
  xr_block_free(s->start);
  xr_block_free(s->index);
  xr_block_free(s->value);
  *s = (sparse){0};
}

/* ---- reciprocal neighbours */
static bool is_among(const xr_reranker *r, int64_t item, int64_t first, int64_t wanted) {
  const int32_t *near = r->neighbours + item * r->near;
  for (int64_t k = 0; k < first; k++)
    if (near[k] == wanted) return true;
  return false;
}

/* R(i, k) -> list */
static int64_t reciprocal(const xr_reranker *r, int64_t i, int64_t k, int32_t *list) {
  const int64_t first = at_most(k + 1, r->count);
  const int32_t *near = r->neighbours + i * r->near;
  int64_t found = 0;
  for (int64_t at = 0; at < first; at++)
    if (is_among(r, near[at], first, i)) list[found++] = near[at];
  return found;
}

static int64_t half_to_even(int64_t k) { return k % 4 == 3 ? k / 2 + 1 : k / 2; }

static int64_t make_close(const xr_reranker *r, int64_t i, scratch *s) { return reciprocal(r, i, half_to_even(r->options.k1), s->list); }

/* R*(i) */
static int64_t make_expanded(const xr_reranker *r, int64_t i, scratch *s) {
  const int64_t own = reciprocal(r, i, r->options.k1, s->list);
  const int32_t in_own = ++s->now, in_list = ++s->now; /* of own: one or the other stamp, as long as own is asked for */
  int64_t length = own;
  for (int64_t k = 0; k < own; k++) s->stamp[s->list[k]] = in_own;
  for (int64_t k = 0; k < own; k++) {
    const int64_t c = s->list[k], begin = r->close.start[c], end = r->close.start[c + 1];
    int64_t shared = 0;
    for (int64_t at = begin; at < end; at++) shared += s->stamp[r->close.index[at]] == in_own;
    if (3 * shared <= 2 * (end - begin)) continue;
    for (int64_t at = begin; at < end; at++) {
      const int32_t j = r->close.index[at];
      if (s->stamp[j] == in_own || s->stamp[j] == in_list) continue;
      s->stamp[j] = in_list;
      s->list[length++] = j;
    }
  }
  return length;
}

/* ---- V */
/* exp(-d) over the rows' members, divided by their sum */
static xr_status weigh(xr_reranker *r, sparse *v) {
  const int64_t members = v->start[r->count];
  xr_score_pair *pairs = xr_block_alloc(PAIRS * sizeof *pairs);
  if (!pairs) return XR_NO_MEMORY;
  xr_status status = XR_OK;
  int64_t row = 0;
  for (int64_t first = 0; status == XR_OK && first < members; first += PAIRS) {
    const int64_t count = at_most(PAIRS, members - first);
    for (int64_t p = 0; p < count; p++) {
      while (v->start[row + 1] <= first + p) row++;
      pairs[p] = (xr_score_pair){(int32_t)row, v->index[first + p]};
    }
    status = xr_squared_pairs(&r->squared, pairs, count, v->value + first);
  }
  xr_block_free(pairs);
  XR_TRY(status);
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < r->count; i++) {
    float sum = 0;
    for (int64_t at = v->start[i]; at < v->start[i + 1]; at++) sum += v->value[at] = expf(-(v->value[at] / r->largest[i]));
    for (int64_t at = v->start[i]; at < v->start[i + 1]; at++) v->value[at] /= sum;
  }
  return XR_OK;
}

/* The mean of V over the first k2 neighbours. */
static int64_t make_mean(const xr_reranker *r, int64_t i, scratch *s) {
  const int64_t first = at_most(r->options.k2, r->count);
  const int32_t now = ++s->now, *near = r->neighbours + i * r->near;
  int64_t length = 0;
  for (int64_t k = 0; k < first; k++)
    for (int64_t at = r->v.start[near[k]]; at < r->v.start[near[k] + 1]; at++) {
      const int32_t j = r->v.index[at];
      if (s->stamp[j] != now) {
        s->stamp[j] = now;
        s->sum[j] = 0;
        s->list[length++] = j;
      }
      s->sum[j] += r->v.value[at];
    }
  for (int64_t k = 0; k < length; k++) s->sum[s->list[k]] /= (float)first;
  return length;
}

static xr_status average(xr_reranker *r) {
  sparse mean = {0};
  const xr_status status = make_rows(r, make_mean, true, &mean);
  free_rows(status == XR_OK ? &r->v : &mean);
  if (status == XR_OK) r->v = mean;
  return status;
}

/* The gallery's part of V by columns: gallery items rise in each. */
static xr_status invert(xr_reranker *r) {
  const sparse *v = &r->v;
  sparse *to = &r->by_column;
  XR_TRY(start_rows(to, r->count));
  for (int64_t at = v->start[r->queries]; at < v->start[r->count]; at++) to->start[v->index[at] + 1]++;
  XR_TRY(allocate_rows(to, r->count, true));
  int64_t *next = xr_block_alloc((size_t)r->count * sizeof *next);
  if (!next) return XR_NO_MEMORY;
  memcpy(next, to->start, (size_t)r->count * sizeof *next);
  for (int64_t g = 0; g < r->gallery; g++)
    for (int64_t at = v->start[r->queries + g]; at < v->start[r->queries + g + 1]; at++) {
      const int64_t place = next[v->index[at]]++;
      to->index[place] = (int32_t)g;
      to->value[place] = v->value[at];
    }
  xr_block_free(next);
  return XR_OK;
}

/* ---- the re-ranker */
static xr_status check(const xr_rerank_input *in, const xr_rerank_options *o) {
  if (o->k1 < 1 || o->k2 < 1 || o->k1 >= INT32_MAX || o->k2 >= INT32_MAX)
    return xr_fail(XR_BAD_ARGUMENT, "re-ranking: k1 %lld and k2 %lld; both are 1 or more", (long long)o->k1, (long long)o->k2);
  if (!(o->lambda >= 0 && o->lambda <= 1)) return xr_fail(XR_BAD_ARGUMENT, "re-ranking: lambda %g; it is 0 to 1", (double)o->lambda);
  if (in->queries < 1 || in->gallery < 1 || in->queries > INT32_MAX - in->gallery)
    return xr_fail(XR_BAD_SHAPE, "re-ranking: %lld queries and a gallery of %lld items", (long long)in->queries, (long long)in->gallery);
  if (in->distances) return XR_OK;
  if (!xr_has_rows(&in->query_features) || !xr_has_rows(&in->gallery_features) || in->width < 1)
    return xr_fail(XR_BAD_ARGUMENT, "re-ranking needs the features of queries and gallery, or the distances of all pairs of both");
  if (in->metric != XR_COSINE && in->metric != XR_EUCLIDEAN)
    return xr_fail(XR_BAD_ARGUMENT, "re-ranking needs a distance: the metric is cosine or euclidean");
  return XR_OK;
}

static xr_status build(xr_reranker *r, const xr_rerank_input *in) {
  const int64_t k = r->options.k1 + 1 > r->options.k2 ? r->options.k1 + 1 : r->options.k2;
  r->near = at_most(k, r->count);
  r->neighbours = xr_block_alloc((size_t)(r->count * r->near) * sizeof *r->neighbours);
  r->largest = xr_block_alloc((size_t)r->count * sizeof *r->largest);
  if (!r->neighbours || !r->largest) return XR_NO_MEMORY;
  XR_TRY(xr_squared_distances_open(&r->squared, in));
  XR_TRY(find_neighbours(r));
  XR_TRY(make_rows(r, make_close, false, &r->close));
  XR_TRY(make_rows(r, make_expanded, true, &r->v));
  XR_TRY(weigh(r, &r->v));
  if (r->options.k2 != 1) XR_TRY(average(r));
  return invert(r);
}

xr_status xr_reranker_new(xr_reranker **out, const xr_rerank_input *in, xr_rerank_options options) {
  *out = NULL;
  XR_TRY(check(in, &options));
  xr_reranker *r = calloc(1, sizeof *r);
  if (!r) return xr_fail(XR_NO_MEMORY, "out of memory");
  r->options = options;
  r->queries = in->queries;
  r->gallery = in->gallery;
  r->count = in->queries + in->gallery;
  const xr_status status = build(r, in);
  if (status != XR_OK) {
    xr_reranker_free(r);
    return status;
  }
  *out = r;
  return XR_OK;
}

void xr_reranker_free(xr_reranker *r) {
  if (!r) return;
  xr_squared_distances_close(&r->squared);
  xr_block_free(r->neighbours);
  xr_block_free(r->largest);
  free_rows(&r->close);
  free_rows(&r->v);
  free_rows(&r->by_column);
  free(r);
}

/* row[G] = (1 - lambda) Jaccard distance */
static void write_jaccard(const xr_reranker *r, int64_t query, float *row) {
  const sparse *v = &r->v, *columns = &r->by_column;
  memset(row, 0, (size_t)r->gallery * sizeof *row);
  for (int64_t at = v->start[query]; at < v->start[query + 1]; at++) {
    const int32_t j = v->index[at];
    const float own = v->value[at];
    for (int64_t k = columns->start[j]; k < columns->start[j + 1]; k++)
      row[columns->index[k]] += own < columns->value[k] ? own : columns->value[k];
  }
  const float share = 1 - r->options.lambda;
  for (int64_t g = 0; g < r->gallery; g++) row[g] = share * (1 - row[g] / (2 - row[g]));
}

/* row[G] += lambda d */
static void add_distances(const xr_reranker *r, int64_t query, const float *squared, float *row) {
  const float lambda = r->options.lambda, largest = r->largest[query];
  for (int64_t g = 0; g < r->gallery; g++) row[g] += lambda * (squared[r->queries + g] / largest);
}

xr_status xr_reranker_rows(const xr_reranker *r, int64_t first, int64_t count, float *result) {
  const bool distances = r->options.lambda > 0;
  float *tile = distances ? xr_block_alloc((size_t)(ROWS * r->count) * sizeof *tile) : NULL;
  xr_status status = tile || !distances ? XR_OK : XR_NO_MEMORY;
  for (int64_t from = 0; status == XR_OK && from < count; from += ROWS) {
    const int64_t rows = at_most(ROWS, count - from);
    if (distances) status = xr_squared_rows(&r->squared, first + from, rows, tile);
    if (status != XR_OK) break;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < rows; i++) {
      float *row = result + (from + i) * r->gallery;
      write_jaccard(r, first + from + i, row);
      if (distances) add_distances(r, first + from + i, tile + i * r->count, row);
    }
  }
  xr_block_free(tile);
  return status;
}

xr_status xr_rerank_parse(const char *text, xr_rerank_options *o) {
  char *end, *last;
  o->k1 = strtoll(text, &end, 10);
  o->k2 = *end == ',' ? strtoll(end + 1, &last, 10) : 0;
  const bool numbers = *end == ',' && end > text && *last == ',' && last > end + 1 && last[1];
  o->lambda = numbers ? strtof(last + 1, &end) : -1;
  if (!numbers || *end) return xr_fail(XR_BAD_ARGUMENT, "'%s' is not k1,k2,lambda such as 20,6,0.3", text);
  if (o->k1 < 1 || o->k2 < 1 || o->k1 >= INT32_MAX || o->k2 >= INT32_MAX || !(o->lambda >= 0 && o->lambda <= 1))
    return xr_fail(XR_BAD_ARGUMENT, "'%s': k1 and k2 are 1 or more, lambda is 0 to 1", text);
  return XR_OK;
}
