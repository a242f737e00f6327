/* index.json and the names of shards: what reading and writing an index share. */
#pragma once

#include "host/base/file.h"
#include "host/base/memory.h"
#include "host/eval/index.h"

typedef struct {
  int64_t rows, skipped; /* together its entries */
  int64_t bytes;
  uint32_t checksum;
} xr_index_shard_record;

typedef struct {
  xr_index_form form;
  bool has_list;
  xr_index_list list;
  const char *folder;            /* where relative paths start */
  xr_index_shard_record *shards; /* free() */
  size_t shard_count, shard_room;
  xr_arena *arena; /* holds the texts */
} xr_index_file;

xr_status xr_index_file_read(xr_index_file *file, const char *folder);
xr_status xr_index_file_write(const xr_index_file *file, const char *folder);
void xr_index_file_free(xr_index_file *file);

/* The file of a shard into path[XR_PATH_MAX]. */
xr_status xr_index_shard_path(char *path, const char *folder, size_t number);
/* Compares facts; names the first that differs, both values. `remedy` ends the message. */
xr_status xr_index_compare(const char *folder, const xr_index_form *stored, const xr_index_fact *model, size_t facts, const char *remedy);
