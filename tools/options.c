#include "tools/options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/log.h"
#include "host/base/status.h"

enum { MAX_OPTIONS = 40 };

int xr_usage_error(const xr_command_text *command, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "xreid %s: ", command->name);
  vfprintf(stderr, format, arguments);
  fprintf(stderr, "\nTry: xreid %s --help\n", command->name);
  va_end(arguments);
  return XR_EXIT_USAGE;
}

int xr_command_failed(void) {
  xr_progress(false, "%s", "");
  fprintf(stderr, "xreid: %s\n", xr_message());
  return XR_EXIT_FAILED;
}

static void print_help(const xr_command_text *command, const xr_option *options, int count) {
  printf("%s\n\nusage: xreid %s %s\n\n", command->summary, command->name, command->usage);
  for (int i = 0; i < count; i++) {
    char left[64];
    snprintf(left, sizeof left, "--%s %s", options[i].name, options[i].argument ? options[i].argument : "");
    printf("  %-28s %s\n", left, options[i].help);
  }
  printf("  %-28s %s\n\nexample:\n%s\n", "--help", "this page", command->example);
}

static int set_value(const xr_command_text *command, const xr_option *option, char *text) {
  if (option->kind == XR_FLAG) *(bool *)option->value = true;
  if (option->kind == XR_TEXT) *(const char **)option->value = text;
  if (option->kind == XR_TEXTS) {
    xr_texts *list = option->value;
    if (list->count == XR_TEXTS_MAX) return xr_usage_error(command, "--%s can be given %d times at most", option->name, XR_TEXTS_MAX);
    list->item[list->count++] = text;
  }
  if (option->kind != XR_INTEGER) return -1;
  char *end;
  errno = 0;
  intmax_t number = strtoimax(text, &end, 10);
  if (errno || end == text || *end) return xr_usage_error(command, "--%s takes a whole number, not '%s'", option->name, text);
  bool bounded = option->minimum || option->maximum;
  if (bounded && (number < option->minimum || number > option->maximum))
    return xr_usage_error(command, "--%s takes %" PRId64 " to %" PRId64 ", not %" PRIdMAX, option->name, option->minimum, option->maximum,
                          number);
  *(int64_t *)option->value = number;
  return -1;
}

int xr_parse_options(const xr_command_text *command, const xr_option *options, int option_count, int argc, char **argv, int *positional) {
  struct option table[MAX_OPTIONS + 2] = {0};
  if (option_count > MAX_OPTIONS) return xr_usage_error(command, "too many options are defined");
  for (int i = 0; i < option_count; i++)
    table[i] = (struct option){
        .name = options[i].name, .has_arg = options[i].kind == XR_FLAG ? no_argument : required_argument, .val = i + 1};
  table[option_count] = (struct option){.name = "help", .has_arg = no_argument, .val = 'h' + 1000};
  opterr = 0;
  optind = 0;
  for (int found; (found = getopt_long(argc, argv, ":h", table, NULL)) != -1;) {
    if (found == 'h' || found == 'h' + 1000) {
      print_help(command, options, option_count);
      return XR_EXIT_DONE;
    }
    if (found == ':') return xr_usage_error(command, "%s needs a value", argv[optind - 1]);
    if (found == '?')
      return xr_usage_error(command, "unknown option %s", optopt && optopt < 128 ? (char[]){'-', (char)optopt, 0} : argv[optind - 1]);
    int wrong = set_value(command, &options[found - 1], optarg);
    if (wrong >= 0) return wrong;
  }
  *positional = argc - optind;
  memmove(argv, argv + optind, (size_t)*positional * sizeof *argv);
  return -1;
}
