#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/file.h"
#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/eval/search.h"
#include "host/train/weights_file.h"
#include "tools/commands.h"
#include "tools/embed_index.h"
#include "tools/output.h"
#include "tools/run_options.h"
#include "tools/search_result.h"
#include "tools/temporary_folder.h"

static const xr_command_text text = {
    .name = "search",
    .usage = "--weights FILE|RUN [--config CONFIG] [key=value ...] --gallery DIR|LIST|INDEX (--text \"...\" | --image FILE) [options]",
    .summary = "Finds the pictures of a gallery that fit a sentence or another picture, best first.",
    .example = "  xreid search --weights runs/irra --gallery crops/ --text \"a woman in a red coat with a backpack\" --sheet found.png\n"
               "  xreid search --weights runs/irra --gallery crops/ --index crops.index --image suspect.jpg --top 50 --html found.html\n"
               "  xreid search --query text_features.npy --gallery crops.index --json -",
};

typedef struct {
  const char *weights, *config, *gallery, *index, *query, *sheet, *html, *json, *vocabulary;
  xr_texts texts, images;
  int64_t top;
  xr_run_options run;
} search_options;

typedef struct {
  const search_options *options;
  xr_embedder *embedder; /* NULL: the queries are features */
  xr_index *index;
  char temporary[XR_PATH_MAX]; /* folder of an index that is not kept; "": none */
  xr_search search;
  xr_search_query *queries;
  float *features, *sets;
  int64_t *rows;
  float *scores;
} searching;

/* ---- the model */
static xr_status open_model(searching *s, const char *const *overrides, size_t count, xr_device device) {
  const search_options *o = s->options;
  char path[XR_PATH_MAX];
  XR_TRY(xr_find_weights(o->weights, path));
  XR_TRY(xr_embedder_open(&s->embedder, &(xr_embedder_options){.weights = path,
                                                               .config = o->config,
                                                               .overrides = overrides,
                                                               .override_count = count,
                                                               .device = device,
                                                               .captions = o->texts.count > 0,
                                                               .no_graph = o->run.no_graph}));
  s->search.rule = xr_embedder_rule(s->embedder);
  s->search.backend = device.backend;
  return XR_OK;
}

/* ---- the gallery */
static xr_status open_index(searching *s, const char *folder) {
  XR_TRY(xr_index_open(&s->index, folder));
  if (xr_index_missing(s->index))
    xr_warn("%s holds %" PRId64 " of %" PRId64 " pictures: it was broken off; xreid embed with --index goes on", folder,
            xr_index_rows(s->index), xr_index_rows(s->index) + xr_index_missing(s->index) + xr_index_skipped(s->index));
  if (!s->embedder) return XR_OK;
  xr_index_form form;
  xr_embedder_describe(s->embedder, &form);
  return xr_index_check_model(s->index, form.model, form.facts);
}

static xr_status open_gallery(searching *s) {
  const search_options *o = s->options;
  if (xr_index_exists(o->gallery)) return open_index(s, o->gallery);
  if (!s->embedder) return xr_fail(XR_NOT_FOUND, "%s: there is no index; --query needs one (xreid embed --index)", o->gallery);
  if (!o->index) XR_TRY(xr_make_temporary_folder(s->temporary));
  const char *folder = o->index ? o->index : s->temporary;
  XR_TRY(xr_index_pictures(s->embedder, o->gallery, &(xr_index_options){.folder = folder}));
  return open_index(s, folder);
}

/* ---- the queries */
static xr_status allocate_queries(searching *s, int64_t count) {
  const xr_index_form *form = xr_index_form_of(s->index);
  const int64_t rows = xr_index_rows(s->index);
  s->search.queries = count;
  s->search.top_k = s->options->top < rows || !rows ? s->options->top : rows;
  const size_t found = (size_t)(count * s->search.top_k), numbers = (size_t)(count * form->width);
  s->queries = calloc((size_t)count, sizeof *s->queries);
  s->features = xr_block_alloc(numbers * sizeof(float));
  s->sets = form->set_size ? xr_block_alloc(numbers * (size_t)form->set_size * sizeof(float)) : NULL;
  s->rows = xr_block_alloc(found * sizeof *s->rows);
  s->scores = xr_block_alloc(found * sizeof *s->scores);
  s->search.features = s->features;
  s->search.sets = s->sets;
  return s->queries && s->features && (s->sets || !form->set_size) && s->rows && s->scores ? XR_OK : xr_fail(XR_NO_MEMORY, "out of memory");
}

