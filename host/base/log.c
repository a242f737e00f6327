#include "host/base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <unistd.h>

xr_log_level xr_log_threshold = XR_LOG_INFO;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static FILE *log_file;
static bool line_open; /* a progress line stands on the terminal */

void xr_log_to(FILE *file) {
  pthread_mutex_lock(&lock);
  log_file = file;
  pthread_mutex_unlock(&lock);
}

static void write_line(const char *prefix, const char *format, va_list arguments) {
  va_list again;
  va_copy(again, arguments);
  pthread_mutex_lock(&lock);
  if (line_open) fputc('\n', stderr);
  line_open = false;
  fputs(prefix, stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  if (log_file) {
    fputs(prefix, log_file);
    vfprintf(log_file, format, again);
    fputc('\n', log_file);
    fflush(log_file);
  }
  pthread_mutex_unlock(&lock);
  va_end(again);
}

#define DEFINE_LOG(name, level, prefix)    \
  void name(const char *format, ...) {     \
    if (xr_log_threshold < level) return;  \
    va_list arguments;                     \
    va_start(arguments, format);           \
    write_line(prefix, format, arguments); \
    va_end(arguments);                     \
  }
DEFINE_LOG(xr_info, XR_LOG_INFO, "")
DEFINE_LOG(xr_warn, XR_LOG_WARNING, "warning: ")
DEFINE_LOG(xr_debug, XR_LOG_DEBUG, "debug: ")

void xr_progress(bool keep, const char *format, ...) {
  if (xr_log_threshold < XR_LOG_INFO) return;
  bool terminal = isatty(STDERR_FILENO);
  va_list arguments;
  va_start(arguments, format);
  if (keep && !terminal) {
    write_line("", format, arguments);
  } else if (terminal) {
    va_list again;
    va_copy(again, arguments);
    pthread_mutex_lock(&lock);
    fputs("\r\x1b[K", stderr);
    vfprintf(stderr, format, arguments);
    line_open = true;
    if (keep && log_file) {
      vfprintf(log_file, format, again);
      fputc('\n', log_file);
      fflush(log_file);
    }
    pthread_mutex_unlock(&lock);
    va_end(again);
  }
  va_end(arguments);
}
