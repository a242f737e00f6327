/* The device's side of multiscale_attention.h.
 *
 * The arithmetic is small (M queries, at most 16, against each key), so the kernels are built around reading every key and value from
 * memory once, straight into registers: a group of 16 or 32 lanes holds a row of a head, four columns a lane. A score is then a sum over
 * the lanes of a group; sixteen of them are summed at a time, so that each lane ends with one (15 exchanges for 16 sums).
 *
 * Forward: one block for each (head, sample, scale): scores to shared memory, softmax, weighted values. Backward: one block for each
 * (head, sample), over all scales: scores and dP to shared memory, softmax, then dk, dv and dq; keys are read a second time for dq, from
 * the cache that the block itself has just filled.
 * What crosses blocks (the gate over all heads; dq and the parameters' gradients over the batch) is finished by the last block to arrive,
 * which adds in a fixed order: no atomic but the counter of arrivals. */
#include "kernels/attention/multiscale_attention.h"

#include "kernels/attention/quad.cuh"
#include "kernels/common/launch.h"
#include "kernels/common/reduce.cuh"
#include "kernels/common/shared.cuh"

namespace xr {
namespace {

constexpr int kThreads = 128, kWarps = kThreads / 32;
constexpr int kKeys = 4;  /* of one group at a time, where queries share what is read; two where scores and dP are made together */
constexpr int kSums = 16; /* made together by a group */

/* What a kernel gets: the contract's arguments and what the launcher found out. */
struct arguments {
  xr_multiscale_attention a;
  float scale;
  bool quads;     /* all rows of keys, values and results start at multiples of four elements */
  float *partial; /* [B, heads, (M + 1 + S) * head_dim]: a block's share of dq, dgate, dcode */
  int *arrived;   /* [B] forward, [heads] backward: zero at the start */
};

__device__ __forceinline__ int thread() { return static_cast<int>(threadIdx.x); }

template <int G> struct lanes { static constexpr int kGroups = kThreads / G, kColumns = 4 * G; };

__device__ __forceinline__ int width_of(const arguments &p) { return static_cast<int>(p.a.heads * p.a.head_dim); }

__device__ __forceinline__ int64_t row_of(const arguments &p, int64_t b, int s, int m) { return (b * p.a.scales + s) * p.a.queries + m; }

/* How many keys of scale s sample b sees. A length that cannot be is taken as all keys, and *bad is set. */
__device__ __forceinline__ int key_count(const xr_attention_scale &c, int64_t b, bool *bad) {
  const int all = static_cast<int>(c.keys), n = c.key_length ? c.key_length[b] : all;
  *bad = n < 0 || n > all;
  return *bad ? all : n;
}

/* True in every thread of the last of `blocks` blocks to come here; what the others wrote before is then visible. */
__device__ __forceinline__ bool is_last_block(int *arrived, int blocks) {
  __shared__ bool last;
  __threadfence();
  __syncthreads();
  if (thread() == 0) last = atomicAdd(arrived, 1) == blocks - 1;
  __syncthreads();
  __threadfence();
  return last;
}

/* The queries of head h times scale, [MAX_M, columns] with zeros in the padding. */
template <class T, int MAX_M, int COLUMNS> __device__ __forceinline__ void load_queries(const arguments &p, int h, float *q) {
  const int dim = static_cast<int>(p.a.head_dim), queries = static_cast<int>(p.a.queries);
  const T *from = static_cast<const T *>(p.a.q) + h * dim;
  for (int i = thread(); i < MAX_M * COLUMNS; i += kThreads) {
    const int m = i / COLUMNS, column = i % COLUMNS;
    q[i] = m < queries && column < dim ? p.scale * xr_to_float(from[static_cast<int64_t>(m) * width_of(p) + column]) : 0;
  }
}

/* Adds the warps' sums [kWarps, MAX_M, columns] of element (m, column), in order. */
template <int MAX_M, int COLUMNS> __device__ __forceinline__ float sum_of_warps(const float *partial, int m, int column) {
  float sum = 0;
#pragma unroll
  for (int w = 0; w < kWarps; w++) sum += partial[(w * MAX_M + m) * COLUMNS + column];
  return sum;
}

/* Leaves the sums of this warp's groups at partial[warp]. */
template <int MAX_M, int G> __device__ __forceinline__ void store_warp_sums(float4 (&sum)[MAX_M], float *partial) {
  const int lane = thread() % 32, warp = thread() / 32;
#pragma unroll
  for (int m = 0; m < MAX_M; m++) {
    if (G == 16) {
      sum[m].x += __shfl_xor_sync(~0u, sum[m].x, 16);
      sum[m].y += __shfl_xor_sync(~0u, sum[m].y, 16);
      sum[m].z += __shfl_xor_sync(~0u, sum[m].z, 16);
      sum[m].w += __shfl_xor_sync(~0u, sum[m].w, 16);
    }
    if (lane < G) store_quad(partial + (warp * MAX_M + m) * lanes<G>::kColumns + 4 * lane, sum[m]);
  }
}

/* ---- forward */

/* Shared memory: q [MAX_M, columns], warps' sums [kWarps, MAX_M, columns], scores [MAX_M, score_row], factor [MAX_M]. */
__host__ __device__ __forceinline__ int score_row_of(int keys) { return (keys + 31) / 32 * 32 + 4; } /* rows begin in other banks */

template <int MAX_M, int G> int forward_bytes(int keys) {
  return static_cast<int>(sizeof(float)) * MAX_M * (lanes<G>::kColumns * (1 + kWarps) + score_row_of(keys) + 1);
}

/* scores[m, j] = <q[m], k[j]> for the keys j < n. */
template <class T, int MAX_M, int G>
__device__ __forceinline__ void make_scores(const arguments &p, const xr_attention_scale &c, const T *k, int n, const float *q,
                                            float *scores, int score_row) {
  const int lane = thread() % G, group = thread() / G, dim = static_cast<int>(p.a.head_dim), queries = static_cast<int>(p.a.queries);
  for (int first = 0; first < n; first += lanes<G>::kGroups * kKeys) {
    const int key = first + group * kKeys;
    float4 row[kKeys];
#pragma unroll
    for (int i = 0; i < kKeys; i++) row[i] = key + i < n ? read_quad(k + (key + i) * c.row_stride, 4 * lane, dim, p.quads) : zero_quad();
#pragma unroll
    for (int m = 0; m < MAX_M; m += kSums / kKeys) {
      if (m >= queries) break;
      float x[kSums];
#pragma unroll
      for (int i = 0; i < kSums; i++) x[i] = dot(load_quad(q + (m + i / kKeys) * lanes<G>::kColumns + 4 * lane), row[i % kKeys]);
      const float sum = xr_lane_sums<G>(x, lane);
      const int j = key + lane % kKeys;
      if (lane < kSums && j < n) scores[(m + lane / kKeys) * score_row + j] = sum;
    }
  }
}

/* Scores to exp(score - largest), with zeros up to the next multiple of kKeys; 1 / sum to factor, log of the sum to lse. */
__device__ __forceinline__ void exponentials(const arguments &p, int n, bool bad, float *scores, int score_row, float *factor, float *lse) {
  const int lane = thread() % 32;
  for (int m = thread() / 32; m < p.a.queries; m += kWarps) {
    float *row = scores + m * score_row, highest = -INFINITY, sum = 0;
    for (int j = lane; j < n; j += 32) highest = fmaxf(highest, row[j]);
    highest = xr_warp_max(highest);
    for (int j = lane; j < n; j += 32) sum += row[j] = expf(row[j] - highest);
    sum = xr_warp_sum(sum);
    if (lane < -n % kKeys + kKeys) row[n + lane] = 0;
    if (lane) continue;
    factor[m] = bad ? NAN : (n ? 1 / sum : 0);
    lse[m] = bad ? NAN : (n ? highest + logf(sum) : -INFINITY);
  }
}

/* sum[m] = weights of query m times the values, over the keys of this group. */
template <class T, int MAX_M, int G>
__device__ __forceinline__ void weigh_values(const arguments &p, const xr_attention_scale &c, const T *v, int n, const float *weights,
                                             int score_row, float4 (&sum)[MAX_M]) {
  const int lane = thread() % G, group = thread() / G, dim = static_cast<int>(p.a.head_dim), queries = static_cast<int>(p.a.queries);
  for (int key = group * kKeys; key < n; key += lanes<G>::kGroups * kKeys) {
    float4 row[kKeys];
#pragma unroll
    for (int i = 0; i < kKeys; i++) row[i] = key + i < n ? read_quad(v + (key + i) * c.row_stride, 4 * lane, dim, p.quads) : zero_quad();
#pragma unroll
    for (int m = 0; m < MAX_M; m++) {
      if (m >= queries) break;
      const float4 w = load_quad(weights + m * score_row + key);
      multiply_add(sum[m], w.x, row[0]);
      multiply_add(sum[m], w.y, row[1]);
      multiply_add(sum[m], w.z, row[2]);
      multiply_add(sum[m], w.w, row[3]);
    }
  }
}

/* <vector, row> over the whole width, by one warp; in every lane. */
template <class T, class U> __device__ __forceinline__ float dot_of_rows(const T *row, const U *vector, int width, bool quads) {
  float sum = 0;
  for (int column = 4 * (thread() % 32); column < width; column += 4 * 32)
    sum += dot(read_quad(row, column, width, quads), read_quad(vector, column, width, quads));
  return xr_warp_sum(sum);
}

/* Gates and fused of sample b, from the results of all its blocks. */
template <class T> __device__ __forceinline__ void fuse(const arguments &p, int64_t b, float *gates) {
  const int width = width_of(p), scales = static_cast<int>(p.a.scales), queries = static_cast<int>(p.a.queries), rows = scales * queries;
  const T *results = static_cast<const T *>(p.a.per_scale) + row_of(p, b, 0, 0) * width;
  for (int row = thread() / 32; row < rows; row += kWarps) {
    const float logit = dot_of_rows(results + static_cast<int64_t>(row) * width, p.a.gate, width, p.quads);
    if (thread() % 32 == 0) gates[row] = logit;
  }
  __syncthreads();
  if (thread() < queries) {
    float highest = -INFINITY, sum = 0;
    for (int s = 0; s < scales; s++) highest = fmaxf(highest, gates[s * queries + thread()]);
    for (int s = 0; s < scales; s++) sum += gates[s * queries + thread()] = expf(gates[s * queries + thread()] - highest);
    for (int s = 0; s < scales; s++) {
      const int i = s * queries + thread();
      gates[i] /= sum;
      p.a.gates[row_of(p, b, 0, 0) + i] = gates[i];
    }
  }
  __syncthreads();
  const int pieces = (width + 3) / 4;
  for (int i = thread(); i < queries * pieces; i += kThreads) {
    const int m = i / pieces, column = i % pieces * 4;
    float4 sum = zero_quad();
    for (int s = 0; s < scales; s++)
      multiply_add(sum, gates[s * queries + m], read_quad(results + static_cast<int64_t>(s * queries + m) * width, column, width, p.quads));
    write_quad(static_cast<T *>(p.a.fused) + (b * queries + m) * width, column, width, p.quads, sum, false);
  }
}

template <class T, int MAX_M, int G> __global__ void __launch_bounds__(kThreads, 4) forward_kernel(const __grid_constant__ arguments p) {
  constexpr int kColumns = lanes<G>::kColumns;
  const int heads = static_cast<int>(p.a.heads), dim = static_cast<int>(p.a.head_dim), queries = static_cast<int>(p.a.queries);
  const int h = static_cast<int>(blockIdx.x) % heads, s = static_cast<int>(blockIdx.y);
  const int64_t b = blockIdx.x / heads;
  const xr_attention_scale &c = p.a.at[s];
  bool bad;
  const int n = key_count(c, b, &bad), score_row = score_row_of(static_cast<int>(c.keys));
  float *q = reinterpret_cast<float *>(smem), *partial = q + MAX_M * kColumns, *scores = partial + kWarps * MAX_M * kColumns,
        *factor = scores + MAX_M * score_row;
  load_queries<T, MAX_M, kColumns>(p, h, q);
  __syncthreads();
  make_scores<T, MAX_M, G>(p, c, static_cast<const T *>(c.k) + b * c.batch_stride + h * dim, n, q, scores, score_row);
  __syncthreads();
  exponentials(p, n, bad, scores, score_row, factor, p.a.lse + ((s * p.a.batch + b) * heads + h) * queries);
  __syncthreads();
  float4 sum[MAX_M];
#pragma unroll
  for (int m = 0; m < MAX_M; m++) sum[m] = zero_quad();
  weigh_values<T, MAX_M, G>(p, c, static_cast<const T *>(c.v) + b * c.batch_stride + h * dim, n, scores, score_row, sum);
  store_warp_sums<MAX_M, G>(sum, partial);
  __syncthreads();
  T *results = static_cast<T *>(p.a.per_scale) + row_of(p, b, s, 0) * width_of(p) + h * dim;
  for (int i = thread(); i < queries * dim; i += kThreads) {
    const int m = i / dim, column = i % dim;
    const float x = sum_of_warps<MAX_M, kColumns>(partial, m, column) * factor[m];
    results[static_cast<int64_t>(m) * width_of(p) + column] = xr_from_float<T>(c.code && n ? x + c.code[h * dim + column] : x);
  }
  if (p.a.gate && is_last_block(p.arrived + b, heads * static_cast<int>(p.a.scales))) fuse<T>(p, b, q);
}

/* ---- backward */

/* Shared memory: q and dA [MAX_M, columns], dlogits [scales, MAX_M], then P and dS [MAX_M, score_row], and in their place, at the end, the
 * warps' sums [kWarps, MAX_M, columns]. */
template <int MAX_M, int G> int backward_bytes(int keys) {
  const int scores = 2 * score_row_of(keys), sums = kWarps * lanes<G>::kColumns;
  return static_cast<int>(sizeof(float)) * MAX_M * (2 * lanes<G>::kColumns + XR_MULTISCALE_MAX_SCALES + (scores > sums ? scores : sums));
}

/* dlogits[s, m] of sample b; zeros where nothing reaches the gate. Leaves through a barrier. */
template <class T, int MAX_M> __device__ __forceinline__ void make_dlogits(const arguments &p, int64_t b, float *dlogits) {
  const int width = width_of(p), scales = static_cast<int>(p.a.scales), queries = static_cast<int>(p.a.queries);
  const T *results = static_cast<const T *>(p.a.per_scale) + row_of(p, b, 0, 0) * width;
  const T *dfused = static_cast<const T *>(p.a.dfused) + b * queries * width;
  const bool gated = p.a.gate && p.a.dfused;
  for (int row = thread() / 32; row < scales * queries; row += kWarps) {
    const int s = row / queries, m = row % queries;
    float product = 0;
    if (gated) product = dot_of_rows(results + static_cast<int64_t>(row) * width, dfused + static_cast<int64_t>(m) * width, width, p.quads);
    if (thread() % 32 == 0) dlogits[s * MAX_M + m] = product;
  }
  __syncthreads();
  if (gated && thread() < queries) {
    const int m = thread();
    const float *gates = p.a.gates + row_of(p, b, 0, m);
    float mean = 0;
    for (int s = 0; s < scales; s++) mean += gates[s * queries] * dlogits[s * MAX_M + m];
    for (int s = 0; s < scales; s++) dlogits[s * MAX_M + m] = gates[s * queries] * (dlogits[s * MAX_M + m] - mean);
  }
  __syncthreads();
}

/* What one block knows of itself. */
struct place {
  int h, s;
  int64_t b;
};

/* dA [MAX_M, columns] of this head and scale, with zeros in the padding. */
template <class T, int MAX_M, int COLUMNS>
__device__ __forceinline__ void make_dresults(const arguments &p, place at, const float *dlogits, float *dresults) {
  const int dim = static_cast<int>(p.a.head_dim), queries = static_cast<int>(p.a.queries);
  const bool gated = p.a.gate && p.a.dfused;
  for (int i = thread(); i < MAX_M * COLUMNS; i += kThreads) {
    const int m = i / COLUMNS, column = at.h * dim + i % COLUMNS;
    float x = 0;
    if (m < queries && i % COLUMNS < dim) {
      const int64_t row = row_of(p, at.b, at.s, m);
      if (p.a.dper_scale) x = xr_to_float(static_cast<const T *>(p.a.dper_scale)[row * width_of(p) + column]);
      if (gated)
        x += p.a.gates[row] * xr_to_float(static_cast<const T *>(p.a.dfused)[(at.b * queries + m) * width_of(p) + column]) +
             dlogits[at.s * MAX_M + m] * p.a.gate[column];
    }
    dresults[i] = x;
  }
}

/* scores[m, j] = <q[m], k[j]> and dp[m, j] = <dA[m], v[j]> for the keys j < n: two keys and four queries make kSums sums. */
template <class T, int MAX_M, int G>
__device__ __forceinline__ void make_score_pairs(const arguments &p, place at, int n, const float *q, const float *dresults, float *scores,
                                                 float *dp, int score_row) {
  const xr_attention_scale &c = p.a.at[at.s];
  const int lane = thread() % G, group = thread() / G, dim = static_cast<int>(p.a.head_dim), queries = static_cast<int>(p.a.queries);
  const int64_t start = at.b * c.batch_stride + at.h * dim;
  for (int first = 0; first < n; first += lanes<G>::kGroups * 2) {
    const int key = first + group * 2, j = key + lane % 4 / 2;
    float4 k[2], v[2];
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const int64_t row = start + (key + i) * c.row_stride;
      k[i] = key + i < n ? read_quad(static_cast<const T *>(c.k) + row, 4 * lane, dim, p.quads) : zero_quad();
      v[i] = key + i < n ? read_quad(static_cast<const T *>(c.v) + row, 4 * lane, dim, p.quads) : zero_quad();
    }
#pragma unroll
    for (int m = 0; m < MAX_M; m += 4) {
      if (m >= queries) break;
      float x[kSums];
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const float4 query = load_quad(q + (m + i) * lanes<G>::kColumns + 4 * lane);
        const float4 result = load_quad(dresults + (m + i) * lanes<G>::kColumns + 4 * lane);
        x[4 * i] = dot(query, k[0]);
        x[4 * i + 1] = dot(result, v[0]);
        x[4 * i + 2] = dot(query, k[1]);
        x[4 * i + 3] = dot(result, v[1]);
      }
      const float sum = xr_lane_sums<G>(x, lane);
      if (lane < kSums && j < n) (lane & 1 ? dp : scores)[(m + lane / 4) * score_row + j] = sum;
    }
  }
}

