/* The device's side of slot_attention.h.
 *
 * One block for each (head, sample). A group of 16 or 32 lanes holds a row of a head, four columns a lane, and takes as many tokens at a
 * time as make sixteen sums over its lanes: with 4 slots, 4 tokens forward, and 2 backward, where a token has two sums for each slot. They
 * are made together (xr_lane_sums), each lane ends with one, and the softmax over the slots is one over neighbouring lanes. So a token goes
 * straight from memory through registers into the sums of its slots; the next ones are on their way meanwhile. At the end the warps' sums
 * are added in order. */
#include "kernels/embedding_set/slot_attention.h"

#include "kernels/attention/quad.cuh"
#include "kernels/common/launch.h"
#include "kernels/common/reduce.cuh"
#include "kernels/common/shared.cuh"

namespace xr {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / 32;
constexpr int kSums = 16; /* made together by a group */
constexpr float kEps = 1e-7f;

/* What a kernel gets: the contract's arguments and what the launcher found out. */
struct arguments {
  xr_slot_attention a;
  float scale;
  bool quads; /* every row of a head starts at a multiple of four elements */
};

/* Where a thread stands. */
template <int MAX_K, int G, int TOKENS> struct place {
  static constexpr int kColumns = 4 * G;               /* of a row in shared memory */
  static constexpr int kTokens = TOKENS;               /* of a group at a time */
  static constexpr int kStep = kThreads / G * kTokens; /* of the block at a time */

  int64_t b;
  int h, heads, slots, dim, tokens; /* tokens that count */
  int lane, warp, first;            /* lane of the group; first token of this group */
  int slot, token;                  /* whose sums this lane is given: slot, and which of the kTokens tokens */
  bool bad;                         /* the length cannot be: all tokens are taken, and results are NaN */

  __device__ explicit place(const xr_slot_attention &a) {
    heads = static_cast<int>(a.heads), slots = static_cast<int>(a.slots), dim = static_cast<int>(a.head_dim);
    b = blockIdx.x / heads;
    h = static_cast<int>(blockIdx.x) % heads;
    const int all = static_cast<int>(a.tokens), n = a.length ? a.length[b] : all;
    bad = n < 0 || n > all;
    tokens = bad ? all : n;
    lane = static_cast<int>(threadIdx.x) % G, warp = static_cast<int>(threadIdx.x) / 32;
    first = static_cast<int>(threadIdx.x) / G * kTokens;
    slot = lane % MAX_K, token = lane / MAX_K % kTokens;
  }

  /* Element offsets of a head's row. */
  __device__ int64_t slot_at(int k) const { return ((b * slots + k) * heads + h) * dim; }
  __device__ int64_t token_at(const xr_slot_attention &a, int n) const { return (b * a.tokens + n) * a.row_stride + h * dim; }
};

/* Rows of this head of a tensor [B, K, D], times factor, to [MAX_K, columns] with zeros in the padding. */
template <class T, class P> __device__ __forceinline__ void load_slots(const P &at, const void *from, float factor, int max_k, float *to) {
  for (int i = static_cast<int>(threadIdx.x); i < max_k * P::kColumns; i += kThreads) {
    const int k = i / P::kColumns, column = i % P::kColumns;
    to[i] = k < at.slots && column < at.dim ? factor * xr_to_float(static_cast<const T *>(from)[at.slot_at(k) + column]) : 0;
  }
}

/* Four columns as they are stored: what is on its way takes no more registers than memory. */
template <class T> struct alignas(4 * sizeof(T)) stored_quad { T x[4]; };

template <class T> __device__ __forceinline__ stored_quad<T> read_stored(const T *row, int first, int width, bool quads) {
  stored_quad<T> quad;
  if (quads && first < width) return *reinterpret_cast<const stored_quad<T> *>(row + first);
#pragma unroll
  for (int i = 0; i < 4; i++) quad.x[i] = first + i < width ? row[first + i] : xr_from_float<T>(0);
  return quad;
}
template <class T> __device__ __forceinline__ float4 widen(stored_quad<T> q) {
  return make_float4(xr_to_float(q.x[0]), xr_to_float(q.x[1]), xr_to_float(q.x[2]), xr_to_float(q.x[3]));
}

/* The keys and values that a group works on; zeros from the last token on. */
template <class T, class P> struct token_rows { stored_quad<T> k[P::kTokens], v[P::kTokens]; };

template <class T, class P> __device__ __forceinline__ token_rows<T, P> load_tokens(const arguments &p, const P &at, int first) {
  token_rows<T, P> rows;
#pragma unroll
  for (int t = 0; t < P::kTokens; t++) {
    const int64_t row = at.token_at(p.a, first + t);
    const int width = first + t < at.tokens ? at.dim : 0;
    rows.k[t] = read_stored(static_cast<const T *>(p.a.k) + row, 4 * at.lane, width, p.quads);
    rows.v[t] = read_stored(static_cast<const T *>(p.a.v) + row, 4 * at.lane, width, p.quads);
  }
  return rows;
}

template <class T, int N> __device__ __forceinline__ void widen_rows(const stored_quad<T> (&from)[N], float4 (&to)[N]) {
#pragma unroll
  for (int t = 0; t < N; t++) to[t] = widen(from[t]);
}

/* <slots[k], rows[t]> for this lane's slot and token. */
template <int MAX_K, int G, class P>
__device__ __forceinline__ float products(const P &at, const float *slots, const float4 (&rows)[P::kTokens]) {
  float x[kSums];
#pragma unroll
  for (int k = 0; k < MAX_K; k++) {
    const float4 slot = load_quad(slots + k * P::kColumns + 4 * at.lane);
#pragma unroll
    for (int t = 0; t < P::kTokens; t++) x[t * MAX_K + k] = dot(slot, rows[t]);
  }
  return xr_lane_sums<G>(x, at.lane);
}

/* s of this lane's slot and token from its score; 0 where there is no such slot or token. */
template <int MAX_K, class P> __device__ __forceinline__ float vote(const P &at, float score, int first) {
  score = at.slot < at.slots ? score : -INFINITY;
  const float e = expf(score - xr_warp_max<MAX_K>(score)), s = e / xr_warp_sum<MAX_K>(e);
  return first + at.token < at.tokens ? s : 0;
}

/* Leaves the sums of this warp's groups at partial[warp]. */
template <int MAX_K, int G, class P> __device__ __forceinline__ void store_warp_sums(const P &at, float4 (&sum)[MAX_K], float *partial) {
#pragma unroll
  for (int k = 0; k < MAX_K; k++) {
    if (G == 16) {
      sum[k].x += __shfl_xor_sync(~0u, sum[k].x, 16);
      sum[k].y += __shfl_xor_sync(~0u, sum[k].y, 16);
      sum[k].z += __shfl_xor_sync(~0u, sum[k].z, 16);
      sum[k].w += __shfl_xor_sync(~0u, sum[k].w, 16);
    }
    if (threadIdx.x % 32 < G) store_quad(partial + (at.warp * MAX_K + k) * P::kColumns + 4 * at.lane, sum[k]);
  }
}

/* Adds the warps' numbers at x, x + stride, .., in order. */
__device__ __forceinline__ float sum_of_warps(const float *x, int stride) {
  float sum = 0;
#pragma unroll
  for (int w = 0; w < kWarps; w++) sum += x[w * stride];
  return sum;
}

/* ---- forward */

/* Shared memory: q [MAX_K, columns], the warps' sums [kWarps, MAX_K, columns] and Z [kWarps, MAX_K]. */
template <int MAX_K, int G> using forward_place = place<MAX_K, G, kSums / MAX_K>;
template <int MAX_K, int G> constexpr int forward_floats = MAX_K *(forward_place<MAX_K, G>::kColumns *(1 + kWarps) + kWarps);

/* Leaves Z of this warp's tokens at partial[warp]. */
template <int MAX_K, int G, class P> __device__ __forceinline__ void store_warp_votes(const P &at, float z, float *partial) {
#pragma unroll
  for (int distance = MAX_K; distance < (G == 16 ? 32 : kSums); distance *= 2) z += __shfl_xor_sync(~0u, z, distance);
  if (threadIdx.x % 32 < MAX_K) partial[at.warp * MAX_K + at.slot] = z;
}

template <class T, int MAX_K, int G>
__global__ void __launch_bounds__(kThreads, MAX_K == 16 ? 1 : 2) forward_kernel(const __grid_constant__ arguments p) {
  using P = forward_place<MAX_K, G>;
  const P at(p.a);
  float *q = xr_shared<float>(), *partial = q + MAX_K * P::kColumns, *votes = partial + kWarps * MAX_K * P::kColumns;
  token_rows<T, P> rows = load_tokens<T>(p, at, at.first);
  load_slots<T>(at, p.a.q, p.scale, MAX_K, q);
  __syncthreads();
  float4 sum[MAX_K];
  float z = 0;
#pragma unroll
  for (int k = 0; k < MAX_K; k++) sum[k] = zero_quad();
  for (int step = 0; step < at.tokens; step += P::kStep) {
    const int first = step + at.first;
    float4 keys[P::kTokens], values[P::kTokens];
    widen_rows(rows.k, keys);
    widen_rows(rows.v, values);
    rows = load_tokens<T>(p, at, first + P::kStep);
    const float s = vote<MAX_K>(at, products<MAX_K, G>(at, q, keys), first);
    z += s;
#pragma unroll
    for (int k = 0; k < MAX_K; k++) {
      if (k >= at.slots) break;
#pragma unroll
      for (int t = 0; t < P::kTokens; t++) multiply_add(sum[k], __shfl_sync(~0u, s, t * MAX_K + k, G), values[t]);
    }
  }
  store_warp_sums<MAX_K, G>(at, sum, partial);
  store_warp_votes<MAX_K, G>(at, z, votes);
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < at.slots * at.dim; i += kThreads) {
    const int k = i / at.dim, column = i % at.dim;
    const float total = at.bad ? NAN : sum_of_warps(votes + k, MAX_K);
    const float result = sum_of_warps(partial + k * P::kColumns + column, MAX_K * P::kColumns) / (total + kEps);
    static_cast<T *>(p.a.out)[at.slot_at(k) + column] = xr_from_float<T>(result);
    if (column == 0) p.a.sums[blockIdx.x * static_cast<int64_t>(at.slots) + k] = total;
  }
}

