/* Kernels for the emulator's own tests: right ones, and ones with one fault each. */
#pragma once

#include <cuda_runtime_api.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Each runs one kernel on `out` (device memory of at least 256 words) and returns what the launch returned. */
typedef cudaError_t planted(int *out);

planted plant_neighbours;           /* out[i] = i ^ 32 for 64 threads, through shared memory with its barrier */
planted plant_missing_barrier;      /* the same without it */
planted plant_two_barriers;         /* half of the block waits at another line */
planted plant_barrier_after_return; /* some threads return before a barrier */
planted plant_barrier_and_exchange; /* one thread at __syncthreads, its warp at __syncwarp */
planted plant_mask_without_caller;  /* lane 16 shuffles with the mask of lanes 0-15 */
planted plant_mask_of_absent;       /* full mask inside if (lane < 16) */
planted plant_masks_that_differ;    /* lanes name masks that overlap and are not equal */
planted plant_source_outside_mask;  /* a shuffle reads lane 20 under the mask of lanes 0-15 */
planted plant_two_exchanges;        /* lanes of one mask at different shuffles */
planted plant_trap;
planted plant_past_global;         /* writes one word past the 256 of `out` */
planted plant_past_static_shared;  /* writes one element past a static shared array */
planted plant_past_dynamic_shared; /* writes one element past the dynamic shared memory */
planted plant_read_past_dynamic;   /* reads it */
planted plant_unset_static;        /* out[block] = an element of static shared memory that nobody wrote, as bits; 4 blocks */
planted plant_unset_dynamic;
planted plant_last_writer; /* out[0] = the last of 256 threads to write one shared element */
planted plant_async_copy;  /* out[i] = bits of 3 i, brought by cp.async, 64 threads */
planted plant_async_without_wait;
planted plant_async_wait_for_older; /* waits for all groups but the latest, and reads the latest */
planted plant_stack_overflow;
planted plant_no_blocks;             /* a grid of 0 blocks */
planted plant_too_many_threads;      /* 1,056 in a block */
planted plant_shared_without_asking; /* 64 KiB */
planted plant_exchanges;             /* out[0 .. 31]: number of wrong results of the exchanges that thread's lane made */
planted plant_votes;                 /* out[0 .. 255]: the same for votes, warp reductions and counting barriers */
planted plant_atomics;               /* out[0 .. 7]: results over 40 blocks of 96 threads, see the test */

/* A launch on a stream, for tests of streams: out[0] = out[0] * 3 + add. */
cudaError_t plant_step(int *out, int add, cudaStream_t stream);

/* bf16 and half: `bits` of f rounded to the type, and the value of bits. */
uint16_t plant_to_bf16(float f);
float plant_from_bf16(uint16_t bits);
uint16_t plant_to_half(float f);
float plant_from_half(uint16_t bits);

#ifdef __cplusplus
}
#endif
