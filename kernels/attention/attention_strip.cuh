/* What one warp does with a strip of 16 rows of a head: products with the rows of a tile in shared memory. strip<T, D> comes in two forms
 * with one interface, so that attention.cu says each pass once: bf16 on the tensor cores, f32 as register tiles of plain multiply-adds.
 *
 *   scores<C>:  s[16, C]   = own[16, D] tile[C, D]^T
 *   mix<C>:     acc[16, D] += w[16, C] tile[C, D]
 *
 * D is head_dim rounded up to 32, 64 or 128, with zeros in the padding; C is 16 or kStep. Both s and acc lie in registers as [.. / 8][4]:
 * element (n, e) stands in row row(slot(e)) and column column(n, e) of s, out_column(n, e) of acc. kLanes neighbouring lanes share their
 * rows. Registers hold the operand `own` for bf16; f32 keeps it in shared memory, as well as the weights on their way through mix. */
#pragma once

#include <cuda_bf16.h>
#include <stdint.h>
#include <type_traits>

#include "kernels/common/async_copy.cuh"
#include "kernels/common/mma.cuh"

namespace xr_attention_device {

constexpr int kStrip = 16;

__device__ __forceinline__ int lane() { return (int)threadIdx.x % 32; }
__device__ __forceinline__ int warp() { return (int)threadIdx.x / 32; }

__device__ __forceinline__ float widen(float x) { return x; }
__device__ __forceinline__ float widen(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ __forceinline__ void narrow(float *to, float x) { *to = x; }
__device__ __forceinline__ void narrow(__nv_bfloat16 *to, float x) { *to = __float2bfloat16_rn(x); }

/* N neighbouring elements that are moved in one access. */
template <typename T, int N> struct alignas(sizeof(T) * N) run_of { T x[N]; };

/* The rows of one head of a tensor. */
template <typename T> struct head_rows {
  T *base;
  int64_t stride; /* elements from one row to the next */
  int dim;
  bool wide; /* rows start at multiples of 16 bytes and are multiples of 16 bytes long */

  using value = std::remove_const_t<T>;

  template <int N> __device__ __forceinline__ run_of<value, N> read(int row, int column) const {
    run_of<value, N> r;
    const T *from = base + row * stride + column;
    if (wide && column < dim) return *reinterpret_cast<const run_of<value, N> *>(from);
    for (int i = 0; i < N; i++) r.x[i] = !wide && column + i < dim ? from[i] : value(0.0f);
    return r;
  }

  template <int N> __device__ __forceinline__ void write(int row, int column, const run_of<T, N> &r) const {
    T *to = base + row * stride + column;
    if (wide) {
      if (column < dim) *reinterpret_cast<run_of<T, N> *>(to) = r;
    } else {
      for (int i = 0; i < N && column + i < dim; i++) to[i] = r.x[i];
    }
  }
};

template <typename T, int D> struct strip;

template <int D> struct strip<__nv_bfloat16, D> {
  using T = __nv_bfloat16;
  static constexpr int kWarps = 8; /* of a block, at most */
  static constexpr int kTile = 64; /* rows of a tile */
  static constexpr int kPitch = D +
                                8; /* elements from one row of a tile to the next: eight rows start in eight different banks of 16 bytes */
  static constexpr int kSlots = 2, kLanes = 4, kRun = 2;
  static constexpr int kOwnElements = 0, kScratchFloats = 0; /* shared memory of a warp */
  static constexpr float kLog2e = 1.44269504f;               /* power(kLog2e x) = e^x */

  __device__ __forceinline__ static float power(float x) { return xr_exp2(x); }
  __device__ __forceinline__ static int row(int slot) { return lane() / 4 + 8 * slot; }
  __device__ __forceinline__ static int slot(int e) { return e / 2; }
  __device__ __forceinline__ static int column(int n, int e) { return 8 * n + 2 * (lane() % 4) + e % 2; }
  __device__ __forceinline__ static int out_column(int n, int e) { return column(n, e); }

  struct operand {
    uint32_t word[D / 16][4];

    __device__ __forceinline__ void load(const head_rows<const T> &from, int first, int rows, T *) {
#pragma unroll
      for (int k = 0; k < D / 16; k++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
          const int r = first + row(i % 2);
          word[k][i] = 0;
          if (r < rows) {
            const run_of<T, 2> pair = from.template read<2>(r, 16 * k + 8 * (i / 2) + 2 * (lane() % 4));
            word[k][i] = pack(pair.x[0], pair.x[1]);
          }
        }
      }
    }
  };

  __device__ __forceinline__ static uint32_t pack(T low, T high) {
    __nv_bfloat162 pair;
    pair.x = low;
    pair.y = high;
    uint32_t word;
    memcpy(&word, &pair, sizeof word);
    return word;
  }
  __device__ __forceinline__ static uint32_t pack(float low, float high) {
    const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
    uint32_t word;
    memcpy(&word, &pair, sizeof word);
    return word;
  }

  /* sum[slot] = this lane's part of the products of rows of x and y. */
  __device__ __forceinline__ static void dot(float (&sum)[kSlots], const operand &x, const operand &y) {
    for (int i = 0; i < kSlots; i++) sum[i] = 0;
#pragma unroll
    for (int k = 0; k < D / 16; k++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        sum[i % 2] += __uint_as_float(x.word[k][i] << 16) * __uint_as_float(y.word[k][i] << 16);
        sum[i % 2] += __uint_as_float(x.word[k][i] & 0xffff0000u) * __uint_as_float(y.word[k][i] & 0xffff0000u);
      }
    }
  }