/* ---- backward */

/* Shared memory: q and dout [MAX_K, columns], 1 / (Z + eps) and m [MAX_K], the warps' sums of dq [kWarps, MAX_K, columns]. */
template <int MAX_K, int G> using backward_place = place < MAX_K, G, MAX_K<kSums ? kSums / 2 / MAX_K : 1>;
template <int MAX_K, int G> constexpr int backward_floats = MAX_K *(backward_place<MAX_K, G>::kColumns *(2 + kWarps) + 2);

/* 1 / (Z + eps) and m of every slot; 0 in the padding. */
template <class T, int MAX_K, class P>
__device__ __forceinline__ void load_slot_sums(const arguments &p, const P &at, float *inverse, float *mean) {
  const int column = 4 * static_cast<int>(threadIdx.x % 32);
  for (int k = at.warp; k < MAX_K; k += kWarps) {
    float m = 0;
    if (k < at.slots)
      m = xr_warp_sum(dot(read_quad(static_cast<const T *>(p.a.dout) + at.slot_at(k), column, at.dim, p.quads),
                          read_quad(static_cast<const T *>(p.a.out) + at.slot_at(k), column, at.dim, p.quads)));
    if (column) continue;
    mean[k] = m;
    inverse[k] = k >= at.slots ? 0 : at.bad ? NAN : 1 / (p.a.sums[blockIdx.x * static_cast<int64_t>(at.slots) + k] + kEps);
  }
}

