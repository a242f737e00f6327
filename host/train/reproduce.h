/* Reproduction: a configuration, or every row of its ablation, trained with several seeds, and the figures they reach.
 *
 *   <out>/<variant>/seed-<n>/     a run folder each
 *
 * A run that is finished is read, not repeated; one that was interrupted goes on; so the same call again continues a stopped one. */
#pragma once

#include <signal.h>

#include "host/io/config.h"
#include "host/train/run_metrics.h"

typedef enum { XR_RUN_MISSING, XR_RUN_FINISHED, XR_RUN_FAILED } xr_run_state;

typedef struct {
  int64_t seed;
  const char *folder;
  xr_run_state state;
  const char *message;  /* why it failed */
  xr_run_result result; /* of a finished one */
} xr_reproduced_run;

typedef struct {
  const char *name;
  char *const *set; /* its overrides */
  size_t set_count;
  xr_reproduced_run *runs; /* [seeds] */
} xr_reproduced_variant;

typedef struct xr_reproduction {
  const xr_config *config;
  const char *out;
  int64_t seeds;
  size_t variant_count;
  bool ablation, stopped;
  xr_reproduced_variant *variants; /* without `ablation` one: the configuration itself */
  xr_arena *arena;
} xr_reproduction;

typedef struct {
  const char *path; /* the configuration's file, with `overrides`: read again for every run */
  const char *const *overrides;
  size_t override_count;
  const char *out;
  int64_t seeds; /* config.train.seed and those that follow */
  bool ablation;
  xr_backend backend;
  bool no_graph;
  const volatile sig_atomic_t *stop; /* trainer.h */
  /* Called after every run with what is known by then; a failure ends the reproduction. */
  xr_status (*progress)(void *context, const xr_reproduction *r);
  void *context;
} xr_reproduce_options;

/* `config` is `path` with the overrides, and outlives the result. All configurations are read, and compared with the runs in `out`, before
 * the first run: XR_BAD_INPUT names the variant, or the folder that holds another run. A run that fails does not end the others: it is
 * XR_RUN_FAILED. On failure there is nothing to free. */
xr_status xr_reproduce(xr_reproduction *r, const xr_config *config, const xr_reproduce_options *options);
void xr_reproduction_free(xr_reproduction *r);

/* Runs in this state, over all variants. */
size_t xr_reproduction_count(const xr_reproduction *r, xr_run_state state);

/* Over a variant's finished runs, in the order of xr_figure_keys. A mean of figures that are not known is NaN, and so is a deviation (of a
 * sample, divisor count - 1) of fewer than two. */
typedef struct {
  size_t count;
  double mean[XR_FIGURES], deviation[XR_FIGURES];
} xr_spread;
xr_spread xr_reproduction_spread(const xr_reproduction *r, const xr_reproduced_variant *v, bool last);
