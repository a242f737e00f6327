#include <string.h>

#include "host/base/file.h"
#include "host/base/log.h"
#include "host/train/weights_file.h"
#include "models/weights.h"
#include "tools/commands.h"
#include "tools/options.h"

static const xr_command_text text = {
    .name = "convert",
    .usage = "IN OUT [--to openai|huggingface|xreid] [--activation quick_gelu|gelu]",
    .summary = "Writes weights as safetensors under another naming, values unchanged; IN may have any naming, or be a run folder.",
    .example = "  xreid convert runs/irra irra.safetensors                  loads in PyTorch with the names of OpenAI's CLIP\n"
               "  xreid convert runs/irra model.safetensors --to huggingface",
};

static xr_status convert(const char *from, const char *to, xr_naming naming, const char *activation) {
  char path[XR_PATH_MAX];
  xr_weights *weights;
  int left_out = 0;
  XR_TRY(xr_find_weights(from, path));
  XR_TRY(xr_weights_open(&weights, path));
  xr_status status = xr_weights_convert(weights, to, naming, activation, &left_out);
  xr_weights_close(weights);
  if (status == XR_OK && left_out)
    xr_info("%s: %d tensors of heads have no name there and are left out; --to xreid keeps them", to, left_out);
  return status;
}

int xr_command_convert(int argc, char **argv) {
  const char *to = "openai", *activation = NULL;
  const xr_option options[] = {
      {.name = "to", .kind = XR_TEXT, .value = &to, .argument = "NAMING", .help = "openai, huggingface or xreid; default: openai"},
      {.name = "activation",
       .kind = XR_TEXT,
       .value = &activation,
       .argument = "NAME",
       .help = "quick_gelu or gelu, written into the file for weights that do not state it"},
  };
  int positional, wrong = xr_parse_options(&text, options, sizeof options / sizeof *options, argc, argv, &positional);
  if (wrong >= 0) return wrong;
  if (positional != 2) return xr_usage_error(&text, "takes two files, IN and OUT");
  int naming = 0;
  while (naming < XR_NAMINGS && strcmp(xr_naming_names[naming], to) != 0) naming++;
  if (naming == XR_NAMINGS) return xr_usage_error(&text, "--to is openai, huggingface or xreid, not '%s'", to);
  if (activation && strcmp(activation, "gelu") != 0 && strcmp(activation, "quick_gelu") != 0)
    return xr_usage_error(&text, "--activation is quick_gelu or gelu, not '%s'", activation);
  return convert(argv[0], argv[1], (xr_naming)naming, activation) == XR_OK ? XR_EXIT_DONE : xr_command_failed();
}
