/* How alike two sets of unit vectors are: one number from their cosines C [K1, K2], C_xy = <u_x, v_y>.
 *
 *   smooth-chamfer  1/(2 a K1) sum_x log sum_y exp(a C_xy) + 1/(2 a K2) sum_y log sum_x exp(a C_xy) - (ln K1 + ln K2) / (2 a)
 *                   (DivE's, centred so that equal cosines give that cosine; a: the sharpness)
 *   chamfer         1/(2 K1) sum_x max_y C_xy + 1/(2 K2) sum_y max_x C_xy
 *   mil             max over all pairs (PVSE)
 *   average         mean over all pairs
 *   optimal         the largest sum of C over one-to-one matchings, divided by their number min(K1, K2)
 *   aligned         mean over k of C_kk; needs K1 = K2
 *
 * Ties of max: the first index, x before y. */
#pragma once

typedef enum {
  XR_SET_SMOOTH_CHAMFER,
  XR_SET_CHAMFER,
  XR_SET_MIL,
  XR_SET_AVERAGE,
  XR_SET_OPTIMAL,
  XR_SET_ALIGNED,
  XR_SET_KINDS
} xr_set_kind;

enum { XR_MAX_SET_SIZE = 16 }; /* K1, K2 */
