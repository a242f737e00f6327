/* SYSU-MM01 (Wu et al., "RGB-Infrared Cross-Modality Person Re-Identification", ICCV 2017).
 *
 *   ROOT/cam1 .. cam6/<person, four digits>/<number, four digits>.jpg    ROOT/exp/{train,val,test}_id.{txt,mat}, rand_perm_cam.mat
 *
 * Cameras 1, 2 (indoor) and 4, 5 (outdoor) are visible, 3 (in the room of camera 2) and 6 (outdoor) infrared. All published work trains on
 * the persons of train_id and val_id together, 395; xr_dataset_options.official_val keeps those of val_id apart. Where val_id is missing,
 * they are the persons seen in both modalities that are neither in train_id nor in test_id. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "host/data/camera_folders.h"

static const xr_camera_folder cameras[] = {{"cam1", 1, XR_MODALITY_VISIBLE},  {"cam2", 2, XR_MODALITY_VISIBLE},
                                           {"cam4", 4, XR_MODALITY_VISIBLE},  {"cam5", 5, XR_MODALITY_VISIBLE},
                                           {"cam3", 3, XR_MODALITY_INFRARED}, {"cam6", 6, XR_MODALITY_INFRARED}};
enum { CAMERAS = sizeof cameras / sizeof *cameras, PERSONS = 10000 };

/* "0025.jpg" */
static bool name_fits(const char *name, int32_t person, int32_t camera) {
  (void)person, (void)camera;
  const size_t digits = strspn(name, "0123456789");
  return digits >= 1 && digits <= 6 && name[digits] == '.' && !strchr(name + digits + 1, '.');
}

static const xr_camera_layout layout = {.cameras = cameras, .count = CAMERAS, .fits = name_fits, .form = "<number>.jpg"};

static xr_status no_cameras(const char *root) {
  static const char *const inside[] = {"ori_data", "SYSU-MM01"};
  char path[XR_PATH_MAX], camera[XR_PATH_MAX];
  for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
    XR_TRY(xr_path_join(path, root, inside[i]));
    XR_TRY(xr_path_join(camera, path, cameras[0].folder));
    if (xr_is_folder(camera))
      return xr_fail(XR_NOT_FOUND, "%s holds no cam1 .. cam6, but a folder %s: give that folder, %s", root, inside[i], path);
  }
  return xr_fail(XR_NOT_FOUND, "%s holds none of the folders cam1 .. cam6 of SYSU-MM01: unpack the archive there", root);
}

static xr_status check_root(const xr_dataset_builder *builder) {
  const char *root = builder->dataset->root;
  char path[XR_PATH_MAX];
  bool any = false;
  for (int i = 0; i < CAMERAS && !any; i++) {
    XR_TRY(xr_path_join(path, root, cameras[i].folder));
    any = xr_is_folder(path);
  }
  return any ? xr_check_camera_folders(builder, &layout) : no_cameras(root);
}

static void mark(bool *there, const xr_id_list *ids) {
  for (size_t i = 0; i < ids->count; i++) there[ids->id[i]] = true;
}

static bool has_folder(const char *root, const xr_camera_folder *camera, int32_t person) {
  char folder[XR_PATH_MAX], name[64];
  snprintf(name, sizeof name, "%s/%04d", camera->folder, (int)person);
  return xr_path_join(folder, root, name) == XR_OK && xr_is_folder(folder);
}

/* Who is in both modalities but in neither list. */
static xr_status derive_val(xr_dataset_builder *builder, const xr_id_list *train, const xr_id_list *test, xr_id_list *val) {
  bool listed[PERSONS] = {false};
  mark(listed, train);
  mark(listed, test);
  *val = (xr_id_list){.file = builder->source, .id = XR_NEW_ARRAY(builder->dataset->arena, int32_t, PERSONS)};
  if (!val->id) return XR_NO_MEMORY;
  for (int32_t person = 1; person < PERSONS; person++) {
    bool seen[2] = {false, false};
    for (int c = 0; c < CAMERAS && !listed[person]; c++)
      if (!seen[cameras[c].modality == XR_MODALITY_INFRARED])
        seen[cameras[c].modality == XR_MODALITY_INFRARED] = has_folder(builder->dataset->root, &cameras[c], person);
    if (seen[0] && seen[1]) val->id[val->count++] = person;
  }
  xr_build_warn(builder, "derived-val", val->count,
                "%s: there is no val_id; taken are the %zu persons in both modalities that are neither in train_id nor in test_id",
                builder->source, val->count);
  return XR_OK;
}