/* Scores to P, dP to dS, with zeros up to the next multiple of kKeys. The sum of P is 1 but for the rounding of lse, an error that the
 * whole row would share and that dP - delta would not cancel. */
__device__ __forceinline__ void softmax_backward(const arguments &p, place at, int n, float *scores, float *dp, int score_row) {
  const int lane = thread() % 32;
  const float *lse = p.a.lse + ((at.s * p.a.batch + at.b) * p.a.heads + at.h) * p.a.queries;
  for (int m = thread() / 32; m < p.a.queries; m += kWarps) {
    float *row = scores + m * score_row, *drow = dp + m * score_row, sum = 0, delta = 0;
    for (int j = lane; j < n; j += 32) {
      row[j] = expf(row[j] - lse[m]);
      sum += row[j];
      delta += row[j] * drow[j];
    }
    const float inverse = 1 / xr_warp_sum(sum);
    delta = xr_warp_sum(delta) * inverse;
    for (int j = lane; j < n; j += 32) {
      row[j] *= inverse;
      drow[j] = row[j] * (drow[j] - delta);
    }
    if (lane < -n % kKeys + kKeys) row[n + lane] = drow[n + lane] = 0;
  }
}

/* Writes dk and dv of all keys of one scale, adds to dq. */
template <class T, int MAX_M, int G>
__device__ __forceinline__ void spread_keys(const arguments &p, place at, int n, const float *q, const float *dresults,
                                            const float *weights, const float *ds, int score_row, float4 (&dq)[MAX_M]) {
  const xr_attention_scale &c = p.a.at[at.s];
  const int lane = thread() % G, dim = static_cast<int>(p.a.head_dim), queries = static_cast<int>(p.a.queries);
  const int64_t start = at.b * c.batch_stride + at.h * dim;
  for (int key = thread() / G * kKeys; key < c.keys; key += lanes<G>::kGroups * kKeys) {
    float4 k[kKeys], dk[kKeys], dv[kKeys];
#pragma unroll
    for (int i = 0; i < kKeys; i++) {
      k[i] = key + i < n ? read_quad(static_cast<const T *>(c.k) + start + (key + i) * c.row_stride, 4 * lane, dim, p.quads) : zero_quad();
      dk[i] = dv[i] = zero_quad();
    }
#pragma unroll
    for (int m = 0; m < MAX_M; m++) {
      if (m >= queries || key >= n) break;
      const float4 query = load_quad(q + m * lanes<G>::kColumns + 4 * lane);
      const float4 result = load_quad(dresults + m * lanes<G>::kColumns + 4 * lane);
      const float4 w = load_quad(weights + m * score_row + key), d = load_quad(ds + m * score_row + key);
      const float w_of[kKeys] = {w.x, w.y, w.z, w.w}, d_of[kKeys] = {d.x, d.y, d.z, d.w};
#pragma unroll
      for (int i = 0; i < kKeys; i++) {
        multiply_add(dv[i], w_of[i], result);
        multiply_add(dk[i], d_of[i], query);
        multiply_add(dq[m], d_of[i], k[i]);
      }
    }
#pragma unroll
    for (int i = 0; i < kKeys; i++) {
      if (key + i >= c.keys) break;
      const int64_t row = start + (key + i) * c.row_stride;
      write_quad(static_cast<T *>(c.dk) + row, 4 * lane, dim, p.quads, dk[i], c.accumulate_dk);
      write_quad(static_cast<T *>(c.dv) + row, 4 * lane, dim, p.quads, dv[i], c.accumulate_dv);
    }
  }
}

