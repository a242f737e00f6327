/* Attention on CUDA in the manner of Dao, "FlashAttention-2", 2023: scores live in registers only.
 *
 * A warp owns a strip of 16 rows of one head; the warps of a block own neighbouring strips and share tiles of the other side's rows, which
 * cp.async brings into shared memory while the tile before is worked on. Every pass has this form:
 *
 *   pass      strip                  tiles       products for each pair of strip and tile
 *   forward   q                      k, v        S = q k^T;                    out += P v
 *   queries   q, dout                k, v        S, dP = dout v^T;             dq += dS k
 *   keys      k, v                   q, dout     S^T = k q^T, dP^T = v dout^T; dv += P^T dout, dk += dS^T q
 *
 * Backward so makes the scores twice: 7 products where 5 would do, 14 B h M N d operations against 10. In return no sum crosses a warp: no
 * atomics, no partial sums in memory, and the same bytes whatever the order of blocks. delta is left in the workspace by the first of the
 * two backward passes for the second. bf16 takes it as rowsum(dout out); f32 makes S and dP once more (9 products), for rowsum(P dP) and
 * rowsum(P), since the rounding of lse would be its largest error. Shared queries alone have partial sums: one f32 dq a sample, added in
 * the order of samples by a third kernel.
 *
 * Traffic: a block reads its strips once and the whole of the other side, which comes from the second-level cache but for the first block
 * of a head. [64, 12, 193, 64] bf16: 7.3 GFLOP forward on 76 MB, 26 GFLOP backward on 190 MB: near 100 and 140 FLOP a byte, below the ridge
 * of an H200 (200). Strips are spread evenly: 193 rows are 13 strips, of which blocks of at most 8 warps make 2 of 7.
 *
 *   shared memory of a block, KiB      head_dim <=  32    64   128
 *   bf16 (tiles of 64)                              21    37   103 with 4 warps
 *   f32  (4 warps, tiles of 32)                     46    78   142
 *
 * all within an A100's 163 KiB. Registers, not shared memory, limit the warps on a multiprocessor for bf16 up to head_dim 64 (tuning). */
#include <cuda_runtime.h>
#include <math.h>

#include "kernels/attention/attention_check.h"
#include "kernels/attention/attention_strip.cuh"
#include "kernels/common/launch.h"

