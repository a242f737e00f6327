#include "tools/stop_signal.h"

#include <stddef.h>

static volatile sig_atomic_t stop_signal;

static void on_signal(int number) {
  if (stop_signal) { /* asked twice: at once */
    signal(number, SIG_DFL);
    raise(number);
  }
  stop_signal = number;
}

const volatile sig_atomic_t *xr_stop_on_signals(void) {
  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  return &stop_signal;
}
