#include "host/graph/tensor.h"

#include <stdio.h>

xr_shape_text xr_shape_to_text(xr_shape shape) {
  xr_shape_text out = {"["};
  size_t used = 1;
  for (int i = 0; i < shape.rank && used < sizeof out.text; i++)
    used += (size_t)snprintf(out.text + used, sizeof out.text - used, "%s%lld", i ? ", " : "", (long long)shape.dim[i]);
  if (used < sizeof out.text) snprintf(out.text + used, sizeof out.text - used, "]");
  return out;
}
