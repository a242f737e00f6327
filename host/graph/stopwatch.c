#include "host/graph/stopwatch.h"

#include <stdlib.h>

#include "host/base/file.h"
#include "host/graph/stopwatch_internal.h"

#ifndef XREID_CUDA
static xr_status xr_stopwatch_open_cuda(xr_stopwatch *watch) {
  (void)watch;
  return xr_fail(XR_UNSUPPORTED, "this build has no CUDA backend");
}
static void xr_stopwatch_close_cuda(xr_stopwatch *watch) { (void)watch; }
static xr_status xr_stopwatch_run_cuda(xr_stopwatch *watch, double *seconds) {
  *seconds = 0;
  return xr_stopwatch_open_cuda(watch);
}
#endif

xr_status xr_stopwatch_new(xr_stopwatch **out, xr_backend backend, xr_stream stream, xr_timed_work work) {
  *out = NULL;
  xr_stopwatch *w = calloc(1, sizeof *w);
  if (!w) return xr_fail(XR_NO_MEMORY, "out of memory");
  *w = (xr_stopwatch){.backend = backend, .stream = stream, .work = work};
  const xr_status status = backend == XR_CUDA ? xr_stopwatch_open_cuda(w) : XR_OK;
  if (status != XR_OK) {
    xr_stopwatch_free(w);
    return status;
  }
  *out = w;
  return XR_OK;
}

void xr_stopwatch_free(xr_stopwatch *w) {
  if (w && w->backend == XR_CUDA) xr_stopwatch_close_cuda(w);
  free(w);
}

static xr_status run_here(const xr_stopwatch *w, double *seconds) {
  const double start = xr_seconds();
  XR_TRY(w->work.queue(w->work.context, w->stream));
  *seconds = xr_seconds() - start;
  return XR_OK;
}

xr_status xr_stopwatch_run(xr_stopwatch *w, double *seconds) {
  XR_TRY(w->backend == XR_CUDA ? xr_stopwatch_run_cuda(w, seconds) : run_here(w, seconds));
  w->runs++;
  return XR_OK;
}
