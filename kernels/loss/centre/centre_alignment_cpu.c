#include "kernels/loss/centre/centre_alignment.h"

#include <string.h>

#include "kernels/common/math.h"
#include "kernels/loss/centre/centre_tables.h"
#include "kernels/loss/centre/segments_cpu.h"

enum { CHUNK = 256 /* columns that are added up together */ };

xr_status xr_centre_alignment_check(const xr_centre_alignment *a) {
  const xr_centre_options *o = &a->options;
  if (a->batch < 1 || a->batch > INT32_MAX || a->width < 1 || a->sets < 2 || a->sets > XR_CENTRE_SETS)
    return xr_fail(XR_BAD_SHAPE, "centre_alignment: %d sets of [%lld, %lld], legal are 2 or 3 sets that are not empty", a->sets,
                   (long long)a->batch, (long long)a->width);
  if ((unsigned)o->kind >= XR_CENTRE_KINDS)
    return xr_fail(XR_BAD_ARGUMENT, "centre_alignment: kind %d is not one that is listed", (int)o->kind);
  if (!(o->margin >= 0 && o->separation_margin >= 0 && o->separation_weight >= 0))
    return xr_fail(XR_BAD_ARGUMENT, "centre_alignment: margin %g, separation_margin %g, separation_weight %g; all must be at least 0",
                   (double)o->margin, (double)o->separation_margin, (double)o->separation_weight);
  if (o->kind == XR_CENTRE_SDM && !(o->tau > 0))
    return xr_fail(XR_BAD_ARGUMENT, "centre_alignment: tau %g (legal: above 0)", (double)o->tau);
  return XR_OK;
}

size_t xr_centre_alignment_workspace(const xr_centre_alignment *a) {
  return (size_t)xr_centre_floats(a) * sizeof(float) + (size_t)(2 * xr_centre_pairs(a) * a->batch) * sizeof(xr_centre_anchor) +
         (size_t)xr_segments_size(a->batch) * sizeof(int32_t);
}

static double dot(const float *u, const float *v, int64_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; i++) sum += (double)u[i] * (double)v[i];
  return sum;
}

static double squared_distance(const float *u, const float *v, int64_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; i++) sum += ((double)u[i] - (double)v[i]) * ((double)u[i] - (double)v[i]);
  return sum;
}

static const float *centre_of(const xr_centre_alignment *a, const xr_centre_tables *t, int set, int64_t p) {
  return t->centre + (set * a->batch + p) * a->width;
}

/* The mean of the samples of identity p in one set. */
static void average(const xr_centre_alignment *a, const xr_centre_tables *t, int set, int32_t p) {
  const int32_t first = t->segments.start[p], end = t->segments.start[p + 1];
  float *centre = t->centre + (set * a->batch + p) * a->width;
  for (int64_t at = 0; at < a->width; at += CHUNK) {
    const int64_t n = a->width - at < CHUNK ? a->width - at : CHUNK;
    double sum[CHUNK] = {0};
    for (int32_t k = first; k < end; k++) {
      const float *x = a->x[set] + t->segments.order[k] * a->width + at;
      for (int64_t c = 0; c < n; c++) sum[c] += (double)x[c];
    }
    for (int64_t c = 0; c < n; c++) centre[at + c] = (float)(sum[c] / (end - first));
  }
  t->inverse[set * a->batch + p] = (float)(1 / sqrt(dot(centre, centre, a->width) + XR_CENTRE_EPSILON));
}

static float cosine_of(const xr_centre_alignment *a, const xr_centre_tables *t, int pair, int64_t p, int64_t q) {
  const int first = xr_pair_first(pair), second = xr_pair_second(pair);
  const float *u = centre_of(a, t, first, p), *v = centre_of(a, t, second, q);
  return (float)(dot(u, v, a->width) * (double)t->inverse[first * a->batch + p] * (double)t->inverse[second * a->batch + q]);
}

static void make_centres(const xr_centre_alignment *a, const xr_centre_tables *t, int32_t count) {
#pragma omp parallel for schedule(static)
  for (int32_t p = 0; p < count; p++) {
    for (int set = 0; set < a->sets; set++) average(a, t, set, p);
    for (int pair = 0; pair < xr_centre_pairs(a); pair++) {
      const float *u = centre_of(a, t, xr_pair_first(pair), p), *v = centre_of(a, t, xr_pair_second(pair), p);
      const float value = a->options.kind == XR_CENTRE_COSINE ? cosine_of(a, t, pair, p, p) : (float)squared_distance(u, v, a->width);
      float *weight = &t->weight[pair * a->batch + p];
      t->term[pair * a->batch + p] = xr_pair_loss(&a->options, value, weight);
      *weight /= (float)count;
    }
  }
}

