/* Evaluation protocols as a table: which gallery items a query does not see, and what the averages are divided by. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct xr_evaluation_input;

typedef struct {
  const char *name;
  /* Marks what query `query` does not see in its row of scores [gallery] with NaN. NULL: it sees everything. */
  void (*exclude)(const struct xr_evaluation_input *in, int64_t query, float *row);
  bool needs_cameras;
  bool misses_count; /* CMC is divided by all queries: one without a positive is a miss; else by the queries with a positive */
} xr_protocol;

const xr_protocol *xr_protocol_find(const char *name); /* NULL: there is none of that name */
const char *xr_protocol_names(void);                   /* "text-to-image, ..." for messages */