  template <int C> __device__ __forceinline__ static void scores(float (&s)[C / 8][4], const operand &own, const T *tile) {
    const T *at = tile + (lane() % 8 + lane() / 16 * 8) * kPitch + lane() / 8 % 2 * 8;
#pragma unroll
    for (int n = 0; n < C / 8; n++) s[n][0] = s[n][1] = s[n][2] = s[n][3] = 0;
#pragma unroll
    for (int k = 0; k < D / 16; k++) {
#pragma unroll
      for (int n = 0; n < C / 16; n++) {
        uint32_t b[4];
        xr_ldmatrix_x4(b, at + 16 * n * kPitch + 16 * k);
        xr_mma_m16n8k16(s[2 * n], own.word[k], b[0], b[1]);
        xr_mma_m16n8k16(s[2 * n + 1], own.word[k], b[2], b[3]);
      }
    }
  }

  /* The layout of two neighbouring sums is that of a left operand, so weights need not leave the registers. */
  template <int C> __device__ __forceinline__ static void mix(float (&acc)[D / 8][4], const float (&w)[C / 8][4], const T *tile, float *) {
    const T *at = tile + lane() % 16 * kPitch + lane() / 16 * 8;
#pragma unroll
    for (int k = 0; k < C / 16; k++) {
      const uint32_t a[4] = {pack(w[2 * k][0], w[2 * k][1]), pack(w[2 * k][2], w[2 * k][3]), pack(w[2 * k + 1][0], w[2 * k + 1][1]),
                             pack(w[2 * k + 1][2], w[2 * k + 1][3])};
#pragma unroll
      for (int n = 0; n < D / 16; n++) {
        uint32_t b[4];
        xr_ldmatrix_x4_trans(b, at + 16 * k * kPitch + 16 * n);
        xr_mma_m16n8k16(acc[2 * n], a, b[0], b[1]);
        xr_mma_m16n8k16(acc[2 * n + 1], a, b[2], b[3]);
      }
    }
  }

  /* Calls run(slot, column, values) for runs of kRun neighbouring elements of acc. */
  template <typename F> __device__ __forceinline__ static void each_run(const float (&acc)[D / 8][4], F run) {
#pragma unroll
    for (int slot = 0; slot < kSlots; slot++) {
#pragma unroll
      for (int n = 0; n < D / 8; n++) run(slot, out_column(n, 0), run_of<float, kRun>{{acc[n][2 * slot], acc[n][2 * slot + 1]}});
    }
  }
};

