#include "kernels/retrieval/score_tile.h"

#include "kernels/retrieval/score_element.cuh"

namespace {

/* A block makes TILE x TILE scores, a warp 32 x 64 of them and a thread 8 x 8, each in one register through all of k: the order of the
 * contract. Rows and columns of a thread are two runs of four, 16 and 32 apart, so that a warp reads shared memory without conflicts.
 * DEPTH elements of all rows lie in shared memory, transposed; the next ones are on their way in registers. */
constexpr int TILE = 128, DEPTH = 8, THREADS = 256;
constexpr int PIECES = DEPTH / 4; /* of a row, a thread each */
static_assert(TILE * PIECES == THREADS, "a thread loads one piece of each side");

struct arguments {
  const float *bias;
  float *scores;
  int64_t queries, gallery, width, query_stride, item_stride, stride;
  bool query_fours, item_fours, score_fours;
  uint32_t row_tiles;
};

/* Where element k of row r lies in a transposed slab: rows are mixed so that a warp's stores fall into different banks. */
__device__ __forceinline__ int slab_at(int k, int r) { return k * TILE + (r ^ (k / 4 * 16)); }

/* What a thread brings of one side: four elements of one row of the tile. */
template <class T> struct side {
  const T *next;
  int64_t left; /* elements of the row from `next` on; none of a row beyond the last */
  bool fours;
  float piece[4];

  __device__ __forceinline__ side(const T *rows, int64_t count, int64_t width, int64_t stride, bool in_fours) : fours(in_fours) {
    const int row = threadIdx.x / PIECES, first = threadIdx.x % PIECES * 4;
    left = row < count ? width - first : 0;
    next = row < count ? rows + row * stride + first : rows;
  }
  __device__ __forceinline__ void load() {
    xr_load_four(piece, next, left, fours);
    next += DEPTH;
    left -= DEPTH;
  }
  __device__ __forceinline__ void store(float *slab) const {
#pragma unroll
    for (int j = 0; j < 4; j++) slab[slab_at(threadIdx.x % PIECES * 4 + j, threadIdx.x / PIECES)] = piece[j];
  }
};

__device__ __forceinline__ void read_eight(float (&v)[8], const float *slab, int k, int first, int apart) {
  const float4 low = *reinterpret_cast<const float4 *>(slab + slab_at(k, first));
  const float4 high = *reinterpret_cast<const float4 *>(slab + slab_at(k, first + apart));
  v[0] = low.x, v[1] = low.y, v[2] = low.z, v[3] = low.w;
  v[4] = high.x, v[5] = high.y, v[6] = high.z, v[7] = high.w;
}

__device__ __forceinline__ void step(float (&sum)[8][8], const float *query, const float *items, int k, int row, int column) {
  float q[8], g[8];
  read_eight(q, query, k, row, 16);
  read_eight(g, items, k, column, 32);
#pragma unroll
  for (int i = 0; i < 8; i++)
#pragma unroll
    for (int j = 0; j < 8; j++) sum[i][j] = fmaf(q[i], g[j], sum[i][j]);
}

__device__ __forceinline__ void write_four(const arguments &a, int64_t row, int64_t column, const float *sum) {
  if (row >= a.queries) return;
  float *to = a.scores + row * a.stride + column;
  float v[4];
#pragma unroll
  for (int j = 0; j < 4; j++) v[j] = a.bias && column + j < a.gallery ? sum[j] + a.bias[column + j] : sum[j];
  if (a.score_fours && column + 4 <= a.gallery) {
    *reinterpret_cast<float4 *>(to) = make_float4(v[0], v[1], v[2], v[3]);
  } else {
#pragma unroll
    for (int j = 0; j < 4; j++)
      if (column + j < a.gallery) to[j] = v[j];
  }
}

template <class Q, class G>
__global__ void __launch_bounds__(THREADS, 2) tile_kernel(const Q *query_rows, const G *item_rows, arguments a) {
  __shared__ float4 memory[2][2][TILE * DEPTH / 4];
  const int64_t first_row = (int64_t)(blockIdx.x % a.row_tiles) * TILE, first_column = (int64_t)(blockIdx.x / a.row_tiles) * TILE;
  side<Q> query(query_rows + first_row * a.query_stride, a.queries - first_row, a.width, a.query_stride, a.query_fours);
  side<G> items(item_rows + first_column * a.item_stride, a.gallery - first_column, a.width, a.item_stride, a.item_fours);
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int row = warp / 2 * 32 + lane / 8 * 4, column = warp % 2 * 64 + lane % 8 * 4;
  float sum[8][8] = {};
  query.load();
  items.load();
  for (int64_t k = 0, turn = 0; k < a.width; k += DEPTH, turn ^= 1) {
    float *query_slab = reinterpret_cast<float *>(memory[turn][0]), *item_slab = reinterpret_cast<float *>(memory[turn][1]);
    query.store(query_slab);
    items.store(item_slab);
    __syncthreads(); /* one a turn is enough: who stores two turns later has passed the next, which all reach after reading */
    if (k + DEPTH < a.width) {
      query.load();
      items.load();
    }
    if (k + DEPTH <= a.width) {
#pragma unroll
      for (int i = 0; i < DEPTH; i++) step(sum, query_slab, item_slab, i, row, column);
    } else { /* no step more than there are elements: fmaf(0, 0, -0) is +0 */
#pragma unroll 1
      for (int i = 0; k + i < a.width; i++) step(sum, query_slab, item_slab, i, row, column);
    }
  }
#pragma unroll
  for (int i = 0; i < 8; i++) {
    const int64_t to = first_row + row + i % 4 + i / 4 * 16;
    write_four(a, to, first_column + column, sum[i]);
    write_four(a, to, first_column + column + 32, sum[i] + 4);
  }
}

} // namespace

xr_status xr_score_tile_cuda(const xr_score_tile *a, xr_stream stream) {
  XR_TRY(xr_score_tile_check(a));
  const int64_t query_stride = a->query_stride ? a->query_stride : a->width, item_stride = a->item_stride ? a->item_stride : a->width;
  const int64_t stride = a->stride ? a->stride : a->gallery, row_tiles = xr_blocks(a->queries, TILE);
  return xr_for_score_dtype(a->query_dtype, [&](auto q) {
    return xr_for_score_dtype(a->item_dtype, [&](auto g) {
      using Q = decltype(q);
      using G = decltype(g);
      const arguments arguments = {a->bias,
                                   a->scores,
                                   a->queries,
                                   a->gallery,
                                   a->width,
                                   query_stride,
                                   item_stride,
                                   stride,
                                   xr_fours<Q>(a->query, query_stride, a->width),
                                   xr_fours<G>(a->items, item_stride, a->width),
                                   stride % 4 == 0 && reinterpret_cast<uintptr_t>(a->scores) % 16 == 0,
                                   (uint32_t)row_tiles};
      return xr_launch("score tile", tile_kernel<Q, G>, row_tiles * xr_blocks(a->gallery, TILE), THREADS, 0, stream, (const Q *)a->query,
                       (const G *)a->items, arguments);
    });
  });
}