static xr_status embed_texts(searching *s) {
  const xr_texts *texts = &s->options->texts;
  XR_TRY(allocate_queries(s, texts->count));
  for (int i = 0; i < texts->count; i++) s->queries[i].text = texts->item[i];
  return xr_embed_sentences(s->embedder, texts->item, texts->count, s->features, s->sets);
}

static xr_status embed_images(searching *s) {
  const xr_texts *images = &s->options->images;
  xr_image_record records[XR_TEXTS_MAX];
  XR_TRY(allocate_queries(s, images->count));
  for (int i = 0; i < images->count; i++) {
    s->queries[i].image = images->item[i];
    records[i] = (xr_image_record){.path = images->item[i], .pid = -1, .camera = -1};
  }
  return xr_embed_pictures(s->embedder, records, images->count, s->features, s->sets, NULL);
}

static xr_status copy_features(searching *s, const xr_npy *query) {
  const int64_t width = xr_index_form_of(s->index)->width;
  if (query->dim[1] != width)
    return xr_fail(XR_BAD_SHAPE, "%s has features of %" PRId64 " numbers, %s of %" PRId64, s->options->query, query->dim[1],
                   s->options->gallery, width);
  XR_TRY(allocate_queries(s, query->dim[0]));
  for (int64_t i = 0; i < query->dim[0]; i++) xr_feature_row(query, i, s->features + i * width);
  return XR_OK;
}

static xr_status read_features(searching *s) {
  xr_npy *query = NULL;
  xr_status status = xr_open_features(s->options->query, &query);
  if (status == XR_OK) status = copy_features(s, query);
  xr_npy_close(query);
  return status;
}

/* ---- results */
static xr_status show(const searching *s) {
  const search_options *o = s->options;
  const xr_search_result result = {.index = s->index,
                                   .gallery = o->gallery,
                                   .queries = s->queries,
                                   .query_count = s->search.queries,
                                   .top_k = s->search.top_k,
                                   .rows = s->rows,
                                   .scores = s->scores};
  if (!xr_is_standard_output(o->json)) XR_TRY(xr_print_search(&result));
  if (o->json) XR_TRY(xr_write_search_json(&result, o->json));
  if (o->sheet) XR_TRY(xr_write_search_sheet(&result, o->sheet));
  return o->html ? xr_write_search_page(&result, o->html) : XR_OK;
}

static xr_status run(searching *s, const char *const *overrides, size_t count, xr_device device) {
  const search_options *o = s->options;
  if (access(o->gallery, F_OK) != 0) return xr_fail(XR_NOT_FOUND, "%s: there is no such folder, list or index", o->gallery);
  if (o->weights) XR_TRY(open_model(s, overrides, count, device));
  XR_TRY(open_gallery(s));
  XR_TRY(o->texts.count ? embed_texts(s) : o->images.count ? embed_images(s) : read_features(s));
  XR_TRY(xr_search_index(s->index, &s->search, s->rows, s->scores));
  return show(s);
}

static void close_all(searching *s) {
  xr_index_close(s->index);
  xr_embedder_free(s->embedder);
  if (*s->temporary) xr_remove_temporary_folder(s->temporary);
  free(s->queries);
  xr_block_free(s->features);
  xr_block_free(s->sets);
  xr_block_free(s->rows);
  xr_block_free(s->scores);
}

