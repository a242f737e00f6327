#include <stdio.h>
#include <string.h>

#include "host/base/log.h"
#include "host/data/synth.h"
#include "tools/commands.h"
#include "tools/options.h"

static const xr_command_text text = {
    .name = "synth",
    .usage = "OUT [--layout cuhk-pedes|icfg-pedes|rstpreid] [--ids N] [--seed N]",
    .summary = "Draws a data set of pedestrians with captions and part masks, in an official layout.",
    .example = "  xreid synth data/synth\n  xreid synth data/small --ids 40 --seed 7",
};

int xr_command_synth(int argc, char **argv) {
  const char *layout = "cuhk-pedes";
  int64_t identities = 800, seed = 1;
  xr_option options[] = {
      {.name = "layout", .kind = XR_TEXT, .value = &layout, .argument = "NAME", .help = "cuhk-pedes (default), icfg-pedes or rstpreid"},
      {.name = "ids",
       .kind = XR_INTEGER,
       .value = &identities,
       .argument = "N",
       .help = "identities: 85 % train, 5 % val, 10 % test; default 800",
       .minimum = XR_SYNTH_MIN_IDENTITIES,
       .maximum = XR_SYNTH_MAX_IDENTITIES},
      {.name = "seed", .kind = XR_INTEGER, .value = &seed, .argument = "N", .help = "the same seed gives the same bytes; default 1"},
  };
  int positional, wrong = xr_parse_options(&text, options, sizeof options / sizeof *options, argc, argv, &positional);
  if (wrong >= 0) return wrong;
  if (positional != 1) return xr_usage_error(&text, positional ? "takes one folder" : "the folder to write is missing");
  const char *const *known = xr_synth_layouts;
  while (*known && strcmp(layout, *known) != 0) known++;
  if (!*known) return xr_usage_error(&text, "there is no layout '%s': cuhk-pedes, icfg-pedes or rstpreid", layout);
  xr_synth_summary s;
  if (xr_synth_write(&(xr_synth_options){.folder = argv[0], .layout = layout, .identities = (int)identities, .seed = (uint64_t)seed}, &s) !=
      XR_OK)
    return xr_command_failed();
  xr_info("%s: %d + %d + %d identities (train, val, test), %d + %d + %d pictures, %d captions", argv[0], s.identities[0], s.identities[1],
          s.identities[2], s.images[0], s.images[1], s.images[2], s.captions);
  xr_info("ranking the test pictures by the attributes that captions name reaches R-1 %.1f %%", 100 * s.attribute_rank1);
  return XR_EXIT_DONE;
}