static void make_matrices(const xr_centre_alignment *a, const xr_centre_tables *t, int32_t count) {
#pragma omp parallel for schedule(static)
  for (int64_t row = 0; row < (int64_t)xr_centre_pairs(a) * count; row++) {
    const int pair = (int)(row / count);
    const int64_t p = row % count;
    for (int64_t q = 0; q < count; q++) t->matrix[(pair * a->batch + p) * a->batch + q] = cosine_of(a, t, pair, p, q);
  }
}

/* Anchor p against the others, of which number q has the cosine c[q * step]. */
static xr_centre_anchor judge(const xr_centre_options *o, const float *c, int64_t step, int32_t p, int32_t count) {
  xr_centre_anchor r = {.largest = -INFINITY};
  int32_t hardest = -1;
  double sum = 0, kl = 0;
  for (int32_t q = 0; q < count; q++) {
    r.largest = fmaxf(r.largest, c[q * step]);
    if (q != p && (hardest < 0 || c[q * step] > c[hardest * step])) hardest = q;
  }
  if (o->kind == XR_CENTRE_SDM) {
    const float inverse_tau = 1 / o->tau;
    for (int32_t q = 0; q < count; q++) sum += (double)xr_exp((c[q * step] - r.largest) * inverse_tau);
    r.log_sum = (float)log(sum);
    for (int32_t q = 0; q < count; q++) {
      const float log_p = (c[q * step] - r.largest) * inverse_tau - r.log_sum;
      kl += (double)(xr_exp(log_p) * (log_p - xr_centre_log_target(p == q)));
    }
    r.kl = (float)kl;
  }
  xr_separate(o, c[p * step], hardest < 0 ? 0 : c[hardest * step], hardest, &r);
  return r;
}

static void judge_anchors(const xr_centre_alignment *a, const xr_centre_tables *t, int32_t count) {
  const int64_t batch = a->batch;
#pragma omp parallel for schedule(static)
  for (int64_t k = 0; k < 2 * (int64_t)xr_centre_pairs(a) * count; k++) {
    const int64_t direction = k / count, p = k % count;
    const float *matrix = t->matrix + direction / 2 * batch * batch;
    const bool column = direction % 2;
    t->anchor[direction * batch + p] = judge(&a->options, column ? matrix + p : matrix + p * batch, column ? batch : 1, (int32_t)p, count);
  }
}

static void differentiate_matrices(const xr_centre_alignment *a, const xr_centre_tables *t, int32_t count) {
  const int64_t batch = a->batch;
#pragma omp parallel for schedule(static)
  for (int64_t row = 0; row < (int64_t)xr_centre_pairs(a) * count; row++) {
    const int64_t pair = row / count;
    const int32_t p = (int32_t)(row % count);
    const xr_centre_anchor *rows = t->anchor + 2 * pair * batch, *columns = rows + batch;
    float *c = t->matrix + (pair * batch + p) * batch;
    for (int32_t q = 0; q < count; q++) c[q] = xr_centre_coefficient(a, &rows[p], &columns[q], p, q, c[q], count);
  }
}

/* g = sum over b != set, q of (derivative by the cosine of centre p and q of b) times the unit vector of centre q. */
static void add_matrices(const xr_centre_alignment *a, const xr_centre_tables *t, int set, int64_t p, int32_t count, float *g) {
  const int64_t batch = a->batch;
  for (int64_t at = 0; at < a->width; at += CHUNK) {
    const int64_t n = a->width - at < CHUNK ? a->width - at : CHUNK;
    double sum[CHUNK] = {0};
    for (int b = 0; b < a->sets; b++) {
      if (b == set) continue;
      const float *c = t->matrix + xr_centre_pair(set, b) * batch * batch + (set < b ? p * batch : p);
      for (int64_t q = 0; q < count; q++) {
        const double factor = (double)c[set < b ? q : q * batch] * (double)t->inverse[b * batch + q];
        const float *v = centre_of(a, t, b, q) + at;
        if (factor == 0) continue; /* most of them, without sdm */
        for (int64_t k = 0; k < n; k++) sum[k] += factor * (double)v[k];
      }
    }
    for (int64_t k = 0; k < n; k++) g[at + k] = (float)sum[k];
  }
}

