/* Status codes and the message that goes with them.
 *
 * Every function that can fail returns an xr_status. The message is made where the cause is known, with xr_fail(), and stays
 * with the calling thread until the next failure there. Nothing in the library exits or aborts the process. */
#pragma once

/* Around declarations that C and CUDA sources share. */
#ifdef __cplusplus
#define XR_C_BEGIN extern "C" {
#define XR_C_END }
#else
#define XR_C_BEGIN
#define XR_C_END
#endif

XR_C_BEGIN

typedef enum {
  XR_OK = 0,
  XR_BAD_ARGUMENT, /* a caller broke a function's contract */
  XR_BAD_SHAPE,    /* tensors whose shapes do not fit together */
  XR_BAD_INPUT,    /* a file, a configuration or a command line that cannot be used */
  XR_NO_MEMORY,
  XR_IO,        /* the system refused to open, read, write or rename */
  XR_NOT_FOUND, /* a file, key or tensor that is not there */
  XR_UNSUPPORTED,
  XR_NOT_FINITE,  /* a loss or gradient that is not a number */
  XR_INTERRUPTED, /* a signal asked for an orderly stop */
  XR_DEVICE       /* CUDA, cuBLAS, cuDNN or NCCL reported an error */
} xr_status;

/* Keeps the message for this thread (4,000 bytes, cut with "...") and returns `code`. */
xr_status xr_fail(xr_status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "context: " before this thread's message; returns `code`. For the place that only a caller knows (a file name, say). */
xr_status xr_fail_in(xr_status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* This thread's last message; "" when nothing has failed. Valid until the next xr_fail() in this thread. */
const char *xr_message(void);

/* Hands `call`'s failure to the caller. */
#define XR_TRY(call)                                  \
  do {                                                \
    xr_status xr_try_status = (call);                 \
    if (xr_try_status != XR_OK) return xr_try_status; \
  } while (0)

XR_C_END
