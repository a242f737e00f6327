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
#include "kernels/common/dtype.cuh"
#include "kernels/common/exp2.cuh"
#include "kernels/common/mma.cuh"
#include "kernels/common/shared.cuh"

namespace xr_attention_device {

constexpr int kStrip = 16;

__device__ __forceinline__ int lane() { return (int)threadIdx.x % 32; }
__device__ __forceinline__ int warp() { return (int)threadIdx.x / 32; }

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

/* A warp copies rows first .. first + 15 to `shared`, with zeros from row `rows` on. */
template <typename T, int D>
__device__ __forceinline__ void copy_strip(T *shared, int pitch, const head_rows<const T> &from, int first, int rows) {
  constexpr int kChunk = 16 / sizeof(T);
  __syncwarp(); /* what was there may still be read */
#pragma unroll 1
  for (int i = lane(); i < kStrip * D / kChunk; i += 32) {
    const int r = i / (D / kChunk), d = i % (D / kChunk) * kChunk;
    run_of<T, kChunk> x = {};
    if (first + r < rows) x = from.template read<kChunk>(first + r, d);
    *reinterpret_cast<run_of<T, kChunk> *>(shared + r * pitch + d) = x;
  }
  __syncwarp();
}

template <typename T, int D> struct strip;

template <int D> struct strip<__nv_bfloat16, D> {
  using T = __nv_bfloat16;
  static constexpr int kTile = 64; /* rows of a tile */
  static constexpr int kPitch = D +
                                8; /* elements from one row of a tile to the next: eight rows start in eight different banks of 16 bytes */
  static constexpr int kSlots = 2, kLanes = 4, kRun = 2, kNumbers = 2;
  using numbers = run_of<float, kNumbers>;
  static constexpr bool kInRegisters = D < 128; /* the operand `own`, which would be 32 registers at D = 128, two of them in backward */
  static constexpr int kOwnElements = kInRegisters ? 0 : kStrip * kPitch, kScratchFloats = 0; /* shared memory of a warp */
  static constexpr bool kExact = false;        /* backward takes rowsum(P) and rowsum(P dP) from P */
  static constexpr float kLog2e = 1.44269504f; /* power(kLog2e x) = e^x */

  __device__ __forceinline__ static float power(float x) { return xr_exp2(x); }
  __device__ __forceinline__ static int row(int slot) { return lane() / 4 + 8 * slot; }
  __device__ __forceinline__ static int slot(int e) { return e / 2; }
  __device__ __forceinline__ static int column(int n, int e) { return 8 * n + 2 * (lane() % 4) + e % 2; }
  __device__ __forceinline__ static int out_column(int n, int e) { return column(n, e); }

  struct operand {
    uint32_t word[kInRegisters ? D / 16 : 1][4];
    const T *at; /* in shared memory: the row and column whose address this lane gives */

    __device__ __forceinline__ void load(const head_rows<const T> &from, int first, int rows, T *shared) {
      if constexpr (!kInRegisters) {
        copy_strip<T, D>(shared, kPitch, from, first, rows);
        at = shared + lane() % 16 * kPitch + lane() / 16 * 8;
      } else {
#pragma unroll
        for (int k = 0; k < D / 16; k++) {
#pragma unroll
          for (int i = 0; i < 4; i++) {
            const int r = first + row(i % 2);
            run_of<T, 2> pair = {};
            if (r < rows) pair = from.template read<2>(r, 16 * k + 8 * (i / 2) + 2 * (lane() % 4));
            word[k][i] = pack(pair.x[0], pair.x[1]);
          }
        }
      }
    }

    /* Columns 16 k .. 16 k + 15 as the left operand of a product. */
    __device__ __forceinline__ void fragment(uint32_t (&a)[4], int k) const {
      if constexpr (kInRegisters) {
        for (int i = 0; i < 4; i++) a[i] = word[k][i];
      } else {
        xr_load_matrices(a, at + 16 * k);
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

  /* sum[slot] = this lane's part of the products of rows of x and y. */
  __device__ __forceinline__ static void dot(float (&sum)[kSlots], const operand &x, const operand &y) {
    for (int i = 0; i < kSlots; i++) sum[i] = 0;
#pragma unroll
    for (int k = 0; k < D / 16; k++) {
      uint32_t a[4], b[4];
      x.fragment(a, k);
      y.fragment(b, k);
#pragma unroll
      for (int i = 0; i < 4; i++) {
        sum[i % 2] += __uint_as_float(a[i] << 16) * __uint_as_float(b[i] << 16);
        sum[i % 2] += __uint_as_float(a[i] & 0xffff0000u) * __uint_as_float(b[i] & 0xffff0000u);
      }
    }
  }

  template <int C> __device__ __forceinline__ static void scores(float (&s)[C / 8][4], const operand &own, const T *tile) {
    const T *at = tile + (lane() % 8 + lane() / 16 * 8) * kPitch + lane() / 8 % 2 * 8;
#pragma unroll
    for (int n = 0; n < C / 8; n++) s[n][0] = s[n][1] = s[n][2] = s[n][3] = 0;
#pragma unroll
    for (int k = 0; k < D / 16; k++) {
      uint32_t a[4];
      own.fragment(a, k);
#pragma unroll
      for (int n = 0; n < C / 16; n++) {
        uint32_t b[4];
        xr_load_matrices(b, at + 16 * n * kPitch + 16 * k);
        xr_mma_16x8x16(s[2 * n], a, {b[0], b[1]});
        xr_mma_16x8x16(s[2 * n + 1], a, {b[2], b[3]});
      }
    }
  }

  /* The layout of two neighbouring sums is that of a left operand, so weights need not leave the registers. */
  template <int C> __device__ __forceinline__ static void mix(float (&acc)[D / 8][4], const float (&w)[C / 8][4], const T *tile, float *) {
    const T *at = tile + lane() % 16 * kPitch + lane() / 16 * 8;
#pragma unroll
    for (int k = 0; k < C / 16; k++) {
      const uint32_t a[4] = {xr_pack_bf16(w[2 * k][0], w[2 * k][1]), xr_pack_bf16(w[2 * k][2], w[2 * k][3]),
                             xr_pack_bf16(w[2 * k + 1][0], w[2 * k + 1][1]), xr_pack_bf16(w[2 * k + 1][2], w[2 * k + 1][3])};
#pragma unroll
      for (int n = 0; n < D / 16; n++) {
        uint32_t b[4];
        xr_load_matrices<true>(b, at + 16 * k * kPitch + 16 * n);
        xr_mma_16x8x16(acc[2 * n], a, {b[0], b[1]});
        xr_mma_16x8x16(acc[2 * n + 1], a, {b[2], b[3]});
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
  static constexpr int kTile = 32, kStep = 32, kPitch = D + 4, kSlots = 4, kLanes = 8, kRun = 4, kNumbers = 4;
  using numbers = run_of<float, kNumbers>;
  static constexpr int kOwnElements = kStrip * kPitch, kScratchPitch = kStep + 4, kScratchFloats = kStrip * kScratchPitch;
  static constexpr bool kExact = true;
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
      copy_strip<float, D>(shared, kPitch, from, first, rows);
      at = shared + row(0) * kPitch;
    }
  };

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

/* Shared memory of a block: two stages of two tiles and of some numbers for each of their rows, then what each warp has for itself. */
template <typename T, int D> struct shared_layout {
  using S = strip<T, D>;
  static constexpr int kTileElements = S::kTile * S::kPitch;
  T tile[2][2][kTileElements];
  typename S::numbers numbers[2][S::kTile];

  struct of_warp {
    T own[2][S::kOwnElements ? S::kOwnElements : 8];
    float scratch[S::kScratchFloats ? S::kScratchFloats : 4];
  };
  static size_t bytes(int warps) { return sizeof(shared_layout) + (S::kOwnElements ? sizeof(of_warp) * (size_t)warps : 0); }
  __device__ __forceinline__ of_warp *mine() { return reinterpret_cast<of_warp *>(this + 1) + (S::kOwnElements ? warp() : 0); }
};

/* Streams rows 0 .. rows - 1 of two heads (and kNumbers numbers for each row, where there are any) through shared memory, two tiles deep.
 */
template <typename T, int D> struct row_stream {
  using S = strip<T, D>;
  static constexpr int kChunk = 16 / sizeof(T), kChunks = D / kChunk, kNumbers = S::kNumbers;
  head_rows<const T> x, y;
  const typename S::numbers *numbers; /* NULL: none */
  int rows;
  shared_layout<T, D> *shared;

  __device__ __forceinline__ void copy(T *tile, const head_rows<const T> &from, int first, int count) const {
    const int d = (int)threadIdx.x % kChunks * kChunk; /* kChunks divides the block */
#pragma unroll 1
    for (int r = (int)threadIdx.x / kChunks; r < count; r += (int)blockDim.x / kChunks) {
      T *to = tile + r * S::kPitch + d;
      const T *at = from.base + (first + r) * from.stride + d;
      const int inside = first + r < rows ? from.dim - d : 0; /* elements there are */
      if (from.wide) {
        xr_async_copy16(to, inside > 0 ? at : from.base, inside > 0);
      } else {
#pragma unroll 1
        for (int e = 0; e < kChunk; e++) to[e] = e < inside ? at[e] : T(0.0f);
      }
    }
  }

  /* Tile `index`, with zeros for the rows beyond the last up to a multiple of 16. */
  __device__ __forceinline__ void load(int index) const {
    const int first = index * S::kTile, count = min(S::kTile, (rows - first + kStrip - 1) / kStrip * kStrip), stage = index % 2;
    copy(shared->tile[stage][0], x, first, count);
    copy(shared->tile[stage][1], y, first, count);
#pragma unroll 1
    for (int i = (int)threadIdx.x; numbers && i < kNumbers * count; i += (int)blockDim.x) {
      const int r = i / kNumbers, which = i % kNumbers;
      const bool valid = first + r < rows;
      xr_async_copy4(&shared->numbers[stage][r].x[which], valid ? &numbers[first + r].x[which] : &numbers[0].x[0], valid);
    }
    xr_async_commit();
  }

  /* The block needs rows block_from .. block_to - 1, this warp rows from .. to - 1, `from` a multiple of 16: calls
   * work.step<C>(row, x tile, y tile, numbers) for C rows at a time, with C = kStep or, for what is left, 16. */
  template <int kStep, typename W> __device__ __forceinline__ void walk(int block_from, int block_to, int from, int to, W &work) const {
    int index = block_from / S::kTile;
    const int end = (block_to + S::kTile - 1) / S::kTile;
    if (index < end) load(index);
    for (; index < end; index++) {
      xr_async_wait<0>();
      __syncthreads(); /* the tile is there, and the one before it is no longer read */
      if (index + 1 < end) load(index + 1);
      const int first = index * S::kTile, stop = min(to, first + S::kTile);
      const T *tile_x = shared->tile[index % 2][0], *tile_y = shared->tile[index % 2][1];
      int i = max(from, first);
      if constexpr (kStep > 16) {
        for (; i + kStep <= stop; i += kStep)
          work.template step<kStep>(i, tile_x + (i - first) * S::kPitch, tile_y + (i - first) * S::kPitch,
                                    shared->numbers[index % 2] + (i - first));
      }
#pragma unroll 1
      for (; i < stop; i += 16)
        work.template step<16>(i, tile_x + (i - first) * S::kPitch, tile_y + (i - first) * S::kPitch,
                               shared->numbers[index % 2] + (i - first));
    }
  }
};

} // namespace xr_attention_device
