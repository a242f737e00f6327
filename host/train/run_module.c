#include "host/train/run_module.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "host/base/memory.h"
#include "host/graph/executor.h"
#include "host/io/npy.h"
#include "host/ops/ops.h"

enum { MOST_PARAMETERS = 256 };
enum { EXAMPLE_SIZE = 8 };

typedef struct {
  const xr_module *module;
  const xr_module_options *options;
  xr_module_call call;
  xr_npy *file[XR_MODULE_TENSORS];   /* NULL: left out */
  xr_npy *weight[XR_MODULE_OUTPUTS]; /* grad_out.<output>.npy */
  xr_var weight_input[XR_MODULE_OUTPUTS];
  xr_parameters *parameters;
  xr_graph *graph;
  xr_var total; /* empty: forward only */
  xr_plan *plan;
  xr_executor *executor;
} run;

static int tensor_count(const xr_module *m) {
  int n = 0;
  while (n < XR_MODULE_TENSORS && m->tensors[n].name) n++;
  return n;
}

static bool is_integer(xr_dtype dtype) { return dtype == XR_I32 || dtype == XR_I64 || dtype == XR_U8; }

/* ---- files */
/* <folder>/<prefix><name>.npy */
static xr_status path_of(char path[XR_PATH_MAX], const char *folder, const char *prefix, const char *name) {
  char file[300];
  if (snprintf(file, sizeof file, "%s%s.npy", prefix, name) >= (int)sizeof file)
    return xr_fail(XR_BAD_ARGUMENT, "%s: too long a name", name);
  return xr_path_join(path, folder, file);
}

static xr_status open_array(const char *folder, const char *prefix, const char *name, bool optional, xr_npy **file) {
  char path[XR_PATH_MAX];
  *file = NULL;
  XR_TRY(path_of(path, folder, prefix, name));
  return optional && !xr_is_file(path) ? XR_OK : xr_npy_open(file, path);
}

static xr_shape shape_of(const xr_npy *file) {
  xr_shape shape = {.rank = file->rank < XR_MAX_RANK ? file->rank : XR_MAX_RANK};
  for (int i = 0; i < shape.rank; i++) shape.dim[i] = file->dim[i];
  return shape;
}

/* Sizes of the letters in a tensor's shape: known ones must fit, others become known. */
static xr_status learn_sizes(run *r, const xr_module_tensor *tensor, const xr_npy *file) {
  int axis = 0;
  bool fits = true;
  for (const char *at = tensor->shape; *at; at++) {
    if (*at < 'A' || *at > 'Z') continue;
    int64_t *size = &r->call.size[(int)*at];
    fits = fits && axis < file->rank && (*size == 0 || *size == file->dim[axis]);
    if (fits && *size == 0) *size = file->dim[axis];
    axis++;
  }
  if (!fits || axis != file->rank)
    return xr_fail(XR_BAD_INPUT, "%s/%s.npy is %s, expected is [%s] with the sizes of the tensors before it", r->options->in, tensor->name,
                   xr_shape_to_text(shape_of(file)).text, tensor->shape);
  if (is_integer(file->dtype) != (tensor->kind == XR_MODULE_INTEGER))
    return xr_fail(XR_BAD_INPUT, "%s/%s.npy holds %s, expected are %s", r->options->in, tensor->name, xr_dtype_name(file->dtype),
                   tensor->kind == XR_MODULE_INTEGER ? "whole numbers" : "floating-point numbers");
  return XR_OK;
}

static xr_status open_inputs(run *r) {
  for (int i = 0; i < tensor_count(r->module); i++) {
    const xr_module_tensor *tensor = &r->module->tensors[i];
    XR_TRY(open_array(r->options->in, "", tensor->name, tensor->optional, &r->file[i]));
    if (r->file[i]) XR_TRY(learn_sizes(r, tensor, r->file[i]));
  }
  return XR_OK;
}

/* ---- the graph */
static void record_inputs(run *r) {
  for (int i = 0; i < tensor_count(r->module); i++) {
    const xr_module_tensor *tensor = &r->module->tensors[i];
    if (!r->file[i] || tensor->kind == XR_MODULE_PARAMETER) continue;
    const xr_shape shape = shape_of(r->file[i]);
    r->call.in[i] = tensor->kind == XR_MODULE_INTEGER ? xr_input(r->graph, tensor->name, XR_I32, shape)
                                                      : xr_param_f32(r->graph, tensor->name, shape, (xr_init){XR_INIT_ZERO, 0});
    if (tensor->kind == XR_MODULE_FEATURE) r->call.in[i] = xr_cast_to(r->graph, tensor->name, r->call.in[i], r->options->compute);
  }
}

