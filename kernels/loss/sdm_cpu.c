#include "kernels/loss/sdm.h"

#include <math.h>

#include "kernels/common/math.h"
#include "kernels/common/spans.h"
#include "kernels/loss/sdm_workspace.h"

enum { COLUMNS = 64 /* worked on together, so that rows of S are read in order */ };

size_t xr_sdm_workspace(const xr_sdm *a) {
  const size_t batch = (size_t)a->batch, tiles = (batch + XR_SDM_TILE - 1) / XR_SDM_TILE;
  return 8 * batch * sizeof(float) + 2 * batch * tiles * sizeof(xr_sdm_part);
}

xr_status xr_sdm_check(const xr_sdm *a) {
  if (a->batch < 1) return xr_fail(XR_BAD_SHAPE, "sdm: a batch of %lld", (long long)a->batch);
  if (!(a->tau > 0 && a->semi_weight > 0 && a->semi_weight <= 1))
    return xr_fail(XR_BAD_ARGUMENT, "sdm: tau %g (legal: above 0), semi_weight %g (legal: above 0, at most 1)", (double)a->tau,
                   (double)a->semi_weight);
  return XR_OK;
}

static const int32_t *images_of(const xr_sdm *a) { return a->image_id ? a->image_id : a->labels; }

static void targets(const xr_sdm *a, const xr_sdm_tables *t) {
  const int32_t *label = a->labels, *image = images_of(a);
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < a->batch; i++) {
    int64_t same = 0, semi = 0;
#pragma omp simd reduction(+ : same, semi)
    for (int64_t j = 0; j < a->batch; j++) {
      same += label[j] == label[i] && image[j] == image[i];
      semi += label[j] == label[i] && image[j] != image[i];
    }
    const double total = (double)same + (double)a->semi_weight * (double)semi;
    t->log_same[i] = (float)log(1 / total + XR_SDM_EPSILON);
    t->log_semi[i] = (float)log((double)a->semi_weight / total + XR_SDM_EPSILON);
  }
}

/* log(q + eps) of anchor i and candidate j. */
static inline float log_target(int32_t label_i, int32_t label_j, int32_t image_i, int32_t image_j, float same, float semi) {
  const float match = image_i == image_j ? same : semi;
  return label_i == label_j ? match : (float)-18.420680743952367; /* log eps */
}

static void row_statistics(const xr_sdm *a, const xr_sdm_tables *t) {
  const int64_t batch = a->batch;
  const int32_t *label = a->labels, *image = images_of(a);
  const float inverse_tau = 1 / a->tau;
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < batch; i++) {
    const float *s = a->similarity + i * batch, same = t->log_same[i], semi = t->log_semi[i];
    const int32_t label_i = label[i], image_i = image[i];
    float largest = -INFINITY;
    double sum = 0, kl = 0;
#pragma omp simd reduction(max : largest)
    for (int64_t j = 0; j < batch; j++) largest = s[j] > largest ? s[j] : largest;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < batch; j++) sum += (double)xr_exp((s[j] - largest) * inverse_tau);
    const float log_sum = (float)log(sum);
#pragma omp simd reduction(+ : kl)
    for (int64_t j = 0; j < batch; j++) {
      const float log_p = (s[j] - largest) * inverse_tau - log_sum;
      kl += (double)(xr_exp(log_p) * (log_p - log_target(label_i, label[j], image_i, image[j], same, semi)));
    }
    t->row.largest[i] = largest;
    t->row.log_sum[i] = log_sum;
    t->row.kl[i] = (float)kl;
  }
}