template <int D> struct strip<float, D> {
  static constexpr int kWarps = 4, kTile = 32, kStep = 32, kPitch = D + 4, kSlots = 4, kLanes = 8, kRun = 4;
  static constexpr int kOwnElements = kStrip * kPitch, kScratchPitch = kStep + 4, kScratchFloats = kStrip * kScratchPitch;
  static constexpr float kLog2e = 1; /* expf keeps f32's accuracy, which 2^x of a rounded product would not */

  __device__ __forceinline__ static float power(float x) { return expf(x); }
  __device__ __forceinline__ static int row(int slot) { return lane() / 8 + 4 * slot; }
  __device__ __forceinline__ static int slot(int e) { return e; }
  __device__ __forceinline__ static int column(int n, int) { return 8 * n + lane() % 8; }
  __device__ __forceinline__ static int out_column(int n, int) { return 32 * (n / 4) + 4 * (lane() % 8) + n % 4; }
  __device__ __forceinline__ static float4 read4(const float *p) { return *reinterpret_cast<const float4 *>(p); }

  struct operand {
    const float *at; /* in shared memory, the first of this lane's rows */

    __device__ __forceinline__ void load(const head_rows<const float> &from, int first, int rows, float *shared) {
      __syncwarp();
      for (int i = lane(); i < kStrip * D / 4; i += 32) {
        const int r = i / (D / 4), d = i % (D / 4) * 4;
        run_of<float, 4> x = {};
        if (first + r < rows) x = from.template read<4>(first + r, d);
        *reinterpret_cast<run_of<float, 4> *>(shared + r * kPitch + d) = x;
      }
      __syncwarp();
      at = shared + row(0) * kPitch;
    }
  };

  __device__ __forceinline__ static void dot(float (&sum)[kSlots], const operand &x, const operand &y) {
#pragma unroll
    for (int i = 0; i < kSlots; i++) {
      sum[i] = 0;
      for (int d = lane() % 8; d < D; d += 8) sum[i] += x.at[4 * i * kPitch + d] * y.at[4 * i * kPitch + d];
    }
  }

  template <int C> __device__ __forceinline__ static void scores(float (&s)[C / 8][4], const operand &own, const float *tile) {
#pragma unroll
    for (int n = 0; n < C / 8; n++) s[n][0] = s[n][1] = s[n][2] = s[n][3] = 0;
#pragma unroll 2
    for (int d = 0; d < D; d += 4) {
      float4 a[kSlots];
#pragma unroll
      for (int e = 0; e < kSlots; e++) a[e] = read4(own.at + 4 * e * kPitch + d);
#pragma unroll
      for (int n = 0; n < C / 8; n++) {
        const float4 b = read4(tile + (8 * n + lane() % 8) * kPitch + d);
#pragma unroll
        for (int e = 0; e < kSlots; e++) s[n][e] += a[e].x * b.x + a[e].y * b.y + a[e].z * b.z + a[e].w * b.w;
      }
    }
  }

  __device__ __forceinline__ static void add(float (&acc)[D / 8][4], int n, int e, float w, float4 y) {
    acc[n][e] += w * y.x;
    acc[n + 1][e] += w * y.y;
    acc[n + 2][e] += w * y.z;
    acc[n + 3][e] += w * y.w;
  }

  template <int C>
  __device__ __forceinline__ static void mix(float (&acc)[D / 8][4], const float (&w)[C / 8][4], const float *tile, float *scratch) {
    __syncwarp(); /* the mix before this one may still read */
#pragma unroll
    for (int n = 0; n < C / 8; n++) {
#pragma unroll
      for (int e = 0; e < kSlots; e++) scratch[row(e) * kScratchPitch + column(n, e)] = w[n][e];
    }
    __syncwarp();
#pragma unroll 1
    for (int j = 0; j < C; j += 4) {
      float4 a[kSlots];
#pragma unroll
      for (int e = 0; e < kSlots; e++) a[e] = read4(scratch + row(e) * kScratchPitch + j);
#pragma unroll
      for (int n = 0; n < D / 32; n++) {
        const float *y = tile + j * kPitch + 32 * n + 4 * (lane() % 8);
        const float4 y0 = read4(y), y1 = read4(y + kPitch), y2 = read4(y + 2 * kPitch), y3 = read4(y + 3 * kPitch);
#pragma unroll
        for (int e = 0; e < kSlots; e++) {
          add(acc, 4 * n, e, a[e].x, y0);
          add(acc, 4 * n, e, a[e].y, y1);
          add(acc, 4 * n, e, a[e].z, y2);
          add(acc, 4 * n, e, a[e].w, y3);
        }
      }
    }
  }

  template <typename F> __device__ __forceinline__ static void each_run(const float (&acc)[D / 8][4], F run) {
#pragma unroll
    for (int slot = 0; slot < kSlots; slot++) {
#pragma unroll
      for (int n = 0; n < D / 8; n += 4)
        run(slot, out_column(n, 0), run_of<float, kRun>{{acc[n][slot], acc[n + 1][slot], acc[n + 2][slot], acc[n + 3][slot]}});
    }
  }
};