/* <output, grad_out> as one number */
static xr_var weighted(run *r, int i) {
  const int64_t n = xr_elements(xr_shape_of(r->graph, r->call.output[i]));
  r->weight_input[i] = xr_input(r->graph, r->call.output_name[i], XR_F32, XR_SHAPE(1, n));
  xr_var row = xr_reshape(r->graph, "row", r->call.output[i], XR_SHAPE(1, n));
  return xr_reshape(r->graph, "number", xr_matmul_transposed(r->graph, "product", row, r->weight_input[i]), XR_SHAPE(1));
}

static xr_status record_total(run *r) {
  const xr_module_call *call = &r->call;
  xr_var terms[XR_MODULE_OUTPUTS];
  float ones[XR_MODULE_OUTPUTS];
  int count = 0;
  for (int i = 0; i < call->outputs; i++) {
    if (strcmp(call->output_name[i], "loss") == 0) {
      r->total = call->output[i];
      return XR_OK;
    }
    XR_TRY(open_array(r->options->in, "grad_out.", call->output_name[i], true, &r->weight[i]));
    if (!r->weight[i]) continue;
    const xr_shape expected = xr_shape_of(r->graph, call->output[i]);
    if (!xr_same_shape(expected, shape_of(r->weight[i])) || is_integer(r->weight[i]->dtype))
      return xr_fail(XR_BAD_INPUT, "%s/grad_out.%s.npy is %s %s, the output is %s", r->options->in, call->output_name[i],
                     xr_dtype_name(r->weight[i]->dtype), xr_shape_to_text(shape_of(r->weight[i])).text, xr_shape_to_text(expected).text);
    ones[count] = 1;
    terms[count++] = weighted(r, i);
  }
  if (count) r->total = xr_weighted_loss(r->graph, "total", count, terms, ones);
  return XR_OK;
}

static xr_status record(run *r) {
  r->graph = xr_graph_new(r->parameters, (xr_graph_options){.name = r->module->name, .compute = r->options->compute, .training = true});
  if (!r->graph) return XR_NO_MEMORY;
  record_inputs(r);
  r->module->build(r->graph, &r->call);
  XR_TRY(xr_graph_status(r->graph));
  for (int i = 0; i < r->call.outputs; i++) {
    r->call.output[i] = xr_cast_to(r->graph, "f32", r->call.output[i], XR_F32);
    xr_output(r->graph, r->call.output_name[i], r->call.output[i]);
  }
  XR_TRY(record_total(r));
  XR_TRY(xr_graph_status(r->graph));
  return xr_plan_new(&r->plan, r->graph, r->total, (xr_plan_options){.backend = r->options->backend});
}

/* ---- values in */
static xr_status read_parameter(run *r, int index) {
  const xr_parameter *p = xr_parameter_at(r->parameters, index);
  xr_npy *file;
  XR_TRY(open_array(r->options->in, "", p->name, false, &file));
  xr_status status = XR_OK;
  if (!xr_same_shape(p->shape, shape_of(file)) || is_integer(file->dtype))
    status = xr_fail(XR_BAD_INPUT, "%s/%s.npy is %s %s, expected are floating-point numbers of %s", r->options->in, p->name,
                     xr_dtype_name(file->dtype), xr_shape_to_text(shape_of(file)).text, xr_shape_to_text(p->shape).text);
  float *values = status == XR_OK ? xr_block_alloc((size_t)file->count * sizeof *values) : NULL;
  if (status == XR_OK && !values) status = XR_NO_MEMORY;
  if (status == XR_OK) {
    xr_npy_to_f32(file, values);
    status = xr_parameter_write(r->parameters, XR_MASTER, index, values);
  }
  xr_block_free(values);
  xr_npy_close(file);
  return status;
}

static void copy_integers(const xr_npy *file, int32_t *to) {
  for (int64_t i = 0; i < file->count; i++)
    to[i] = file->dtype == XR_I32   ? ((const int32_t *)file->data)[i]
            : file->dtype == XR_I64 ? (int32_t)((const int64_t *)file->data)[i]
                                    : ((const uint8_t *)file->data)[i];
}

static xr_status fill_inputs(run *r) {
  for (int i = 0; i < tensor_count(r->module); i++) {
    if (!r->file[i] || r->module->tensors[i].kind != XR_MODULE_INTEGER) continue;
    int32_t *to = xr_executor_input(r->executor, r->call.in[i]);
    if (!to) return XR_DEVICE;
    copy_integers(r->file[i], to);
  }
  for (int i = 0; i < r->call.outputs; i++) {
    if (!r->weight[i]) continue;
    float *to = xr_executor_input(r->executor, r->weight_input[i]);
    if (!to) return XR_DEVICE;
    xr_npy_to_f32(r->weight[i], to);
  }
  return XR_OK;
}

