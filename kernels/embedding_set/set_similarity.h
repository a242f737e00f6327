/* Similarity of every set of one side with every set of the other, from the cosines of their elements: a reduction of K1 x K2 blocks.
 *
 *   C [A K1, B K2]:   block (i, j) has the rows i K1 .. i K1 + K1-1 and the columns j K2 .. j K2 + K2-1
 *   S_ij = similarity of block (i, j) by one of the kinds of set_kinds.h
 *   dC_xy of block (i, j) = dS_ij w_xy:
 *
 *   smooth-chamfer  w_xy = softmax_y(a C)_xy / (2 K1) + softmax_x(a C)_xy / (2 K2)
 *   chamfer         w_xy = [y is the first largest of row x] / (2 K1) + [x is the first largest of column y] / (2 K2)
 *   mil             w_xy = [(x, y) is the first largest, rows first]
 *   average         w_xy = 1 / (K1 K2)
 *   optimal         w_xy = [x and y are matched] / min(K1, K2), the matching found again in backward (assignment.h)
 *   aligned         w_xy = [x = y] / K1
 *
 * smooth-chamfer is computed as 1/(2 K1) sum_x [m_x + log(mean_y exp(a (C_xy - m_x))) / a] + .., m_x the largest of row x: nothing
 * overflows and the centring subtracts nothing. A NaN that a kind reads gives NaN. Forward and backward
 * read C once. A, B >= 0; K1, K2 from 1 to XR_MAX_SET_SIZE; aligned needs K1 = K2, smooth-chamfer a finite sharpness above 0. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"
#include "kernels/embedding_set/set_kinds.h"

XR_C_BEGIN

typedef struct {
  xr_set_kind kind;
  float sharpness; /* a, of smooth-chamfer: 16 */
} xr_set_similarity_options;

typedef struct {
  int64_t a_sets, b_sets; /* A, B */
  int64_t a_size, b_size; /* K1, K2 */
  xr_set_similarity_options options;
  const float *cosine; /* [A K1, B K2] */
  float *similarity;   /* [A, B] */
  /* backward: reads cosine, too */
  const float *dsimilarity; /* [A, B] */
  float *dcosine;           /* [A K1, B K2], may be the memory of cosine */
  bool accumulate_dcosine;
} xr_set_similarity;

xr_status xr_set_similarity_check(const xr_set_similarity *a); /* the arguments, not the data */
xr_status xr_set_similarity_forward_cpu(const xr_set_similarity *a);
xr_status xr_set_similarity_forward_cuda(const xr_set_similarity *a, xr_stream stream);
xr_status xr_set_similarity_backward_cpu(const xr_set_similarity *a);
xr_status xr_set_similarity_backward_cuda(const xr_set_similarity *a, xr_stream stream);

XR_C_END