namespace {

using namespace xr_attention_device;

/* What a launch hands to its kernel beside the contract's arguments. */
struct pass {
  xr_attention a;
  int blocks;        /* of strips for each head of each sample */
  bool wide;         /* rows of every tensor can be moved 16 bytes at a time */
  float scale, unit; /* scale is never 0; unit is scale in units of power() */
  float *numbers;    /* [batch, heads, query_count, kNumbers]: lse in units of power(), delta and, when kExact, 1 / rowsum(P) */
  float *partial;    /* [batch, heads, query_count, head_dim]: dq of each sample over scale, or NULL */
};

/* Which head of which sample a block works for, and this warp's strip. */
struct place {
  int b, h;
  int64_t rows; /* index of query 0 of this head in lse and delta */
  int first;    /* row of the strip */
  int block_first, block_end;
  int keys;
  float valid; /* 1, or NaN where key_length is not possible; every result is multiplied by it */
};

__device__ place find_place(const pass &p) {
  const int unit = (int)blockIdx.x / p.blocks, heads = (int)p.a.heads;
  const int warps = (int)blockDim.x / 32, block = (int)blockIdx.x % p.blocks;
  place at;
  at.b = unit / heads;
  at.h = unit % heads;
  at.rows = unit * p.a.query_count;
  at.block_first = block * warps * kStrip;
  at.block_end = at.block_first + warps * kStrip;
  at.first = at.block_first + warp() * kStrip;
  const int length = p.a.key_length ? p.a.key_length[at.b] : (int)p.a.key_count;
  at.keys = max(0, min(length, (int)p.a.key_count));
  at.valid = at.keys == length ? 1.0f : NAN;
  return at;
}

template <typename T, typename V> __device__ head_rows<T> rows_of(const pass &p, const place &at, V *base, xr_attention_stride stride) {
  return {static_cast<T *>(base) + at.b * stride.batch + at.h * p.a.head_dim, stride.row, (int)p.a.head_dim, p.wide};
}

/* Row first + row(slot) of `to` = factor[slot] times acc (+ what is there), for rows below `rows`. A factor of 0 gives 0 whatever acc
 * holds. */
template <typename S, typename U, int N>
__device__ __forceinline__ void store(const head_rows<U> &to, int first, int rows, const float (&acc)[N][4],
                                      const float (&factor)[S::kSlots], bool add) {
  S::each_run(acc, [&](int slot, int column, run_of<float, S::kRun> x) {
    const int r = first + S::row(slot);
    if (r >= rows) return;
    run_of<U, S::kRun> y = {};
    if (add) y = to.template read<S::kRun>(r, column);
    for (int i = 0; i < S::kRun; i++) {
      const float value = factor[slot] == 0 ? 0.0f : x.x[i] * factor[slot];
      y.x[i] = xr_from_float<U>(add ? value + xr_to_float(y.x[i]) : value);
    }
    to.template write<S::kRun>(r, column, y);
  });
}

template <int N> __device__ __forceinline__ void zero(float (&acc)[N][4]) {
#pragma unroll
  for (int n = 0; n < N; n++) acc[n][0] = acc[n][1] = acc[n][2] = acc[n][3] = 0;
}

/* ---- forward */

/* Which keys the rows of a strip of queries see. */
struct sight {
  int first, keys, sure; /* the strip's row; keys below which any row sees some; below which every row sees all */
  bool causal;