/* From g, the derivative by the unit vector through the matrices, to what each sample of identity p gets. */
static void finish_row(const xr_centre_alignment *a, const xr_centre_tables *t, int set, int32_t p, float *g) {
  const bool cosine = a->options.kind == XR_CENTRE_COSINE;
  const float *u = centre_of(a, t, set, p);
  const float inverse = t->inverse[set * a->batch + p], share = 1 / (float)(t->segments.start[p + 1] - t->segments.start[p]);
  for (int b = 0; b < a->sets && cosine; b++) {
    if (b == set) continue;
    const float *v = centre_of(a, t, b, p), factor = t->weight[xr_centre_pair(set, b) * a->batch + p] * t->inverse[b * a->batch + p];
    for (int64_t k = 0; k < a->width; k++) g[k] += factor * v[k];
  }
  const float along = (float)(dot(g, u, a->width) * (double)inverse * (double)inverse);
  for (int64_t k = 0; k < a->width; k++) g[k] = (g[k] - along * u[k]) * inverse;
  for (int b = 0; b < a->sets && !cosine; b++) {
    if (b == set) continue;
    const float *v = centre_of(a, t, b, p), weight = t->weight[xr_centre_pair(set, b) * a->batch + p];
    for (int64_t k = 0; k < a->width; k++) g[k] += weight * (u[k] - v[k]);
  }
  for (int64_t k = 0; k < a->width; k++) g[k] *= share;
}

static void write_gradient(const xr_centre_alignment *a, const xr_centre_tables *t, int32_t count) {
  const bool matrix = xr_centre_has_matrix(&a->options);
#pragma omp parallel for schedule(static)
  for (int64_t row = 0; row < a->sets * a->batch; row++) {
    const int set = (int)(row / a->batch);
    const int32_t p = (int32_t)(row % a->batch);
    float *g = a->gradient + row * a->width;
    memset(g, 0, (size_t)a->width * sizeof *g);
    if (p >= count || xr_centre_is_constant(a, set)) continue;
    if (matrix) add_matrices(a, t, set, p, count, g);
    finish_row(a, t, set, p, g);
  }
}

static void add_loss(const xr_centre_alignment *a, const xr_centre_tables *t, int32_t count) {
  double terms = 0, kl = 0, separation = 0;
  for (int pair = 0; pair < xr_centre_pairs(a); pair++)
    for (int32_t p = 0; p < count; p++) terms += (double)t->term[pair * a->batch + p];
  for (int side = 0; side < 2 * xr_centre_pairs(a) && xr_centre_has_matrix(&a->options); side++)
    for (int32_t p = 0; p < count; p++) {
      kl += (double)t->anchor[side * a->batch + p].kl;
      separation += (double)t->anchor[side * a->batch + p].separation;
    }
  a->loss[0] = xr_centre_total(a, terms, kl, separation, count);
  a->mean_count[0] = (float)a->batch / (float)count;
}

xr_status xr_centre_alignment_forward_cpu(const xr_centre_alignment *a) {
  XR_TRY(xr_centre_alignment_check(a));
  const xr_centre_tables t = xr_centre_tables_of(a);
  xr_segments_find(&t.segments, a->identity, a->batch);
  const int32_t count = t.segments.count[0];
  make_centres(a, &t, count);
  if (xr_centre_has_matrix(&a->options)) {
    make_matrices(a, &t, count);
    judge_anchors(a, &t, count);
    differentiate_matrices(a, &t, count);
  }
  write_gradient(a, &t, count);
  add_loss(a, &t, count);
  return XR_OK;
}

xr_status xr_centre_alignment_backward_cpu(const xr_centre_alignment *a) {
  XR_TRY(xr_centre_alignment_check(a));
  const float factor = a->dloss[0];
#pragma omp parallel for schedule(static)
  for (int64_t row = 0; row < a->sets * a->batch; row++) {
    const int64_t set = row / a->batch, i = row % a->batch;
    if (!a->dx[set]) continue;
    const float *g = a->gradient + (set * a->batch + a->segment[i]) * a->width;
    float *dx = a->dx[set] + i * a->width;
    if (a->accumulate_dx[set])
      for (int64_t k = 0; k < a->width; k++) dx[k] += factor * g[k];
    else
      for (int64_t k = 0; k < a->width; k++) dx[k] = factor * g[k];
  }
  return XR_OK;
}
