/* Times work again and again, by the clock of the backend that does it.
 *
 * CPU: the wall clock around the call. CUDA: events on the stream. The first run queues the work as it is, the second captures it into a
 * graph, which later runs replay, as the executor does with steps: launching kernels from the host is then no part of the time. */
#pragma once

#include "host/base/status.h"
#include "host/graph/op.h"

typedef struct xr_stopwatch xr_stopwatch;

typedef struct {
  xr_status (*queue)(void *context, xr_stream stream); /* CUDA: queues kernels and copies on the stream and waits for nothing */
  void *context;
  bool no_graph; /* CUDA: queued anew in every run */
} xr_timed_work;

/* The stream (xr_device_stream_new) and the work's context outlive the stopwatch. */
xr_status xr_stopwatch_new(xr_stopwatch **watch, xr_backend backend, xr_stream stream, xr_timed_work work);
void xr_stopwatch_free(xr_stopwatch *watch); /* NULL is allowed */

/* Does the work once and waits for it; what else was queued on the stream before is waited for, too, and not counted. */
xr_status xr_stopwatch_run(xr_stopwatch *watch, double *seconds);