  __device__ __forceinline__ bool hides(int key, int row) const { return key >= keys || (causal && key > first + row); }
};

__device__ sight sight_of(const pass &p, const place &at) {
  if (!p.a.causal) return {at.first, at.keys, at.keys, false};
  return {at.first, min(at.keys, at.first + kStrip), min(at.keys, at.first + 1), true};
}

/* Powers are relative to a score that is near the highest yet: they, their sum and what is mixed by them are scaled anew only when a score
 * exceeds it by this much. Nothing is lost, since 2^8 (e^8) is far from overflow and rounding is relative. */
constexpr float kSlack = 8;

template <typename T, int D> struct forward_strip {
  using S = strip<T, D>;
  typename S::operand q;
  float unit; /* scale, in units of power() */
  sight see;
  float *scratch;
  float shift[S::kSlots], sum[S::kSlots]; /* of each row: what powers are relative to; this lane's part of their sum */
  float acc[D / 8][4];

  template <int C> __device__ __forceinline__ void step(int key, const T *k, const T *v, const typename S::numbers *) {
    float s[C / 8][4], correction[S::kSlots];
    S::template scores<C>(s, q, k);
    if (key + C > see.sure) {
#pragma unroll
      for (int n = 0; n < C / 8; n++) {
#pragma unroll
        for (int e = 0; e < 4; e++)
          if (see.hides(key + S::column(n, e), S::row(S::slot(e)))) s[n][e] = -INFINITY;
      }
    }
    bool grows = false;
#pragma unroll
    for (int i = 0; i < S::kSlots; i++) {
      float now = -INFINITY;
#pragma unroll
      for (int n = 0; n < C / 8; n++) {
#pragma unroll
        for (int e = 0; e < 4; e++)
          if (S::slot(e) == i) now = fmaxf(now, s[n][e]);
      }
      now = highest_of_row<S>(now) * unit;
      correction[i] = 1;
      if (now > shift[i] + kSlack) {
        correction[i] = S::power(shift[i] - now);
        shift[i] = now;
        grows = true;
      }
    }
    if (__any_sync(~0u, grows)) {
#pragma unroll
      for (int i = 0; i < S::kSlots; i++) sum[i] *= correction[i];
#pragma unroll
      for (int n = 0; n < D / 8; n++) {
#pragma unroll
        for (int e = 0; e < 4; e++) acc[n][e] *= correction[S::slot(e)];
      }
    }
#pragma unroll
    for (int n = 0; n < C / 8; n++) {
#pragma unroll
      for (int e = 0; e < 4; e++) {
        s[n][e] = S::power(s[n][e] * unit - shift[S::slot(e)]);
        sum[S::slot(e)] += s[n][e];
      }
    }
    S::template mix<C>(acc, s, v, scratch);
  }
};

template <typename T, int D, int kWarps, int kBlocks, int kStep>
__global__ void __launch_bounds__(kWarps * 32, kBlocks) forward_kernel(const pass p) {
  using S = strip<T, D>;
  shared_layout<T, D> *shared = xr_shared<shared_layout<T, D>>();
  const place at = find_place(p);
  const int queries = (int)p.a.query_count;
  const row_stream<T, D> stream = {rows_of<const T>(p, at, p.a.k, p.a.k_stride), rows_of<const T>(p, at, p.a.v, p.a.v_stride), nullptr,
                                   at.keys, shared};
  forward_strip<T, D> w;
  w.unit = p.unit;
  w.see = sight_of(p, at);
  w.scratch = shared->mine()->scratch;
  for (int i = 0; i < S::kSlots; i++) {
    w.shift[i] = -INFINITY;
    w.sum[i] = 0;
  }
  w.q.load(rows_of<const T>(p, at, p.a.q, p.a.q_stride), at.first, queries, shared->mine()->own[0]);
  zero(w.acc);
  stream.template walk<kStep>(0, p.a.causal ? min(at.keys, at.block_end) : at.keys, 0, at.first < queries ? w.see.keys : 0, w);

  float inverse[S::kSlots];
#pragma unroll
  for (int i = 0; i < S::kSlots; i++) {
    const float sum = sum_of_row<S>(w.sum[i]);
    const int r = at.first + S::row(i);
    inverse[i] = (sum == 0 ? 0.0f : 1.0f / sum) * at.valid;
    if (p.a.lse && lane() % S::kLanes == 0 && r < queries)
      p.a.lse[at.rows + r] = (at.keys ? w.shift[i] / S::kLog2e + logf(sum) : -INFINITY) * at.valid;
  }
  store<S>(rows_of<T>(p, at, p.a.out, p.a.out_stride), at.first, queries, w.acc, inverse, false);
}

/* ---- backward, queries */

template <typename T, int D> struct query_strip {
  using S = strip<T, D>;
  typename S::operand q, dout;
  float unit;
  sight see;
  float *scratch;
  float shift[S::kSlots];

  /* s = P but for what is wrong with lse, 0 where hidden; dp = dP. */
  template <int C>
  __device__ __forceinline__ void make(float (&s)[C / 8][4], float (&dp)[C / 8][4], int key, const T *k, const T *v) const {
    S::template scores<C>(s, q, k);
    S::template scores<C>(dp, dout, v);
#pragma unroll
    for (int n = 0; n < C / 8; n++) {
#pragma unroll
      for (int e = 0; e < 4; e++) s[n][e] = S::power(s[n][e] * unit - shift[S::slot(e)]);
    }
    if (key + C > see.sure) {
#pragma unroll
      for (int n = 0; n < C / 8; n++) {
#pragma unroll
        for (int e = 0; e < 4; e++)
          if (see.hides(key + S::column(n, e), S::row(S::slot(e)))) s[n][e] = 0;
      }
    }
  }
};

/* This lane's part of rowsum(P) and rowsum(P dP). The first is 1 but for the rounding of lse, an error that a row shares and that
 * dP - delta would not cancel. */
template <typename T, int D> struct query_sums : query_strip<T, D> {
  using S = strip<T, D>;
  float sum[S::kSlots], product[S::kSlots];

  template <int C> __device__ __forceinline__ void step(int key, const T *k, const T *v, const typename S::numbers *) {
    float s[C / 8][4], dp[C / 8][4];
    this->template make<C>(s, dp, key, k, v);
#pragma unroll
    for (int n = 0; n < C / 8; n++) {
#pragma unroll
      for (int e = 0; e < 4; e++) {
        sum[S::slot(e)] += s[n][e];
        product[S::slot(e)] += s[n][e] * dp[n][e];
      }
    }
  }
};

template <typename T, int D> struct query_gradient : query_strip<T, D> {
  using S = strip<T, D>;
  float delta[S::kSlots];
  float acc[D / 8][4]; /* dq over scale and, when kExact, times rowsum(P) */

  template <int C> __device__ __forceinline__ void step(int key, const T *k, const T *v, const typename S::numbers *) {
    float s[C / 8][4], dp[C / 8][4];
    this->template make<C>(s, dp, key, k, v);
#pragma unroll
    for (int n = 0; n < C / 8; n++) {
#pragma unroll
      for (int e = 0; e < 4; e++) s[n][e] *= dp[n][e] - delta[S::slot(e)];
    }
    S::template mix<C>(acc, s, k, this->scratch);
  }
};

template <typename T, int D, int kWarps, int kBlocks, int kStep>
__global__ void __launch_bounds__(kWarps * 32, kBlocks) query_kernel(const pass p) {
  using S = strip<T, D>;
  shared_layout<T, D> *shared = xr_shared<shared_layout<T, D>>();
  const place at = find_place(p);
  const int queries = (int)p.a.query_count, block_keys = p.a.causal ? min(at.keys, at.block_end) : at.keys;
  const row_stream<T, D> stream = {rows_of<const T>(p, at, p.a.k, p.a.k_stride), rows_of<const T>(p, at, p.a.v, p.a.v_stride), nullptr,
                                   at.keys, shared};
  query_gradient<T, D> w;
  w.unit = p.unit;
  w.see = sight_of(p, at);
  w.scratch = shared->mine()->scratch;
  const int keys = at.first < queries ? w.see.keys : 0;
  float inverse[S::kSlots];
#pragma unroll
  for (int i = 0; i < S::kSlots; i++) {
    const int r = at.first + S::row(i);
    w.shift[i] = r < queries ? p.a.lse[at.rows + r] * S::kLog2e : 0.0f;
    inverse[i] = 1;
  }
  w.dout.load(rows_of<const T>(p, at, p.a.dout, p.a.out_stride), at.first, queries, shared->mine()->own[1]);
  if constexpr (S::kExact) {
    query_sums<T, D> sums;
    w.q.load(rows_of<const T>(p, at, p.a.q, p.a.q_stride), at.first, queries, shared->mine()->own[0]);
    static_cast<query_strip<T, D> &>(sums) = w;
    for (int i = 0; i < S::kSlots; i++) sums.sum[i] = sums.product[i] = 0;
    stream.template walk<kStep>(0, block_keys, 0, keys, sums);
    for (int i = 0; i < S::kSlots; i++) {
      const float sum = sum_of_row<S>(sums.sum[i]);
      inverse[i] = sum == 0 ? 0.0f : 1.0f / sum;
      w.delta[i] = sum_of_row<S>(sums.product[i]) * inverse[i];
    }
    __syncthreads(); /* the last tile is no longer read */
  } else {
    typename S::operand out;
    out.load(rows_of<const T>(p, at, p.a.out, p.a.out_stride), at.first, queries, shared->mine()->own[0]);
    S::dot(w.delta, w.dout, out);
    for (int i = 0; i < S::kSlots; i++) w.delta[i] = sum_of_row<S>(w.delta[i]);
    w.q.load(rows_of<const T>(p, at, p.a.q, p.a.q_stride), at.first, queries, shared->mine()->own[0]);
  }
#pragma unroll
  for (int i = 0; i < S::kSlots; i++) {
    const int r = at.first + S::row(i);
    float *to = p.numbers + (at.rows + r) * S::kNumbers;
    if (lane() % S::kLanes == 0 && r < queries) {
      to[0] = w.shift[i];
      to[1] = w.delta[i];
      if constexpr (S::kExact) to[2] = inverse[i];
    }
  }
  zero(w.acc);
  stream.template walk<kStep>(0, block_keys, 0, keys, w);

  for (int i = 0; i < S::kSlots; i++) inverse[i] *= (p.partial ? 1.0f : p.scale) * at.valid;
  if (p.partial) {
    const head_rows<float> to = {p.partial + at.rows * p.a.head_dim, p.a.head_dim, (int)p.a.head_dim, p.wide};
    store<S>(to, at.first, queries, w.acc, inverse, false);
  } else {
    store<S>(rows_of<T>(p, at, p.a.dq, p.a.q_stride), at.first, queries, w.acc, inverse, p.a.accumulate_dq);
  }
}

/* dq of shared queries: the samples' parts in order. */
template <typename T> __global__ void sum_kernel(const pass p) {
  const int64_t elements = p.a.heads * p.a.query_count * p.a.head_dim, i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= elements) return;
  float sum = 0;
  for (int64_t b = 0; b < p.a.batch; b++) sum += p.partial[b * elements + i];
  const int64_t d = i % p.a.head_dim, row = i / p.a.head_dim, h = row / p.a.query_count;
  T *to = static_cast<T *>(p.a.dq) + row % p.a.query_count * p.a.q_stride.row + h * p.a.head_dim + d;
  *to = xr_from_float<T>(sum * p.scale + (p.a.accumulate_dq ? xr_to_float(*to) : 0.0f));
}

