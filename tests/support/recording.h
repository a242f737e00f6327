/* A graph that a test records by hand, and what its operations refuse. */
#pragma once

#include <criterion/criterion.h>
#include <string.h>

#include "host/graph/graph.h"

typedef struct {
  xr_parameters *parameters;
  xr_graph *graph;
} recording;

static inline recording record(xr_dtype compute) {
  recording r = {.parameters = xr_parameters_new()};
  r.graph = xr_graph_new(r.parameters, (xr_graph_options){.name = "test", .compute = compute, .training = true});
  cr_assert(r.graph, "%s", xr_message());
  return r;
}

static inline void drop(recording r) {
  xr_graph_free(r.graph);
  xr_parameters_free(r.parameters);
}

static inline xr_var parameter(recording r, const char *name, xr_shape shape) {
  return xr_param(r.graph, name, shape, (xr_init){XR_INIT_NORMAL, 1});
}

typedef xr_var (*recipe)(recording r);

/* A recipe that fails: with which code, and what its message holds. */
typedef struct {
  recipe build;
  xr_dtype compute;
  xr_status status;
  const char *message;
} refusal;

static inline void expect_refusals(const refusal *refused, size_t count) {
  for (size_t i = 0; i < count; i++) {
    recording r = record(refused[i].compute);
    cr_assert_eq(refused[i].build(r).id, 0);
    cr_assert_eq(xr_graph_status(r.graph), refused[i].status);
    cr_assert(strstr(xr_message(), refused[i].message), "\"%s\" is not in \"%s\"", refused[i].message, xr_message());
    drop(r);
  }
}
