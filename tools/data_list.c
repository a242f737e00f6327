/* xreid data list: a split, one JSON object a line. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/data/dataset.h"
#include "host/data/trials.h"
#include "tools/data_actions.h"
#include "tools/options.h"

static const xr_command_text text = {
    .name = "data list",
    .usage = "DATASET ROOT --split train|val|test|query|gallery [--val-holdout SHARE] [--separate-val]\n"
             "       [--mode all|indoor] [--shots 1|10] [--trial T] [--draw agw|official] [--direction NAME]",
    .summary = "Writes a split in the official order, one JSON object a line. Text-to-image sets: train, val, test are every caption with "
               "its image; query: the captions of test, gallery: its images, as they are ranked. Visible-infrared sets: train, val, test "
               "are the visible, then the infrared images; query and gallery are those of one trial. What does not apply is null.",
    .example = "  xreid data list cuhk-pedes /data/CUHK-PEDES --split train\n"
               "  xreid data list icfg-pedes /data/ICFG-PEDES --split val --val-holdout 0.05\n"
               "  xreid data list sysu-mm01 /data/SYSU-MM01 --split gallery --mode indoor --trial 3\n"
               "  xreid data list regdb /data/RegDB --split query --trial 10 --direction thermal-to-visible"};

static const char *modality_name(xr_modality modality) {
  static const char *const names[] = {[XR_MODALITY_VISIBLE] = "visible", [XR_MODALITY_INFRARED] = "infrared", [XR_MODALITY_TEXT] = "text"};
  return names[modality];
}

static json_t *number_or_null(int32_t number) { return number < 0 ? json_null() : json_integer(number); }

static xr_status write_line(const xr_dataset *d, bool train, const xr_image_record *image, xr_modality modality, const char *caption) {
  json_t *line = json_pack("{s:s, s:i, s:o, s:i, s:o, s:s, s:s?}", "path", image->path, "id", image->pid, "label",
                           number_or_null(train ? xr_dataset_label(d, image->pid) : -1), "image_id", image->image_id, "camera",
                           number_or_null(image->camera), "modality", modality_name(modality), "caption", caption);
  char *dump = line ? json_dumps(line, JSON_COMPACT) : NULL;
  json_decref(line);
  if (!dump) return xr_fail(XR_BAD_INPUT, "%s: cannot be written as JSON; is the name UTF-8?", image->path);
  const bool written = puts(dump) >= 0;
  free(dump);
  return written ? XR_OK : xr_fail(XR_IO, "standard output: cannot write");
}

static xr_status write_images(const xr_dataset *d, const xr_split *split) {
  const bool train = split == &d->splits[XR_SPLIT_TRAIN];
  for (size_t i = 0; i < split->image_count; i++) XR_TRY(write_line(d, train, &split->images[i], split->images[i].modality, NULL));
  return XR_OK;
}

static xr_status write_captions(const xr_dataset *d, const xr_split *split, bool as_queries) {
  const bool train = split == &d->splits[XR_SPLIT_TRAIN];
  for (size_t i = 0; i < split->caption_count; i++) {
    const xr_image_record *image = &split->images[split->captions[i].image];
    XR_TRY(write_line(d, train, image, as_queries ? XR_MODALITY_TEXT : image->modality, split->captions[i].text));
  }
  return XR_OK;
}

/* The options of visible-infrared sets as they were given, or NULL. */
typedef struct {
  const char *mode, *shots, *trial, *draw, *direction;
} trial_texts;

static xr_status write_places(const xr_dataset *d, const xr_image_record *images, const int32_t *places, size_t count) {
  for (size_t i = 0; i < count; i++) XR_TRY(write_line(d, false, &images[places[i]], images[places[i]].modality, NULL));
  return XR_OK;
}

static xr_status write_trial(const xr_dataset *d, bool queries, const xr_trials_options *options, int number) {
  xr_trials trials;
  XR_TRY(xr_trials_make(&trials, d, XR_SPLIT_TEST, options));
  const xr_trial_lists *trial = &trials.trial[trials.count > 1 ? number : 0];
  const xr_status status = queries ? write_places(d, trials.query_images, trial->query, trial->query_count)
                                   : write_places(d, trials.gallery_images, trial->gallery, trial->gallery_count);
  xr_trials_free(&trials);
  return status;
}

/* In text-to-image sets query and gallery are two sides of test. */
static xr_status write_split(const xr_dataset *d, xr_split_id split, const xr_trials_options *options, int trial) {
  const xr_split *s = &d->splits[split], *test = &d->splits[XR_SPLIT_TEST];
  const bool side = split >= XR_SPLIT_QUERY;
  xr_status status = d->infrared && side         ? write_trial(d, split == XR_SPLIT_QUERY, options, trial)
                     : d->infrared               ? write_images(d, s)
                     : split == XR_SPLIT_GALLERY ? write_images(d, test)
                                                 : write_captions(d, side ? test : s, side);
  if (status == XR_OK && fflush(stdout) != 0) status = xr_fail(XR_IO, "standard output: cannot write");
  return status;
}

/* The place of `name` among `names`; -1. */
static int find_name(const char *name, const char *const *names, int count) {
  for (int i = 0; i < count; i++)
    if (strcmp(name, names[i]) == 0) return i;
  return -1;
}

