/* Blocks are worked on sixteen at a time, turned so that the same element of all sixteen lies together: every loop over them is one vector
 * wide, whatever K1 and K2 are. */
#include <math.h>
#include <string.h>

#include "kernels/common/math.h"
#include "kernels/embedding_set/assignment.h"
#include "kernels/embedding_set/set_similarity.h"

enum { LANES = 16, MOST = XR_MAX_SET_SIZE, LINE = MOST * LANES };

xr_status xr_set_similarity_check(const xr_set_similarity *a) {
  const xr_set_similarity_options *o = &a->options;
  if (a->a_sets < 0 || a->b_sets < 0 || a->a_size < 1 || a->a_size > MOST || a->b_size < 1 || a->b_size > MOST)
    return xr_fail(XR_BAD_SHAPE, "set_similarity: %lld sets of %lld elements and %lld of %lld; a set has 1 to %d elements",
                   (long long)a->a_sets, (long long)a->a_size, (long long)a->b_sets, (long long)a->b_size, MOST);
  if ((unsigned)o->kind >= XR_SET_KINDS) return xr_fail(XR_BAD_ARGUMENT, "set_similarity: kind %d is not one that is listed", (int)o->kind);
  if (o->kind == XR_SET_SMOOTH_CHAMFER && !(o->sharpness > 0 && o->sharpness < INFINITY))
    return xr_fail(XR_BAD_ARGUMENT, "set_similarity: sharpness %g (legal: above 0, finite)", (double)o->sharpness);
  if (o->kind == XR_SET_ALIGNED && a->a_size != a->b_size)
    return xr_fail(XR_BAD_SHAPE, "set_similarity: aligned sets of %lld and %lld elements; both must have the same number",
                   (long long)a->a_size, (long long)a->b_size);
  return XR_OK;
}

/* ---- sixteen blocks: element (x, y) of all of them at c + (x * k2 + y) * LANES */
typedef struct {
  int k1, k2;
  float sharpness;
  float c[MOST * LINE];
} blocks;

/* A row or a column of the blocks: n elements, `step` floats apart. */
typedef struct {
  int n, step;
} line;

static line row_of(const blocks *b) { return (line){b->k2, LANES}; }
static line column_of(const blocks *b) { return (line){b->k1, b->k2 * LANES}; }
static const float *row_at(const blocks *b, int x) { return b->c + x * b->k2 * LANES; }
static const float *column_at(const blocks *b, int y) { return b->c + y * LANES; }

/* The first largest of a line and its place; a NaN is the largest. */
static void first_largest(const float *c, line l, float value[LANES], int32_t at[LANES]) {
  for (int p = 0; p < LANES; p++) {
    value[p] = c[p];
    at[p] = 0;
  }
  for (int k = 1; k < l.n; k++) {
    const float *now = c + k * l.step;
#pragma omp simd
    for (int p = 0; p < LANES; p++) {
      const bool better = now[p] > value[p] || now[p] != now[p];
      value[p] = better ? now[p] : value[p];
      at[p] = better ? k : at[p];
    }
  }
}

/* The largest m of a line and the sum of exp(a (c - m)). */
static void exponentials(const float *c, line l, float sharpness, float largest[LANES], float sum[LANES]) {
  int32_t at[LANES];
  first_largest(c, l, largest, at);
  for (int p = 0; p < LANES; p++) sum[p] = 0;
  for (int k = 0; k < l.n; k++) {
    const float *now = c + k * l.step;
#pragma omp simd
    for (int p = 0; p < LANES; p++) sum[p] += xr_exp(sharpness * (now[p] - largest[p]));
  }
}

/* ---- the kinds: the similarity of each block, and the weights w of its elements */
static void smooth_line_value(const float *c, line l, float sharpness, float share, float out[LANES]) {
  float largest[LANES], sum[LANES];
  exponentials(c, l, sharpness, largest, sum);
  for (int p = 0; p < LANES; p++) out[p] += share * (largest[p] + logf(sum[p] / (float)l.n) / sharpness);
}

static void smooth_value(const blocks *b, float out[LANES]) {
  for (int x = 0; x < b->k1; x++) smooth_line_value(row_at(b, x), row_of(b), b->sharpness, 0.5f / (float)b->k1, out);
  for (int y = 0; y < b->k2; y++) smooth_line_value(column_at(b, y), column_of(b), b->sharpness, 0.5f / (float)b->k2, out);
}

