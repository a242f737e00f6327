#include "host/data/caption_layout.h"

#include <stdio.h>

#include "host/base/file.h"

typedef xr_status (*split_reader)(xr_dataset_builder *builder, const char *file, const char *images, const xr_caption_schema *schema,
                                  xr_split_id split);

static xr_status read_annotations(xr_dataset_builder *builder, const char *file, const char *images, const xr_caption_schema *schema,
                                  xr_split_id split) {
  (void)schema;
  return xr_read_caption_annotations(builder, file, images, split);
}

/* Forms with one file a split, in order of preference. */
typedef struct {
  const char *folder, *suffix;
  split_reader read;
  bool no_val;
} split_form;
static const split_form forms[] = {{"annotations", ".json", read_annotations, false},
                                   {"processed_data", ".json", xr_read_split_records, false},
                                   {"", "_reid.json", xr_read_split_records, true}};
enum { FORMS = sizeof forms / sizeof *forms };

static xr_status split_file(char *path, const char *root, const split_form *form, xr_split_id split) {
  char folder[XR_PATH_MAX], name[32];
  snprintf(name, sizeof name, "%s%s", xr_split_name(split), form->suffix);
  XR_TRY(xr_path_join(folder, root, form->folder));
  return xr_path_join(path, folder, name);
}

static xr_status set_source(xr_dataset_builder *builder, const char *path) {
  builder->source = xr_arena_copy(builder->dataset->arena, path);
  return builder->source ? XR_OK : XR_NO_MEMORY;
}

static xr_status read_form(xr_dataset_builder *builder, const split_form *form, const char *images, const xr_caption_schema *schema) {
  char path[XR_PATH_MAX];
  XR_TRY(xr_path_join(path, builder->dataset->root, form->folder));
  XR_TRY(set_source(builder, path));
  builder->no_val |= form->no_val;
  for (xr_split_id split = XR_SPLIT_TRAIN; split <= XR_SPLIT_TEST; split++) {
    /* identities of train may be held out as val */
    const bool wanted = xr_build_wants(builder, split) ||
                        (split == XR_SPLIT_TRAIN && builder->no_val && xr_build_wants(builder, XR_SPLIT_VAL));
    XR_TRY(split_file(path, builder->dataset->root, form, split));
    if (!wanted || (split == XR_SPLIT_VAL && builder->no_val && !xr_is_file(path))) continue;
    XR_TRY(form->read(builder, path, images, schema, split));
  }
  return XR_OK;
}

static xr_status nothing_found(const char *root, const xr_caption_layout *layout) {
  char path[XR_PATH_MAX];
  const char *official = layout->files[0];
  XR_TRY(xr_path_join(path, root, layout->title));
  if (xr_is_folder(path))
    return xr_fail(XR_NOT_FOUND, "%s holds no %s, but a folder %s: give that folder, %s", root, official, layout->title, path);
  if (layout->useless) {
    XR_TRY(xr_path_join(path, root, layout->useless));
    if (xr_is_file(path)) return xr_fail(XR_NOT_FOUND, "%s holds no %s: %s", root, official, layout->useless_help);
  }
  return xr_fail(XR_NOT_FOUND,
                 "%s holds no annotations of %s: looked for %s%s%s, annotations/train.json, processed_data/train.json and train_reid.json",
                 root, layout->title, official, layout->files[1] ? ", " : "", layout->files[1] ? layout->files[1] : "");
}

xr_status xr_open_caption_layout(xr_dataset_builder *builder, const xr_caption_layout *layout) {
  const char *root = builder->dataset->root;
  char images[XR_PATH_MAX], file[XR_PATH_MAX];
  XR_TRY(xr_path_join(images, root, "imgs"));
  for (int i = 0; i < 2 && layout->files[i]; i++) {
    XR_TRY(xr_path_join(file, root, layout->files[i]));
    if (!xr_is_file(file)) continue;
    XR_TRY(set_source(builder, file));
    return xr_read_caption_records(builder, file, images, &layout->schema);
  }
  for (int i = 0; i < FORMS; i++) {
    XR_TRY(split_file(file, root, &forms[i], XR_SPLIT_TRAIN));
    if (xr_is_file(file)) return read_form(builder, &forms[i], images, &layout->schema);
  }
  return nothing_found(root, layout);
}
