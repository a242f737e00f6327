/* A block of threads takes the blocks (i, j ..) of one set i with a run of sets j: its rows of C go to shared memory as they lie, which is
 * one coalesced access a thread and row. L neighbouring lanes share a pair of sets, L the power of two that holds K1 and K2: each lane
 * reduces a row and a column of the pair, kept in registers. */
#include "kernels/common/launch.h"
#include "kernels/common/reduce.cuh"
#include "kernels/embedding_set/assignment.h"
#include "kernels/embedding_set/set_similarity.h"
#include "kernels/loss/first_largest.cuh"

enum {
  THREADS = 256,
  BLOCKS = 3, /* for a multiprocessor at least: as many registers as every kernel wants */
  MOST = XR_MAX_SET_SIZE
};

/* A row or a column of a pair, in one lane. */
template <int L> struct xr_set_line {
  float c[L];
  int n; /* 0: the lane has none */

  __device__ __forceinline__ void load(const float *first, int step, int count) {
    n = count;
#pragma unroll
    for (int k = 0; k < L; k++) c[k] = k < n ? first[k * step] : -INFINITY;
  }
  __device__ __forceinline__ float sum() const {
    float total = 0;
#pragma unroll
    for (int k = 0; k < L; k++) total += k < n ? c[k] : 0;
    return total;
  }
  __device__ __forceinline__ xr_first_largest first_largest() const {
    xr_first_largest best;
#pragma unroll
    for (int k = 0; k < L; k++) best.offer(c[k] != c[k] ? INFINITY : c[k], k < n ? k : -1);
    return best;
  }
  /* The largest m and the sum of exp(a (c - m)); a NaN is in the sum. */
  __device__ __forceinline__ float exponentials(float sharpness, float *largest) const {
    float m = c[0], total = 0;
#pragma unroll
    for (int k = 1; k < L; k++) m = fmaxf(m, c[k]);
#pragma unroll
    for (int k = 0; k < L; k++) total += k < n ? expf(sharpness * (c[k] - m)) : 0;
    *largest = m;
    return total;
  }
};

/* One pair of sets as a lane sees it. */
template <int L> struct xr_set_pair {
  float *c;      /* of the pair, in shared memory: element (x, y) at x * stride + y */
  int8_t *match; /* of the pair, for kind optimal */
  int k1, k2, stride, lane;
  xr_set_line<L> row, column;

  __device__ __forceinline__ xr_set_pair(const xr_set_similarity &a, float *tile, int8_t *matches, int tile_stride)
      : c(tile + threadIdx.x / L * (int)a.b_size), match(matches + threadIdx.x / L * L), k1((int)a.a_size), k2((int)a.b_size),
        stride(tile_stride), lane((int)threadIdx.x % L) {
    row.load(c + lane * stride, 1, lane < k1 ? k2 : 0);
    column.load(c + lane, stride, lane < k2 ? k1 : 0);
  }
  __device__ __forceinline__ float row_share() const { return 0.5f / (float)k1; }
  __device__ __forceinline__ float column_share() const { return 0.5f / (float)k2; }

  /* The first largest of all, numbered x K2 + y; in all lanes. */
  __device__ __forceinline__ int largest_of_all() const {
    const xr_first_largest own = row.first_largest();
    xr_first_largest best;
    best.offer(own.key, own.at < 0 ? -1 : lane * k2 + own.at);
#pragma unroll
    for (int distance = L / 2; distance > 0; distance /= 2) {
      const float key = __shfl_xor_sync(0xffffffffu, best.key, distance);
      best.offer(key, __shfl_xor_sync(0xffffffffu, best.at, distance));
    }
    return best.at;
  }
  /* Fills match: of rows, or of columns where these are fewer. */
  __device__ __forceinline__ void assign() {
    if (lane == 0) {
      if (k1 <= k2)
        xr_assign(c, stride, 1, k1, k2, match);
      else
        xr_assign(c, 1, stride, k2, k1, match);
    }
    __syncwarp();
  }
};

static __device__ __forceinline__ float element_mean(float sum, int n) { return sum / (float)n; }

template <int L> static __device__ float smooth_line(const xr_set_line<L> &line, float sharpness, float share) {
  float largest;
  const float sum = line.exponentials(sharpness, &largest);
  return line.n ? share * (largest + logf(sum / (float)line.n) / sharpness) : 0;
}

template <int L> static __device__ float chamfer_line(const xr_set_line<L> &line, const float *first, int step, float share) {
  const int at = line.first_largest().at;
  return at < 0 ? 0 : share * first[at * step];
}

