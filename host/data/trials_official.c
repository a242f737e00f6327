#include "host/data/trials_official.h"

#include "host/base/file.h"
#include "host/data/trials.h"
#include "host/io/mat.h"

enum { CAMERAS = 6 };

struct xr_permutations {
  const char *file;
  xr_mat_value of_camera;
};

static xr_status wrong_shape(const char *file, const char *what, const xr_mat_value *value) {
  return xr_fail(XR_BAD_INPUT,
                 "%s: %s is %s [%zu, %zu]; it must be a cell array [6, 1] over cameras of cell arrays [persons, 1] of matrices "
                 "[10, images]. Use the file of the data set's exp folder",
                 file, what, value->values ? "a cell array" : "a matrix", value->rows, value->columns);
}

xr_status xr_permutations_open(xr_permutations **permutations, xr_arena *arena, const xr_dataset *dataset) {
  xr_permutations *p = XR_NEW(arena, xr_permutations);
  if (!p) return XR_NO_MEMORY;
  p->file = xr_arena_format(arena, "%s/exp/rand_perm_cam.mat", dataset->root);
  if (!p->file) return XR_NO_MEMORY;
  if (!xr_is_file(p->file))
    return xr_fail(XR_NOT_FOUND, "%s: there is no such file. It comes with SYSU-MM01; without it galleries can be drawn as in AGW's code",
                   p->file);
  XR_TRY(xr_mat_read(arena, p->file, "rand_perm_cam", &p->of_camera));
  const xr_mat_value *all = &p->of_camera;
  if (!all->values || all->rows * all->columns != CAMERAS) return wrong_shape(p->file, "rand_perm_cam", all);
  for (size_t c = 0; c < CAMERAS; c++)
    if (!all->values[c].values) return wrong_shape(p->file, "the cell of a camera", &all->values[c]);
  *permutations = p;
  return XR_OK;
}

xr_status xr_permutation_start(const xr_permutations *p, int32_t camera, int32_t person, int trial, uint32_t images, uint32_t take,
                               uint32_t *picks) {
  if (camera < 1 || camera > CAMERAS || person < 1)
    return xr_fail(XR_BAD_INPUT, "%s: has nothing of person %d, camera %d", p->file, (int)person, (int)camera);
  const xr_mat_value *persons = &p->of_camera.values[camera - 1];
  static const xr_mat_value absent = {0};
  const xr_mat_value *matrix = (size_t)person <= persons->rows * persons->columns ? &persons->values[person - 1] : &absent;
  if (matrix->columns != images)
    return xr_fail(XR_BAD_INPUT,
                   "%s: counts %zu images of person %d by camera %d, the folder holds %u: the file and the images are not of one release",
                   p->file, matrix->columns, (int)person, (int)camera, (unsigned)images);
  if (!matrix->number || matrix->rows != XR_MAX_TRIALS) return wrong_shape(p->file, "what it holds of a person", matrix);
  for (uint32_t i = 0; i < take; i++) {
    const int32_t k = matrix->number[(size_t)trial + i * matrix->rows];
    if (k < 1 || k > (int64_t)images)
      return xr_fail(XR_BAD_INPUT, "%s: person %d, camera %d, trial %d: %d is no image of %u", p->file, (int)person, (int)camera, trial,
                     (int)k, (unsigned)images);
    picks[i] = (uint32_t)k - 1;
  }
  return XR_OK;
}