/* Sum or maximum over the lanes that share their rows. */
template <typename S> __device__ __forceinline__ float sum_of_row(float x) {
#pragma unroll
  for (int apart = S::kLanes / 2; apart; apart /= 2) x += __shfl_xor_sync(~0u, x, apart);
  return x;
}
template <typename S> __device__ __forceinline__ float highest_of_row(float x) {
#pragma unroll
  for (int apart = S::kLanes / 2; apart; apart /= 2) x = fmaxf(x, __shfl_xor_sync(~0u, x, apart));
  return x;
}

/* Shared memory of a block: two stages of two tiles and of two numbers for each of their rows, then what each warp has for itself. */
template <typename T, int D> struct shared_layout {
  using S = strip<T, D>;
  static constexpr int kTileElements = S::kTile * S::kPitch;
  T tile[2][2][kTileElements];
  float number[2][2][S::kTile];

  struct of_warp {
    T own[2][S::kOwnElements ? S::kOwnElements : 8];
    float scratch[S::kScratchFloats ? S::kScratchFloats : 4];
  };
  static size_t bytes(int warps) { return sizeof(shared_layout) + (S::kOwnElements ? sizeof(of_warp) * (size_t)warps : 0); }
  __device__ __forceinline__ of_warp *mine() { return reinterpret_cast<of_warp *>(this + 1) + (S::kOwnElements ? warp() : 0); }
};

/* Streams rows 0 .. rows - 1 of two heads (and two numbers for each row, where there are any) through shared memory, two tiles deep. */
template <typename T, int D> struct row_stream {
  using S = strip<T, D>;
  static constexpr int kChunk = 16 / sizeof(T), kChunks = D / kChunk;
  head_rows<const T> x, y;
  const float *number_0, *number_1; /* NULL: none */
  int rows;
  shared_layout<T, D> *shared;

  __device__ __forceinline__ void copy(T *tile, const head_rows<const T> &from, int first, int count) const {
    for (int i = (int)threadIdx.x; i < count * kChunks; i += (int)blockDim.x) {
      const int r = i / kChunks, d = i % kChunks * kChunk;
      T *to = tile + r * S::kPitch + d;
      const bool inside = first + r < rows && d < from.dim;
      if (from.wide)
        xr_async_copy_16(to, inside ? from.base + (first + r) * from.stride + d : from.base, inside ? 16 : 0);
      else
        for (int e = 0; e < kChunk; e++) to[e] = inside && d + e < from.dim ? from.base[(first + r) * from.stride + d + e] : T(0.0f);
    }
  }

  /* Tile `index`, with zeros for the rows beyond the last up to a multiple of 16. */
  __device__ __forceinline__ void load(int index) const {
    const int first = index * S::kTile, count = min(S::kTile, (rows - first + kStrip - 1) / kStrip * kStrip), stage = index % 2;
    copy(shared->tile[stage][0], x, first, count);
    copy(shared->tile[stage][1], y, first, count);
    if (!number_0) return;
    for (int i = (int)threadIdx.x; i < 2 * count; i += (int)blockDim.x) {
      const int which = i / count, r = i % count;
      const float *from = which ? number_1 : number_0;
      xr_async_copy_4(&shared->number[stage][which][r], first + r < rows ? from + first + r : from, first + r < rows ? 4 : 0);
    }
  }

  /* The block needs rows block_from .. block_to - 1, this warp rows from .. to - 1, `from` a multiple of 16: calls
   * work.step<C>(row, x tile, y tile, numbers) for C rows at a time, with C = kStep or, for what is left, 16. */
  template <int kStep, typename W> __device__ __forceinline__ void walk(int block_from, int block_to, int from, int to, W &work) const {
    int index = block_from / S::kTile;
    const int end = (block_to + S::kTile - 1) / S::kTile;
    if (index < end) load(index);
    for (; index < end; index++) {
      xr_async_wait_all();
      __syncthreads(); /* the tile is there, and the one before it is no longer read */
      if (index + 1 < end) load(index + 1);
      const int first = index * S::kTile, stop = min(to, first + S::kTile);
      const T *tile_x = shared->tile[index % 2][0], *tile_y = shared->tile[index % 2][1];
      const float(*numbers)[S::kTile] = shared->number[index % 2];
      int i = max(from, first);
      for (; i + kStep <= stop; i += kStep)
        work.template step<kStep>(i, tile_x + (i - first) * S::kPitch, tile_y + (i - first) * S::kPitch, &numbers[0][i - first]);
      for (; i < stop; i += 16)
        work.template step<16>(i, tile_x + (i - first) * S::kPitch, tile_y + (i - first) * S::kPitch, &numbers[0][i - first]);
    }
  }
};

} // namespace xr_attention_device
