/* ICFG-PEDES (Ding et al., "Semantically Self-Aligned Network for Text-to-Image Part-aware Person Re-identification", 2021).
 *
 *   ROOT/imgs/{train,test}/..    ROOT/ICFG-PEDES.json, by some accounts ICFG_PEDES.json
 *
 * The folders are those of MSMT17 and say nothing about the split, which the records do: a training record may lie in imgs/test. One
 * caption an image, training ids 0 .. 3101, no val split (xr_dataset_options.val_holdout makes one). All test captions are queries and
 * all test images the gallery. */
#include "host/data/caption_layout.h"

static xr_status open_icfg_pedes(xr_dataset_builder *builder) {
  static const xr_caption_layout layout = {
      .title = "ICFG-PEDES",
      .files = {"ICFG-PEDES.json", "ICFG_PEDES.json"},
      .schema = {.path_key = "file_path", .without_split = "use the file ICFG-PEDES.json of the authors' archive"}};
  return xr_open_caption_layout(builder, &layout);
}

const xr_dataset_adapter xr_icfg_pedes = {
    .name = "icfg-pedes",
    .open = open_icfg_pedes,
    .expected = {[XR_SPLIT_TRAIN] = {3102, 34674, 34674, 0}, [XR_SPLIT_TEST] = {1000, 19848, 19848, 0}},
};
