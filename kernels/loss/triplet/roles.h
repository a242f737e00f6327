/* Who a candidate is to an anchor, for all triplet losses. */
#pragma once

#include <math.h>
#include <stdint.h>

#ifdef __CUDACC__
#define XR_TRIPLET_INLINE __host__ __device__ static inline
#else
#define XR_TRIPLET_INLINE static inline
#endif

typedef enum { XR_ROLE_OWN, XR_ROLE_SEMI, XR_ROLE_NEGATIVE } xr_triplet_role;

XR_TRIPLET_INLINE xr_triplet_role xr_role_of(int32_t identity_a, int32_t image_a, int32_t identity_b, int32_t image_b) {
  return image_a == image_b ? XR_ROLE_OWN : identity_a == identity_b ? XR_ROLE_SEMI : XR_ROLE_NEGATIVE;
}

/* What mining compares: a NaN is the largest, so that it reaches the loss. */
XR_TRIPLET_INLINE float xr_mining_key(float s) { return s != s ? INFINITY : s; }
