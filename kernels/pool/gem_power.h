/* Powers for xr_gem on every backend; p = 3, which nearly everyone uses, by multiplication. */
#pragma once

#include <math.h>

#include "kernels/common/math.h"

/* x^p, 0 where x <= 0; a NaN stays */
XR_MATH_INLINE float xr_gem_term(float x, float p) {
  if (x <= 0) return 0;
  return p == 3 ? x * x * x : powf(x, p);
}

/* x^(p-1), 0 where x <= 0 */
XR_MATH_INLINE float xr_gem_slope(float x, float p) {
  if (x <= 0) return 0;
  return p == 3 ? x * x : powf(x, p - 1);
}

XR_MATH_INLINE float xr_gem_root(float m, float p) { return p == 3 ? cbrtf(m) : powf(m, 1 / p); }

/* m^(1/p - 1), 0 where m = 0 */
XR_MATH_INLINE float xr_gem_root_slope(float m, float p) {
  if (m == 0) return 0;
  return xr_gem_root(m, p) / m;
}

/* x^p ln x, 0 where x <= 0 */
XR_MATH_INLINE float xr_gem_log_term(float x, float p) { return x <= 0 ? 0 : xr_gem_term(x, p) * logf(x); }

/* What a column adds to dp; logs: the mean of x^p ln x */
XR_MATH_INLINE float xr_gem_power_slope(float dy, float logs, float m, float p) {
  if (m == 0) return 0;
  return dy * xr_gem_root(m, p) * (logs / (p * m) - logf(m) / (p * p));
}
