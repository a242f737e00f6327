#include "tools/run_options.h"

#include <stdlib.h>
#include <string.h>

#include "host/base/text.h"
#include "kernels/common/threads.h"

int xr_apply_run_options(const xr_command_text *command, const xr_run_options *o) {
  if (o->device && !xr_is_device(o->device)) return xr_usage_error(command, "there is no device '%s': cpu, cuda, cuda:N, auto", o->device);
  if (o->threads) xr_threads_set((int)o->threads);
  return -1;
}

int xr_open_device(const xr_command_text *command, const xr_run_options *o, xr_device *device) {
  const char *preferred = getenv("XREID_DEVICE"), *name = o->device ? o->device : preferred && *preferred ? preferred : "auto";
  if (xr_device_open(device, name) == XR_OK) return -1;
  fprintf(stderr, "xreid %s: --device %s: %s\n", command->name, name, xr_message());
  return XR_EXIT_FAILED;
}

int xr_open_config(const xr_command_text *command, const xr_run_options *o, int positional, char **argv, xr_config **config) {
  if (!positional) return xr_usage_error(command, "a configuration is missing");
  const char *path = argv[0], **overrides = calloc((size_t)positional + 1, sizeof *overrides);
  char seed[64];
  size_t count = 0;
  if (!overrides) return xr_usage_error(command, "out of memory");
  for (int i = 1; i < positional; i++) {
    if (!strchr(argv[i], '=')) {
      free(overrides);
      return xr_usage_error(command, "'%s' is no override: key=value", argv[i]);
    }
    overrides[count++] = argv[i];
  }
  snprintf(seed, sizeof seed, "train.seed=%lld", (long long)o->seed);
  if (o->seed) overrides[count++] = seed;
  xr_status status = xr_config_load(config, path, overrides, count);
  free(overrides);
  if (status != XR_OK) return xr_command_failed();
  int wrong = xr_apply_run_options(command, o);
  if (wrong >= 0) xr_config_free(*config);
  return wrong;
}

/* ---- the plan's summary */
static const char *part_of(const char *parameter) {
  static const char *const text_parts[] = {"token_embedding.", "positional_embedding", "transformer.", "ln_final.", "text_projection"};
  if (strncmp(parameter, "visual.", 7) == 0) return "image tower";
  for (size_t i = 0; i < sizeof text_parts / sizeof *text_parts; i++)
    if (strncmp(parameter, text_parts[i], strlen(text_parts[i])) == 0) return "text tower";
  return "heads";
}

static void print_parameters(const xr_parameters *p, FILE *out) {
  static const char *const parts[] = {"image tower", "text tower", "heads"};
  char digits[XR_GROUPED_TEXT];
  int64_t towers = 0;
  fprintf(out, "parameters\n");
  for (int k = 0; k < 3; k++) {
    int64_t count = 0;
    for (int i = 0; i < xr_parameter_count(p); i++)
      if (strcmp(part_of(xr_parameter_at(p, i)->name), parts[k]) == 0) count += xr_elements(xr_parameter_at(p, i)->shape);
    fprintf(out, "  %-28s %14s\n", parts[k], xr_grouped(digits, count));
    if (k < 2) towers += count;
    if (k == 1) fprintf(out, "  %-28s %14s\n", "both towers", xr_grouped(digits, towers));
  }
  fprintf(out, "  %-28s %14s\n", "all", xr_grouped(digits, xr_parameter_elements(p)));
}

void xr_print_plan_summary(const xr_model *model, FILE *out) {
  const double mib = 1048576.0;
  xr_memory m = xr_plan_memory(model->plan);
  xr_work w = xr_plan_work(model->plan);
  const int64_t batch = model->task->context.batch;
  print_parameters(model->parameters, out);
  const struct {
    const char *name;
    size_t bytes;
  } classes[] = {{"parameters (f32)", m.parameters},
                 {"bf16 copies", m.compute_copies},
                 {"gradients", m.gradients},
                 {"moments", m.moments},
                 {"activations and workspaces", m.arena},
                 {"total", m.total}};
  fprintf(out, "memory for training, batch %lld (MiB)\n", (long long)batch);
  for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
    fprintf(out, "  %-28s %14.1f\n", classes[i].name, (double)classes[i].bytes / mib);
  fprintf(out, "activations at their fullest moment (MiB)\n");
  fprintf(out, "  %-28s %14.1f\n  %-28s %14.1f\n  %-28s %14.1f\n  %-28s %14.1f\n", "inputs", (double)m.inputs / mib,
          "values kept or in use", (double)m.values / mib, "gradients of activations", (double)m.activation_gradients / mib, "workspace",
          (double)m.workspace / mib);
  fprintf(out, "  %-28s %14.1f\n  %-28s %14.1f  (+%.2f %%)\n  %-28s %14.1f\n", "least any plan needs", (double)m.lower_bound / mib,
          "planned", (double)m.arena / mib, 100.0 * ((double)m.arena / (double)m.lower_bound - 1), "without any reuse",
          (double)m.unshared / mib);
  fprintf(out, "arithmetic of a step (GFLOP, 2 for each multiply-add)\n");
  fprintf(out, "  %-28s %14.2f\n  %-28s %14.2f\n", "forward", w.forward_flops * 1e-9, "  of which a sample",
          w.forward_flops * 1e-9 / (double)batch);
  fprintf(out, "  %-28s %14.2f\n", "backward", w.backward_flops * 1e-9);
  if (w.recompute_flops > 0) fprintf(out, "  %-28s %14.2f\n", "recomputed", w.recompute_flops * 1e-9);
}
