/* CUHK-PEDES (Li et al., "Person Search with Natural Language Description", CVPR 2017).
 *
 *   ROOT/imgs/{CUHK01,CUHK03,Market,cam_a,cam_b,train_query,test_query}/..    ROOT/reid_raw.json
 *
 * caption_all.json, from the same download, is refused: it has no splits and numbers the persons differently. Published training ids run
 * 1 .. 11003, in some forms 0 .. 11002: the label is the place of the id among them, which is id - 1 or id. All captions are used, also
 * of the images that have more than two. */
#include "host/data/caption_layout.h"

static const char caption_all_help[] =
    "caption_all.json, by its name or its form, has no splits and numbers the persons differently; reid_raw.json is another file, which "
    "the authors of CUHK-PEDES send on request";

static xr_status open_cuhk_pedes(xr_dataset_builder *builder) {
  static const xr_caption_layout layout = {.title = "CUHK-PEDES",
                                           .files = {"reid_raw.json"},
                                           .schema = {.path_key = "file_path", .without_split = caption_all_help},
                                           .useless = "caption_all.json",
                                           .useless_help = caption_all_help};
  return xr_open_caption_layout(builder, &layout);
}

static const xr_known_variant two_captions = {
    .counts =
        {[XR_SPLIT_TRAIN] = {11003, 34054, 68108, 0}, [XR_SPLIT_VAL] = {1000, 3078, 6156, 0}, [XR_SPLIT_TEST] = {1000, 3074, 6148, 0}},
    .remark = "these are two captions an image; published figures mostly are of all captions, do not mix them"};

const xr_dataset_adapter xr_cuhk_pedes = {
    .name = "cuhk-pedes",
    .open = open_cuhk_pedes,
    .first_id = 1,
    .expected =
        {[XR_SPLIT_TRAIN] = {11003, 34054, 68126, 0}, [XR_SPLIT_VAL] = {1000, 3078, 6158, 0}, [XR_SPLIT_TEST] = {1000, 3074, 6156, 0}},
    .variant = &two_captions,
};
