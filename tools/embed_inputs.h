/* What `xreid embed` reads. Each function fails with a message that names the file and the line or row. */
#pragma once

#include "host/base/memory.h"
#include "host/data/dataset.h"
#include "host/eval/encoder.h"
#include "host/io/npy.h"

/* The pictures of a folder and its sub-folders (jpg, jpeg, png, bmp), sorted by path, or those that a text file names, one a line: a path,
 * or an object
 * {"path": .., "id": .., "camera": .., "modality": "visible|infrared"} as `xreid data list` prints it. What is not known is -1. */
xr_status xr_read_image_list(xr_arena *arena, const char *list_or_folder, xr_split *split);

/* Captions, one a line of JSON: a string, or an object with "caption". `path` outlives the split. */
xr_status xr_read_captions(xr_arena *arena, const char *path, xr_split *split);

/* uint8 [N, height, width, 3]; `source` reads from it until it is closed. */
xr_status xr_open_pixels(const char *path, int64_t height, int64_t width, xr_npy **pixels, xr_sample_source *source);

/* int32 [N, L], 0 <= id < vocabulary; each row's end token is its first largest id. L at most `context`. */
xr_status xr_open_tokens(const char *path, int64_t context, int64_t vocabulary, xr_npy **tokens, xr_sample_source *source);