/* The sum of the matched elements, in order, by one lane: as the CPU adds them. */
template <int L> static __device__ float optimal_value(xr_set_pair<L> &p) {
  p.assign();
  const bool nan = xr_warp_max<L>((int)(p.row.sum() != p.row.sum())) != 0; /* cosines: no infinities that make one */
  const int n = p.k1 < p.k2 ? p.k1 : p.k2;
  float sum = 0;
  if (p.lane == 0)
    for (int k = 0; k < n; k++) sum += p.k1 <= p.k2 ? p.c[k * p.stride + p.match[k]] : p.c[p.match[k] * p.stride + k];
  return nan ? NAN : element_mean(sum, n);
}

/* In lane 0 of the pair. Kind optimal has kernels of its own: its arrays would cost the others registers. */
template <int L, bool Optimal> static __device__ float value_of(xr_set_pair<L> &p, const xr_set_similarity_options &o) {
  if constexpr (Optimal) return optimal_value(p);
  switch (o.kind) {
  case XR_SET_SMOOTH_CHAMFER:
    return xr_warp_sum<L>(smooth_line(p.row, o.sharpness, p.row_share()) + smooth_line(p.column, o.sharpness, p.column_share()));
  case XR_SET_CHAMFER:
    return xr_warp_sum<L>(chamfer_line(p.row, p.c + p.lane * p.stride, 1, p.row_share()) +
                          chamfer_line(p.column, p.c + p.lane, p.stride, p.column_share()));
  case XR_SET_MIL: {
    const int at = p.largest_of_all();
    return p.c[at / p.k2 * p.stride + at % p.k2];
  }
  case XR_SET_AVERAGE:
    return element_mean(xr_warp_sum<L>(p.row.sum()), p.k1 * p.k2);
  default:
    return element_mean(xr_warp_sum<L>(p.lane < p.k1 ? p.c[p.lane * (p.stride + 1)] : 0), p.k1);
  }
}

/* The column that the lane's row is matched with; -1: none. */
template <int L> static __device__ int matched_column(xr_set_pair<L> &p) {
  p.assign();
  if (p.k1 <= p.k2) return p.lane < p.k1 ? p.match[p.lane] : -1;
  int at = -1;
  for (int y = 0; y < p.k2; y++) at = p.match[y] == p.lane ? y : at;
  return at;
}

/* Where the lane's row has its only weight, of the kinds of that form; -1: nowhere. *share is multiplied with it. */
template <int L, bool Optimal> static __device__ int only_column(xr_set_pair<L> &p, xr_set_kind kind, float *share) {
  if constexpr (Optimal) {
    *share /= (float)(p.k1 < p.k2 ? p.k1 : p.k2);
    return matched_column(p);
  }
  if (kind == XR_SET_CHAMFER) {
    *share *= p.row_share();
    return p.row.first_largest().at;
  }
  if (kind == XR_SET_MIL) {
    const int at = p.largest_of_all();
    return at / p.k2 == p.lane ? at % p.k2 : -1;
  }
  *share /= (float)p.k1;
  return p.lane;
}

/* What a row adds to the gradient of its elements: out[k] = g w. */
template <int L, bool Optimal>
static __device__ void row_gradient(xr_set_pair<L> &p, const xr_set_similarity_options &o, float g, float (&out)[L]) {
  if (!Optimal && o.kind == XR_SET_SMOOTH_CHAMFER) {
    float largest;
    const float sum = p.row.exponentials(o.sharpness, &largest), share = g * p.row_share();
#pragma unroll
    for (int k = 0; k < L; k++) out[k] = share * (expf(o.sharpness * (p.row.c[k] - largest)) / sum);
  } else if (!Optimal && o.kind == XR_SET_AVERAGE) {
#pragma unroll
    for (int k = 0; k < L; k++) out[k] = g / (float)(p.k1 * p.k2);
  } else {
    const int at = only_column<L, Optimal>(p, o.kind, &g);
#pragma unroll
    for (int k = 0; k < L; k++) out[k] = k == at ? g : 0;
  }
}

/* What a column adds, to the values in shared memory. */
template <int L> static __device__ void add_column_gradient(xr_set_pair<L> &p, const xr_set_similarity_options &o, float g) {
  const float share = g * p.column_share();
  float *to = p.c + p.lane;
  if (o.kind == XR_SET_SMOOTH_CHAMFER) {
    float largest;
    const float sum = p.column.exponentials(o.sharpness, &largest);
#pragma unroll
    for (int k = 0; k < L; k++)
      if (k < p.column.n) to[k * p.stride] += share * (expf(o.sharpness * (p.column.c[k] - largest)) / sum);
  } else if (o.kind == XR_SET_CHAMFER) {
    const int at = p.column.first_largest().at;
    if (at >= 0) to[at * p.stride] += share;
  }
}

