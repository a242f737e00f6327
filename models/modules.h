/* Modules and losses that run alone on arrays made anywhere (`xreid module`): the way to compare one of them with another implementation.
 * Every method's parts stand in one table, with the tensors they read. */
#pragma once

#include "models/method.h"

enum { XR_MODULE_TENSORS = 16, XR_MODULE_OUTPUTS = 4 };

typedef enum {
  XR_MODULE_FEATURE,   /* floating point, [..]: has a gradient */
  XR_MODULE_INTEGER,   /* i32 */
  XR_MODULE_PARAMETER, /* a parameter that the module makes itself, named here because its shape decides sizes */
} xr_module_tensor_kind;

/* shape: sizes by letters, "B, N, D"; a letter means the same size in all tensors of a call. */
typedef struct {
  const char *name, *shape;
  xr_module_tensor_kind kind;
  bool optional;
} xr_module_tensor;

/* One call. The caller fills the first part; `build` records the module and its outputs. */
typedef struct {
  xr_config *config;            /* the module may fit sizes to the tensors' */
  int64_t size['Z' + 1];        /* of each letter; 0: no tensor of this call has it */
  xr_var in[XR_MODULE_TENSORS]; /* in the order of xr_module.tensors; empty: left out, or made by the module */
  int outputs;
  const char *output_name[XR_MODULE_OUTPUTS];
  xr_var output[XR_MODULE_OUTPUTS];
} xr_module_call;

typedef struct {
  const char *name, *summary;
  const char *options; /* the configuration's section that an option key without a dot is in, "loss.spt"; NULL: none */
  xr_module_tensor tensors[XR_MODULE_TENSORS]; /* ends with an empty name */
  void (*build)(xr_graph *g, xr_module_call *call);
} xr_module;

extern const xr_module xr_modules[];
extern const int xr_module_count;

const xr_module *xr_module_find(const char *name); /* NULL: none */
