#include "host/data/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "host/data/dataset_build.h"

static const xr_dataset_adapter *const adapters[] = {&xr_cuhk_pedes, &xr_icfg_pedes, &xr_rstpreid, &xr_sysu_mm01, &xr_regdb, &xr_llcm};
enum { ADAPTERS = sizeof adapters / sizeof(const xr_dataset_adapter *) };

static const xr_dataset_adapter *find_adapter(const char *name) {
  for (size_t i = 0; i < ADAPTERS; i++)
    if (!strcmp(adapters[i]->name, name)) return adapters[i];
  return NULL;
}

const char *xr_dataset_names(char *list, size_t size) {
  *list = '\0';
  for (size_t i = 0, used = 0; i < ADAPTERS && used < size; i++)
    used += (size_t)snprintf(list + used, size - used, "%s%s", i ? ", " : "", adapters[i]->name);
  return list;
}

static xr_status unknown_name(const char *name) {
  char known[256];
  return xr_fail(XR_BAD_INPUT, "there is no data set \"%s\"; known are: %s", name, xr_dataset_names(known, sizeof known));
}

static bool lacks_val(const xr_split_counts *expected) { return expected[XR_SPLIT_TRAIN].images && !expected[XR_SPLIT_VAL].images; }

size_t xr_dataset_classes(const xr_split_counts *expected, double val_holdout) {
  const size_t all = expected[XR_SPLIT_TRAIN].identities;
  return lacks_val(expected) ? all - xr_held_out(all, val_holdout) : all;
}

static xr_status fill(xr_dataset *d, const xr_dataset_adapter *adapter, const char *root, const xr_dataset_options *options) {
  d->name = adapter->name;
  d->infrared = adapter->infrared;
  d->root = xr_arena_copy(d->arena, root);
  if (!d->root) return XR_NO_MEMORY;
  if (!xr_is_folder(root)) return xr_fail(XR_NOT_FOUND, "%s: there is no such folder; %s should lie there", root, adapter->name);
  static const xr_dataset_options defaults = {0};
  xr_dataset_builder builder = {.dataset = d,
                                .adapter = adapter,
                                .options = options ? options : &defaults,
                                .expected = adapter->expected,
                                .no_val = lacks_val(adapter->expected)};
  if (builder.options->trial < 0 || builder.options->trial > adapter->trials)
    return xr_fail(XR_BAD_INPUT, "%s has no trial %d%s", adapter->name, (int)builder.options->trial,
                   adapter->trials ? ": they are 1 to 10" : " of its own: all trials share one training set");
  xr_status status = adapter->open(&builder);
  d->official = builder.expected;
  if (status == XR_OK) status = xr_build_finish(&builder);
  xr_build_free(&builder);
  return status;
}

xr_status xr_dataset_open(xr_dataset **dataset, const char *name, const char *root, const xr_dataset_options *options) {
  *dataset = NULL;
  const xr_dataset_adapter *adapter = find_adapter(name);
  if (!adapter) return unknown_name(name);
  xr_arena *arena = xr_arena_new();
  xr_dataset *d = arena ? XR_NEW(arena, xr_dataset) : NULL;
  if (!d) {
    xr_arena_free(arena);
    return XR_NO_MEMORY;
  }
  d->arena = arena;
  xr_status status = fill(d, adapter, root, options);
  if (status == XR_OK)
    *dataset = d;
  else
    xr_dataset_free(d);
  return status;
}

void xr_dataset_free(xr_dataset *dataset) {
  if (dataset) xr_arena_free(dataset->arena);
}

int32_t xr_dataset_label(const xr_dataset *dataset, int32_t pid) {
  int32_t low = 0, high = dataset->identities;
  while (low < high) {
    int32_t middle = low + (high - low) / 2;
    if (dataset->label_pid[middle] < pid)
      low = middle + 1;
    else
      high = middle;
  }
  return low < dataset->identities && dataset->label_pid[low] == pid ? low : -1;
}

const char *xr_split_name(xr_split_id split) {
  static const char *const name[XR_SPLITS] = {"train", "val", "test", "query", "gallery"};
  return name[split];
}

const xr_split_counts *xr_dataset_expected(const char *name) {
  const xr_dataset_adapter *adapter = find_adapter(name);
  return adapter ? adapter->expected : NULL;
}

bool xr_dataset_own_numbers(const char *name) {
  const xr_dataset_adapter *adapter = find_adapter(name);
  return adapter && adapter->own_numbers;
}

int32_t xr_dataset_trials(const char *name) {
  const xr_dataset_adapter *adapter = find_adapter(name);
  return adapter ? adapter->trials : 0;
}