static void smooth_line_weights(const float *c, line l, float sharpness, float share, float *w) {
  float largest[LANES], sum[LANES];
  exponentials(c, l, sharpness, largest, sum);
  for (int k = 0; k < l.n; k++) {
    const float *now = c + k * l.step;
    float *here = w + k * l.step;
#pragma omp simd
    for (int p = 0; p < LANES; p++) here[p] += share * (xr_exp(sharpness * (now[p] - largest[p])) / sum[p]);
  }
}

static void smooth_weights(const blocks *b, float *w) {
  for (int x = 0; x < b->k1; x++) smooth_line_weights(row_at(b, x), row_of(b), b->sharpness, 0.5f / (float)b->k1, w + x * b->k2 * LANES);
  for (int y = 0; y < b->k2; y++) smooth_line_weights(column_at(b, y), column_of(b), b->sharpness, 0.5f / (float)b->k2, w + y * LANES);
}

static void chamfer_line_value(const float *c, line l, float share, float out[LANES]) {
  float value[LANES];
  int32_t at[LANES];
  first_largest(c, l, value, at);
  for (int p = 0; p < LANES; p++) out[p] += share * value[p];
}

static void chamfer_value(const blocks *b, float out[LANES]) {
  for (int x = 0; x < b->k1; x++) chamfer_line_value(row_at(b, x), row_of(b), 0.5f / (float)b->k1, out);
  for (int y = 0; y < b->k2; y++) chamfer_line_value(column_at(b, y), column_of(b), 0.5f / (float)b->k2, out);
}

static void chamfer_line_weights(const float *c, line l, float share, float *w) {
  float value[LANES];
  int32_t at[LANES];
  first_largest(c, l, value, at);
  for (int p = 0; p < LANES; p++) w[at[p] * l.step + p] += share;
}

static void chamfer_weights(const blocks *b, float *w) {
  for (int x = 0; x < b->k1; x++) chamfer_line_weights(row_at(b, x), row_of(b), 0.5f / (float)b->k1, w + x * b->k2 * LANES);
  for (int y = 0; y < b->k2; y++) chamfer_line_weights(column_at(b, y), column_of(b), 0.5f / (float)b->k2, w + y * LANES);
}

static line whole(const blocks *b) { return (line){b->k1 * b->k2, LANES}; }

static void mil_value(const blocks *b, float out[LANES]) { chamfer_line_value(b->c, whole(b), 1, out); }
static void mil_weights(const blocks *b, float *w) { chamfer_line_weights(b->c, whole(b), 1, w); }

static void average_value(const blocks *b, float out[LANES]) {
  const int n = b->k1 * b->k2;
  for (int k = 0; k < n; k++)
    for (int p = 0; p < LANES; p++) out[p] += b->c[k * LANES + p];
  for (int p = 0; p < LANES; p++) out[p] /= (float)n;
}

static void average_weights(const blocks *b, float *w) {
  const int n = b->k1 * b->k2;
  for (int k = 0; k < n * LANES; k++) w[k] = 1 / (float)n;
}

/* Element number k of the matching of block p. */
static int matched(const blocks *b, const int8_t *match, int k) { return b->k1 <= b->k2 ? k * b->k2 + match[k] : match[k] * b->k2 + k; }

static int assign(const blocks *b, int p, int8_t match[MOST]) {
  const int row = b->k2 * LANES;
  if (b->k1 <= b->k2)
    xr_assign(b->c + p, row, LANES, b->k1, b->k2, match);
  else
    xr_assign(b->c + p, LANES, row, b->k2, b->k1, match);
  return b->k1 <= b->k2 ? b->k1 : b->k2;
}

static void optimal_value(const blocks *b, float out[LANES]) {
  float total[LANES] = {0}; /* a NaN where there is one in the block */
  for (int k = 0; k < b->k1 * b->k2; k++)
    for (int p = 0; p < LANES; p++) total[p] += b->c[k * LANES + p];
  for (int p = 0; p < LANES; p++) {
    int8_t match[MOST];
    const int n = assign(b, p, match);
    for (int k = 0; k < n; k++) out[p] += b->c[matched(b, match, k) * LANES + p];
    out[p] = isnan(total[p]) ? NAN : out[p] / (float)n;
  }
}

static void optimal_weights(const blocks *b, float *w) {
  for (int p = 0; p < LANES; p++) {
    int8_t match[MOST];
    const int n = assign(b, p, match);
    for (int k = 0; k < n; k++) w[matched(b, match, k) * LANES + p] = 1 / (float)n;
  }
}