/* ---- backward, keys */

template <typename T, int D> struct key_strip {
  using S = strip<T, D>;
  typename S::operand k, v;
  float unit;
  int first;
  bool causal;
  float *scratch;
  float dk[D / 8][4], dv[D / 8][4];

  /* Rows are keys here and columns are queries. Queries beyond the last are zeros and so is what they add. */
  template <int C> __device__ __forceinline__ void step(int query, const T *q, const T *dout, const typename S::numbers *of_query) {
    float s[C / 8][4], dp[C / 8][4];
    S::template scores<C>(s, k, q);
#pragma unroll
    for (int n = 0; n < C / 8; n++) {
#pragma unroll
      for (int e = 0; e < 4; e++) {
        const int i = S::column(n, e);
        s[n][e] = S::power(s[n][e] * unit - of_query[i].x[0]);
        if constexpr (S::kExact) s[n][e] *= of_query[i].x[2];
        if (causal && query + i < first + S::row(S::slot(e))) s[n][e] = 0;
      }
    }
    S::template mix<C>(dv, s, dout, scratch);
    S::template scores<C>(dp, v, dout);
#pragma unroll
    for (int n = 0; n < C / 8; n++) {
#pragma unroll
      for (int e = 0; e < 4; e++) dp[n][e] = s[n][e] * (dp[n][e] - of_query[S::column(n, e)].x[1]);
    }
    S::template mix<C>(dk, dp, q, scratch);
  }
};

