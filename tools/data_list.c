/* xreid data list: a split, one JSON object a line. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/data/dataset.h"
#include "tools/data_actions.h"
#include "tools/options.h"

static const xr_command_text text = {
    .name = "data list",
    .usage = "DATASET ROOT --split train|val|test|query|gallery [--val-holdout SHARE]",
    .summary = "Writes a split in the official order, one JSON object a line. train, val, test: every caption with its image; query: the "
               "captions of test, gallery: its images, as they are ranked. What does not apply is null.",
    .example = "  xreid data list cuhk-pedes /data/CUHK-PEDES --split train\n"
               "  xreid data list icfg-pedes /data/ICFG-PEDES --split val --val-holdout 0.05"};

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
  for (size_t i = 0; i < split->image_count; i++) XR_TRY(write_line(d, false, &split->images[i], split->images[i].modality, NULL));
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

/* In text-to-image sets query and gallery are two sides of test. */
static xr_status write_split(const xr_dataset *d, xr_split_id split) {
  const xr_split *s = &d->splits[split], *test = &d->splits[XR_SPLIT_TEST];
  xr_status status = split == XR_SPLIT_GALLERY ? write_images(d, test)
                     : split == XR_SPLIT_QUERY ? write_captions(d, test, true)
                                               : write_captions(d, s, false);
  if (status == XR_OK && fflush(stdout) != 0) status = xr_fail(XR_IO, "standard output: cannot write");
  return status;
}

int xr_data_list(int argc, char **argv) {
  const char *name = NULL, *share = NULL;
  xr_dataset_options open_options = {0};
  const xr_option options[] = {
      {.name = "split", .kind = XR_TEXT, .value = &name, .argument = "NAME", .help = "train, val, test, query or gallery"},
      {.name = "val-holdout", .kind = XR_TEXT, .value = &share, .argument = "SHARE", .help = XR_VAL_HOLDOUT_HELP},
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

  open_options.splits = 1u << (split >= XR_SPLIT_QUERY ? XR_SPLIT_TEST : split);
  xr_dataset *d;
  xr_status status = xr_dataset_open(&d, argv[0], argv[1], &open_options);
  if (status == XR_OK) status = write_split(d, split);
  xr_dataset_free(d);
  return status == XR_OK ? XR_EXIT_DONE : xr_command_failed();
}
