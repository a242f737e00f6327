#include <cairo.h>
#include <jansson.h>
#include <oneapi/dnnl/dnnl.h>
#include <png.h>
#include <stdio.h>
#include <unistd.h>

#include "host/graph/device.h"
#include "tools/commands.h"
#include "tools/options.h"

static const xr_command_text text = {.name = "info",
                                     .usage = "",
                                     .summary = "Prints the version, the libraries it runs with and the devices it can use.",
                                     .example = "  xreid info"};

static void print_device(void *context, const char *line) {
  (void)context;
  printf("cuda     %s\n", line);
}

int xr_command_info(int argc, char **argv) {
  int positional, wrong = xr_parse_options(&text, NULL, 0, argc, argv, &positional);
  if (wrong >= 0) return wrong;
  if (positional) return xr_usage_error(&text, "takes no arguments");
  const dnnl_version_t *dnnl = dnnl_version();
  printf("xreid    %s\n", XREID_VERSION);
  printf("oneDNN   %d.%d.%d\n", dnnl->major, dnnl->minor, dnnl->patch);
  printf("libpng   %s\n", png_get_libpng_ver(NULL));
  printf("cairo    %s\n", cairo_version_string());
  printf("jansson  %s\n", jansson_version_str());
  printf("cpu      %ld cores\n", sysconf(_SC_NPROCESSORS_ONLN));
  xr_device_list(print_device, NULL);
  return XR_EXIT_DONE;
}