/* Fills in options and the trial's number, or returns the exit code of wrong usage. */
static int parse_trial(const trial_texts *t, const char *dataset, xr_trials_options *options, int *trial) {
  const bool regdb = !strcmp(dataset, "regdb");
  const int first = regdb ? 1 : 0;
  if (t->mode) {
    const int mode = find_name(t->mode, xr_search_mode_names, XR_SEARCH_MODES);
    if (mode < 0) return xr_usage_error(&text, "--mode takes all or indoor, not '%s'", t->mode);
    options->mode = (xr_search_mode)mode;
  }
  if (t->draw) {
    const int draw = find_name(t->draw, xr_gallery_draw_names, XR_GALLERY_DRAWS);
    if (draw < 0) return xr_usage_error(&text, "--draw takes agw or official, not '%s'", t->draw);
    options->draw = (xr_gallery_draw)draw;
  }
  if (t->direction && !xr_direction_find(t->direction, &options->direction))
    return xr_usage_error(&text,
                          "--direction takes infrared-to-visible, visible-to-infrared (or thermal- in place of infrared) or "
                          "visible-to-infrared-transposed, not '%s'",
                          t->direction);
  options->shots = 1;
  if (t->shots && strcmp(t->shots, "1") != 0) options->shots = 10;
  if (t->shots && options->shots == 10 && strcmp(t->shots, "10") != 0)
    return xr_usage_error(&text, "--shots takes 1 or 10, not '%s'", t->shots);
  *trial = first;
  if (!t->trial) return -1;
  char *end;
  const long number = strtol(t->trial, &end, 10);
  if (end == t->trial || *end || number < first || number >= first + XR_MAX_TRIALS)
    return xr_usage_error(&text, "--trial of %s takes %d to %d, not '%s'", dataset, first, first + XR_MAX_TRIALS - 1, t->trial);
  *trial = (int)number;
  return -1;
}

static bool has_trials(const char *dataset) { return !xr_dataset_expected(dataset)[XR_SPLIT_TEST].captions; }

int xr_data_list(int argc, char **argv) {
  const char *name = NULL, *share = NULL;
  bool separate = false;
  trial_texts t = {0};
  xr_dataset_options open_options = {0};
  const xr_option options[] = {
      {.name = "split", .kind = XR_TEXT, .value = &name, .argument = "NAME", .help = "train, val, test, query or gallery"},
      {.name = "val-holdout", .kind = XR_TEXT, .value = &share, .argument = "SHARE", .help = XR_VAL_HOLDOUT_HELP},
      {.name = "separate-val", .kind = XR_FLAG, .value = &separate, .help = XR_SEPARATE_VAL_HELP "; so for --split val"},
      {.name = "mode", .kind = XR_TEXT, .value = &t.mode, .argument = "NAME", .help = "sysu-mm01: all (default) or indoor"},
      {.name = "shots",
       .kind = XR_TEXT,
       .value = &t.shots,
       .argument = "N",
       .help = "sysu-mm01: 1 (default) or 10 images a person and camera"},
      {.name = "trial", .kind = XR_TEXT, .value = &t.trial, .argument = "T", .help = "0 to 9; regdb: 1 to 10, also of train and test"},
      {.name = "draw", .kind = XR_TEXT, .value = &t.draw, .argument = "NAME", .help = "sysu-mm01: agw (default) or official"},
      {.name = "direction",
       .kind = XR_TEXT,
       .value = &t.direction,
       .argument = "NAME",
       .help = "infrared-to-visible (regdb: thermal-), .."},
  };
  int positional, wrong = xr_parse_options(&text, options, sizeof options / sizeof *options, argc, argv, &positional);
  if (wrong >= 0) return wrong;
  if (positional != 2) return xr_usage_error(&text, "takes DATASET and ROOT");
  if (!name) return xr_usage_error(&text, "--split is missing");
  char known[256];
  if (!xr_dataset_expected(argv[0]))
    return xr_usage_error(&text, "there is no data set '%s': %s", argv[0], xr_dataset_names(known, sizeof known));
  xr_split_id split = 0;
  while (split < XR_SPLITS && strcmp(name, xr_split_name(split)) != 0) split++;
  if (split == XR_SPLITS) return xr_usage_error(&text, "--split is train, val, test, query or gallery, not '%s'", name);
  if (!xr_parse_share(share, &open_options.val_holdout)) return xr_usage_error(&text, "--val-holdout takes 0 to 0.5, not '%s'", share);
  if (!has_trials(argv[0]) && (t.mode || t.shots || t.trial || t.draw || t.direction))
    return xr_usage_error(&text, "--mode, --shots, --trial, --draw and --direction are for visible-infrared sets, not %s", argv[0]);
  xr_trials_options trial_options = {0};
  int trial = 0;
  wrong = parse_trial(&t, argv[0], &trial_options, &trial);
  if (wrong >= 0) return wrong;

  open_options.splits = 1u << (split >= XR_SPLIT_QUERY ? XR_SPLIT_TEST : split);
  open_options.official_val = separate || (split == XR_SPLIT_VAL && !share);
  if (!strcmp(argv[0], "regdb")) open_options.trial = trial;
  xr_dataset *d;
  xr_status status = xr_dataset_open(&d, argv[0], argv[1], &open_options);
  if (status == XR_OK) status = write_split(d, split, &trial_options, trial);
  xr_dataset_free(d);
  return status == XR_OK ? XR_EXIT_DONE : xr_command_failed();
}
