#include "host/train/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/file.h"
#include "host/base/memory.h"
#include "host/io/safetensors.h"
#include "models/weights.h"

#define PREFIX "step-"
#define SUFFIX ".safetensors"

static xr_stored_tensor stored(const char *name, xr_shape shape, const float *data) {
  xr_stored_tensor t = {
      .name = name, .dtype = XR_F32, .rank = shape.rank, .data = data, .bytes = (size_t)xr_elements(shape) * sizeof(float)};
  memcpy(t.dim, shape.dim, (size_t)shape.rank * sizeof *t.dim);
  return t;
}

static char *moment_name(xr_arena *arena, int moment, const char *parameter) {
  return xr_arena_format(arena, "optimizer.moment.%d.%s", moment, parameter);
}

/* "{}" for none. */
static char *progress_to_json(const xr_progress_state *p) {
  if (!p) return strdup("{}");
  json_t *json = json_pack("{s:I, s:I, s:I, s:I, s:f, s:I}", "step", (json_int_t)p->step, "epoch", (json_int_t)p->epoch, "batch",
                           (json_int_t)p->batch, "updates", (json_int_t)p->updates, "best", p->best, "best_step", (json_int_t)p->best_step);
  char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
  json_decref(json);
  return text;
}

static xr_status progress_from_json(const char *text, xr_progress_state *p) {
  json_int_t step, epoch, batch, updates, best_step;
  json_t *json = text ? json_loads(text, 0, NULL) : NULL;
  int wrong = !json || json_unpack(json, "{s:I, s:I, s:I, s:I, s:F, s:I}", "step", &step, "epoch", &epoch, "batch", &batch, "updates",
                                   &updates, "best", &p->best, "best_step", &best_step);
  json_decref(json);
  if (wrong) return xr_fail(XR_BAD_INPUT, "holds no training progress: it cannot be resumed");
  p->step = step;
  p->epoch = epoch;
  p->batch = batch;
  p->updates = updates;
  p->best_step = best_step;
  return XR_OK;
}

static const xr_parameter_part stored_parts[] = {XR_MASTER, XR_MOMENT_0, XR_MOMENT_1};
enum { PARTS = sizeof stored_parts / sizeof *stored_parts };

/* The tensor's name in the file; NULL when there is no memory. */
static const char *name_in_file(xr_arena *arena, int part, const char *parameter) {
  return part == 0 ? parameter : moment_name(arena, part - 1, parameter);
}

static xr_status list_tensors(xr_arena *arena, const xr_parameters *parameters, int part, const float *base, xr_stored_tensor *tensors,
                              size_t *used) {
  for (int i = 0; base && i < xr_parameter_count(parameters); i++) {
    const xr_parameter *p = xr_parameter_at(parameters, i);
    const char *name = name_in_file(arena, part, p->name);
    if (!name) return XR_NO_MEMORY;
    tensors[(*used)++] = stored(name, p->shape, base + p->offset);
  }
  return XR_OK;
}

static xr_status save_with(xr_arena *arena, const char *path, const xr_parameters *parameters, bool moments, const xr_metadata *metadata,
                           size_t metadata_count) {
  xr_stored_tensor *tensors = XR_NEW_ARRAY(arena, xr_stored_tensor, PARTS * xr_parameter_count(parameters) + 1);
  xr_parameter_view views[PARTS] = {{0}};
  size_t used = 0;
  xr_status status = tensors ? XR_OK : XR_NO_MEMORY;
  for (int part = 0; part < (moments ? PARTS : 1) && status == XR_OK; part++) {
    status = xr_parameters_view(parameters, stored_parts[part], &views[part]);
    if (status == XR_OK) status = list_tensors(arena, parameters, part, views[part].values, tensors, &used);
  }
  if (status == XR_OK) status = xr_safetensors_write(path, tensors, used, metadata, metadata_count);
  for (int part = 0; part < PARTS; part++) xr_parameters_view_end(&views[part]);
  return status;
}

xr_status xr_checkpoint_save(const char *path, const xr_config *config, const xr_parameters *parameters,
                             const xr_progress_state *progress) {
  char *yaml = NULL, *state = progress_to_json(progress);
  xr_arena *arena = xr_arena_new();
  xr_status status = state && arena ? xr_config_to_yaml(config, &yaml) : xr_fail(XR_NO_MEMORY, "out of memory");
  if (status == XR_OK) {
    xr_weights_about about;
    xr_weights_describe(config, &about);
    xr_metadata metadata[] = {{"format", "xreid-checkpoint-1"},
                              {"xreid", XREID_VERSION},
                              {"config", yaml},
                              {"progress", state},
                              {"activation", about.activation},
                              {"image_statistics", about.image_statistics},
                              {"position_grid", about.position_grid}};
    status = save_with(arena, path, parameters, progress != NULL, metadata, sizeof metadata / sizeof *metadata);
  }
  xr_arena_free(arena);
  free(yaml);
  free(state);
  return status;
}

/* ---- loading */
typedef struct { /* what did not fit, listed in one message */
  char text[700];
  int count;
} misfits;

static void note_misfit(misfits *m, const char *what, const char *name) {
  size_t used = strlen(m->text);
  if (m->count++ < 8) snprintf(m->text + used, sizeof m->text - used, "%s%s %s", used ? ", " : "", what, name);
}

/* Values of the parameter `index` from the file's tensor `name`, through `scratch`. */
static xr_status load_tensor(const xr_safetensors *file, const char *name, xr_parameters *parameters, xr_parameter_part part, int index,
                             float *scratch, misfits *m) {
  const xr_stored_tensor *t = xr_safetensors_find(file, name);
  const xr_shape shape = xr_parameter_at(parameters, index)->shape;
  bool fits = t && t->rank == shape.rank;
  for (int i = 0; fits && i < t->rank; i++) fits = t->dim[i] == shape.dim[i];
  if (!fits) {
    note_misfit(m, t ? "of another shape" : "missing", name);
    return XR_OK;
  }
  xr_stored_to_f32(t, scratch);
  xr_safetensors_forget(file, t);
  return xr_parameter_write(parameters, part, index, scratch);
}

