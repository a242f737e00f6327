#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "host/base/log.h"
#include "host/train/weights_file.h"
#include "models/weights.h"
#include "tools/commands.h"
#include "tools/embed_index.h"
#include "tools/embed_inputs.h"
#include "tools/run_options.h"

static const xr_command_text text = {
    .name = "embed",
    .usage = "--weights FILE|RUN [--config CONFIG] [key=value ...] [--images LIST|DIR] [--texts FILE.jsonl] (--out DIR | --index DIR)",
    .summary = "Images and captions to features: image_features.npy and text_features.npy, float32, one row each; ESA's sets, too.\n"
               "Or images into an index for xreid search; it goes on where it was broken off.",
    .example =
        "  xreid embed --weights runs/irra --images crops/ --out features\n"
        "  xreid embed --weights runs/irra --images crops/ --index crops.index --storage bf16\n"
        "  xreid embed --weights clip.safetensors image.height=384 image.width=128 --pixels images.npy --tokens ids.npy --out features\n"
        "  xreid embed --weights clip.safetensors --vocab bpe_simple_vocab_16e6.txt.gz --texts captions.jsonl --out features",
};

typedef struct {
  const char *weights, *config, *images, *pixels, *texts, *tokens, *features, *out, *vocabulary;
  bool normalize, token_features;
  xr_index_options index;
  xr_run_options run;
} embed_options;

typedef struct {
  const embed_options *options;
  xr_weights *weights;
  xr_config *config;
  xr_task task;
  xr_npy *pixels, *tokens;
  xr_sample_source pixel_source, token_source;
  xr_parameters *parameters;
  xr_encoder *encoder;
} embedding;

/* ---- what is to be computed */
static xr_status open_config(embedding *e, const char *const *overrides, size_t count) {
  const embed_options *o = e->options;
  char path[XR_PATH_MAX];
  XR_TRY(xr_find_weights(o->weights, path));
  XR_TRY(xr_weights_open(&e->weights, path));
  return o->config ? xr_config_load(&e->config, o->config, overrides, count) : xr_weights_config(e->weights, overrides, count, &e->config);
}

static int64_t vocabulary_of(const xr_weights *weights) {
  const xr_weight *table = xr_weights_find(weights, "token_embedding.weight");
  return table && table->rank == 2 ? table->dim[0] : 1;
}

/* Pictures and captions become the gallery and the queries of a data set of their own. */
static xr_status open_lists(embedding *e) {
  const embed_options *o = e->options;
  xr_arena *arena = xr_arena_new();
  xr_dataset *dataset = arena ? XR_NEW(arena, xr_dataset) : NULL;
  if (!dataset) {
    xr_arena_free(arena);
    return XR_NO_MEMORY;
  }
  *dataset = (xr_dataset){.name = "list", .root = "", .arena = arena};
  e->task.dataset = dataset;
  if (o->images) XR_TRY(xr_read_image_list(arena, o->images, &dataset->splits[XR_SPLIT_GALLERY]));
  return o->texts ? xr_read_captions(arena, o->texts, &dataset->splits[XR_SPLIT_QUERY]) : XR_OK;
}

static xr_status open_inputs(embedding *e) {
  const embed_options *o = e->options;
  xr_config *c = e->config;
  XR_TRY(xr_task_open_encoder(&e->task, c, o->texts != NULL));
  if (!e->task.context.vocabulary) e->task.context.vocabulary = vocabulary_of(e->weights);
  XR_TRY(open_lists(e));
  if (o->pixels) XR_TRY(xr_open_pixels(o->pixels, c->image.height, c->image.width, &e->pixels, &e->pixel_source));
  if (!o->tokens) return XR_OK;
  XR_TRY(xr_open_tokens(o->tokens, c->text.context, e->task.context.vocabulary, &e->tokens, &e->token_source));
  c->text.context = e->tokens->dim[1]; /* shorter rows need no padding */
  return XR_OK;
}

static int64_t image_count(const embedding *e) {
  return e->pixels ? e->pixel_source.count : (int64_t)e->task.dataset->splits[XR_SPLIT_GALLERY].image_count;
}

