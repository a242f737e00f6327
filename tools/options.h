/* Command-line options as a table: one line says name, type, where the value goes and what --help prints. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef enum {
  XR_FLAG,   /* bool *: --name */
  XR_TEXT,   /* const char **: --name VALUE; an option given twice keeps the last value */
  XR_TEXTS,  /* xr_texts *: --name VALUE, any number of times */
  XR_INTEGER /* int64_t *: --name N, within [minimum, maximum] */
} xr_option_kind;

enum { XR_TEXTS_MAX = 100 };
typedef struct {
  const char *item[XR_TEXTS_MAX];
  int count;
} xr_texts;

typedef struct {
  const char *name; /* without the dashes */
  xr_option_kind kind;
  void *value; /* set in advance to the default */
  const char *argument, *help;
  int64_t minimum, maximum; /* XR_INTEGER only; both 0: any number */
} xr_option;

typedef struct {
  const char *name;    /* "rank" */
  const char *usage;   /* what follows "xreid rank " in the usage line */
  const char *summary; /* one sentence */
  const char *example; /* complete command lines */
} xr_command_text;

enum { XR_EXIT_DONE = 0, XR_EXIT_FAILED = 1, XR_EXIT_USAGE = 2 };

/* Parses argv[1..]. Positional arguments are gathered at the front of argv; *positional receives their number.
 * Returns -1 to go on, else the exit code at once: 0 after --help (to stdout), 2 after wrong usage (message on stderr). */
int xr_parse_options(const xr_command_text *command, const xr_option *options, int option_count, int argc, char **argv, int *positional);

/* "xreid rank: MESSAGE" and where help is found, on stderr; returns XR_EXIT_USAGE. */
int xr_usage_error(const xr_command_text *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "xreid: " + xr_message() on stderr; returns XR_EXIT_FAILED. For a command's last line after a failed call. */
int xr_command_failed(void);
