/* LLCM (Zhang and Wang, "Diverse Embedding Expansion Network and Low-Light Cross-Modality Benchmark for Visible-Infrared Person
 * Re-identification", CVPR 2023).
 *
 *   ROOT/{vis,nir}/<person, four digits>/<person>_c<camera>_s<time>_f<frame>_{vis,nir}.jpg     training images
 *   ROOT/test_vis/cam{1..9}/<person>/.., ROOT/test_nir/cam{1,2,4..9}/<person>/..               test images
 *   ROOT/idx/train_{vis,nir}.txt                                                               "path label"
 *   ROOT/idx/test_id.txt                                                                       the test persons
 *   ROOT/idx/test_{vis,nir}.txt                                                                only looked at by xr_dataset_check
 *
 * test_nir/cam3 is empty in the release and not looked at, as in the authors' code. Training labels are numbered anew, in ascending order.
 * Cameras and persons are read from the end of a path: a root may be called anything. A visible and an infrared camera of one number stand
 * in one place. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "host/data/camera_folders.h"

/* "0001_c01_s185535_f7010_nir.jpg": person 1, camera 1 */
static xr_path_facts read_name(const char *name) {
  int person, camera, length = 0;
  const bool form = sscanf(name, "%4d_c%2d_%n", &person, &camera, &length) == 2 && length == 9 && isdigit((unsigned char)*name);
  return form && person >= 1 && camera >= 1 ? (xr_path_facts){person, camera} : (xr_path_facts){-1, -1};
}

/* "nir/0001/0001_c01_s185535_f7010_nir.jpg" */
static xr_path_facts read_path(const char *path, xr_modality modality) {
  const char *name = xr_path_name(path);
  const xr_path_facts facts = read_name(name);
  char folder[8];
  int person, length = 0;
  const bool form = sscanf(path, "%7[^/]/%4d/%n", folder, &person, &length) == 2 && path + length == name && person == facts.person &&
                    !strcmp(folder, modality == XR_MODALITY_VISIBLE ? "vis" : "nir");
  return form ? facts : (xr_path_facts){-1, -1};
}

/* A name that says another person or camera than its folders is wrong; one that says nothing is not. */
static bool name_fits(const char *name, int32_t person, int32_t camera) {
  const xr_path_facts facts = read_name(name);
  return facts.person < 0 || (facts.person == person && facts.camera == camera);
}

#define VISIBLE(n) \
  { "test_vis/cam" #n, n, XR_MODALITY_VISIBLE }
#define INFRARED(n) \
  { "test_nir/cam" #n, n, XR_MODALITY_INFRARED }
static const xr_camera_folder cameras[] = {VISIBLE(1),  VISIBLE(2),  VISIBLE(3),  VISIBLE(4),  VISIBLE(5),  VISIBLE(6),
                                           VISIBLE(7),  VISIBLE(8),  VISIBLE(9),  INFRARED(1), INFRARED(2), INFRARED(4),
                                           INFRARED(5), INFRARED(6), INFRARED(7), INFRARED(8), INFRARED(9)};
static const xr_camera_layout layout = {
    .cameras = cameras, .count = sizeof cameras / sizeof *cameras, .fits = name_fits, .form = "<person>_c<camera>_.. of their folders"};

static xr_status open_train(xr_dataset_builder *builder) {
  const char *visible = xr_arena_format(builder->dataset->arena, "%s/train_vis.txt", builder->source),
             *infrared = xr_arena_format(builder->dataset->arena, "%s/train_nir.txt", builder->source);
  if (!visible || !infrared) return XR_NO_MEMORY;
  const xr_label_list first = {visible, XR_MODALITY_VISIBLE, "vis/<person>/<person>_c<camera>_..", read_path},
                      second = {infrared, XR_MODALITY_INFRARED, "nir/<person>/<person>_c<camera>_..", read_path};
  return xr_build_labelled(builder, XR_SPLIT_TRAIN, &first, &second);
}

/* The protocol walks the folders; what the lists of test images name beyond that is missing. */
static xr_status check_test_lists(const xr_dataset_builder *builder) {
  static const char *const names[] = {"test_vis.txt", "test_nir.txt"};
  for (int i = 0; i < 2; i++) {
    char file[XR_PATH_MAX];
    XR_TRY(xr_path_join(file, builder->source, names[i]));
    XR_TRY(xr_check_listed(builder, file));
  }
  return XR_OK;
}

static xr_status open_llcm(xr_dataset_builder *builder) {
  const xr_dataset *d = builder->dataset;
  builder->source = xr_arena_format(d->arena, "%s/idx", d->root);
  if (!builder->source) return XR_NO_MEMORY;
  if (!xr_is_folder(builder->source))
    return xr_fail(XR_NOT_FOUND, "%s: there is no such folder; the lists of LLCM, train_vis.txt and so on, lie there", builder->source);
  const bool test = xr_build_wants(builder, XR_SPLIT_TEST);
  const bool train = xr_build_wants(builder, XR_SPLIT_TRAIN) || xr_build_wants(builder, XR_SPLIT_VAL); /* val is held out of it */
  xr_id_list ids;
  if (train) XR_TRY(open_train(builder));
  if (!test) return XR_OK;
  XR_TRY(xr_read_ids(d->arena, builder->source, "test_id", &ids));
  XR_TRY(xr_check_camera_folders(builder, &layout));
  XR_TRY(xr_build_camera_images(builder, XR_SPLIT_TEST, &ids, &layout));
  return builder->options->problems ? check_test_lists(builder) : XR_OK;
}

/* The numbers of persons, and of all images, are the authors'. */
const xr_dataset_adapter xr_llcm = {
    .name = "llcm",
    .open = open_llcm,
    .sparse_ids = true,
    .infrared = true,
    .own_numbers = true,
    .expected = {[XR_SPLIT_TRAIN] = {713, 30921, 0, 13975}, [XR_SPLIT_TEST] = {351, 15846, 0, 7166}},
};
