/* RegDB (Nguyen et al., "Person Recognition System Based on a Combination of Body Images from Visible Light and Thermal Cameras",
 * Sensors 2017), with the index files of Ye et al. (AAAI 2018).
 *
 *   ROOT/{Visible,Thermal}/<person>/<sex>_<side>_{v,t}_<frame>_<person>.bmp    ROOT/idx/{train,test}_{visible,thermal}_{1..10}.txt
 *
 * Ten trials, each with a training set of its own: 206 persons to train on, the other 206 to test on, ten images a modality each. Labels
 * run 0 .. 205 in train and, independently, in test: pid is the label, which says nothing across the two. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "host/data/person_lists.h"

/* "Visible/285/male_back_v_05528_285.bmp": person 285 */
static xr_path_facts read_path(const char *path, xr_modality modality) {
  static const xr_path_facts nothing = {-1, -1};
  const char *name = xr_path_name(path), *last = strrchr(name, '_');
  char folder[16], mark[] = {'_', modality == XR_MODALITY_VISIBLE ? 'v' : 't', '_', '\0'};
  int below, at_end, length = 0;
  if (sscanf(path, "%15[^/]/%6d/%n", folder, &below, &length) != 2 || path + length != name) return nothing;
  if (strcmp(folder, modality == XR_MODALITY_VISIBLE ? "Visible" : "Thermal") != 0 || below < 1 || !strstr(name, mark)) return nothing;
  if (!last || sscanf(last, "_%6d.%n", &at_end, &length) != 1 || at_end != below || strcmp(last + length, "bmp") != 0) return nothing;
  return (xr_path_facts){.person = below, .camera = -1};
}

static xr_status add_split(xr_dataset_builder *builder, xr_split_id split) {
  static const char *const lists[] = {"visible", "thermal"};
  const char *file[2];
  for (int m = 0; m < 2; m++) {
    file[m] = xr_arena_format(builder->dataset->arena, "%s/%s_%s_%d.txt", builder->source, xr_split_name(split), lists[m],
                              (int)builder->dataset->trial);
    if (!file[m]) return XR_NO_MEMORY;
  }
  const xr_label_list visible = {file[0], XR_MODALITY_VISIBLE, "Visible/<id>/.._v_.._<id>.bmp", read_path},
                      thermal = {file[1], XR_MODALITY_INFRARED, "Thermal/<id>/.._t_.._<id>.bmp", read_path};
  return xr_build_labelled(builder, split, &visible, &thermal);
}

static xr_status open_regdb(xr_dataset_builder *builder) {
  xr_dataset *d = builder->dataset;
  d->trial = builder->options->trial ? builder->options->trial : 1;
  builder->source = xr_arena_format(d->arena, "%s/idx", d->root);
  if (!builder->source) return XR_NO_MEMORY;
  if (!xr_is_folder(builder->source))
    return xr_fail(XR_NOT_FOUND, "%s: there is no such folder; the index files of RegDB, train_visible_1.txt and so on, lie there",
                   builder->source);
  const bool test = xr_build_wants(builder, XR_SPLIT_TEST);
  const bool train = xr_build_wants(builder, XR_SPLIT_TRAIN) || xr_build_wants(builder, XR_SPLIT_VAL); /* val is held out of it */
  if (train) XR_TRY(add_split(builder, XR_SPLIT_TRAIN));
  if (test) XR_TRY(add_split(builder, XR_SPLIT_TEST));
  return train && test ? xr_check_persons_apart(builder, XR_SPLIT_TRAIN, XR_SPLIT_TEST, read_path) : XR_OK;
}

const xr_dataset_adapter xr_regdb = {
    .name = "regdb",
    .open = open_regdb,
    .infrared = true,
    .own_numbers = true,
    .trials = 10,
    .expected = {[XR_SPLIT_TRAIN] = {206, 4120, 0, 2060}, [XR_SPLIT_TEST] = {206, 4120, 0, 2060}},
};