/* <q[k], keys[t]> and <dout[k], values[t]> for this lane's slot and token: made together where they are sixteen sums. */
template <int MAX_K, int G, class P>
__device__ __forceinline__ float2 product_pairs(const P &at, const float *q, const float *dout, const float4 (&keys)[P::kTokens],
                                                const float4 (&values)[P::kTokens]) {
  if constexpr (MAX_K == kSums) {
    return make_float2(products<MAX_K, G>(at, q, keys), products<MAX_K, G>(at, dout, values));
  } else {
    float x[kSums];
#pragma unroll
    for (int k = 0; k < MAX_K; k++) {
      const float4 query = load_quad(q + k * P::kColumns + 4 * at.lane), result = load_quad(dout + k * P::kColumns + 4 * at.lane);
#pragma unroll
      for (int t = 0; t < P::kTokens; t++) {
        x[t * MAX_K + k] = dot(query, keys[t]);
        x[kSums / 2 + t * MAX_K + k] = dot(result, values[t]);
      }
    }
    const float mine = xr_lane_sums<G>(x, at.lane), other = __shfl_xor_sync(~0u, mine, kSums / 2);
    return at.lane & kSums / 2 ? make_float2(other, mine) : make_float2(mine, other);
  }
}

/* What the token rows get from the votes w and gradients da of this lane's slot and token, and dq from them. */
template <class T, int MAX_K, int G, class P>
__device__ __forceinline__ void spread_tokens(const arguments &p, const P &at, int first, const float *q, const float *dout, float w,
                                              float da, const float4 (&keys)[P::kTokens], float4 (&dq)[MAX_K]) {
  float4 dk[P::kTokens], dv[P::kTokens];
#pragma unroll
  for (int t = 0; t < P::kTokens; t++) dk[t] = dv[t] = zero_quad();
#pragma unroll
  for (int k = 0; k < MAX_K; k++) {
    if (k >= at.slots) break;
    const float4 query = load_quad(q + k * P::kColumns + 4 * at.lane), result = load_quad(dout + k * P::kColumns + 4 * at.lane);
#pragma unroll
    for (int t = 0; t < P::kTokens; t++) {
      const float d = __shfl_sync(~0u, da, t * MAX_K + k, G);
      multiply_add(dv[t], __shfl_sync(~0u, w, t * MAX_K + k, G), result);
      multiply_add(dk[t], d, query);
      multiply_add(dq[k], d, keys[t]);
    }
  }
#pragma unroll
  for (int t = 0; t < P::kTokens; t++) {
    if (first + t >= at.tokens) break;
    const int64_t row = at.token_at(p.a, first + t);
    write_quad(static_cast<T *>(p.a.dk) + row, 4 * at.lane, at.dim, p.quads, dk[t], p.a.accumulate_dk);
    write_quad(static_cast<T *>(p.a.dv) + row, 4 * at.lane, at.dim, p.quads, dv[t], p.a.accumulate_dv);
  }
}