/* Row r of the [M + 1 + S, head_dim] sums over the batch: dq (before scale), dgate, dcode of each scale. */
template <class T> __device__ __forceinline__ void store_batch_sum(const arguments &p, int h, int r, int column, float sum) {
  const int dim = static_cast<int>(p.a.head_dim), queries = static_cast<int>(p.a.queries), at = h * dim + column;
  if (r < queries) {
    T *place = static_cast<T *>(p.a.dq) + static_cast<int64_t>(r) * width_of(p) + at;
    *place = xr_from_float<T>(p.a.accumulate_dq ? xr_to_float(*place) + p.scale * sum : p.scale * sum);
    return;
  }
  const int s = r - queries - 1;
  float *place = s < 0 ? p.a.dgate : p.a.at[s].dcode;
  if (!(s < 0 ? p.a.gate : p.a.at[s].code)) return;
  const bool accumulate = s < 0 ? p.a.accumulate_dgate : p.a.at[s].accumulate_dcode;
  place[at] = accumulate ? place[at] + sum : sum;
}

template <class T> __device__ __forceinline__ void sum_batch(const arguments &p, int h) {
  const int dim = static_cast<int>(p.a.head_dim), count = static_cast<int>(p.a.queries + 1 + p.a.scales) * dim;
  const int64_t step = p.a.heads * count;
  for (int i = thread(); i < count; i += kThreads) {
    const float *from = p.partial + static_cast<int64_t>(h) * count + i;
    float sum = 0;
#pragma unroll 8
    for (int64_t b = 0; b < p.a.batch; b++) sum += from[b * step];
    store_batch_sum<T>(p, h, i / dim, i % dim, sum);
  }
}

