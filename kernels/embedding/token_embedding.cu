#include "kernels/embedding/token_embedding.h"

#include "kernels/common/reduce.cuh"
#include "kernels/embedding/position_gradient.cuh"
#include "kernels/embedding/token_chunks.h"

namespace {

template <class T> struct forward_body {
  T *y;
  const T *table, *position;
  const int32_t *ids;
  uint32_t tokens, vocabulary;
  int64_t width;

  __device__ void operator()(int64_t row, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    const uint32_t id = (uint32_t)ids[row], t = (uint32_t)row % tokens;
    xr_pack<N> sum = xr_filled<N>(NAN);
    if (id < vocabulary) {
      const xr_pack<N> l = xr_piece_load<N>(table + id * width + at, e), r = xr_piece_load<N>(position + t * width + at, e);
#pragma unroll
      for (int i = 0; i < N; i++) sum.v[i] = l.v[i] + r.v[i];
    }
    xr_piece_store(y + row * width + at, e, sum);
  }
};

/* The row of the table that an id's gradient goes to: illegal ids go to the last one, which they make NaN. */
__device__ bool is_legal(int32_t id, int32_t last) { return (uint32_t)id <= (uint32_t)last; }
__device__ int32_t row_of(int32_t id, int32_t last) { return is_legal(id, last) ? id : last; }

enum { WARPS = 8, RANKED = 4 /* tokens that a warp places at a time */ };

/* Tokens in the order of their ids, equal ids in the order of (b, t). A token's place is the number of tokens before it, found by
 * looking at all of them: no atomics, and for thousands of tokens faster than a sort's many launches (64 x 77 tokens are 24 million
 * comparisons). */
__global__ void __launch_bounds__(32 * WARPS) order_kernel(xr_placed_token *ordered, const int32_t *ids, uint32_t count, int32_t last) {
  const uint32_t first = (blockIdx.x * WARPS + threadIdx.x / 32) * RANKED, lane = threadIdx.x % 32;
  if (first >= count) return;
  int32_t id[RANKED], row[RANKED], before[RANKED];
#pragma unroll
  for (int r = 0; r < RANKED; r++) {
    id[r] = ids[first + r < count ? first + r : first];
    row[r] = row_of(id[r], last);
    before[r] = 0;
  }
#pragma unroll 4
  for (uint32_t j = lane; j < first; j += 32) {
    const int32_t other = row_of(ids[j], last);
#pragma unroll
    for (int r = 0; r < RANKED; r++) before[r] += other <= row[r];
  }
#pragma unroll 4
  for (uint32_t j = first + lane; j < count; j += 32) {
    const int32_t other = row_of(ids[j], last);
#pragma unroll
    for (int r = 0; r < RANKED; r++) before[r] += other < row[r];
  }
#pragma unroll
  for (int r = 0; r < RANKED; r++) {
    before[r] = xr_warp_sum(before[r]);
    for (int earlier = 0; earlier < r; earlier++) before[r] += row[earlier] == row[r];
    if (lane == (uint32_t)r && first + r < count) ordered[before[r]] = {(int32_t)(first + r), id[r]};
  }
}

struct table_gradient {
  float *dtable, *partial; /* partial [chunks, 2, width] */
  const xr_placed_token *ordered;
  int32_t count, last;
  int64_t width;
  uint32_t strips;
  bool accumulate, wide;

