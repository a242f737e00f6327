/* Shapes of tensors: up to four dimensions, row-major. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "host/base/dtype.h"

enum { XR_MAX_RANK = 4 };

typedef struct {
  int rank;
  int64_t dim[XR_MAX_RANK];
} xr_shape;

#define XR_SHAPE(...) ((xr_shape){.rank = (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), .dim = {__VA_ARGS__}})

static inline int64_t xr_elements(xr_shape shape) {
  int64_t n = 1;
  for (int i = 0; i < shape.rank; i++) n *= shape.dim[i];
  return n;
}

static inline bool xr_same_shape(xr_shape a, xr_shape b) {
  if (a.rank != b.rank) return false;
  for (int i = 0; i < a.rank; i++)
    if (a.dim[i] != b.dim[i]) return false;
  return true;
}

static inline int64_t xr_last_dim(xr_shape shape) { return shape.rank ? shape.dim[shape.rank - 1] : 1; }
/* The number of rows when the last dimension is a row. */
static inline int64_t xr_rows(xr_shape shape) { return xr_last_dim(shape) ? xr_elements(shape) / xr_last_dim(shape) : 0; }

typedef struct {
  char text[64];
} xr_shape_text;

/* "[64, 193, 768]" */
xr_shape_text xr_shape_to_text(xr_shape shape);