template <class T, int MAX_M, int G>
__global__ void __launch_bounds__(kThreads, MAX_M == 8 ? 3 : 2) backward_kernel(const __grid_constant__ arguments p) {
  constexpr int kColumns = lanes<G>::kColumns;
  const int heads = static_cast<int>(p.a.heads), dim = static_cast<int>(p.a.head_dim), queries = static_cast<int>(p.a.queries);
  const int scales = static_cast<int>(p.a.scales), h = static_cast<int>(blockIdx.x) % heads;
  const int64_t b = blockIdx.x / heads;
  float *q = reinterpret_cast<float *>(smem), *dresults = q + MAX_M * kColumns, *dlogits = dresults + MAX_M * kColumns,
        *weights = dlogits + XR_MULTISCALE_MAX_SCALES * MAX_M;
  float *partial = p.partial + (b * heads + h) * ((queries + 1 + scales) * dim);
  load_queries<T, MAX_M, kColumns>(p, h, q);
  make_dlogits<T, MAX_M>(p, b, dlogits);
  float4 dq[MAX_M];
#pragma unroll
  for (int m = 0; m < MAX_M; m++) dq[m] = zero_quad();
  for (int s = 0; s < scales; s++) {
    bool bad;
    const place at = {h, s, b};
    const int n = key_count(p.a.at[s], b, &bad);
    const int score_row = score_row_of(static_cast<int>(p.a.at[s].keys));
    float *ds = weights + MAX_M * score_row;
    make_dresults<T, MAX_M, kColumns>(p, at, dlogits, dresults);
    __syncthreads();
    for (int column = thread(); column < dim; column += kThreads) {
      float sum = 0;
      for (int m = 0; m < queries && n; m++) sum += dresults[m * kColumns + column];
      partial[(queries + 1 + s) * dim + column] = sum;
    }
    make_score_pairs<T, MAX_M, G>(p, at, n, q, dresults, weights, ds, score_row);
    __syncthreads();
    softmax_backward(p, at, n, weights, ds, score_row);
    __syncthreads();
    spread_keys<T, MAX_M, G>(p, at, n, q, dresults, weights, ds, score_row, dq);
    __syncthreads();
  }
  store_warp_sums<MAX_M, G>(dq, weights);
  __syncthreads();
  for (int i = thread(); i < queries * dim; i += kThreads) partial[i] = sum_of_warps<MAX_M, kColumns>(weights, i / dim, i % dim);
  for (int column = thread(); column < dim; column += kThreads) {
    float sum = 0;
    for (int s = 0; s < scales; s++) {
      for (int m = 0; m < queries; m++)
        sum += dlogits[s * MAX_M + m] *
               xr_to_float(static_cast<const T *>(p.a.per_scale)[row_of(p, b, s, m) * width_of(p) + h * dim + column]);
    }
    partial[queries * dim + column] = sum;
  }
  if (is_last_block(p.arrived + h, static_cast<int>(p.a.batch))) sum_batch<T>(p, h);
}

