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
    .usage = "DATASET ROOT [--quick] [--trial T] [--separate-val] [--val-holdout SHARE] [--json FILE]",
    .summary = "Counts what a data set holds, compares it with the official release, and looks at every file. Exit code 1 if anything is "
               "missing, cannot be read or is mislabelled; what is odd but usable is a warning.",
    .example = "  xreid data check sysu-mm01 /data/SYSU-MM01\n  xreid data check rstpreid /data/RSTPReid --json -"};

enum { FILES_PRINTED = 20 }; /* the others are in the JSON */

bool xr_parse_share(const char *given, double *share) {
  char *end;
  if (!given) return true;
  *share = strtod(given, &end);
  return end > given && !*end && *share >= 0 && *share <= 0.5;
}

static json_t *counts_json(xr_split_counts c, bool infrared) {
  json_t *counts = json_pack("{s:I, s:I, s:I}", "identities", (json_int_t)c.identities, "images", (json_int_t)c.images, "captions",
                             (json_int_t)c.captions);
  if (infrared) {
    json_object_set_new(counts, "visible", json_integer((json_int_t)(c.images - c.infrared)));
    json_object_set_new(counts, "infrared", json_integer((json_int_t)c.infrared));
  }
  return counts;
}

static json_t *splits_json(const xr_dataset *d) {
  json_t *splits = json_object();
  for (xr_split_id s = 0; s < XR_SPLITS && d; s++) {
    const xr_split_counts *official = &d->official[s];
    if (!d->splits[s].image_count && !official->images) continue;
    json_t *split = counts_json(xr_count_split(&d->splits[s]), d->infrared);
    json_object_set_new(split, "official", official->images ? counts_json(*official, d->infrared) : json_null());
    json_object_set_new(splits, xr_split_name(s), split);
  }
  return splits;
}

/* Every single file that is at fault. */
typedef struct {
  json_t *list;
  bool print;
} fault_list;

static void note_file(void *context, const char *kind, const char *file) {
  fault_list *faults = context;
  const size_t before = json_array_size(faults->list);
  json_array_append_new(faults->list, json_pack("{s:s, s:s}", "kind", kind, "file", file));
  if (faults->print && before < FILES_PRINTED) printf("%s: %s\n", kind, file);
  if (faults->print && before == FILES_PRINTED) puts(".. more; --json FILE has them all");
}

static xr_status write_json(const char *path, const char *name, const char *root, const xr_dataset *d, const xr_dataset_problems *problems,
                            json_t *files) {
  json_t *list = json_array();
  for (size_t i = 0; i < problems->count; i++) {
    const xr_dataset_problem *p = &problems->list[i];
    json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:s}", "severity", p->error ? "error" : "warning", "kind", p->kind, "count",
                                          (json_int_t)p->count, "message", p->text));
  }
  json_t *all = json_pack("{s:s, s:s, s:s?, s:b, s:o, s:o, s:O}", "dataset", name, "root", root, "annotations", d ? d->source : NULL, "ok",
                          !problems->errors, "splits", splits_json(d), "problems", list, "files", files);
  char *dump = all ? json_dumps(all, JSON_INDENT(1)) : NULL; /* fails for names that are not UTF-8 */
  json_decref(all);
  if (!dump) return xr_fail(XR_BAD_INPUT, "%s: cannot be written as JSON; is the name UTF-8?", root);
  xr_status status = xr_write_output(path, dump);
  free(dump);
  return status;
}

static void print_counts(const xr_dataset *d) {
  const bool ir = d->infrared;
  printf("%-8s %11s %11s %11s   %s\n", "split", "identities", ir ? "visible" : "images", ir ? "infrared" : "captions", "official release");
  for (xr_split_id s = 0; s < XR_SPLITS; s++) {
    const xr_split_counts found = xr_count_split(&d->splits[s]), *known = &d->official[s];
    if (!found.images && !known->images) continue;
    printf("%-8s %11zu %11zu %11zu   ", xr_split_name(s), found.identities, found.images - found.infrared,
           ir ? found.infrared : found.captions);
    if (known->images)
      printf("%zu, %zu, %zu\n", known->identities, known->images - known->infrared, ir ? known->infrared : known->captions);
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
  bool quick = false, separate = false;
  int64_t trial = 0;
  xr_dataset_problems problems = {.each_file = note_file};
  xr_dataset_options open_options = {.problems = &problems};
  const xr_option options[] = {
      {.name = "json", .kind = XR_TEXT, .value = &json, .argument = "FILE", .help = "counts and problems as JSON; - for standard output"},
      {.name = "quick", .kind = XR_FLAG, .value = &quick, .help = "images are looked for but not decoded"},
      {.name = "trial",
       .kind = XR_INTEGER,
       .value = &trial,
       .argument = "T",
       .help = "regdb: only this trial's lists, 1 to 10",
       .minimum = 1,
       .maximum = 10},
      {.name = "separate-val", .kind = XR_FLAG, .value = &separate, .help = XR_SEPARATE_VAL_HELP},
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
  const bool only_json = xr_is_standard_output(json);
  fault_list faults = {.list = json_array(), .print = !only_json};
  problems.context = &faults;
  open_options.decode = !quick;
  open_options.official_val = separate;
  open_options.trial = (int32_t)trial;
  xr_status status = xr_dataset_check(&d, name, root, &open_options);
  if (!only_json && d) print_counts(d);
  if (!only_json) print_problems(&problems, stdout);
  const xr_status written = json ? write_json(json, name, root, d, &problems, faults.list) : XR_OK;
  json_decref(faults.list);
  xr_dataset_free(d);
  if (status != XR_OK || written != XR_OK) return xr_command_failed();
  if (!problems.errors) return XR_EXIT_DONE;
  fprintf(stderr, "xreid: %s: %zu error%s\n", root, problems.errors, problems.errors == 1 ? "" : "s");
  return XR_EXIT_FAILED;
}