/* -1, or the exit code after a message. */
static int check_options(const search_options *o, int positional, char **argv) {
  if (!o->gallery) return xr_usage_error(&text, "--gallery is missing: a folder of pictures, a list of them, or an index");
  const int kinds = (o->texts.count > 0) + (o->images.count > 0) + (o->query != NULL);
  if (kinds != 1) return xr_usage_error(&text, "needs --text or --image (or --query): one of them%s", kinds ? ", not several" : "");
  if (!o->query && !o->weights) return xr_usage_error(&text, "--weights is missing");
  if (o->query && (o->weights || o->config || o->index))
    return xr_usage_error(&text, "--query holds features that are there already: --weights, --config and --index do not go with it");
  for (int i = 0; i < positional; i++)
    if (!strchr(argv[i], '=')) return xr_usage_error(&text, "'%s' is no override: key=value", argv[i]);
  return -1;
}

static int run_search(const search_options *o, int positional, char **argv) {
  char vocabulary[XR_PATH_MAX + 32];
  const char **overrides = calloc((size_t)positional + 1, sizeof *overrides);
  size_t count = 0;
  if (!overrides) return xr_usage_error(&text, "out of memory");
  for (int i = 0; i < positional; i++) overrides[count++] = argv[i];
  snprintf(vocabulary, sizeof vocabulary, "data.vocabulary=%s", o->vocabulary ? o->vocabulary : "");
  if (o->vocabulary) overrides[count++] = vocabulary;
  xr_device device;
  int code = xr_open_device(&text, &o->run, &device);
  if (code < 0) {
    searching s = {.options = o};
    code = run(&s, overrides, count, device) == XR_OK ? XR_EXIT_DONE : xr_command_failed();
    close_all(&s);
  }
  free(overrides);
  return code;
}

int xr_command_search(int argc, char **argv) {
  search_options o = {.top = 10};
  const xr_option options[] = {
      {.name = "weights",
       .kind = XR_TEXT,
       .value = &o.weights,
       .argument = "FILE|RUN",
       .help = "a checkpoint, CLIP's weights (OpenAI's or Hugging Face's naming), or a run folder"},
      {.name = "config",
       .kind = XR_TEXT,
       .value = &o.config,
       .argument = "CONFIG",
       .help = "default: what the checkpoint holds, else the sizes of its tensors"},
      {.name = "gallery",
       .kind = XR_TEXT,
       .value = &o.gallery,
       .argument = "DIR|LIST|INDEX",
       .help = "where to search: a folder of pictures, a file with a path a line, or an index"},
      {.name = "text", .kind = XR_TEXTS, .value = &o.texts, .argument = "SENTENCE", .help = "what to search for; may be given again"},
      {.name = "image", .kind = XR_TEXTS, .value = &o.images, .argument = "FILE", .help = "a picture to search for; may be given again"},
      {.name = "query",
       .kind = XR_TEXT,
       .value = &o.query,
       .argument = "FILE.npy",
       .help = "features to search for, float32 or float16 [Q, D], by cosine; without --weights"},
      {.name = "top",
       .kind = XR_INTEGER,
       .value = &o.top,
       .argument = "N",
       .help = "how many to show; default: 10",
       .minimum = 1,
       .maximum = 100000},
      {.name = "index",
       .kind = XR_TEXT,
       .value = &o.index,
       .argument = "DIR",
       .help = "keep a folder's or list's features there: the next search needs no model for them"},
      {.name = "sheet", .kind = XR_TEXT, .value = &o.sheet, .argument = "FILE.png", .help = "a picture of what was found"},
      {.name = "html", .kind = XR_TEXT, .value = &o.html, .argument = "FILE.html", .help = "a page of what was found"},
      {.name = "json",
       .kind = XR_TEXT,
       .value = &o.json,
       .argument = "FILE",
       .help = "the result as JSON; - for stdout, without the table"},
      {.name = "vocab", .kind = XR_TEXT, .value = &o.vocabulary, .argument = "FILE", .help = "merges file for --text: data.vocabulary"},
      XR_RUN_OPTIONS(o.run),
  };
  int positional, wrong = xr_parse_options(&text, options, sizeof options / sizeof *options, argc, argv, &positional);
  if (wrong < 0) wrong = check_options(&o, positional, argv);
  if (wrong < 0) wrong = xr_apply_run_options(&text, &o.run);
  return wrong >= 0 ? wrong : run_search(&o, positional, argv);
}