/* ---- launchers */

template <class T> bool have_quads(const xr_multiscale_attention *a) {
  bool quads = rows_are_quads<T>(a->head_dim, {a->per_scale, a->fused, a->dfused}) && rows_are_quads<float>(a->head_dim, {a->gate});
  for (int64_t s = 0; s < a->scales; s++) {
    const xr_attention_scale *c = &a->at[s];
    quads = quads && rows_are_quads<T>(c->row_stride, {c->k, c->v, c->dk, c->dv}) && c->batch_stride % 4 == 0;
  }
  return quads;
}

arguments arguments_of(const xr_multiscale_attention *a) {
  const size_t sums = static_cast<size_t>(a->batch * (a->queries + 1 + a->scales) * a->heads * a->head_dim);
  arguments p = {*a, a->scale != 0 ? a->scale : 1 / sqrtf(static_cast<float>(a->head_dim)), false, nullptr, nullptr};
  p.partial = static_cast<float *>(a->workspace);
  p.arrived = reinterpret_cast<int *>(p.partial + sums);
  return p;
}

int most_keys(const xr_multiscale_attention *a) {
  int64_t most = 1;
  for (int64_t s = 0; s < a->scales; s++) most = a->at[s].keys > most ? a->at[s].keys : most;
  return static_cast<int>(most);
}