static xr_status execute(run *r) {
  const xr_parameter_options options = {.compute = r->options->compute, .training = true, .backend = r->options->backend};
  const xr_seed seed = {.key = r->options->seed};
  XR_TRY(xr_parameters_allocate(r->parameters, options));
  for (int i = 0; i < xr_parameter_count(r->parameters); i++) XR_TRY(read_parameter(r, i));
  XR_TRY(xr_executor_new(&r->executor, r->plan, (xr_executor_options){.no_graph = true}));
  XR_TRY(fill_inputs(r));
  XR_TRY(r->total.id ? xr_executor_step(r->executor, seed) : xr_executor_forward(r->executor, seed));
  return xr_executor_wait(r->executor);
}

/* ---- values out */
static xr_status write_array(const run *r, const char *prefix, const char *name, xr_shape shape, const float *values) {
  char path[XR_PATH_MAX];
  XR_TRY(path_of(path, r->options->out, prefix, name));
  return xr_npy_write(path, XR_F32, shape.rank, shape.dim, values);
}

static xr_status write_gradient(const run *r, int index) {
  const xr_parameter *p = xr_parameter_at(r->parameters, index);
  if (p->kind.state) return XR_OK;
  float *values = xr_block_alloc((size_t)xr_elements(p->shape) * sizeof *values);
  if (!values) return XR_NO_MEMORY;
  xr_status status = xr_parameter_read(r->parameters, XR_GRADIENT, index, values);
  if (status == XR_OK) status = write_array(r, "grad.", p->name, p->shape, values);
  xr_block_free(values);
  return status;
}

static xr_status write_results(const run *r) {
  XR_TRY(xr_make_folders(r->options->out));
  for (int i = 0; i < r->call.outputs; i++)
    XR_TRY(write_array(r, "", r->call.output_name[i], xr_shape_of(r->graph, r->call.output[i]),
                       xr_executor_value(r->executor, r->call.output[i])));
  for (int i = 0; i < xr_parameter_count(r->parameters) && r->total.id; i++) XR_TRY(write_gradient(r, i));
  return XR_OK;
}

/* ---- all of it */
static void drop(run *r) {
  xr_executor_free(r->executor);
  xr_plan_free(r->plan);
  xr_graph_free(r->graph);
  xr_parameters_free(r->parameters);
  for (int i = 0; i < XR_MODULE_TENSORS; i++) xr_npy_close(r->file[i]);
  for (int i = 0; i < XR_MODULE_OUTPUTS; i++) xr_npy_close(r->weight[i]);
}

xr_status xr_module_run(const xr_module *module, xr_config *config, const xr_module_options *options) {
  run r = {.module = module, .options = options, .call = {.config = config}, .parameters = xr_parameters_new()};
  xr_status status = r.parameters ? open_inputs(&r) : XR_NO_MEMORY;
  if (status == XR_OK) status = record(&r);
  if (status == XR_OK) status = execute(&r);
  if (status == XR_OK) status = write_results(&r);
  drop(&r);
  return status;
}

static xr_shape example_shape(const xr_module_tensor *tensor, xr_module_call *call) {
  xr_shape shape = {0};
  for (const char *at = tensor->shape; *at; at++) {
    if (*at < 'A' || *at > 'Z') continue;
    call->size[(int)*at] = EXAMPLE_SIZE;
    shape.dim[shape.rank++] = EXAMPLE_SIZE;
  }
  return shape;
}

xr_status xr_module_describe(const xr_module *module, xr_config *config, void (*line)(void *context, const char *text), void *context) {
  xr_module_call call = {.config = config};
  xr_parameters *parameters = xr_parameters_new();
  xr_graph *g = parameters ? xr_graph_new(parameters, (xr_graph_options){.name = module->name, .compute = XR_F32, .training = true}) : NULL;
  if (!g) {
    xr_parameters_free(parameters);
    return XR_NO_MEMORY;
  }
  for (int i = 0; i < tensor_count(module); i++) {
    const xr_module_tensor *tensor = &module->tensors[i];
    const xr_shape shape = example_shape(tensor, &call);
    if (tensor->kind != XR_MODULE_PARAMETER)
      call.in[i] = xr_input(g, tensor->name, tensor->kind == XR_MODULE_INTEGER ? XR_I32 : XR_F32, shape);
  }
  module->build(g, &call);
  xr_status status = xr_graph_status(g);
  for (int i = 0; i < xr_parameter_count(parameters) && status == XR_OK; i++) {
    const xr_parameter *p = xr_parameter_at(parameters, i);
    char text[200];
    snprintf(text, sizeof text, "%s %s", p->name, xr_shape_to_text(p->shape).text);
    line(context, text);
  }
  xr_graph_free(g);
  xr_parameters_free(parameters);
  return status;
}
