/* Tensor cores, one warp at a time: D (16 x 8, f32) += A (16 x 16, bf16) B (16 x 8, bf16), and loads of their fragments.
 *
 * With g = lane / 4 and t = lane % 4 a lane holds, two bf16 to a word, lower column first:
 *   a[0] = A[g][2t, 2t+1]       a[1] = A[g+8][2t, 2t+1]     a[2] = A[g][2t+8, 2t+9]   a[3] = A[g+8][2t+8, 2t+9]
 *   b[0] = B[2t, 2t+1][g]       b[1] = B[2t+8, 2t+9][g]
 *   d[0] = D[g][2t]  d[1] = D[g][2t+1]  d[2] = D[g+8][2t]  d[3] = D[g+8][2t+1]
 * (PTX ISA, "Matrix fragments for mma.m16n8k16".) All lanes of the warp take part. */
#pragma once

#include <cuda_bf16.h>
#include <stdint.h>

static __device__ __forceinline__ void xr_mma_16x8x16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#ifdef __CUDACC__
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  emu::mma_16x8x16(d, a, b);
#endif
}

/* Four 8 x 8 matrices of bf16 from shared memory. Lane l gives the address (16-byte aligned) of row l % 8 of matrix l / 8; of matrix i
 * a lane gets [g][2t, 2t+1] in r[i], or with Transposed [2t, 2t+1][g]. */
template <bool Transposed = false> static __device__ __forceinline__ void xr_load_matrices(uint32_t (&r)[4], const void *shared_row) {
#ifdef __CUDACC__
  const uint32_t at = static_cast<uint32_t>(__cvta_generic_to_shared(shared_row));
  if constexpr (Transposed)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];\n"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(at)
                 : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\n"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(at)
                 : "memory");
#else
  emu::load_matrices<4>(r, shared_row, Transposed);
#endif
}

/* Two matrices: rows from lanes 0-15. */
template <bool Transposed = false> static __device__ __forceinline__ void xr_load_matrices(uint32_t (&r)[2], const void *shared_row) {
#ifdef __CUDACC__
  const uint32_t at = static_cast<uint32_t>(__cvta_generic_to_shared(shared_row));
  if constexpr (Transposed)
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];\n" : "=r"(r[0]), "=r"(r[1]) : "r"(at) : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];\n" : "=r"(r[0]), "=r"(r[1]) : "r"(at) : "memory");
#else
  emu::load_matrices<2>(r, shared_row, Transposed);
#endif
}

/* Two numbers as one word of a fragment, `low` in the lower half. */
static __device__ __forceinline__ uint32_t xr_pack_bf16(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<const uint32_t *>(&pair);
}