template <class T, int MAX_M, int G> xr_status launch(const arguments &p, bool backward, xr_stream stream) {
  const xr_grid grid = {p.a.batch * p.a.heads, backward ? 1 : p.a.scales, 1};
  if (backward)
    return xr_launch("multiscale_attention", backward_kernel<T, MAX_M, G>, grid, kThreads, backward_bytes<MAX_M, G>(most_keys(&p.a)),
                     stream, p);
  return xr_launch("multiscale_attention", forward_kernel<T, MAX_M, G>, grid, kThreads, forward_bytes<MAX_M, G>(most_keys(&p.a)), stream,
                   p);
}

template <class T> xr_status launch_type(const arguments &p, bool backward, xr_stream stream) {
  if (p.a.queries <= 8) return p.a.head_dim <= 64 ? launch<T, 8, 16>(p, backward, stream) : launch<T, 8, 32>(p, backward, stream);
  return p.a.head_dim <= 64 ? launch<T, 16, 16>(p, backward, stream) : launch<T, 16, 32>(p, backward, stream);
}

xr_status run(const xr_multiscale_attention *a, bool backward, xr_stream stream) {
  arguments p = arguments_of(a);
  if (backward || a->gate) {
    const size_t counters = static_cast<size_t>(backward ? a->heads : a->batch);
    XR_TRY(xr_cuda_status(cudaMemsetAsync(p.arrived, 0, counters * sizeof(int), stream), "multiscale_attention"));
  }
  return xr_for_dtype(a->dtype, "multiscale_attention", [&](auto type) {
    p.quads = have_quads<decltype(type)>(a);
    return launch_type<decltype(type)>(p, backward, stream);
  });
}