static void aligned_value(const blocks *b, float out[LANES]) {
  for (int k = 0; k < b->k1; k++)
    for (int p = 0; p < LANES; p++) out[p] += b->c[k * (b->k2 + 1) * LANES + p];
  for (int p = 0; p < LANES; p++) out[p] /= (float)b->k1;
}

static void aligned_weights(const blocks *b, float *w) {
  for (int k = 0; k < b->k1; k++)
    for (int p = 0; p < LANES; p++) w[k * (b->k2 + 1) * LANES + p] = 1 / (float)b->k1;
}

typedef struct {
  void (*value)(const blocks *b, float out[LANES]); /* adds to zeros */
  void (*weights)(const blocks *b, float *w);       /* adds to zeros, laid out as the blocks are */
} kind_functions;

static const kind_functions kinds[XR_SET_KINDS] = {
    [XR_SET_SMOOTH_CHAMFER] = {smooth_value, smooth_weights},
    [XR_SET_CHAMFER] = {chamfer_value, chamfer_weights},
    [XR_SET_MIL] = {mil_value, mil_weights},
    [XR_SET_AVERAGE] = {average_value, average_weights},
    [XR_SET_OPTIMAL] = {optimal_value, optimal_weights},
    [XR_SET_ALIGNED] = {aligned_value, aligned_weights},
};

/* ---- blocks of a run of sets of the second side: set `i` of the first with the sets j .. j + n-1 */
typedef struct {
  int64_t i, j;
  int n;
} run_of_blocks;

static int64_t run_count(const xr_set_similarity *a) { return a->a_sets * ((a->b_sets + LANES - 1) / LANES); }

static run_of_blocks run_at(const xr_set_similarity *a, int64_t unit) {
  const int64_t runs = (a->b_sets + LANES - 1) / LANES, j = unit % runs * LANES, left = a->b_sets - j;
  return (run_of_blocks){unit / runs, j, (int)(left < LANES ? left : LANES)};
}

static int64_t row_start(const xr_set_similarity *a, const run_of_blocks *r, int x) {
  return ((r->i * a->a_size + x) * a->b_sets + r->j) * a->b_size;
}

static void load(const xr_set_similarity *a, const run_of_blocks *r, blocks *b) {
  b->k1 = (int)a->a_size;
  b->k2 = (int)a->b_size;
  b->sharpness = a->options.sharpness;
  for (int x = 0; x < b->k1; x++) {
    const float *row = a->cosine + row_start(a, r, x);
    for (int y = 0; y < b->k2; y++) {
      float *to = b->c + (x * b->k2 + y) * LANES;
      for (int p = 0; p < LANES; p++) to[p] = p < r->n ? row[p * b->k2 + y] : 0;
    }
  }
}

static void store(const xr_set_similarity *a, const run_of_blocks *r, const float *w) {
  const int k1 = (int)a->a_size, k2 = (int)a->b_size;
  const float *upstream = a->dsimilarity + r->i * a->b_sets + r->j;
  for (int x = 0; x < k1; x++) {
    float *row = a->dcosine + row_start(a, r, x);
    for (int p = 0; p < r->n; p++)
      for (int y = 0; y < k2; y++) {
        const float g = upstream[p] * w[(x * k2 + y) * LANES + p];
        row[p * k2 + y] = a->accumulate_dcosine ? row[p * k2 + y] + g : g;
      }
  }
}

xr_status xr_set_similarity_forward_cpu(const xr_set_similarity *a) {
  XR_TRY(xr_set_similarity_check(a));
#pragma omp parallel for schedule(static)
  for (int64_t unit = 0; unit < run_count(a); unit++) {
    const run_of_blocks r = run_at(a, unit);
    blocks b;
    float out[LANES] = {0};
    load(a, &r, &b);
    kinds[a->options.kind].value(&b, out);
    memcpy(a->similarity + r.i * a->b_sets + r.j, out, (size_t)r.n * sizeof *out);
  }
  return XR_OK;
}

xr_status xr_set_similarity_backward_cpu(const xr_set_similarity *a) {
  XR_TRY(xr_set_similarity_check(a));
#pragma omp parallel for schedule(static)
  for (int64_t unit = 0; unit < run_count(a); unit++) {
    const run_of_blocks r = run_at(a, unit);
    blocks b;
    float w[MOST * LINE];
    load(a, &r, &b);
    memset(w, 0, (size_t)(b.k1 * b.k2) * LANES * sizeof *w);
    kinds[a->options.kind].weights(&b, w);
    store(a, &r, w);
  }
  return XR_OK;
}
