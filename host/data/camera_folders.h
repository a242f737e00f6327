/* Images in one folder a camera and person: ROOT/<camera's folder>/<person, four digits>/<name>. */
#pragma once

#include "host/data/person_lists.h"

typedef struct {
  const char *folder; /* below the root: "cam3", "test_nir/cam4" */
  int32_t camera;
  xr_modality modality;
} xr_camera_folder;

typedef struct {
  const xr_camera_folder *cameras; /* in the official order; the visible ones first */
  size_t count;
  /* Whether a picture's name fits where it lies; `form` says what fits. */
  bool (*fits)(const char *name, int32_t person, int32_t camera);
  const char *form;
} xr_camera_layout;

/* Reports the folders that are missing; several make one problem. Where problems are gathered, also what in them is no person's folder. */
xr_status xr_check_camera_folders(const xr_dataset_builder *builder, const xr_camera_layout *layout);

/* Appends the pictures of these persons: the visible ones, then the infrared ones, each by person ascending, camera in the layout's order,
 * name. Hidden files and files that are no pictures by name are left out. Errors: pictures whose name does not fit (all of them at once),
 * persons without any picture. */
xr_status xr_build_camera_images(xr_dataset_builder *builder, xr_split_id split, const xr_id_list *ids, const xr_camera_layout *layout);
