/* xreid: picks the sub-command. */
#include <stdio.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/options.h"

static const struct {
  const char *name;
  int (*run)(int argc, char **argv);
  const char *summary;
} commands[] = {
    {"train", xr_command_train, "trains a model and writes a run folder"},
    {"eval", xr_command_eval, "evaluates trained weights"},
    {"embed", xr_command_embed, "images and captions to features"},
    {"search", xr_command_search, "finds the pictures for a sentence or a picture"},
    {"convert", xr_command_convert, "weights from one naming to another"},
    {"reproduce", xr_command_reproduce, "trains with several seeds, prints the figures beside the paper's"},
    {"bench", xr_command_bench, "times operations and training steps"},
    {"synth", xr_command_synth, "draws a data set of pedestrians"},
    {"module", xr_command_module, "runs one module or loss on arrays"},
    {"plan", xr_command_plan, "what a training step needs: memory, arithmetic"},
    {"data", xr_command_data, "look into data sets and pictures"},
    {"info", xr_command_info, "version, libraries and devices"},
    {"tokenize", xr_command_tokenize, "captions to token ids"},
    {"rank", xr_command_rank, "evaluates features or scores made anywhere"},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void print_commands(FILE *out) {
  fputs("xreid: cross-modal person re-identification\n\nusage: xreid COMMAND ... (xreid COMMAND --help tells more)\n\n", out);
  for (int i = 0; i < COMMANDS; i++) fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
}

int main(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "";
  for (int i = 0; i < COMMANDS; i++)
    if (strcmp(name, commands[i].name) == 0) return commands[i].run(argc - 1, argv + 1);
  if (strcmp(name, "--version") == 0) return puts("xreid " XREID_VERSION) < 0;
  if (strcmp(name, "--help") == 0 || strcmp(name, "help") == 0) {
    print_commands(stdout);
    return XR_EXIT_DONE;
  }
  if (*name) fprintf(stderr, "xreid: there is no command '%s'\n\n", name);
  print_commands(stderr);
  return XR_EXIT_USAGE;
}