template <typename T, int D, int kWarps, int kBlocks, int kStep>
__global__ void __launch_bounds__(kWarps * 32, kBlocks) key_kernel(const pass p) {
  using S = strip<T, D>;
  shared_layout<T, D> *shared = xr_shared<shared_layout<T, D>>();
  const place at = find_place(p);
  const int queries = (int)p.a.query_count, count = (int)p.a.key_count;
  const row_stream<T, D> stream = {rows_of<const T>(p, at, p.a.q, p.a.q_stride), rows_of<const T>(p, at, p.a.dout, p.a.out_stride),
                                   reinterpret_cast<const typename S::numbers *>(p.numbers) + at.rows, queries, shared};
  key_strip<T, D> w;
  w.unit = p.unit;
  w.first = at.first;
  w.causal = p.a.causal;
  w.scratch = shared->mine()->scratch;
  w.k.load(rows_of<const T>(p, at, p.a.k, p.a.k_stride), at.first, at.keys, shared->mine()->own[0]);
  w.v.load(rows_of<const T>(p, at, p.a.v, p.a.v_stride), at.first, at.keys, shared->mine()->own[1]);
  zero(w.dk);
  zero(w.dv);
  stream.template walk<kStep>(p.a.causal ? at.block_first : 0, at.block_first < at.keys ? queries : 0, p.a.causal ? at.first : 0,
                              at.first < at.keys ? queries : 0, w);

  float dk_factor[S::kSlots], dv_factor[S::kSlots];
#pragma unroll
  for (int i = 0; i < S::kSlots; i++) {
    const bool seen = at.first + S::row(i) < at.keys;
    dk_factor[i] = (seen ? p.scale : 0.0f) * at.valid;
    dv_factor[i] = (seen ? 1.0f : 0.0f) * at.valid;
  }
  store<S>(rows_of<T>(p, at, p.a.dk, p.a.k_stride), at.first, count, w.dk, dk_factor, p.a.accumulate_dk);
  store<S>(rows_of<T>(p, at, p.a.dv, p.a.v_stride), at.first, count, w.dv, dv_factor, p.a.accumulate_dv);
}

