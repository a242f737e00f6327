/* CUHK-PEDES (Li et al., "Person Search with Natural Language Description", CVPR 2017).
 *
 *   ROOT/imgs/{CUHK01,CUHK03,Market,cam_a,cam_b,train_query,test_query}/..    ROOT/reid_raw.json
 *
 * Two rearranged forms of the annotations are around and accepted where reid_raw.json is missing: one file a split, with one entry a
 * caption (ROOT/annotations) or with the records unchanged (ROOT/processed_data). caption_all.json, from the same download, is refused:
 * it has no splits and numbers the persons differently. Published training ids run 1 .. 11003, in some forms 0 .. 11002: the label is
 * the place of the id among them, which is id - 1 or id. */
#include <stdio.h>

#include "host/base/file.h"
#include "host/data/caption_json.h"

static const char caption_all_help[] =
    "caption_all.json, by its name or its form, has no splits and numbers the persons differently; reid_raw.json is another file, which "
    "the authors of CUHK-PEDES send on request";

static const xr_caption_schema schema = {.path_key = "file_path", .without_split = caption_all_help};

static xr_status read_annotations(xr_dataset_builder *builder, const char *file, const char *images, xr_split_id split) {
  return xr_read_caption_annotations(builder, file, images, split);
}

static xr_status read_records(xr_dataset_builder *builder, const char *file, const char *images, xr_split_id split) {
  return xr_read_split_records(builder, file, images, &schema, split);
}

/* Forms with one file a split, in order of preference. */
static const struct {
  const char *folder;
  xr_status (*read)(xr_dataset_builder *builder, const char *file, const char *images, xr_split_id split);
} split_forms[] = {{"annotations", read_annotations}, {"processed_data", read_records}};
enum { SPLIT_FORMS = sizeof split_forms / sizeof *split_forms };

static xr_status split_file(char *path, const char *folder, xr_split_id split) {
  char name[XR_PATH_MAX];
  snprintf(name, sizeof name, "%s.json", xr_split_name(split));
  return xr_path_join(path, folder, name);
}

static xr_status read_split_files(xr_dataset_builder *builder, size_t form, const char *folder, const char *images) {
  builder->source = xr_arena_copy(builder->dataset->arena, folder);
  if (!builder->source) return XR_NO_MEMORY;
  for (xr_split_id split = XR_SPLIT_TRAIN; split <= XR_SPLIT_TEST; split++) {
    char file[XR_PATH_MAX];
    if (!xr_build_wants(builder, split)) continue;
    XR_TRY(split_file(file, folder, split));
    XR_TRY(split_forms[form].read(builder, file, images, split));
  }
  return XR_OK;
}

static xr_status nothing_found(const char *root) {
  char path[XR_PATH_MAX];
  XR_TRY(xr_path_join(path, root, "CUHK-PEDES"));
  if (xr_is_folder(path))
    return xr_fail(XR_NOT_FOUND, "%s holds no reid_raw.json, but a folder CUHK-PEDES: give that folder, %s", root, path);
  XR_TRY(xr_path_join(path, root, "caption_all.json"));
  if (xr_is_file(path)) return xr_fail(XR_NOT_FOUND, "%s holds no reid_raw.json: %s", root, caption_all_help);
  return xr_fail(XR_NOT_FOUND,
                 "%s holds no annotations of CUHK-PEDES: looked for reid_raw.json, annotations/train.json and processed_data/train.json",
                 root);
}

static xr_status open_cuhk_pedes(xr_dataset_builder *builder) {
  const char *root = builder->dataset->root;
  char images[XR_PATH_MAX], file[XR_PATH_MAX];
  XR_TRY(xr_path_join(images, root, "imgs"));
  XR_TRY(xr_path_join(file, root, "reid_raw.json"));
  if (xr_is_file(file)) {
    builder->source = xr_arena_copy(builder->dataset->arena, file);
    return builder->source ? xr_read_caption_records(builder, file, images, &schema) : XR_NO_MEMORY;
  }
  for (size_t form = 0; form < SPLIT_FORMS; form++) {
    char folder[XR_PATH_MAX];
    XR_TRY(xr_path_join(folder, root, split_forms[form].folder));
    XR_TRY(split_file(file, folder, XR_SPLIT_TRAIN));
    if (xr_is_file(file)) return read_split_files(builder, form, folder, images);
  }
  return nothing_found(root);
}

const xr_dataset_adapter xr_cuhk_pedes = {
    .name = "cuhk-pedes",
    .open = open_cuhk_pedes,
    .expected = {[XR_SPLIT_TRAIN] = {11003, 34054, 68126}, [XR_SPLIT_VAL] = {1000, 3078, 6158}, [XR_SPLIT_TEST] = {1000, 3074, 6156}},
};
