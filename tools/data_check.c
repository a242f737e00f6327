/* xreid data check: what a data set holds, and what is wrong with it. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/data/dataset.h"
#include "tools/data_actions.h"
#include "tools/options.h"
#include "tools/output.h"

static const xr_command_text text = {
    .name = "data check",
    .usage = "DATASET ROOT [--val-holdout SHARE] [--json FILE]",
    .summary = "Counts what a data set holds, compares it with the official release, and looks for every file. Exit code 1 if anything is "
               "missing; what is odd but usable is a warning.",
    .example = "  xreid data check cuhk-pedes /data/CUHK-PEDES\n  xreid data check rstpreid /data/RSTPReid --json -"};

bool xr_parse_share(const char *given, double *share) {
  char *end;
  if (!given) return true;
  *share = strtod(given, &end);
  return end > given && !*end && *share >= 0 && *share <= 0.5;
}

static json_t *counts_json(xr_split_counts c) {
  return json_pack("{s:I, s:I, s:I}", "identities", (json_int_t)c.identities, "images", (json_int_t)c.images, "captions",
                   (json_int_t)c.captions);
}

static xr_split_counts counts_of(const xr_split *split) {
  return (xr_split_counts){xr_split_identities(split), split->image_count, split->caption_count};
}

static json_t *splits_json(const xr_dataset *d, const xr_split_counts *official) {
  json_t *splits = json_object();
  for (xr_split_id s = 0; s < XR_SPLITS && d; s++) {
    if (!d->splits[s].image_count && !official[s].images) continue;
    json_t *split = counts_json(counts_of(&d->splits[s]));
    json_object_set_new(split, "official", official[s].images ? counts_json(official[s]) : json_null());
    json_object_set_new(splits, xr_split_name(s), split);
  }
  return splits;
}

static xr_status write_json(const char *path, const char *name, const char *root, const xr_dataset *d,
                            const xr_dataset_problems *problems) {
  json_t *list = json_array();
  for (size_t i = 0; i < problems->count; i++) {
    const xr_dataset_problem *p = &problems->list[i];
    json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:s}", "severity", p->error ? "error" : "warning", "kind", p->kind, "count",
                                          (json_int_t)p->count, "message", p->text));
  }
  json_t *all = json_pack("{s:s, s:s, s:s?, s:b, s:o, s:o}", "dataset", name, "root", root, "annotations", d ? d->source : NULL, "ok",
                          !problems->errors, "splits", splits_json(d, xr_dataset_expected(name)), "problems", list);
  char *dump = all ? json_dumps(all, JSON_INDENT(1)) : NULL; /* fails for names that are not UTF-8 */
  json_decref(all);
  if (!dump) return xr_fail(XR_BAD_INPUT, "%s: cannot be written as JSON; is the name UTF-8?", root);
  xr_status status = xr_write_output(path, dump);
  free(dump);
  return status;
}

static void print_counts(const xr_dataset *d, const xr_split_counts *official) {
  printf("%-8s %11s %11s %11s   %s\n", "split", "identities", "images", "captions", "official release");
  for (xr_split_id s = 0; s < XR_SPLITS; s++) {
    const xr_split_counts found = counts_of(&d->splits[s]), *known = &official[s];
    if (!found.images && !known->images) continue;
    printf("%-8s %11zu %11zu %11zu   ", xr_split_name(s), found.identities, found.images, found.captions);
    if (known->images)
      printf("%zu, %zu, %zu\n", known->identities, known->images, known->captions);
    else
      puts("none");
  }
}

static void print_problems(const xr_dataset_problems *problems, FILE *out) {
  for (size_t i = 0; i < problems->count; i++)
    fprintf(out, "%s: %s\n", problems->list[i].error ? "error" : "warning", problems->list[i].text);
  if (!problems->errors) fputs("nothing is missing\n", out);
}

int xr_data_check(int argc, char **argv) {
  const char *json = NULL, *share = NULL;
  xr_dataset_problems problems = {0};
  xr_dataset_options open_options = {.problems = &problems};
  const xr_option options[] = {
      {.name = "json", .kind = XR_TEXT, .value = &json, .argument = "FILE", .help = "counts and problems as JSON; - for standard output"},
      {.name = "val-holdout", .kind = XR_TEXT, .value = &share, .argument = "SHARE", .help = XR_VAL_HOLDOUT_HELP},
  };
  int positional, wrong = xr_parse_options(&text, options, sizeof options / sizeof *options, argc, argv, &positional);
  if (wrong >= 0) return wrong;
  if (positional != 2) return xr_usage_error(&text, "takes DATASET and ROOT");
  const char *name = argv[0], *root = argv[1];
  char known[256];
  if (!xr_dataset_expected(name))
    return xr_usage_error(&text, "there is no data set '%s': %s", name, xr_dataset_names(known, sizeof known));
  if (!xr_parse_share(share, &open_options.val_holdout)) return xr_usage_error(&text, "--val-holdout takes 0 to 0.5, not '%s'", share);

  xr_dataset *d;
  xr_status status = xr_dataset_check(&d, name, root, &open_options);
  const bool only_json = xr_is_standard_output(json);
  if (!only_json && d) print_counts(d, xr_dataset_expected(name));
  if (!only_json) print_problems(&problems, stdout);
  const xr_status written = json ? write_json(json, name, root, d, &problems) : XR_OK;
  xr_dataset_free(d);
  if (status != XR_OK || written != XR_OK) return xr_command_failed();
  if (!problems.errors) return XR_EXIT_DONE;
  fprintf(stderr, "xreid: %s: %zu error%s\n", root, problems.errors, problems.errors == 1 ? "" : "s");
  return XR_EXIT_FAILED;
}