/* ---- launches */

bool in_sixteens(const void *pointer, xr_attention_stride stride, size_t element) {
  const size_t row = (size_t)stride.row * element, batch = (size_t)stride.batch * element;
  return reinterpret_cast<uintptr_t>(pointer) % 16 == 0 && row % 16 == 0 && batch % 16 == 0;
}

bool all_in_sixteens(const xr_attention *a, bool backward) {
  const size_t element = xr_dtype_bytes(a->dtype);
  const bool forward = in_sixteens(a->q, a->q_stride, element) && in_sixteens(a->k, a->k_stride, element) &&
                       in_sixteens(a->v, a->v_stride, element) && in_sixteens(a->out, a->out_stride, element) &&
                       (size_t)a->head_dim * element % 16 == 0;
  return forward && (!backward || (in_sixteens(a->dout, a->out_stride, element) && in_sixteens(a->dq, a->q_stride, element) &&
                                   in_sixteens(a->dk, a->k_stride, element) && in_sixteens(a->dv, a->v_stride, element)));
}

pass pass_of(const xr_attention *a, bool backward) {
  pass p = {};
  p.a = *a;
  p.wide = all_in_sixteens(a, backward);
  p.scale = a->scale != 0 ? a->scale : 1.0f / sqrtf((float)a->head_dim);
  p.unit = p.scale * (a->dtype == XR_F32 ? strip<float, 32>::kLog2e : strip<__nv_bfloat16, 32>::kLog2e);
  p.numbers = static_cast<float *>(a->workspace);
  if (xr_attention_shares_queries(a)) p.partial = static_cast<float *>(a->workspace) + xr_attention_number_floats(a);
  return p;
}

/* Launches a kernel over the strips of `rows` rows of every head: blocks of equally many warps, at most `warps`, and fewer where there
 * would be fewer blocks than multiprocessors. */
xr_status launch(const char *what, void (*kernel)(pass), pass p, int64_t rows, int warps, size_t (*bytes)(int), xr_stream stream) {
  enum { MULTIPROCESSORS = 132 };
  const int64_t strips = (rows + kStrip - 1) / kStrip, units = p.a.batch * p.a.heads;
  while (warps > 2 && units * ((strips + warps - 1) / warps) < MULTIPROCESSORS) warps /= 2;
  const int64_t blocks = (strips + warps - 1) / warps;
  if (rows > INT32_MAX / 2 || units * blocks > INT32_MAX)
    return xr_fail(XR_UNSUPPORTED, "attention: %lld samples of %lld heads with %lld rows", (long long)p.a.batch, (long long)p.a.heads,
                   (long long)rows);
  if (units * blocks == 0) return XR_OK;
  p.blocks = (int)blocks;
  warps = (int)((strips + blocks - 1) / blocks);
  return xr_launch(what, kernel, units * blocks, dim3((unsigned)warps * 32), bytes(warps), stream, p);
}