static xr_status load_parts(const xr_safetensors *file, xr_arena *arena, xr_parameters *parameters, bool moments, float *scratch,
                            size_t *expected, misfits *m) {
  for (int part = 0; part < (moments ? PARTS : 1); part++) {
    if (!xr_parameters_have(parameters, stored_parts[part])) continue;
    for (int i = 0; i < xr_parameter_count(parameters); i++) {
      const char *name = name_in_file(arena, part, xr_parameter_at(parameters, i)->name);
      if (!name) return XR_NO_MEMORY;
      XR_TRY(load_tensor(file, name, parameters, stored_parts[part], i, scratch, m));
      ++*expected;
    }
  }
  return XR_OK;
}

static xr_status load_from(const xr_safetensors *file, xr_arena *arena, xr_parameters *parameters, bool moments) {
  misfits m = {{0}, 0};
  size_t expected = 0;
  int64_t most = 1;
  for (int i = 0; i < xr_parameter_count(parameters); i++) {
    const int64_t n = xr_elements(xr_parameter_at(parameters, i)->shape);
    most = n > most ? n : most;
  }
  float *scratch = xr_block_alloc((size_t)most * sizeof *scratch);
  if (!scratch) return XR_NO_MEMORY;
  xr_status status = load_parts(file, arena, parameters, moments, scratch, &expected, &m);
  xr_block_free(scratch);
  XR_TRY(status);
  for (size_t i = 0; i < xr_safetensors_count(file) && xr_safetensors_count(file) > expected; i++) {
    const char *name = xr_safetensors_at(file, i)->name;
    if (strncmp(name, "optimizer.", 10) != 0 && xr_parameter_find(parameters, name) < 0) note_misfit(&m, "not of this model:", name);
  }
  if (m.count) return xr_fail(XR_BAD_INPUT, "%d tensors do not fit the model: %s%s", m.count, m.text, m.count > 8 ? ", ..." : "");
  return XR_OK;
}

xr_status xr_checkpoint_load(const char *path, xr_parameters *parameters, xr_progress_state *progress) {
  xr_safetensors *file;
  XR_TRY(xr_safetensors_open(&file, path));
  xr_arena *arena = xr_arena_new();
  xr_status status = arena ? XR_OK : XR_NO_MEMORY;
  if (status == XR_OK && progress) status = progress_from_json(xr_safetensors_metadata(file, "progress"), progress);
  if (status == XR_OK) status = load_from(file, arena, parameters, progress != NULL);
  xr_arena_free(arena);
  xr_safetensors_close(file);
  return status == XR_OK ? XR_OK : xr_fail_in(status, "%s", path);
}

xr_status xr_checkpoint_config(const char *path, char **yaml) {
  xr_safetensors *file;
  XR_TRY(xr_safetensors_open(&file, path));
  const char *text = xr_safetensors_metadata(file, "config");
  *yaml = text ? strdup(text) : NULL;
  xr_safetensors_close(file);
  return *yaml ? XR_OK : xr_fail(XR_BAD_INPUT, "%s: holds no configuration: is it a checkpoint of xreid?", path);
}

/* ---- the folder of a run's checkpoints */
xr_status xr_checkpoint_path(char *path, const char *folder, int64_t step) {
  char name[64];
  snprintf(name, sizeof name, PREFIX "%08lld" SUFFIX, (long long)step);
  return xr_path_join(path, folder, name);
}

static int newest_first(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x < y) - (x > y);
}

/* The steps of all checkpoints in the folder, newest first; malloc. */
static xr_status list_steps(const char *folder, int64_t **steps, size_t *count) {
  DIR *dir = opendir(folder);
  size_t capacity = 0;
  *steps = NULL;
  *count = 0;
  if (!dir) return errno == ENOENT ? XR_OK : xr_fail(XR_IO, "%s: %s", folder, strerror(errno));
  xr_status status = XR_OK;
  for (struct dirent *entry; status == XR_OK && (entry = readdir(dir));) {
    char *end;
    if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0) continue;
    int64_t step = strtoll(entry->d_name + strlen(PREFIX), &end, 10);
    if (strcmp(end, SUFFIX) != 0) continue;
    status = xr_grow((void **)steps, &capacity, *count, sizeof **steps);
    if (status == XR_OK) (*steps)[(*count)++] = step;
  }
  closedir(dir);
  if (*count) qsort(*steps, *count, sizeof **steps, newest_first);
  return status;
}

xr_status xr_checkpoint_newest(const char *folder, char *path) {
  int64_t *steps;
  size_t count;
  xr_status status = list_steps(folder, &steps, &count);
  if (status == XR_OK)
    status = count ? xr_checkpoint_path(path, folder, steps[0]) : xr_fail(XR_NOT_FOUND, "%s holds no checkpoint", folder);
  free(steps);
  return status;
}

xr_status xr_checkpoint_prune(const char *folder, int64_t keep) {
  int64_t *steps;
  size_t count;
  xr_status status = list_steps(folder, &steps, &count);
  for (size_t i = (size_t)keep; status == XR_OK && i < count; i++) {
    char path[XR_PATH_MAX];
    status = xr_checkpoint_path(path, folder, steps[i]);
    if (status == XR_OK && unlink(path) < 0) status = xr_fail(XR_IO, "%s: cannot remove: %s", path, strerror(errno));
  }
  free(steps);
  return status;
}