static int64_t text_count(const embedding *e) {
  return e->tokens ? e->token_source.count : (int64_t)e->task.dataset->splits[XR_SPLIT_QUERY].caption_count;
}

static xr_status open_encoder(embedding *e, xr_device device) {
  xr_config *c = e->config;
  const int64_t most = image_count(e) > text_count(e) ? image_count(e) : text_count(e);
  if (c->eval.batch > most) c->eval.batch = most;
  const xr_dtype compute = c->model.precision == XR_CONFIG_BF16 ? XR_BF16 : XR_F32;
  e->parameters = xr_parameters_new();
  if (!e->parameters) return XR_NO_MEMORY;
  XR_TRY(xr_encoder_new(
      &e->encoder, &e->task, e->parameters,
      (xr_encoder_options){
          .compute = compute, .backend = device.backend, .no_graph = e->options->run.no_graph, .tokens = e->options->token_features}));
  XR_TRY(xr_parameters_allocate(e->parameters, (xr_parameter_options){.compute = compute, .backend = device.backend, .undrawn = true}));
  return xr_weights_load(e->weights, c, e->parameters, XR_WEIGHTS_TO_ENCODE);
}

/* ---- results */
static void normalize(float *rows, int64_t count, int64_t width) {
  for (int64_t i = 0; i < count; i++) {
    float *row = rows + i * width;
    double squares = 1e-12;
    for (int64_t k = 0; k < width; k++) squares += (double)row[k] * (double)row[k];
    for (int64_t k = 0; k < width; k++) row[k] = (float)((double)row[k] / sqrt(squares));
  }
}

static xr_status write_array(const embedding *e, const char *name, int rank, const int64_t *dim, const float *values) {
  char path[XR_PATH_MAX];
  XR_TRY(xr_make_folders(e->options->out));
  XR_TRY(xr_path_join(path, e->options->out, name));
  return xr_npy_write(path, XR_F32, rank, dim, values);
}

static xr_status encode_side(const embedding *e, xr_encoder_side side, float *features, float *sets, float *tokens) {
  const xr_sample_source *source = side == XR_ENCODE_IMAGES ? &e->pixel_source : &e->token_source;
  const xr_split_id split = side == XR_ENCODE_IMAGES ? XR_SPLIT_GALLERY : XR_SPLIT_QUERY;
  return source->read ? xr_encode_samples(e->encoder, side, source, NULL, features, sets, tokens)
                      : xr_encode_side(e->encoder, side, split, NULL, features, sets, tokens);
}

static xr_status embed_side(const embedding *e, xr_encoder_side side, int64_t count) {
  static const char *const names[][3] = {[XR_ENCODE_IMAGES] = {"image_features.npy", "image_sets.npy", "image_tokens.npy"},
                                         [XR_ENCODE_TEXTS] = {"text_features.npy", "text_sets.npy", "text_tokens.npy"}};
  if (!count) return XR_OK;
  const int64_t width = e->config->model.embed, set = xr_encoder_set_size(e->encoder),
                n = e->options->token_features ? xr_encoder_tokens(e->encoder, side) : 0;
  float *features = xr_block_alloc((size_t)(count * width) * sizeof *features);
  float *sets = set ? xr_block_alloc((size_t)(count * set * width) * sizeof *sets) : NULL;
  float *tokens = n ? xr_block_alloc((size_t)(count * n * width) * sizeof *tokens) : NULL;
  xr_status status = features && (sets || !set) && (tokens || !n) ? encode_side(e, side, features, sets, tokens) : XR_NO_MEMORY;
  if (status == XR_OK && e->options->normalize) normalize(features, count, width);
  if (status == XR_OK) status = write_array(e, names[side][0], 2, (int64_t[]){count, width}, features);
  if (status == XR_OK && sets) status = write_array(e, names[side][1], 3, (int64_t[]){count, set, width}, sets);
  if (status == XR_OK && tokens) status = write_array(e, names[side][2], 3, (int64_t[]){count, n, width}, tokens);
  xr_block_free(features);
  xr_block_free(sets);
  xr_block_free(tokens);
  return status;
}

