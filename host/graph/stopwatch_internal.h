/* The two clocks behind stopwatch.h. */
#pragma once

#include "host/graph/stopwatch.h"

struct xr_stopwatch {
  xr_backend backend;
  xr_stream stream;
  xr_timed_work work;
  int64_t runs; /* so far */
  void *own;    /* the device's */
};

#ifdef XREID_CUDA
xr_status xr_stopwatch_open_cuda(xr_stopwatch *watch);
void xr_stopwatch_close_cuda(xr_stopwatch *watch);
xr_status xr_stopwatch_run_cuda(xr_stopwatch *watch, double *seconds);
#endif
