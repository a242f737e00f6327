#include <stdio.h>
#include <string.h>

#include "tools/bench.h"
#include "tools/commands.h"

static const xr_command_text text = {
    .name = "bench",
    .usage = "[OP ...] [--device cpu|cuda] [--precision f32|tf32|bf16] [--batch N] [--json FILE]\n       xreid bench step CONFIG "
             "[key=value ...]",
    .summary =
        "Times single operations at the papers' shapes, or whole training steps on random inputs, beside what the machine can reach.",
    .example = "  xreid bench                                  every operation\n"
               "  xreid bench attention_image layernorm --device cuda --precision bf16\n"
               "  xreid bench step configs/irra_cuhk-pedes.yaml sampler.batch=4 --repeats 5",
};

int xr_command_bench(int argc, char **argv) {
  xr_bench_options o = {.precision = "f32"};
  xr_option options[] = {
      {.name = "precision",
       .kind = XR_TEXT,
       .value = &o.precision,
       .argument = "f32|tf32|bf16",
       .help = "of single operations (tf32: on CUDA); a step has model.precision"},
      {.name = "batch",
       .kind = XR_INTEGER,
       .value = &o.batch,
       .argument = "N",
       .help = "of single operations; default 64",
       .minimum = 1,
       .maximum = 4096},
      {.name = "repeats",
       .kind = XR_INTEGER,
       .value = &o.repeats,
       .argument = "N",
       .help = "measurements; default 10 on the CPU, 30 on CUDA",
       .minimum = 1,
       .maximum = XR_BENCH_MAX_REPEATS},
      {.name = "small", .kind = XR_FLAG, .value = &o.small, .help = "tiny shapes: shows that it works, not how fast"},
      {.name = "json", .kind = XR_TEXT, .value = &o.json, .argument = "FILE", .help = "the figures as JSON; - for standard output"},
      XR_RUN_OPTIONS(o.run),
  };
  int positional, wrong = xr_parse_options(&text, options, sizeof options / sizeof *options, argc, argv, &positional);
  if (wrong >= 0) return wrong;
  if (strcmp(o.precision, "f32") != 0 && strcmp(o.precision, "tf32") != 0 && strcmp(o.precision, "bf16") != 0)
    return xr_usage_error(&text, "there is no precision '%s': f32, tf32, bf16", o.precision);
  if (positional && strcmp(argv[0], "step") == 0) return xr_bench_steps(&text, &o, positional - 1, argv + 1);
  wrong = xr_apply_run_options(&text, &o.run);
  return wrong >= 0 ? wrong : xr_bench_operations(&text, &o, positional, argv);
}