  __device__ int32_t row_at(int64_t k) const { return row_of(ordered[k].id, last); }
  __device__ float *table_row(int32_t row) const { return dtable + row * width; }
  __device__ float *from_before(int64_t chunk) const { return partial + 2 * chunk * width; }
  __device__ float *goes_on(int64_t chunk) const { return partial + (2 * chunk + 1) * width; }
};

enum { SUM_THREADS = 64, READ_AHEAD = 8 /* rows of dy in flight */ };

/* Sums of dy over the tokens of each id, one chunk of the ordered tokens and one strip of the columns a block. */
template <class T> __global__ void __launch_bounds__(SUM_THREADS) chunk_kernel(table_gradient t, const T *dy) {
  constexpr int N = xr_vec_width<T>;
  __shared__ xr_placed_token token[XR_TOKEN_CHUNK];
  const int64_t chunk = blockIdx.x / t.strips, begin = chunk * XR_TOKEN_CHUNK, left = t.count - begin;
  const int count = left < XR_TOKEN_CHUNK ? (int)left : XR_TOKEN_CHUNK;
  for (int k = threadIdx.x; k < count; k += SUM_THREADS) token[k] = t.ordered[begin + k];
  __syncthreads();
  const int64_t at = ((blockIdx.x - chunk * t.strips) * SUM_THREADS + threadIdx.x) * N;
  const xr_extent e = xr_extent_at<N>(at, t.width, t.wide);
  if (e.n == 0) return;
  int32_t row = row_of(token[0].id, t.last);
  bool from_before = begin > 0 && t.row_at(begin - 1) == row;
  xr_pack<N> sum = xr_filled<N>(0.0f);
  for (int ahead = 0; ahead < count; ahead += READ_AHEAD) {
    xr_pack<N> g[READ_AHEAD];
#pragma unroll
    for (int k = 0; k < READ_AHEAD; k++)
      if (ahead + k < count) g[k] = xr_piece_load<N>(dy + token[ahead + k].place * t.width + at, e);
#pragma unroll
    for (int k = 0; k < READ_AHEAD; k++) {
      if (ahead + k >= count) break;
      const int32_t id = token[ahead + k].id, next = row_of(id, t.last);
      if (next != row) {
        if (from_before)
          xr_piece_store(t.from_before(chunk) + at, e, sum);
        else
          xr_piece_store(t.table_row(row) + at, e, sum, t.accumulate);
        row = next;
        from_before = false;
        sum = xr_filled<N>(0.0f);
      }
#pragma unroll
      for (int i = 0; i < N; i++) sum.v[i] += is_legal(id, t.last) ? g[k].v[i] : NAN;
    }
  }
  if (from_before)
    xr_piece_store(t.from_before(chunk) + at, e, sum);
  else if (begin + count < t.count && t.row_at(begin + count) == row)
    xr_piece_store(t.goes_on(chunk) + at, e, sum);
  else
    xr_piece_store(t.table_row(row) + at, e, sum, t.accumulate);
}

/* Ids whose tokens lie in several chunks: the block of the chunk where such an id begins adds its partial sums. */
__global__ void __launch_bounds__(XR_SUM_LANES *XR_SUM_GROUPS) join_kernel(table_gradient t, int64_t chunks) {
  constexpr int N = xr_vec_width<float>;
  const int64_t chunk = blockIdx.x / t.strips, begin = chunk * XR_TOKEN_CHUNK, end = begin + XR_TOKEN_CHUNK;
  if (end >= t.count) return;
  const int32_t row = t.row_at(end - 1);
  if (t.row_at(end) != row || (begin > 0 && t.row_at(begin - 1) == row)) return;
  int64_t reached = chunk + 1, beyond = chunks; /* the id's last chunk, by bisection */
  while (beyond - reached > 1) {
    const int64_t middle = (reached + beyond) / 2;
    if (t.row_at(middle * XR_TOKEN_CHUNK) == row)
      reached = middle;
    else
      beyond = middle;
  }
  const int64_t at = ((blockIdx.x - chunk * t.strips) * XR_SUM_LANES + threadIdx.x) * N;
  const xr_extent e = xr_extent_at<N>(at, t.width, t.wide);
  xr_pack<N> sum = xr_column_sum<N>(t.from_before(chunk + 1) + at, 2 * t.width, reached - chunk, e);
  if (threadIdx.y != 0) return;
  const xr_pack<N> start = xr_piece_load<N>(t.goes_on(chunk) + at, e);
#pragma unroll
  for (int i = 0; i < N; i++) sum.v[i] += start.v[i];
  xr_piece_store(t.table_row(row) + at, e, sum, t.accumulate);
}

xr_status sum_table_gradient(const xr_token_embedding *a, xr_stream stream) {
  const int64_t count = a->batch * a->tokens, chunks = xr_token_chunks(a);
  if (!a->accumulate_dtable) {
    const size_t bytes = (size_t)(a->vocabulary * a->width) * sizeof *a->dtable;
    XR_TRY(xr_cuda_status(cudaMemsetAsync(a->dtable, 0, bytes, stream), "token_embedding backward"));
  }
  if (count == 0) return XR_OK;
  xr_placed_token *ordered = (xr_placed_token *)a->workspace;
  const int32_t last = (int32_t)(a->vocabulary - 1);
  XR_TRY(xr_launch("token_embedding backward", order_kernel, xr_blocks(count, WARPS * RANKED), 32 * WARPS, 0, stream, ordered, a->ids,
                   count, last));
  table_gradient t = {.dtable = a->dtable,
                      .partial = (float *)((char *)a->workspace + xr_token_partial_offset(a)),
                      .ordered = ordered,
                      .count = (int32_t)count,
                      .last = last,
                      .width = a->width,
                      .strips = 0,
                      .accumulate = a->accumulate_dtable,
                      .wide = false};
  XR_TRY(xr_for_dtype(a->dtype, "token_embedding", [&](auto element) {
    using T = decltype(element);
    constexpr int N = xr_vec_width<T>;
    t.strips = (uint32_t)xr_blocks(a->width, N * SUM_THREADS);
    t.wide = a->width % N == 0;
    return xr_launch("token_embedding backward", chunk_kernel<T>, chunks * t.strips, SUM_THREADS, 0, stream, t, (const T *)a->dy);
  }));
  t.strips = xr_sum_strips<xr_vec_width<float>>(a->width);
  t.wide = a->width % xr_vec_width<float> == 0;
  return xr_launch("token_embedding backward", join_kernel, chunks * t.strips, dim3(XR_SUM_LANES, XR_SUM_GROUPS), 0, stream, t, chunks);
}

} // namespace

xr_status xr_token_embedding_forward_cuda(const xr_token_embedding *a, xr_stream stream) {
  XR_TRY(xr_token_embedding_check(a));
  return xr_for_dtype(a->dtype, "token_embedding", [&](auto element) {
    using T = decltype(element);
    constexpr int N = xr_vec_width<T>;
    const forward_body<T> body = {
        (T *)a->y, (const T *)a->table, (const T *)a->position, a->ids, (uint32_t)a->tokens, (uint32_t)a->vocabulary, a->width};
    return xr_for_pieces<N>("token_embedding", body, a->batch * a->tokens, a->width, a->width % N == 0, stream);
  });
}

xr_status xr_token_embedding_backward_cuda(const xr_token_embedding *a, xr_stream stream) {
  XR_TRY(xr_token_embedding_check(a));
  if (a->dtable) XR_TRY(sum_table_gradient(a, stream));
  if (!a->dposition) return XR_OK;
  return xr_sum_over_batch_cuda("token_embedding backward", a->dposition, a->accumulate_dposition, nullptr, false, a->dy, a->dtype,
                                a->batch, a->tokens, a->width, stream);
}
