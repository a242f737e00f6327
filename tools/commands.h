/* The sub-commands of xreid, one file each (tools/command_<name>.c). Each takes argv[0] = its own name and returns the exit code. */
#pragma once

int xr_command_data(int argc, char **argv);
int xr_command_info(int argc, char **argv);
int xr_command_tokenize(int argc, char **argv);
int xr_command_rank(int argc, char **argv);
int xr_command_train(int argc, char **argv);
int xr_command_eval(int argc, char **argv);
int xr_command_reproduce(int argc, char **argv);
int xr_command_plan(int argc, char **argv);
int xr_command_bench(int argc, char **argv);
int xr_command_embed(int argc, char **argv);
int xr_command_search(int argc, char **argv);
int xr_command_convert(int argc, char **argv);
int xr_command_module(int argc, char **argv);
int xr_command_synth(int argc, char **argv);
