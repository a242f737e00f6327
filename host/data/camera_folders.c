#include "host/data/camera_folders.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "host/data/image.h"

static int is_no_person(const struct dirent *entry) {
  return entry->d_name[0] != '.' && !(strspn(entry->d_name, "0123456789") == 4 && !entry->d_name[4]);
}

static xr_status find_odd_folders(const char *folder, xr_faults *odd) {
  struct dirent **entries;
  const int count = scandir(folder, &entries, is_no_person, alphasort);
  if (count < 0) return xr_fail(XR_IO, "%s: %s", folder, strerror(errno));
  for (int i = 0; i < count; i++) {
    xr_fault(odd, "%s/%s", folder, entries[i]->d_name);
    free(entries[i]);
  }
  free(entries);
  return XR_OK;
}

xr_status xr_check_camera_folders(const xr_dataset_builder *builder, const xr_camera_layout *layout) {
  xr_faults missing = {.builder = builder, .kind = "missing-folders"}, odd = {.builder = builder, .kind = "odd-folders"};
  char path[XR_PATH_MAX];
  for (size_t i = 0; i < layout->count; i++) {
    XR_TRY(xr_path_join(path, builder->dataset->root, layout->cameras[i].folder));
    if (!xr_is_folder(path))
      xr_fault(&missing, "%s", path);
    else if (builder->options->problems)
      XR_TRY(find_odd_folders(path, &odd));
  }
  XR_TRY(xr_faults_end(&odd, XR_BAD_INPUT, builder->dataset->root, "entries of camera folders are no person's folder",
                       "Give them their names in the archive, four digits like 0006, or take them away"));
  return xr_faults_end(&missing, XR_NOT_FOUND, builder->dataset->root, "camera folders are missing", "Unpack the complete archive there");
}

static int is_visible_picture(const struct dirent *entry) { return entry->d_name[0] != '.' && xr_is_picture_name(entry->d_name); }

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static xr_status add_folder(xr_dataset_builder *builder, xr_split_id split, int32_t person, const xr_camera_folder *camera,
                            const xr_camera_layout *layout, xr_faults *odd) {
  char folder[XR_PATH_MAX], below[64];
  snprintf(below, sizeof below, "%s/%04d", camera->folder, (int)person);
  XR_TRY(xr_path_join(folder, builder->dataset->root, below));
  struct dirent **entries;
  const int count = scandir(folder, &entries, is_visible_picture, by_name);
  if (count < 0) return errno == ENOENT ? XR_OK : xr_fail(XR_IO, "%s: %s", folder, strerror(errno)); /* not everybody is everywhere */
  const xr_image_record image = {.pid = person, .camera = camera->camera, .modality = camera->modality};
  xr_status status = XR_OK;
  for (int i = 0; i < count; i++) {
    if (status == XR_OK && !layout->fits(entries[i]->d_name, person, camera->camera))
      xr_fault(odd, "%s/%s", folder, entries[i]->d_name);
    else if (status == XR_OK)
      status = xr_build_image(builder, split, folder, entries[i]->d_name, image);
    free(entries[i]);
  }
  free(entries);
  return status;
}

static xr_status check_persons(const xr_dataset_builder *builder, xr_split_id split, const xr_id_list *ids) {
  int32_t *found;
  size_t count, at = 0;
  XR_TRY(xr_distinct_ids(builder->splits[split].images, builder->splits[split].image_count, &found, &count));
  xr_faults without = {.builder = builder, .kind = "missing-images"};
  for (size_t i = 0; i < ids->count; i++) {
    while (at < count && found[at] < ids->id[i]) at++;
    if (at == count || found[at] != ids->id[i]) xr_fault(&without, "id %d", (int)ids->id[i]);
  }
  free(found);
  return xr_faults_end(&without, XR_NOT_FOUND, ids->file, "persons have no image",
                       "A person's folder has four digits, like 0006; unpack the complete archive");
}

xr_status xr_build_camera_images(xr_dataset_builder *builder, xr_split_id split, const xr_id_list *ids, const xr_camera_layout *layout) {
  xr_faults odd = {.builder = builder, .kind = "odd-names"};
  for (xr_modality modality = XR_MODALITY_VISIBLE; modality <= XR_MODALITY_INFRARED; modality++)
    for (size_t i = 0; i < ids->count; i++)
      for (size_t c = 0; c < layout->count; c++)
        if (layout->cameras[c].modality == modality) XR_TRY(add_folder(builder, split, ids->id[i], &layout->cameras[c], layout, &odd));
  char what[200];
  snprintf(what, sizeof what, "pictures have names that do not fit %s", layout->form);
  XR_TRY(xr_faults_end(&odd, XR_BAD_INPUT, builder->dataset->root, what, "Give them their names in the archive, or take them away"));
  return check_persons(builder, split, ids);
}
