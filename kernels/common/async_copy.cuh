/* cp.async: copies from global to shared memory that run beside the arithmetic. The data may be used by the thread that copied after
 * xr_async_wait, and by others after a barrier that follows it. Under the emulator the target is NaN until then. */
#pragma once

#include <cuda_runtime.h>
#include <stdint.h>

/* 16 bytes, both addresses multiples of 16. Not `valid`: 16 zero bytes, and `from` is not read. */
static __device__ __forceinline__ void xr_async_copy16(void *shared, const void *from, bool valid = true) {
#ifdef __CUDACC__
  const uint32_t to = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(to), "l"(from), "r"(valid ? 16 : 0) : "memory");
#else
  emu::copy_async(shared, from, 16, valid ? 16 : 0);
#endif
}

/* 4 bytes, for rows that do not start at multiples of 16. */
static __device__ __forceinline__ void xr_async_copy4(void *shared, const void *from, bool valid = true) {
#ifdef __CUDACC__
  const uint32_t to = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;\n" ::"r"(to), "l"(from), "r"(valid ? 4 : 0) : "memory");
#else
  emu::copy_async(shared, from, 4, valid ? 4 : 0);
#endif
}

/* Ends a group of this thread's copies. */
static __device__ __forceinline__ void xr_async_commit() {
#ifdef __CUDACC__
  asm volatile("cp.async.commit_group;\n" ::: "memory");
#else
  emu::copy_commit();
#endif
}

/* Waits until at most `Groups` of this thread's groups, the latest, are under way. */
template <int Groups> static __device__ __forceinline__ void xr_async_wait() {
#ifdef __CUDACC__
  asm volatile("cp.async.wait_group %0;\n" ::"n"(Groups) : "memory");
#else
  emu::copy_wait(Groups);
#endif
}