/* Warps of a block at most, blocks on a multiprocessor at least (16 warps leave each thread 128 registers, 12 leave 168, 8 leave 255), and
 * columns of scores at a time. */
struct shape {
  int warps, blocks, step;
};
template <typename T, int D> struct tuning;
template <> struct tuning<__nv_bfloat16, 32> { static constexpr shape forward = {8, 2, 32}, query = {8, 2, 16}, key = {8, 2, 32}; };
template <> struct tuning<__nv_bfloat16, 64> { static constexpr shape forward = {4, 3, 64}, query = {8, 2, 16}, key = {4, 3, 16}; };
template <> struct tuning<__nv_bfloat16, 128> { static constexpr shape forward = {4, 3, 32}, query = {4, 3, 16}, key = {4, 2, 16}; };
template <int D> struct tuning<float, D> { static constexpr shape forward = {4, 2, 32}, query = {4, 2, 32}, key = {4, 2, 32}; };

template <typename T, int D> xr_status forward(const pass &p, xr_stream stream) {
  constexpr shape s = tuning<T, D>::forward;
  return launch("attention forward", forward_kernel<T, D, s.warps, s.blocks, s.step>, p, p.a.query_count, s.warps,
                shared_layout<T, D>::bytes, stream);
}

template <typename T, int D> xr_status backward(const pass &p, xr_stream stream) {
  constexpr shape q = tuning<T, D>::query, k = tuning<T, D>::key;
  XR_TRY(launch("attention backward, queries", query_kernel<T, D, q.warps, q.blocks, q.step>, p, p.a.query_count, q.warps,
                shared_layout<T, D>::bytes, stream));
  XR_TRY(launch("attention backward, keys", key_kernel<T, D, k.warps, k.blocks, k.step>, p, p.a.key_count, k.warps,
                shared_layout<T, D>::bytes, stream));
  const int64_t sums = p.partial ? p.a.heads * p.a.query_count * p.a.head_dim : 0;
  return xr_launch("attention backward, sum", sum_kernel<T>, xr_blocks(sums, 256), dim3(256), 0, stream, p);
}

template <typename T> xr_status forward_of_dim(const pass &p, xr_stream stream) {
  if (p.a.head_dim <= 32) return forward<T, 32>(p, stream);
  return p.a.head_dim <= 64 ? forward<T, 64>(p, stream) : forward<T, 128>(p, stream);
}

template <typename T> xr_status backward_of_dim(const pass &p, xr_stream stream) {
  if (p.a.head_dim <= 32) return backward<T, 32>(p, stream);
  return p.a.head_dim <= 64 ? backward<T, 64>(p, stream) : backward<T, 128>(p, stream);
}

} // namespace

extern "C" xr_status xr_attention_forward_cuda(const xr_attention *a, xr_stream stream) {
  XR_TRY(xr_attention_check(a));
  const pass p = pass_of(a, false);
  return a->dtype == XR_F32 ? forward_of_dim<float>(p, stream) : forward_of_dim<__nv_bfloat16>(p, stream);
}

extern "C" xr_status xr_attention_backward_cuda(const xr_attention *a, xr_stream stream) {
  XR_TRY(xr_attention_check_backward(a));
  const pass p = pass_of(a, true);
  return a->dtype == XR_F32 ? backward_of_dim<float>(p, stream) : backward_of_dim<__nv_bfloat16>(p, stream);
}
