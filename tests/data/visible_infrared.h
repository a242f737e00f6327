/* Trees of one-pixel images: every name is a link to one file. */
#pragma once

#include "host/data/dataset.h"
#include "tests/data/scratch.h"

/* root/picture: 1 x 1, a BMP, which the decoder knows by its content. */
static inline void tree_start(const scratch *s) {
  static const unsigned char bmp[58] = {'B', 'M', 58, [10] = 54, [14] = 40, [18] = 1, [22] = 1, [26] = 1, [28] = 24, [54] = 1, 2, 3};
  scratch_write(s, "picture", bmp, sizeof bmp);
}

static inline void tree_folder(const scratch *s, const char *name) {
  char path[XR_PATH_MAX];
  cr_assert_eq(xr_path_join(path, s->root, name), XR_OK);
  cr_assert(xr_make_folders(path) == XR_OK, "%s", xr_message());
}

static inline void tree_picture(const scratch *s, const char *name) {
  char path[XR_PATH_MAX], folder[XR_PATH_MAX], picture[XR_PATH_MAX];
  cr_assert_eq(xr_path_join(path, s->root, name), XR_OK);
  cr_assert_eq(xr_path_join(picture, s->root, "picture"), XR_OK);
  if (link(picture, path) == 0) return;
  snprintf(folder, sizeof folder, "%.*s", (int)(xr_path_name(path) - path), path);
  cr_assert(xr_make_folders(folder) == XR_OK, "%s", xr_message());
  cr_assert_eq(link(picture, path), 0, "%s", path);
}

static inline void tree_remove(const scratch *s, const char *name) {
  char command[600];
  snprintf(command, sizeof command, "rm -r '%s/%s'", s->root, name);
  cr_assert_eq(system(command), 0);
}

/* The part of an image's path below the root. */
static inline const char *tree_name(const scratch *s, const xr_image_record *image) { return image->path + strlen(s->root) + 1; }

static inline const xr_dataset_problem *find_problem(const xr_dataset_problems *problems, const char *kind) {
  for (size_t i = 0; i < problems->count; i++)
    if (!strcmp(problems->list[i].kind, kind)) return &problems->list[i];
  return NULL;
}

static inline void expect_problem(const xr_dataset_problems *problems, const char *kind, bool error, size_t count, const char *part) {
  const xr_dataset_problem *p = find_problem(problems, kind);
  cr_assert(p, "no problem '%s'; %zu others, the first: %s", kind, problems->count, problems->count ? problems->list[0].text : "none");
  cr_assert_eq(p->error, error, "%s", p->text);
  cr_assert_eq(p->count, count, "%zu: %s", p->count, p->text);
  cr_assert(strstr(p->text, part), "no '%s' in: %s", part, p->text);
}