/* The order of the rows, where a folder decided it. */
static xr_status write_names(const embedding *e) {
  const xr_split *split = &e->task.dataset->splits[XR_SPLIT_GALLERY];
  char path[XR_PATH_MAX];
  if (!split->image_count) return XR_OK;
  XR_TRY(xr_path_join(path, e->options->out, "images.txt"));
  char *lines = NULL;
  size_t bytes = 0;
  FILE *out = open_memstream(&lines, &bytes);
  if (!out) return xr_fail(XR_NO_MEMORY, "out of memory");
  for (size_t i = 0; i < split->image_count; i++) fprintf(out, "%s\n", split->images[i].path);
  xr_status status = fclose(out) == 0 ? xr_write_file(path, lines, bytes) : xr_fail(XR_NO_MEMORY, "out of memory");
  free(lines);
  return status;
}

static xr_status embed(embedding *e, const char *const *overrides, size_t count, xr_device device) {
  XR_TRY(open_config(e, overrides, count));
  XR_TRY(open_inputs(e));
  XR_TRY(open_encoder(e, device));
  XR_TRY(embed_side(e, XR_ENCODE_IMAGES, image_count(e)));
  XR_TRY(embed_side(e, XR_ENCODE_TEXTS, text_count(e)));
  return write_names(e);
}

static void close_all(embedding *e) {
  xr_encoder_free(e->encoder);
  xr_parameters_free(e->parameters);
  xr_npy_close(e->pixels);
  xr_npy_close(e->tokens);
  xr_task_close(&e->task);
  xr_config_free(e->config);
  xr_weights_close(e->weights);
}

/* ---- an index */
static xr_status embed_index(const embed_options *o, const char *const *overrides, size_t count, xr_device device) {
  char path[XR_PATH_MAX];
  xr_embedder *embedder;
  if (o->features) return xr_index_features(o->features, o->images, &o->index);
  XR_TRY(xr_find_weights(o->weights, path));
  XR_TRY(xr_embedder_open(&embedder, &(xr_embedder_options){.weights = path,
                                                            .config = o->config,
                                                            .overrides = overrides,
                                                            .override_count = count,
                                                            .device = device,
                                                            .no_graph = o->run.no_graph}));
  xr_status status = xr_index_pictures(embedder, o->images, &o->index);
  xr_embedder_free(embedder);
  return status;
}

/* ---- the command */
static int check_index_options(const embed_options *o) {
  const xr_index_options *index = &o->index;
  if (!index->folder) {
    if (o->features) return xr_usage_error(&text, "--features go into an index: --index is missing");
    if (index->storage || index->shard_entries) return xr_usage_error(&text, "--storage and --shard-size are for an --index");
    return -1;
  }
  if (o->out) return xr_usage_error(&text, "--out and --index are two places for features: take one");
  if (o->pixels || o->texts || o->tokens || o->normalize || o->token_features)
    return xr_usage_error(&text, "an index takes --images or --features, as they are");
  if (!o->images && !o->features) return xr_usage_error(&text, "nothing to embed: an index takes --images or --features");
  if (!o->features && !o->weights) return xr_usage_error(&text, "--weights is missing");
  if (index->storage && !xr_is_storage(index->storage)) return xr_usage_error(&text, "--storage is f32 or bf16, not '%s'", index->storage);
  return -1;
}

/* -1, or the exit code after a message. */
static int check_options(const embed_options *o, int positional, char **argv) {
  for (int i = 0; i < positional; i++)
    if (!strchr(argv[i], '=')) return xr_usage_error(&text, "'%s' is no override: key=value", argv[i]);
  const int wrong = check_index_options(o);
  if (wrong >= 0 || o->index.folder) return wrong;
  if (!o->weights) return xr_usage_error(&text, "--weights is missing");
  if (!o->out) return xr_usage_error(&text, "--out is missing: the folder for the features (or --index)");
  if (o->images && o->pixels) return xr_usage_error(&text, "--images and --pixels both give image features: take one");
  if (o->texts && o->tokens) return xr_usage_error(&text, "--texts and --tokens both give text features: take one");
  if (!o->images && !o->pixels && !o->texts && !o->tokens)
    return xr_usage_error(&text, "nothing to embed: --images, --pixels, --texts or --tokens");
  return -1;
}

