#include "host/train/training_data.h"

#include <stdlib.h>

static xr_status open_sampler(xr_training_data *data, const xr_task *task) {
  const xr_config *c = task->config;
  const xr_split *split = &task->dataset->splits[XR_SPLIT_TRAIN];
  int32_t *labels = malloc((split->caption_count + 1) * sizeof *labels);
  if (!labels) return xr_fail(XR_NO_MEMORY, "out of memory");
  for (size_t i = 0; i < split->caption_count; i++) labels[i] = xr_dataset_label(task->dataset, split->captions[i].pid);
  xr_sampler_options o = {.kind = c->sampler.kind == XR_CONFIG_SAMPLER_IDENTITY ? XR_SAMPLER_IDENTITY : XR_SAMPLER_RANDOM,
                          .batch = (int32_t)c->sampler.batch,
                          .per_identity = (int32_t)c->sampler.instances,
                          .drop_last = true,
                          .seed = (uint64_t)c->train.seed};
  xr_status status = xr_sampler_open(&data->sampler, labels, split->caption_count, &o);
  free(labels);
  return status;
}

static xr_status open_loader(xr_training_data *data, const xr_task *task) {
  const xr_config *c = task->config;
  xr_loader_options o = {.width = (int32_t)c->image.width,
                         .height = (int32_t)c->image.height,
                         .filter = (xr_resize_filter)c->image.resize,
                         .context = (int32_t)c->text.context,
                         .workers = (int)c->data.workers,
                         .slots = 4,
                         .cache_bytes = (size_t)c->data.cache_mib << 20,
                         .allow_truncated = true,
                         .seed = (uint64_t)c->train.seed,
                         .flip_swaps_words = c->augment.flip_swaps_words,
                         .mask_tokens = c->text.mask_aug == XR_CONFIG_MASK_INDEPENDENT,
                         .augment = {.flip = (float)c->augment.flip,
                                     .erase = (float)c->augment.erase,
                                     .pad = (int32_t)c->augment.pad,
                                     .min_area = (float)c->augment.erase_area[0],
                                     .max_area = (float)c->augment.erase_area[1],
                                     .min_aspect = (float)c->augment.erase_aspect[0],
                                     .max_aspect = (float)c->augment.erase_aspect[1]}};
  if (c->loss.mlm.weight > 0)
    o.mask = (xr_mask_options){.probability = (float)c->loss.mlm.probability,
                               .mask_share = (float)c->loss.mlm.mask_share,
                               .random_share = (float)c->loss.mlm.random_share};
  return xr_loader_open(&data->loader, task->dataset, data->sampler, task->tokenizer, &o);
}

xr_status xr_training_data_open(xr_training_data *data, const xr_task *task) {
  *data = (xr_training_data){0};
  xr_status status = open_sampler(data, task);
  if (status == XR_OK) status = open_loader(data, task);
  if (status != XR_OK) xr_training_data_close(data);
  return status;
}

void xr_training_data_close(xr_training_data *data) {
  xr_loader_free(data->loader);
  xr_sampler_free(data->sampler);
  *data = (xr_training_data){0};
}
