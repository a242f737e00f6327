/* What the optimisers share: the table of parameters inside the contiguous arrays, and what changes from step to step.
 *
 * Parameters, gradients and moments are f32 arrays of the same layout; a segment is one parameter tensor (or several that share
 * their settings). Segments do not overlap; elements between them are neither read nor written. Work is cut into chunks, each inside
 * one segment: what one block of threads does on a device, one turn of the loop on the CPU.
 *
 * CUDA: every pointer of xr_segment_table, and every pointer of xr_adam, xr_sgd and xr_global_norm, is device memory: both tables
 * (uploaded once, they never change), the step, all arrays, norm, factor, first_bad and the workspace. Kernels take what changes from
 * step to step (xr_optimizer_step) from there, so a captured graph can be replayed with new values. Only counts and constants are
 * read on the host. Offsets that are multiples of 4 elements in arrays that start at 16 bytes are accessed fastest; all are legal. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"

XR_C_BEGIN

enum { XR_CHUNK = 16384 };

typedef struct {
  int64_t offset, count;  /* elements */
  int64_t compute_offset; /* where its bf16 copy starts in the `compute` array; -1: it has none */
  float lr_factor, weight_decay, eps;
} xr_segment;

typedef struct {
  int64_t offset; /* elements, from the start of the arrays */
  int32_t count;  /* 1 to XR_CHUNK */
  int32_t segment;
} xr_chunk;

typedef struct {
  const xr_segment *segment; /* [segments] */
  const xr_chunk *chunk;     /* [chunks], from xr_cut_segments() */
  int64_t segments, chunks;
} xr_segment_table;

/* How many chunks the segments make; XR_BAD_SHAPE for a negative offset or count, naming the segment. On host memory. */
xr_status xr_count_chunks(const xr_segment *segment, int64_t segments, int64_t *chunks);
/* Fills chunk[xr_count_chunks()], in the order of the segments. On host memory. */
void xr_cut_segments(const xr_segment *segment, int64_t segments, xr_chunk *chunk);

/* Read when a kernel runs, so that one memory place can hold the values of the current step. */
typedef struct {
  float lr;
  float gradient_scale; /* gradients are multiplied by it first: clipping. When it is not finite the whole step is left out */
  int64_t step;         /* 1 in the first update. The CUDA kernels cannot refuse another: the parameters become NaN */
} xr_optimizer_step;

XR_C_END