static xr_status read_val(xr_dataset_builder *builder, const xr_id_list *train, xr_id_list *val) {
  xr_id_list test;
  const xr_status status = xr_read_ids(builder->dataset->arena, builder->source, "val_id", val);
  if (status != XR_NOT_FOUND) return status;
  XR_TRY(xr_read_ids(builder->dataset->arena, builder->source, "test_id", &test));
  return derive_val(builder, train, &test, val);
}

/* The persons of both lists, ascending. */
static xr_status join(xr_arena *arena, const xr_id_list *a, const xr_id_list *b, xr_id_list *both) {
  *both = (xr_id_list){.file = a->file, .id = XR_NEW_ARRAY(arena, int32_t, a->count + b->count)};
  if (!both->id) return XR_NO_MEMORY;
  for (size_t i = 0, k = 0; i < a->count || k < b->count;) {
    const bool from_a = k == b->count || (i < a->count && a->id[i] <= b->id[k]), repeat = from_a && k < b->count && a->id[i] == b->id[k];
    if (repeat) return xr_fail(XR_BAD_INPUT, "%s and %s both hold id %d", a->file, b->file, (int)a->id[i]);
    both->id[both->count++] = from_a ? a->id[i++] : b->id[k++];
  }
  return XR_OK;
}

static const xr_split_counts with_val[XR_SPLITS] = {
    [XR_SPLIT_TRAIN] = {296, 30213, 0, 9929}, [XR_SPLIT_VAL] = {99, 3954, 0, 1980}, [XR_SPLIT_TEST] = {96, 10578, 0, 3803}};

static xr_status open_training(xr_dataset_builder *builder) {
  xr_arena *arena = builder->dataset->arena;
  const bool apart = builder->options->official_val;
  /* identities of train may be held out as val */
  const bool train_wanted = xr_build_wants(builder, XR_SPLIT_TRAIN) || (!apart && xr_build_wants(builder, XR_SPLIT_VAL));
  const bool val_wanted = apart && xr_build_wants(builder, XR_SPLIT_VAL);
  if (!train_wanted && !val_wanted) return XR_OK;
  xr_id_list train, val = {0}, both;
  XR_TRY(xr_read_ids(arena, builder->source, "train_id", &train));
  if (!apart || val_wanted) XR_TRY(read_val(builder, &train, &val));
  if (train_wanted && !apart) XR_TRY(join(arena, &train, &val, &both));
  if (train_wanted) XR_TRY(xr_build_camera_images(builder, XR_SPLIT_TRAIN, apart ? &train : &both, &layout));
  return val_wanted ? xr_build_camera_images(builder, XR_SPLIT_VAL, &val, &layout) : XR_OK;
}

/* Some programs take the entries of rand_perm_cam.mat for file numbers, which they are when files are numbered 1, 2, .. without holes. */
static void check_numbering(const xr_dataset_builder *builder) {
  size_t odd = 0;
  const char *example = "";
  for (int split = 0; split < XR_SPLITS; split++) {
    const xr_image_record *images = builder->splits[split].images;
    int number = 0;
    bool counted = false;
    for (size_t i = 0; i < builder->splits[split].image_count; i++) {
      if (!i || images[i].pid != images[i - 1].pid || images[i].camera != images[i - 1].camera) {
        number = 0;
        counted = false;
      }
      if (atoi(xr_path_name(images[i].path)) == ++number || counted) continue;
      counted = true;
      if (!odd++) example = images[i].path;
    }
  }
  if (odd)
    xr_build_warn(builder, "numbering", odd,
                  "%zu folders do not number their images 1, 2, 3, .. without holes: %s. The official galleries are of places in a folder; "
                  "programs that take them for file numbers rank others",
                  odd, example);
}

static xr_status open_sysu_mm01(xr_dataset_builder *builder) {
  builder->source = xr_arena_format(builder->dataset->arena, "%s/exp", builder->dataset->root);
  if (!builder->source) return XR_NO_MEMORY;
  if (builder->options->official_val) {
    builder->expected = with_val;
    builder->no_val = false;
  }
  XR_TRY(check_root(builder));
  XR_TRY(open_training(builder));
  if (xr_build_wants(builder, XR_SPLIT_TEST)) {
    xr_id_list test;
    XR_TRY(xr_read_ids(builder->dataset->arena, builder->source, "test_id", &test));
    XR_TRY(xr_build_camera_images(builder, XR_SPLIT_TEST, &test, &layout));
  }
  if (builder->options->problems) check_numbering(builder);
  return XR_OK;
}

const xr_dataset_adapter xr_sysu_mm01 = {
    .name = "sysu-mm01",
    .open = open_sysu_mm01,
    .sparse_ids = true,
    .infrared = true,
    .expected = {[XR_SPLIT_TRAIN] = {395, 34167, 0, 11909}, [XR_SPLIT_TEST] = {96, 10578, 0, 3803}},
};