/* The part of C that a block of threads works on: K1 rows of up to `pairs` pairs. */
template <int L> struct xr_set_tile {
  static constexpr int pairs = THREADS / L;
  int64_t i, j, row0, width; /* sets; the first element, and elements in a row, of C */
  int n, columns;            /* pairs and elements in a row of the tile */

  __device__ __forceinline__ xr_set_tile(const xr_set_similarity &a) {
    const int64_t runs = (a.b_sets + pairs - 1) / pairs;
    i = blockIdx.x / runs;
    j = (blockIdx.x - i * runs) * pairs;
    n = (int)min(a.b_sets - j, (int64_t)pairs);
    width = a.b_sets * a.b_size;
    row0 = i * a.a_size * width + j * a.b_size;
    columns = n * (int)a.b_size;
  }
  /* Rows are one apart from a multiple of the banks, so that neither rows nor columns of a pair fall together. */
  static __device__ __forceinline__ int stride(int k2) { return pairs * k2 + 1; }

  __device__ __forceinline__ void load(const xr_set_similarity &a, float *tile) const {
    const int column = threadIdx.x, step = stride((int)a.b_size);
    if (column >= pairs * (int)a.b_size) return;
#pragma unroll
    for (int x = 0; x < L; x++)
      if (x < (int)a.a_size) tile[x * step + column] = column < columns ? a.cosine[row0 + x * width + column] : 0;
  }
  __device__ __forceinline__ void store(const xr_set_similarity &a, const float *tile) const {
    const int column = threadIdx.x, step = stride((int)a.b_size);
    if (column >= columns) return;
#pragma unroll
    for (int x = 0; x < L; x++)
      if (x < (int)a.a_size) {
        float *to = a.dcosine + row0 + x * width + column;
        *to = a.accumulate_dcosine ? *to + tile[x * step + column] : tile[x * step + column];
      }
  }
};

template <int L, bool Optimal> static __global__ void __launch_bounds__(THREADS, BLOCKS) forward_kernel(const xr_set_similarity a) {
  __shared__ float tile[L * (THREADS + 1)];
  __shared__ int8_t match[THREADS];
  const xr_set_tile<L> t(a);
  t.load(a, tile);
  __syncthreads();
  xr_set_pair<L> p(a, tile, match, t.stride((int)a.b_size));
  const float value = value_of<L, Optimal>(p, a.options);
  const int k = threadIdx.x / L;
  if (p.lane == 0 && k < t.n) a.similarity[t.i * a.b_sets + t.j + k] = value;
}

template <int L, bool Optimal> static __global__ void __launch_bounds__(THREADS, BLOCKS) backward_kernel(const xr_set_similarity a) {
  __shared__ float tile[L * (THREADS + 1)];
  __shared__ int8_t match[THREADS];
  const xr_set_tile<L> t(a);
  t.load(a, tile);
  __syncthreads();
  xr_set_pair<L> p(a, tile, match, t.stride((int)a.b_size));
  const int k = threadIdx.x / L;
  const float g = k < t.n ? a.dsimilarity[t.i * a.b_sets + t.j + k] : 0;
  float row[L];
  row_gradient<L, Optimal>(p, a.options, g, row);
  __syncwarp(); /* all lanes of the pair have read it */
#pragma unroll
  for (int y = 0; y < L; y++)
    if (y < p.row.n) p.c[p.lane * p.stride + y] = row[y];
  __syncwarp();
  if (!Optimal) add_column_gradient(p, a.options, g);
  __syncthreads();
  t.store(a, tile);
}

template <int L> static xr_status launch(const xr_set_similarity *a, bool backward, xr_stream stream) {
  const int64_t blocks = a->a_sets * xr_blocks(a->b_sets, THREADS / L);
  const bool optimal = a->options.kind == XR_SET_OPTIMAL;
  auto kernel = backward ? (optimal ? backward_kernel<L, true> : backward_kernel<L, false>)
                         : (optimal ? forward_kernel<L, true> : forward_kernel<L, false>);
  return xr_launch(backward ? "set_similarity backward" : "set_similarity", kernel, blocks, THREADS, 0, stream, *a);
}

static xr_status launch_any(const xr_set_similarity *a, bool backward, xr_stream stream) {
  XR_TRY(xr_set_similarity_check(a));
  const int64_t most = a->a_size > a->b_size ? a->a_size : a->b_size;
  if (most <= 1) return launch<1>(a, backward, stream);
  if (most <= 2) return launch<2>(a, backward, stream);
  if (most <= 4) return launch<4>(a, backward, stream);
  if (most <= 8) return launch<8>(a, backward, stream);
  return launch<MOST>(a, backward, stream);
}

extern "C" xr_status xr_set_similarity_forward_cuda(const xr_set_similarity *a, xr_stream stream) { return launch_any(a, false, stream); }
extern "C" xr_status xr_set_similarity_backward_cuda(const xr_set_similarity *a, xr_stream stream) { return launch_any(a, true, stream); }
