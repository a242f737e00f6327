#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/train/run_module.h"
#include "tools/commands.h"
#include "tools/run_options.h"

static const xr_command_text text = {
    .name = "module",
    .usage = "[NAME] [key=value ...] --in DIR --out DIR [--precision f32|bf16]",
    .summary = "Runs one module or loss on npy files, forward and backward. Without a name: lists them.",
    .example = "  xreid module spt m1=0.3 negative=hard --in arrays --out results\n  xreid module imfi --help"};

static void list_modules(FILE *out) {
  for (int i = 0; i < xr_module_count; i++) fprintf(out, "%-18s %s\n", xr_modules[i].name, xr_modules[i].summary);
}

/* "m1=0.3" -> "loss.spt.m1=0.3"; keys with a dot are whole. The caller frees. */
static char *whole_key(const xr_module *module, const char *override) {
  const char *equals = strchr(override, '='), *dot = strchr(override, '.');
  const bool whole = !module->options || (dot && dot < equals);
  char *key = NULL;
  return asprintf(&key, "%s%s%s", whole ? "" : module->options, whole ? "" : ".", override) < 0 ? NULL : key;
}

static int load_options(const xr_module *module, int count, char **given, xr_config **config) {
  char **keys = calloc((size_t)count + 1, sizeof *keys);
  int wrong = keys ? -1 : xr_usage_error(&text, "out of memory");
  for (int i = 0; i < count && wrong < 0; i++) {
    if (!strchr(given[i], '='))
      wrong = xr_usage_error(&text, "'%s' is no option: key=value", given[i]);
    else if (!(keys[i] = whole_key(module, given[i])))
      wrong = xr_usage_error(&text, "out of memory");
  }
  if (wrong < 0 && xr_config_load(config, NULL, (const char *const *)keys, (size_t)count) != XR_OK) wrong = xr_command_failed();
  for (int i = 0; keys && i < count; i++) free(keys[i]);
  free(keys);
  return wrong;
}

static void print_line(void *context, const char *line) { fprintf(context, "  %s\n", line); }

/* The keys of the module's section with their values, as the configuration writes them. */
static void print_options(const xr_module *module, const xr_config *config) {
  char *yaml;
  if (!module->options || xr_config_to_yaml(config, &yaml) != XR_OK) return;
  printf("\noptions (section %s of the configuration; configs/defaults.yaml explains them)\n", module->options);
  const char *at = yaml;
  char path[64];
  snprintf(path, sizeof path, "%s", module->options);
  for (char *part = strtok(path, "."); part && at; part = strtok(NULL, ".")) {
    char head[80];
    snprintf(head, sizeof head, "%s:\n", part);
    at = strstr(at, head);
    if (at) at += strlen(head);
  }
  const size_t depth = at ? strspn(at, " ") : 0;
  for (; at && *at && strspn(at, " ") >= depth; at = strchr(at, '\n') + 1) {
    const int length = (int)strcspn(at + depth, "\n");
    printf("  %.*s\n", length, at + depth);
  }
  free(yaml);
}

static int help(const xr_module *module) {
  static const char *const kinds[] = {[XR_MODULE_FEATURE] = "float", [XR_MODULE_INTEGER] = "integer", [XR_MODULE_PARAMETER] = "parameter"};
  xr_config *config;
  printf("xreid module %s: %s\n\nfiles in --in\n", module->name, module->summary);
  for (int i = 0; i < XR_MODULE_TENSORS && module->tensors[i].name; i++) {
    const xr_module_tensor *t = &module->tensors[i];
    printf("  %-28s [%s]  %s%s\n", t->name, t->shape, kinds[t->kind], t->optional ? ", optional" : "");
  }
  if (xr_config_load(&config, NULL, NULL, 0) != XR_OK) return xr_command_failed();
  print_options(module, config);
  printf("\nparameters, when every size is 8\n");
  const xr_status status = xr_module_describe(module, config, print_line, stdout);
  xr_config_free(config);
  if (status != XR_OK) return xr_command_failed();
  printf("\nWrites every output, and grad.<tensor>.npy for every float tensor and parameter: of the output loss, or of the sum of\n"
         "outputs weighted by grad_out.<output>.npy.\n");
  return XR_EXIT_DONE;
}

static bool asks_for_help(int argc, char **argv) {
  for (int i = 1; i < argc; i++)
    if (strcmp(argv[i], "--help") == 0) return true;
  return false;
}

int xr_command_module(int argc, char **argv) {
  const char *in = NULL, *out = NULL, *precision = "f32";
  xr_run_options run = {0};
  const xr_option options[] = {
      {.name = "in", .kind = XR_TEXT, .value = &in, .argument = "DIR", .help = "folder of <tensor>.npy, one for each input and parameter"},
      {.name = "out", .kind = XR_TEXT, .value = &out, .argument = "DIR", .help = "folder for outputs and gradients"},
      {.name = "precision", .kind = XR_TEXT, .value = &precision, .argument = "NAME", .help = "f32 or bf16 (default f32)"},
      XR_RUN_OPTIONS(run),
  };
  const xr_module *named = argc > 1 && argv[1][0] != '-' ? xr_module_find(argv[1]) : NULL;
  if (named && asks_for_help(argc, argv)) return help(named);
  int positional, wrong = xr_parse_options(&text, options, sizeof options / sizeof *options, argc, argv, &positional);
  if (wrong >= 0) return wrong;
  if (!positional) {
    list_modules(stdout);
    return XR_EXIT_DONE;
  }
  const xr_module *module = xr_module_find(argv[0]);
  if (!module) return xr_usage_error(&text, "there is no module '%s'; xreid module lists them", argv[0]);
  if (!in || !out) return xr_usage_error(&text, "--in and --out are needed");
  const bool bf16 = strcmp(precision, "bf16") == 0;
  if (!bf16 && strcmp(precision, "f32") != 0) return xr_usage_error(&text, "--precision is f32 or bf16, not '%s'", precision);
  if ((wrong = xr_apply_run_options(&text, &run)) >= 0) return wrong;
  xr_config *config;
  if ((wrong = load_options(module, positional - 1, argv + 1, &config)) >= 0) return wrong;
  xr_device device;
  wrong = xr_open_device(&text, &run, &device);
  if (wrong < 0) {
    const xr_module_options how = {
        .in = in, .out = out, .compute = bf16 ? XR_BF16 : XR_F32, .backend = device.backend, .seed = (uint64_t)run.seed};
    wrong = xr_module_run(module, config, &how) == XR_OK ? XR_EXIT_DONE : xr_command_failed();
  }
  xr_config_free(config);
  return wrong;
}