/* Gradients that an empty batch leaves at 0. */
xr_status clear(const xr_multiscale_attention *a, xr_stream stream) {
  const size_t width = static_cast<size_t>(a->heads * a->head_dim);
  if (!a->accumulate_dq)
    XR_TRY(xr_cuda_status(cudaMemsetAsync(a->dq, 0, static_cast<size_t>(a->queries) * width * xr_dtype_bytes(a->dtype), stream), "dq"));
  if (a->gate && !a->accumulate_dgate) XR_TRY(xr_cuda_status(cudaMemsetAsync(a->dgate, 0, width * sizeof(float), stream), "dgate"));
  for (int64_t s = 0; s < a->scales; s++) {
    if (a->at[s].code && !a->at[s].accumulate_dcode)
      XR_TRY(xr_cuda_status(cudaMemsetAsync(a->at[s].dcode, 0, width * sizeof(float), stream), "dcode"));
  }
  return XR_OK;
}

} /* namespace */
} /* namespace xr */

xr_status xr_multiscale_attention_forward_cuda(const xr_multiscale_attention *a, xr_stream stream) {
  XR_TRY(xr_multiscale_attention_check(a, false));
  return a->batch ? xr::run(a, false, stream) : XR_OK;
}

xr_status xr_multiscale_attention_backward_cuda(const xr_multiscale_attention *a, xr_stream stream) {
  XR_TRY(xr_multiscale_attention_check(a, true));
  return a->batch ? xr::run(a, true, stream) : xr::clear(a, stream);
}
