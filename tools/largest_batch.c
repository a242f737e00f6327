#include "tools/largest_batch.h"

#include "host/train/model.h"

enum { MOST_STEPS = 1 << 14 };

static xr_status planned_bytes(const xr_config *config, size_t *bytes) {
  xr_task task = {0};
  xr_model model = {0};
  xr_status status = xr_task_describe(&task, config);
  if (status == XR_OK) status = xr_model_new(&model, &task, (xr_model_options){0});
  if (status == XR_OK) *bytes = xr_model_bytes(&model);
  xr_model_free(&model);
  xr_task_close(&task);
  return status;
}

/* Does a batch of `steps` times the smallest one fit? */
static xr_status fits(xr_config *config, int64_t smallest, int64_t steps, size_t bytes, bool *yes) {
  size_t needed = 0;
  config->sampler.batch = smallest * steps;
  XR_TRY(planned_bytes(config, &needed));
  *yes = needed <= bytes;
  return XR_OK;
}

static xr_status search(xr_config *config, int64_t smallest, size_t bytes, int64_t *batch) {
  int64_t good = 0, bad = 1;
  for (bool yes = true; yes && bad < MOST_STEPS;) {
    XR_TRY(fits(config, smallest, bad, bytes, &yes));
    if (yes) good = bad, bad *= 2;
  }
  while (bad - good > 1) {
    bool yes;
    const int64_t middle = (good + bad) / 2;
    XR_TRY(fits(config, smallest, middle, bytes, &yes));
    *(yes ? &good : &bad) = middle;
  }
  *batch = good * smallest;
  return XR_OK;
}

xr_status xr_largest_batch(xr_config *config, xr_config_recompute recompute, size_t bytes, int64_t *batch) {
  const int64_t given_batch = config->sampler.batch;
  const xr_config_recompute given_recompute = config->model.recompute;
  config->model.recompute = recompute;
  xr_status status = search(config, config->sampler.kind == XR_CONFIG_SAMPLER_IDENTITY ? config->sampler.instances : 1, bytes, batch);
  config->sampler.batch = given_batch;
  config->model.recompute = given_recompute;
  return status;
}