/* Gradients of the tokens that do not count. */
template <class T, int G, class P> __device__ __forceinline__ void clear_tokens(const arguments &p, const P &at) {
  for (int n = at.tokens + static_cast<int>(threadIdx.x) / G; n < p.a.tokens; n += kThreads / G) {
    const int64_t row = at.token_at(p.a, n);
    if (!p.a.accumulate_dk) write_quad(static_cast<T *>(p.a.dk) + row, 4 * at.lane, at.dim, p.quads, zero_quad(), false);
    if (!p.a.accumulate_dv) write_quad(static_cast<T *>(p.a.dv) + row, 4 * at.lane, at.dim, p.quads, zero_quad(), false);
  }
}

template <class T, int MAX_K, int G>
__global__ void __launch_bounds__(kThreads, MAX_K == 4 ? 2 : 1) backward_kernel(const __grid_constant__ arguments p) {
  using P = backward_place<MAX_K, G>;
  const P at(p.a);
  float *q = xr_shared<float>(), *dout = q + MAX_K * P::kColumns, *inverse = dout + MAX_K * P::kColumns, *mean = inverse + MAX_K,
        *partial = mean + MAX_K;
  token_rows<T, P> rows = load_tokens<T>(p, at, at.first);
  load_slots<T>(at, p.a.q, p.scale, MAX_K, q);
  load_slots<T>(at, p.a.dout, 1, MAX_K, dout);
  load_slot_sums<T, MAX_K>(p, at, inverse, mean);
  clear_tokens<T, G>(p, at);
  __syncthreads();
  const float my_inverse = inverse[at.slot], my_mean = mean[at.slot];
  float4 dq[MAX_K];
#pragma unroll
  for (int k = 0; k < MAX_K; k++) dq[k] = zero_quad();
  for (int step = 0; step < at.tokens; step += P::kStep) {
    const int first = step + at.first;
    float4 keys[P::kTokens], values[P::kTokens];
    widen_rows(rows.k, keys);
    widen_rows(rows.v, values);
    rows = load_tokens<T>(p, at, first + P::kStep);
    const float2 product = product_pairs<MAX_K, G>(at, q, dout, keys, values);
    const float s = vote<MAX_K>(at, product.x, first), w = s * my_inverse;
    const float u = w * (product.y - my_mean), da = u - s * xr_warp_sum<MAX_K>(u);
    spread_tokens<T, MAX_K, G>(p, at, first, q, dout, w, da, keys, dq);
  }
  store_warp_sums<MAX_K, G>(at, dq, partial);
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < at.slots * at.dim; i += kThreads) {
    const int k = i / at.dim, column = i % at.dim;
    T *to = static_cast<T *>(p.a.dq) + at.slot_at(k) + column;
    const float sum = p.scale * sum_of_warps(partial + k * P::kColumns + column, MAX_K * P::kColumns);
    *to = xr_from_float<T>(p.a.accumulate_dq ? xr_to_float(*to) + sum : sum);
  }
}

