/* CUDA on the CPU: what tests may ask of the emulator beyond CUDA's own calls.
 *
 * A .cu file compiled by g++ with tests/emu/include in front of the include path runs here. The threads of a block are fibers on one
 * OS thread, which leave the processor only at a barrier or a warp exchange; blocks run on OpenMP threads. Shared memory starts as
 * NaN (0xFF) in every block. Found, printed with block, thread and a map of the block, and returned by the launch as
 * cudaErrorLaunchFailure: barriers that not every thread of the block reaches, or that are not one line of the source; warp exchanges
 * whose mask leaves out the caller, names lanes that never come or differs between them; shuffles from outside the mask; __trap().
 * AddressSanitizer and UndefinedBehaviorSanitizer find accesses out of bounds of device memory, of dynamic and of static shared memory.
 *
 * What `.cu` files must do for it: launch through cudaLaunchKernelEx (kernels/common/launch.h); declare dynamic shared memory as
 * `extern __shared__ float4 smem[];`, this name and type everywhere (kernels/common/shared.cuh); PTX only in kernels/common. */
#pragma once

/* The machine that is played, from the environment, for what can be wrong with one:
 *   EMU_DEVICES=N      devices; default 1, 0: a driver without a device (they share the memory: nothing is told apart by device)
 *   EMU_DRIVER=V       the driver's CUDA version, 12040 for 12.4; default that of the runtime, 0: no driver
 *   EMU_MEMORY_MIB=N   the device's memory; default 8192
 *   EMU_NO_CODE=1      launches fail as on an architecture that the build has no code for */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* 0: blocks, warps and lanes in rising order. Any other: an order made from the seed, another for every barrier. The environment
 * variable EMU_SEED sets it at start. It also orders what a captured graph leaves open. */
void emu_set_seed(uint64_t seed);
uint64_t emu_seed(void);

/* What the last failed launch of this process printed; "" when none failed since emu_clear_failure(). */
const char *emu_failure(void);
void emu_clear_failure(void);

/* Blocks, and barriers and exchanges counted once a thread, since the last call: to see that a test ran what it thinks it ran. */
typedef struct {
  uint64_t launches, blocks, barriers, exchanges;
} emu_counts;
emu_counts emu_take_counts(void);

/* The profiler ranges that this thread opened and closed since the last call: "visual{conv1{}ln_pre{}}". Good until the next call. */
const char *emu_take_ranges(void);

#ifdef __cplusplus
}
#endif
