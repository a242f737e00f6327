/* A feature index: a gallery's features on disk, so that its pictures go through the model once. Larger than memory, if need be.
 *
 *   DIR/index.json                  the model's identity, sizes, the shards with their checksums; replaced whole after every shard
 *   DIR/shard-000000.safetensors    features [n, D] and, when the model has them, sets [n, K, D], f32 or bf16, as the model gave them
 *                                   (not normalised); ids i64 [n], cameras i64 [n] (-1: not known), modalities u8 [n] (xr_modality),
 *                                   path_starts i64 [n] into paths u8: texts that each end with a zero byte
 *
 * A shard stands for `shard_entries` entries of the list that is being embedded (the last one for the rest): its rows, and the pictures
 * that could not be read and have none. A shard is listed in index.json when it is complete on disk; whatever else a broken-off writer left
 * is written anew. Two writers of one index exclude each other. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "host/data/dataset.h"

enum { XR_INDEX_SHARD = 4096, XR_INDEX_MAX_SHARD = 1 << 24, XR_INDEX_FACTS = 8 }; /* entries by default and at most; facts at most */

/* What made the features, as names and values ("weights", "crc32 0a1b2c3d"): only features with equal facts can be compared. */
typedef struct {
  const char *name, *value;
} xr_index_fact;

typedef struct {
  xr_index_fact model[XR_INDEX_FACTS];
  size_t facts;
  int64_t width, set_size; /* D; K, 0: no sets */
  xr_dtype storage;        /* XR_F32 or XR_BF16 */
  int64_t shard_entries;   /* 0, for a writer: what the index has, XR_INDEX_SHARD for a new one */
} xr_index_form;

/* ---- reading. One thread at a time. */
typedef struct xr_index xr_index;

/* Reads index.json and looks for the shards; their content is checked when it is first used. XR_NOT_FOUND: no index there. XR_BAD_INPUT: an
 * index.json that is none, of another version or contradicts itself, a shard that is missing or of another size. */
xr_status xr_index_open(xr_index **index, const char *folder);
void xr_index_close(xr_index *index); /* NULL is allowed */

bool xr_index_exists(const char *folder);
const char *xr_index_folder(const xr_index *index);
const xr_index_form *xr_index_form_of(const xr_index *index);
int64_t xr_index_rows(const xr_index *index);
int64_t xr_index_skipped(const xr_index *index); /* pictures that could not be read */
int64_t xr_index_missing(const xr_index *index); /* entries of its list that were not embedded yet: the writer was broken off */
int64_t xr_index_shards(const xr_index *index);

/* XR_BAD_INPUT names what differs, both values. */
xr_status xr_index_check_model(const xr_index *index, const xr_index_fact *model, size_t facts);

typedef struct {
  int64_t first, rows;  /* rows first .. first + rows - 1 of the index */
  const void *features; /* [rows, D], form.storage */
  const void *sets;     /* [rows, K, D]; NULL: set_size is 0 */
  const int64_t *ids, *cameras;
  const uint8_t *modalities;
} xr_index_shard;

/* Valid until xr_index_close(). XR_BAD_INPUT: the checksum is not the one in index.json, with a remedy. */
xr_status xr_index_shard_at(xr_index *index, int64_t number, xr_index_shard *shard);
/* The system may start to read a shard from disk; gives back a shard's memory (it stays readable). For passes over large indices. */
void xr_index_read_ahead(xr_index *index, int64_t number);
void xr_index_forget(xr_index *index, int64_t number);

int64_t xr_index_shard_of(const xr_index *index, int64_t row); /* row: 0 .. rows - 1 */

/* One row. `path` is as it was embedded: a relative one starts where the writer stood. */
typedef struct {
  const char *path;
  int64_t id, camera;
  xr_modality modality;
} xr_index_item;
xr_status xr_index_item_at(xr_index *index, int64_t row, xr_index_item *item);
/* Where its picture lies into out[XR_PATH_MAX]: a relative path that leads nowhere from here starts at the writer's folder. */
xr_status xr_index_picture(const xr_index *index, const xr_index_item *item, char *out);

/* ---- writing */
typedef struct xr_index_writer xr_index_writer;

/* What is being embedded, for a writer that can be broken off. */
typedef struct {
  int64_t entries;
  uint32_t checksum; /* of the list (xr_index_list_of) */
} xr_index_list;

/* Of paths and the sizes of their files. */
xr_index_list xr_index_list_of(const xr_image_record *images, size_t count);

/* Begins an index, or goes on with one that has the same form (the facts included) and list; XR_BAD_INPUT says what differs. With a list, a
 * damaged shard and those after it are dropped with a warning and embedded anew; without one (NULL: rows are appended by anyone, at any
 * time) damage is XR_BAD_INPUT. XR_IO: another process writes to it. */
xr_status xr_index_writer_open(xr_index_writer **writer, const char *folder, const xr_index_form *form, const xr_index_list *list);

/* Entries that the shards on disk stand for: where the list goes on. */
int64_t xr_index_writer_entries(const xr_index_writer *writer);
int64_t xr_index_writer_rows(const xr_index_writer *writer); /* of them and of what was added since */
int64_t xr_index_writer_shard_entries(const xr_index_writer *writer);

/* One entry. features [D], sets [K, D] (unit rows; NULL: set_size is 0), f32; all is copied. XR_NOT_FINITE names the row. A path may be
 * "". */
xr_status xr_index_add(xr_index_writer *writer, const float *features, const float *sets, const xr_index_item *item);
xr_status xr_index_skip(xr_index_writer *writer); /* an entry without features */

/* Writes the last shard. XR_BAD_INPUT with a list of which entries are missing. The writer can only be freed then. */
xr_status xr_index_finish(xr_index_writer *writer);
void xr_index_writer_free(xr_index_writer *writer); /* what is no whole shard yet is lost. NULL is allowed */
