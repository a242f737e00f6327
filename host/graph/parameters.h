/* The parameters of a model: one list shared by its training and inference graphs, in contiguous arrays.
 *
 *   master    f32, what the optimiser updates and checkpoints hold
 *   gradient  f32, same offsets
 *   moment[2] f32, same offsets (Adam: first and second moment; SGD: velocity)
 *   compute   bf16 copies of the matrices that are neither state nor f32, when the graphs compute in bf16
 *
 * Graphs add parameters while they are recorded; xr_parameters_allocate() then fixes the layout and draws initial values. */
#pragma once

#include "host/base/status.h"
#include "host/graph/device.h"
#include "host/graph/tensor.h"

typedef enum { XR_INIT_ZERO, XR_INIT_ONE, XR_INIT_NORMAL } xr_init_kind;

typedef struct {
  xr_init_kind kind;
  float scale; /* XR_INIT_NORMAL: standard deviation; XR_INIT_ONE: the constant when not 0 */
} xr_init;

typedef struct {
  bool f32;         /* without a copy in the compute dtype */
  bool state;       /* kept with the parameters and in checkpoints, but set by an operation: no gradient, no optimiser */
  const char *like; /* the name of a parameter of the same shape and init, whose first values this one takes too; NULL: none */
} xr_parameter_kind;

typedef struct {
  const char *name; /* "visual.transformer.resblocks.0.ln_1.weight" */
  xr_shape shape;
  xr_init init;
  xr_parameter_kind kind;
  int64_t offset;         /* in elements of master, gradient and moments; a multiple of 16 */
  int64_t compute_offset; /* in elements of compute; -1: used in f32 */
} xr_parameter;

typedef struct xr_parameters xr_parameters;

typedef struct {
  uint64_t seed;
  xr_dtype compute;   /* XR_BF16: matrices (rank >= 2) get a bf16 copy */
  bool training;      /* gradients and moments too */
  int moments;        /* 0, 1 or 2 */
  bool undrawn;       /* zeros instead of initial values, which take seconds to draw: all will be loaded */
  xr_backend backend; /* where the arrays lie */
} xr_parameter_options;

xr_parameters *xr_parameters_new(void); /* NULL and a message when there is no memory */
void xr_parameters_free(xr_parameters *p);

/* The index of the parameter; adds it, or checks that the shape is the one known. */
xr_status xr_parameters_add(xr_parameters *p, const char *name, xr_shape shape, xr_init init, xr_parameter_kind kind, int *index);

int xr_parameter_count(const xr_parameters *p);
const xr_parameter *xr_parameter_at(const xr_parameters *p, int index);
int xr_parameter_find(const xr_parameters *p, const char *name); /* -1: none */
int64_t xr_parameter_elements(const xr_parameters *p);           /* of all parameters, without padding */

/* Offsets only: what a plan needs. Allocates nothing. */
void xr_parameters_lay_out(xr_parameters *p, xr_parameter_options options);
/* Lays out, allocates and draws initial values (each from its own name and the seed, so independent of the others). */
xr_status xr_parameters_allocate(xr_parameters *p, xr_parameter_options options);

typedef struct {
  int64_t elements;         /* length of master, gradient and each moment, padding included */
  int64_t compute_elements; /* length of compute */
  float *master, *gradient, *moment[2];
  xr_bf16 *compute;
} xr_parameter_arrays;
/* NULL before allocation; memory of the backend: only xr_parameters_read() and _write() look into it from outside kernels. */
xr_parameter_arrays xr_parameters_arrays(const xr_parameters *p);
xr_parameter_options xr_parameters_options(const xr_parameters *p);

/* ---- values in plain memory, wherever the arrays lie */
typedef enum { XR_MASTER, XR_GRADIENT, XR_MOMENT_0, XR_MOMENT_1, XR_PARAMETER_PARTS } xr_parameter_part;

bool xr_parameters_have(const xr_parameters *p, xr_parameter_part part);
/* One parameter's values. Writing masters also makes their bf16 copies anew. (The optimiser keeps those up to date itself.) */
xr_status xr_parameter_read(const xr_parameters *p, xr_parameter_part part, int index, float *to);
xr_status xr_parameter_write(xr_parameters *p, xr_parameter_part part, int index, const float *from);
/* A whole array for reading: the array itself on the CPU, else a copy. */
typedef struct {
  const float *values; /* [arrays.elements]; NULL: there is no such array */
  float *copy;
} xr_parameter_view;
xr_status xr_parameters_view(const xr_parameters *p, xr_parameter_part part, xr_parameter_view *view);
void xr_parameters_view_end(xr_parameter_view *view);
