#include "host/eval/task.h"

#include <string.h>

#include "host/base/file.h"

enum { CLIP_VOCABULARY = 49408 };

static xr_tokenizer_variant variant_of(const xr_config *c) {
  return c->data.tokenizer == XR_CONFIG_TOKENIZER_IRRA ? XR_TOKENIZER_IRRA : XR_TOKENIZER_CLIP;
}

static void start(xr_task *task, const xr_config *config) {
  *task = (xr_task){.config = config, .method = xr_method_of(config)};
  task->context = (xr_model_context){
      .config = config, .batch = config->sampler.batch, .classes = config->model.classes, .vocabulary = config->text.vocabulary_size};
}

static xr_status load_tokenizer(xr_task *task) {
  const xr_config *c = task->config;
  if (!*c->data.vocabulary)
    return xr_fail(XR_BAD_INPUT, "data.vocabulary is not set: the merges file of the tokenizer (bpe_simple_vocab_16e6.txt.gz for CLIP)");
  XR_TRY(xr_tokenizer_load(&task->tokenizer, c->data.vocabulary, variant_of(c)));
  const int64_t found = xr_tokenizer_size(task->tokenizer);
  if (!task->context.vocabulary) task->context.vocabulary = found;
  if (task->context.vocabulary != found)
    return xr_fail(XR_BAD_INPUT, "%s holds %lld token ids, text.vocabulary_size says %lld", c->data.vocabulary, (long long)found,
                   (long long)task->context.vocabulary);
  return XR_OK;
}

xr_status xr_task_open(xr_task *task, const xr_config *config, unsigned splits) {
  start(task, config);
  const xr_dataset_options options = {.splits = splits, .allow_gaps = config->data.allow_gaps, .val_holdout = config->data.val_holdout};
  xr_status status = xr_dataset_open(&task->dataset, config->data.dataset, config->data.root, &options);
  if (status == XR_OK && task->dataset->infrared)
    status = xr_fail(XR_BAD_INPUT, "data.dataset is %s, which has no captions: the method needs a text-to-image set", config->data.dataset);
  if (status == XR_OK) status = load_tokenizer(task);
  if (status == XR_OK && !task->context.classes) task->context.classes = task->dataset->identities;
  if (status == XR_OK && task->context.classes < task->dataset->identities)
    status = xr_fail(XR_BAD_INPUT, "model.classes is %lld, %s has %d training identities", (long long)task->context.classes,
                     config->data.root, task->dataset->identities);
  if (status != XR_OK) xr_task_close(task);
  return status;
}

xr_status xr_task_open_encoder(xr_task *task, const xr_config *config, bool captions) {
  start(task, config);
  return captions ? load_tokenizer(task) : XR_OK;
}

xr_status xr_task_describe(xr_task *task, const xr_config *config) {
  start(task, config);
  if (!task->context.classes) {
    const xr_split_counts *counts = xr_dataset_expected(config->data.dataset);
    xr_dataset *dataset = NULL;
    const xr_dataset_options options = {
        .splits = 1u << XR_SPLIT_TRAIN, .allow_gaps = config->data.allow_gaps, .val_holdout = config->data.val_holdout};
    if (xr_is_folder(config->data.root) && xr_dataset_open(&dataset, config->data.dataset, config->data.root, &options) == XR_OK)
      task->context.classes = dataset->identities;
    else if (counts)
      task->context.classes = (int64_t)xr_dataset_classes(counts, config->data.val_holdout);
    xr_dataset_free(dataset);
    if (!task->context.classes)
      return xr_fail(XR_BAD_INPUT, "the number of training identities is not known without the data of %s: set model.classes",
                     config->data.dataset);
  }
  if (!task->context.vocabulary && *config->data.vocabulary && xr_is_file(config->data.vocabulary)) {
    XR_TRY(load_tokenizer(task));
    xr_tokenizer_free(task->tokenizer);
    task->tokenizer = NULL;
  }
  if (!task->context.vocabulary) task->context.vocabulary = CLIP_VOCABULARY;
  return XR_OK;
}

void xr_task_close(xr_task *task) {
  xr_dataset_free(task->dataset);
  xr_tokenizer_free(task->tokenizer);
  memset(task, 0, sizeof *task);
}