static int run_embed(const embed_options *o, int positional, char **argv) {
  char vocabulary[XR_PATH_MAX + 32];
  const char **overrides = calloc((size_t)positional + 1, sizeof *overrides);
  size_t count = 0;
  if (!overrides) return xr_usage_error(&text, "out of memory");
  for (int i = 0; i < positional; i++) overrides[count++] = argv[i];
  snprintf(vocabulary, sizeof vocabulary, "data.vocabulary=%s", o->vocabulary ? o->vocabulary : "");
  if (o->vocabulary) overrides[count++] = vocabulary;
  xr_device device;
  int code = xr_open_device(&text, &o->run, &device);
  if (code < 0 && o->index.folder) {
    code = embed_index(o, overrides, count, device) == XR_OK ? XR_EXIT_DONE : xr_command_failed();
  } else if (code < 0) {
    embedding e = {.options = o};
    code = embed(&e, overrides, count, device) == XR_OK ? XR_EXIT_DONE : xr_command_failed();
    close_all(&e);
  }
  free(overrides);
  return code;
}

int xr_command_embed(int argc, char **argv) {
  embed_options o = {0};
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
      {.name = "images",
       .kind = XR_TEXT,
       .value = &o.images,
       .argument = "LIST|DIR",
       .help = "pictures: a folder, or a file with a path, or an object of xreid data list, a line"},
      {.name = "pixels",
       .kind = XR_TEXT,
       .value = &o.pixels,
       .argument = "FILE.npy",
       .help = "uint8 [N, H, W, 3] at the model's input size"},
      {.name = "texts",
       .kind = XR_TEXT,
       .value = &o.texts,
       .argument = "FILE.jsonl",
       .help = "captions: a JSON string a line, or an object with \"caption\""},
      {.name = "tokens",
       .kind = XR_TEXT,
       .value = &o.tokens,
       .argument = "FILE.npy",
       .help = "int32 [N, L]; the end token has the largest id"},
      {.name = "vocab", .kind = XR_TEXT, .value = &o.vocabulary, .argument = "FILE", .help = "merges file for --texts: data.vocabulary"},
      {.name = "out", .kind = XR_TEXT, .value = &o.out, .argument = "DIR", .help = "where the arrays go"},
      {.name = "index", .kind = XR_TEXT, .value = &o.index.folder, .argument = "DIR", .help = "an index for xreid search instead"},
      {.name = "storage", .kind = XR_TEXT, .value = &o.index.storage, .argument = "f32|bf16", .help = "of an index; default: f32"},
      {.name = "shard-size",
       .kind = XR_INTEGER,
       .value = &o.index.shard_entries,
       .argument = "N",
       .help = "of an index: pictures in a file, the most that a break costs; default: 4096",
       .minimum = 1,
       .maximum = XR_INDEX_MAX_SHARD},
      {.name = "features",
       .kind = XR_TEXT,
       .value = &o.features,
       .argument = "FILE.npy",
       .help = "float32 or float16 [N, D] made anywhere, into an index; --images names their pictures"},
      {.name = "normalize", .kind = XR_FLAG, .value = &o.normalize, .help = "divide the features by their length"},
      {.name = "token-features",
       .kind = XR_FLAG,
       .value = &o.token_features,
       .help = "also image_tokens.npy and text_tokens.npy [N, T, D]"},
      XR_RUN_OPTIONS(o.run),
  };
  int positional, wrong = xr_parse_options(&text, options, sizeof options / sizeof *options, argc, argv, &positional);
  if (wrong < 0) wrong = check_options(&o, positional, argv);
  if (wrong < 0) wrong = xr_apply_run_options(&text, &o.run);
  return wrong >= 0 ? wrong : run_embed(&o, positional, argv);
}
