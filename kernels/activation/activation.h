/* Activation functions and their derivatives, for whole tensors and for rows inside other kernels.
 *
 *   quick GELU   y = x s,         dy/dx = s + 1.702 x s (1 - s),   s = 1 / (1 + exp(-1.702 x))    (Hendrycks, Gimpel, 2016; CLIP)
 *   GELU         y = x Phi(x),    dy/dx = Phi(x) + x phi(x),       Phi(x) = (1 + erf(x / sqrt 2)) / 2
 *   tanh         y = tanh x,      dy/dx = 1 - y^2
 *   logistic     y = s,           dy/dx = s (1 - s),               s = 1 / (1 + exp(-x))
 *
 * dx = dy * dy/dx at x. count >= 0; XR_F32 or XR_BF16. */
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/math.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef enum {
  XR_ACTIVATION_NONE,
  XR_ACTIVATION_QUICK_GELU,
  XR_ACTIVATION_GELU,
  XR_ACTIVATION_TANH,
  XR_ACTIVATION_LOGISTIC,
  XR_ACTIVATIONS
} xr_activation_kind;

typedef struct {
  xr_activation_kind kind;
  int64_t count;
  xr_dtype dtype; /* of all four tensors */
  const void *x;  /* [count] */
  void *y;        /* [count], may be the memory of x */
  const void *dy; /* [count] */
  void *dx;       /* [count], may be the memory of dy */
  bool accumulate_dx;
} xr_activation;

xr_status xr_activation_check(const xr_activation *a); /* the arguments, not the data: what every backend does first */
xr_status xr_activation_forward_cpu(const xr_activation *a);
xr_status xr_activation_forward_cuda(const xr_activation *a, xr_stream stream);
xr_status xr_activation_backward_cpu(const xr_activation *a);
xr_status xr_activation_backward_cuda(const xr_activation *a, xr_stream stream);

/* erf within 2 ulp: x P(x^2) up to |x| = 1, then 1 - exp(-Q(|x|)); both polynomials are minimax fits with errors below 2e-9.
 * On a GPU it is CUDA's, as good. */
XR_MATH_INLINE float xr_erf(float x) {
#ifdef __CUDA_ARCH__
  return erff(x);
#else
  const float t = fabsf(x), s = x * x, u = t > 4.0f ? 4.0f : t;
  const float p = 0.12837917f + /* and x itself: 2 / sqrt(pi) = 1.128... in two parts */
                  s * (-0.37612626f +
                       s * (0.11283585f + s * (-0.026853813f + s * (0.0051883293f + s * (-0.00080102036f + s * 7.8538906e-5f)))));
  const float q = 0.00016644201f +
                  u * (1.1277972f +
                       u * (0.63697606f + u * (0.10411371f + u * (-0.022315232f + u * (0.0030654951f + u * -0.00019822014f)))));
  return t > 1.0f ? copysignf(1.0f - xr_exp(-q), x) : x + x * p;
#endif
}

XR_MATH_INLINE float xr_sigmoid(float x) { return 1.0f / (1.0f + xr_exp(-x)); }

XR_MATH_INLINE float xr_quick_gelu(float x) { return x * xr_sigmoid(1.702f * x); }

XR_MATH_INLINE float xr_quick_gelu_slope(float x) {
  const float s = xr_sigmoid(1.702f * x);
  return s + 1.702f * x * s * (1.0f - s);
}

XR_MATH_INLINE float xr_gelu(float x) { return 0.5f * x * (1.0f + xr_erf(x * 0.707106781f)); }

XR_MATH_INLINE float xr_gelu_slope(float x) { return 0.5f * (1.0f + xr_erf(x * 0.707106781f)) + x * 0.398942280f * xr_exp(-0.5f * x * x); }

/* tanh within 2 ulp: x + x^3 P(x^2) up to |x| = 0.625 (Cephes' polynomial), then by the exponential. On a GPU it is CUDA's. */
XR_MATH_INLINE float xr_tanh(float x) {
#ifdef __CUDA_ARCH__
  return tanhf(x);
#else
  const float t = fabsf(x), s = x * x;
  const float p = s * (-0.333332819f + s * (0.133314422f + s * (-0.0537397156f + s * (0.0206390888f + s * -0.00570498873f))));
  const float e = 1.0f - 2.0f / (xr_exp(2.0f * t) + 1.0f);
  return t > 0.625f ? copysignf(e, x) : x + x * p;
#endif
}

XR_MATH_INLINE float xr_tanh_slope(float x) {
  const float t = xr_tanh(x);
  return 1.0f - t * t;
}

XR_MATH_INLINE float xr_sigmoid_slope(float x) {
  const float s = xr_sigmoid(x);
  return s * (1.0f - s);
}

/* out[i] = activation(x[i]); out may be x. */
static inline void xr_activation_row(xr_activation_kind kind, float *out, const float *x, int64_t n) {
  if (kind == XR_ACTIVATION_QUICK_GELU) {
    _Pragma("omp simd") for (int64_t i = 0; i < n; i++) out[i] = xr_quick_gelu(x[i]);
  } else if (kind == XR_ACTIVATION_GELU) {
    _Pragma("omp simd") for (int64_t i = 0; i < n; i++) out[i] = xr_gelu(x[i]);
  } else if (kind == XR_ACTIVATION_TANH) {
    _Pragma("omp simd") for (int64_t i = 0; i < n; i++) out[i] = xr_tanh(x[i]);
  } else if (kind == XR_ACTIVATION_LOGISTIC) {
    _Pragma("omp simd") for (int64_t i = 0; i < n; i++) out[i] = xr_sigmoid(x[i]);
  } else {
    for (int64_t i = 0; i < n; i++) out[i] = x[i];
  }
}

/* dx[i] = dy[i] * slope at x[i]; dx may be dy. */
static inline void xr_activation_slope_row(xr_activation_kind kind, float *dx, const float *dy, const float *x, int64_t n) {
  if (kind == XR_ACTIVATION_QUICK_GELU) {
    _Pragma("omp simd") for (int64_t i = 0; i < n; i++) dx[i] = dy[i] * xr_quick_gelu_slope(x[i]);
  } else if (kind == XR_ACTIVATION_GELU) {
    _Pragma("omp simd") for (int64_t i = 0; i < n; i++) dx[i] = dy[i] * xr_gelu_slope(x[i]);
  } else if (kind == XR_ACTIVATION_TANH) {
    _Pragma("omp simd") for (int64_t i = 0; i < n; i++) dx[i] = dy[i] * xr_tanh_slope(x[i]);
  } else if (kind == XR_ACTIVATION_LOGISTIC) {
    _Pragma("omp simd") for (int64_t i = 0; i < n; i++) dx[i] = dy[i] * xr_sigmoid_slope(x[i]);
  } else {
    for (int64_t i = 0; i < n; i++) dx[i] = dy[i];
  }
}

XR_C_END