/* The columns first .. first + n - 1; n <= COLUMNS. */
static void column_block(const xr_sdm *a, const xr_sdm_tables *t, int64_t first, int64_t n) {
  const int64_t batch = a->batch;
  const int32_t *label = a->labels, *image = images_of(a);
  const float inverse_tau = 1 / a->tau;
  float *largest = t->column.largest + first, *log_sum = t->column.log_sum + first;
  double sum[COLUMNS] = {0}, kl[COLUMNS] = {0};
  for (int64_t c = 0; c < n; c++) largest[c] = -INFINITY;
  for (int64_t i = 0; i < batch; i++) {
    const float *s = a->similarity + i * batch + first;
#pragma omp simd
    for (int64_t c = 0; c < n; c++) largest[c] = s[c] > largest[c] ? s[c] : largest[c];
  }
  for (int64_t i = 0; i < batch; i++) {
    const float *s = a->similarity + i * batch + first;
#pragma omp simd
    for (int64_t c = 0; c < n; c++) sum[c] += (double)xr_exp((s[c] - largest[c]) * inverse_tau);
  }
  for (int64_t c = 0; c < n; c++) log_sum[c] = (float)log(sum[c]);
  for (int64_t i = 0; i < batch; i++) {
    const float *s = a->similarity + i * batch + first, *same = t->log_same + first, *semi = t->log_semi + first;
    const int32_t label_i = label[i], image_i = image[i], *label_c = label + first, *image_c = image + first;
#pragma omp simd
    for (int64_t c = 0; c < n; c++) {
      const float log_p = (s[c] - largest[c]) * inverse_tau - log_sum[c];
      kl[c] += (double)(xr_exp(log_p) * (log_p - log_target(label_i, label_c[c], image_i, image_c[c], same[c], semi[c])));
    }
  }
  for (int64_t c = 0; c < n; c++) t->column.kl[first + c] = (float)kl[c];
}

static void write_gradient(const xr_sdm *a, const xr_sdm_tables *t) {
  const int64_t batch = a->batch;
  const int32_t *label = a->labels, *image = images_of(a);
  const float inverse_tau = 1 / a->tau, scale = (float)(1 / ((double)batch * (double)a->tau));
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < batch; i++) {
    const float *s = a->similarity + i * batch, largest = t->row.largest[i], log_sum = t->row.log_sum[i], kl = t->row.kl[i];
    const float same = t->log_same[i], semi = t->log_semi[i], *column_largest = t->column.largest, *column_log_sum = t->column.log_sum,
                *column_kl = t->column.kl, *column_same = t->log_same, *column_semi = t->log_semi;
    const int32_t label_i = label[i], image_i = image[i];
    float *gradient = a->gradient + i * batch;
#pragma omp simd
    for (int64_t j = 0; j < batch; j++) {
      const float row_p = (s[j] - largest) * inverse_tau - log_sum, column_p = (s[j] - column_largest[j]) * inverse_tau - column_log_sum[j];
      const float row_d = row_p - log_target(label_i, label[j], image_i, image[j], same, semi);
      const float column_d = column_p - log_target(label_i, label[j], image_i, image[j], column_same[j], column_semi[j]);
      gradient[j] = scale * (xr_exp(row_p) * (row_d - kl) + xr_exp(column_p) * (column_d - column_kl[j]));
    }
  }
}

xr_status xr_sdm_forward_cpu(const xr_sdm *a) {
  XR_TRY(xr_sdm_check(a));
  const xr_sdm_tables t = xr_sdm_tables_of(a);
  targets(a, &t);
  row_statistics(a, &t);
#pragma omp parallel for schedule(static)
  for (int64_t first = 0; first < a->batch; first += COLUMNS)
    column_block(a, &t, first, a->batch - first < COLUMNS ? a->batch - first : COLUMNS);
  write_gradient(a, &t);
  double total = 0;
  for (int64_t i = 0; i < a->batch; i++) total += (double)t.row.kl[i] + (double)t.column.kl[i];
  a->loss[0] = (float)(total / (double)a->batch);
  return XR_OK;
}

xr_status xr_sdm_backward_cpu(const xr_sdm *a) {
  XR_TRY(xr_sdm_check(a));
  xr_scaled_copy(a->dsimilarity, XR_F32, a->accumulate_dsimilarity, a->dloss[0], a->gradient, XR_F32, a->batch * a->batch);
  return XR_OK;
}
