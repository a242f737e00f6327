/* RSTPReid (Zhu et al., "DSSL: Deep Surroundings-person Separation Learning for Text-based Person Retrieval", ACM MM 2021).
 *
 *   ROOT/imgs/<person>_c<camera>_<number>.jpg    ROOT/data_captions.json
 *
 * Records name their image by img_path. Training ids 0 .. 3700, two captions an image, five images a person from 15 cameras; no protocol
 * uses the camera. An early release split the same persons differently. */
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "host/data/caption_layout.h"

/* "0012_c3_0007.jpg": 3; -1 for other names. */
static int32_t camera_of(const char *path) {
  const char *name = xr_path_name(path), *mark = strstr(name, "_c");
  char *end;
  const long camera = mark ? strtol(mark + 2, &end, 10) : -1;
  return mark && end > mark + 2 && *end == '_' && camera >= 0 && camera < 1000 ? (int32_t)camera : -1;
}

static xr_status open_rstpreid(xr_dataset_builder *builder) {
  static const xr_caption_layout layout = {
      .title = "RSTPReid",
      .files = {"data_captions.json"},
      .schema = {.path_key = "img_path", .without_split = "use the file data_captions.json of the authors' archive"}};
  XR_TRY(xr_open_caption_layout(builder, &layout));
  for (int split = 0; split < XR_SPLITS; split++)
    for (size_t i = 0; i < builder->splits[split].image_count; i++)
      builder->splits[split].images[i].camera = camera_of(builder->splits[split].images[i].path);
  return XR_OK;
}

static const xr_known_variant early_release = {
    .counts = {[XR_SPLIT_TRAIN] = {3901, 19505, 39010, 0}, [XR_SPLIT_VAL] = {100, 500, 1000, 0}, [XR_SPLIT_TEST] = {100, 500, 1000, 0}},
    .remark = "this is the split of the early release, corrected in October 2022: published figures are of the corrected one, download "
              "data_captions.json again"};

const xr_dataset_adapter xr_rstpreid = {
    .name = "rstpreid",
    .open = open_rstpreid,
    .expected = {[XR_SPLIT_TRAIN] = {3701, 18505, 37010, 0}, [XR_SPLIT_VAL] = {200, 1000, 2000, 0}, [XR_SPLIT_TEST] = {200, 1000, 2000, 0}},
    .variant = &early_release,
};