/* ---- launchers */

template <class T, int MAX_K, int G> xr_status launch(const arguments &p, bool backward, xr_stream stream) {
  const int64_t blocks = p.a.batch * p.a.heads;
  if (backward)
    return xr_launch("slot_attention backward", backward_kernel<T, MAX_K, G>, blocks, kThreads, sizeof(float) * backward_floats<MAX_K, G>,
                     stream, p);
  return xr_launch("slot_attention", forward_kernel<T, MAX_K, G>, blocks, kThreads, sizeof(float) * forward_floats<MAX_K, G>, stream, p);
}

template <class T, int MAX_K> xr_status launch_slots(const arguments &p, bool backward, xr_stream stream) {
  return p.a.head_dim <= 64 ? launch<T, MAX_K, 16>(p, backward, stream) : launch<T, MAX_K, 32>(p, backward, stream);
}

xr_status run(const xr_slot_attention *a, bool backward, xr_stream stream) {
  XR_TRY(xr_slot_attention_check(a));
  return xr_for_dtype(a->dtype, "slot_attention", [&](auto type) {
    using T = decltype(type);
    const bool quads = rows_are_quads<T>(a->head_dim, {a->q, a->out, a->dout, a->dq}) &&
                       rows_are_quads<T>(a->row_stride, {a->k, a->v, a->dk, a->dv});
    const arguments p = {*a, 1 / sqrtf(static_cast<float>(a->head_dim)), quads};
    if (a->slots <= 4) return launch_slots<T, 4>(p, backward, stream);
    return a->slots <= 8 ? launch_slots<T, 8>(p, backward, stream) : launch_slots<T, 16>(p, backward, stream);
  });
}

} /* namespace */
} /* namespace xr */

xr_status xr_slot_attention_forward_cuda(const xr_slot_attention *a, xr_stream stream) { return xr::run(a, false, stream); }
xr_status xr_slot_attention_backward_cuda(const xr_slot_attention *a, xr_stream stream) { return xr::run(a, true, stream); }
