/* Ctrl-C and SIGTERM ask for an orderly stop; a second one ends the process at once. */
#pragma once

#include <signal.h>

/* Becomes non-zero when a signal has asked. */
const volatile sig_atomic_t *xr_stop_on_signals(void);
