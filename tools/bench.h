/* What the parts of `xreid bench` share. */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "host/graph/ceilings.h"
#include "tools/bench_cases.h"
#include "tools/run_options.h"

enum { XR_BENCH_MAX_REPEATS = 1000 };

typedef struct {
  const char *precision, *json;
  int64_t batch, repeats; /* 0: as the backend wants */
  bool small;
  xr_run_options run;
} xr_bench_options;

/* ---- figures */
typedef struct { /* seconds */
  double median, least, most;
} xr_bench_spread;

/* Sorts them. */
xr_bench_spread xr_bench_spread_of(double *seconds, int64_t count);

/* To the file, or to standard output for "-". The exit code. */
int xr_bench_write_json(const json_t *json, const char *path);

/* ---- single operations */
typedef struct {
  xr_backend backend;
  xr_stream stream;
  xr_dtype compute;
  bool tf32, small, no_graph;
  xr_bench_sizes sizes;
  int64_t repeats;
  size_t cache_bytes;
  double bytes_per_second, flops_per_second[XR_PRODUCT_KINDS]; /* the ceilings; 0: not measured */
  FILE *table;
  json_t *rows;
} xr_bench;

/* Buffers take turns so that none is in the cache when its turn comes. */
typedef struct {
  int sets;   /* of buffers */
  int rounds; /* over all sets in one measurement */
  double set_bytes;
  bool exceeds_cache; /* all sets but one are larger than the cache */
} xr_bench_rotation;
xr_bench_rotation xr_bench_rotation_of(const xr_bench *bench, double set_bytes, int most_sets);

typedef struct {
  const char *name, *pass, *shape, *note;
  double flops, bytes; /* of one turn */
  xr_bench_rotation rotation;
  xr_bench_spread seconds; /* of one turn */
} xr_bench_row;

/* A line of the table and an object of the JSON. */
void xr_bench_report(const xr_bench *bench, const xr_bench_row *row);

/* ---- what updates parameters is no graph operation: "adam", "gradient_norm" */
bool xr_bench_is_update(const char *name);
xr_status xr_bench_update(const xr_bench *bench, const char *name);

/* ---- and neither is what an evaluation does with scores: "score_tile", "set_score", "rank_count", "topk" */
const char *xr_bench_retrieval_name(int i); /* NULL: there are no more */
xr_status xr_bench_retrieval(const xr_bench *bench, const char *name);

int xr_bench_operations(const xr_command_text *command, const xr_bench_options *options, int count, char **names);
int xr_bench_steps(const xr_command_text *command, const xr_bench_options *options, int positional, char **argv);
