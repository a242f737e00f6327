/* The order of the best images by a score of pairs: a method whose score is simple enough to be computed here, over every pair of a small
 * split, in parts and batches that do not come out even. */
#include <criterion/criterion.h>
#include <math.h>

#include "host/data/image_write.h"
#include "host/eval/pair_score.h"
#include "tests/data/scratch.h"

enum { IMAGES = 23, CAPTIONS = 2 * IMAGES, SIDE = 8, PATCH = 4, PATCHES = 4, WIDTH = 3 * PATCH * PATCH, CONTEXT = 9 };

/* ---- the method: an image is its patches, a text its words; a pair's score comes from both sides' means */
static void encode_images(xr_graph *g, const xr_model_context *context, xr_encoder_graph *out) {
  *out = (xr_encoder_graph){.pixels = xr_input(g, "pixels", XR_U8, XR_SHAPE(context->batch, SIDE, SIDE, 3))};
  const xr_image_statistics statistics = {.mean = {0.5f, 0.5f, 0.5f}, .std = {0.25f, 0.25f, 0.25f}};
  out->tokens = out->pair_tokens = xr_patchify_of(g, "patches", xr_normalize_image(g, "images", out->pixels, (xr_var){0}, statistics),
                                                  PATCH, PATCH);
  out->features = xr_cast_to(g, "features", xr_token_at(g, "first", out->tokens, 0), XR_F32);
  xr_output(g, "image_features", out->features);
}

static void encode_texts(xr_graph *g, const xr_model_context *context, xr_encoder_graph *out) {
  *out = (xr_encoder_graph){.ids = xr_input(g, "ids", XR_I32, XR_SHAPE(context->batch, CONTEXT)),
                            .end = xr_input(g, "end", XR_I32, XR_SHAPE(context->batch))};
  xr_var table = xr_param(g, "words", XR_SHAPE(context->vocabulary, WIDTH), (xr_init){XR_INIT_NORMAL, 1});
  xr_var place = xr_param(g, "places", XR_SHAPE(CONTEXT, WIDTH), (xr_init){XR_INIT_NORMAL, 0.5f});
  out->tokens = out->pair_tokens = xr_embed_tokens(g, "tokens", out->ids, table, place);
  out->features = xr_cast_to(g, "features", xr_pick_token(g, "end", out->tokens, out->end), XR_F32);
  xr_output(g, "text_features", out->features);
}

static bool scores_pairs(const xr_config *config) { return config->imfi.rerank > 0; }

static void score_pairs(xr_graph *g, const xr_model_context *context, int64_t image_tokens, int64_t text_tokens, xr_pair_graph *out) {
  const int64_t pairs = context->batch;
  const xr_dtype compute = xr_graph_options_of(g).compute;
  cr_assert(image_tokens == PATCHES && text_tokens == CONTEXT);
  *out = (xr_pair_graph){.image_tokens = xr_input(g, "image_tokens", compute, XR_SHAPE(pairs, PATCHES, WIDTH)),
                         .text_tokens = xr_input(g, "text_tokens", compute, XR_SHAPE(pairs, CONTEXT, WIDTH)),
                         .end = xr_input(g, "end", XR_I32, XR_SHAPE(pairs)),
                         .length = xr_input(g, "length", XR_I32, XR_SHAPE(pairs)),
                         .joint_scales = 1};
  xr_var image = xr_masked_mean_of(g, "image", out->image_tokens, (xr_var){0}, 0);
  xr_var text = xr_masked_mean_of(g, "text", out->text_tokens, out->length, 0);
  text = xr_add_of(g, "both", text, xr_pick_token(g, "end", out->text_tokens, out->end));
  out->logits = xr_linear_of(g, xr_pair_features(g, "pair", image, text), "head", 2, 0.1f, (xr_linear_options){.f32_result = true});
  xr_output(g, "logits", out->logits);
}

static const xr_method method = {.name = "means",
                                 .encode_images = encode_images,
                                 .encode_texts = encode_texts,
                                 .scores_pairs = scores_pairs,
                                 .score_pairs = score_pairs};

/* ---- a split of 23 noisy images with two captions each, of 5 people */
typedef struct {
  scratch folder;
  xr_config *config;
  xr_task task;
  xr_parameters *parameters;
} fixture;

static void write_data(const scratch *folder) {
  static char json[16384];
  char path[XR_PATH_MAX];
  size_t used = 0;
  snprintf(path, sizeof path, "%s/imgs", folder->root);
  cr_assert_eq(xr_make_folders(path), XR_OK);
  for (int i = 0; i < IMAGES; i++) {
    uint8_t pixels[SIDE * SIDE * 3];
    for (int k = 0; k < SIDE * SIDE * 3; k++) pixels[k] = (uint8_t)((k * 37 + i * 101 + k * k * (i + 3) / 7) & 255);
    snprintf(path, sizeof path, "%s/imgs/%d.png", folder->root, i);
    cr_assert_eq(xr_image_write_png(path, SIDE, SIDE, pixels), XR_OK);
    used += (size_t)snprintf(json + used, sizeof json - used,
                             "%s{\"id\":%d,\"file_path\":\"%d.png\",\"split\":\"test\",\"captions\":[\"%.*s\",\"c %d\"]}", i ? "," : "[",
                             1 + i % 5, i, 1 + i % 9, "a d b a f a d", i);
  }
  snprintf(json + used, sizeof json - used, "]");
  scratch_text(folder, "reid_raw.json", json);
  scratch_text(folder, "merges.txt", "#version: 0.2\na b</w>\n");
}

static fixture make(const char *rerank) {
  fixture f = {.folder = scratch_new(), .parameters = xr_parameters_new()};
  char root[200], vocabulary[200], wanted[40];
  write_data(&f.folder);
  snprintf(root, sizeof root, "data.root=%s", f.folder.root);
  snprintf(vocabulary, sizeof vocabulary, "data.vocabulary=%s/merges.txt", f.folder.root);
  snprintf(wanted, sizeof wanted, "imfi.rerank=%s", rerank);
  const char *overrides[] = {root,
                             vocabulary,
                             wanted,
                             "image.height=8",
                             "image.width=8",
                             "image.patch=4",
                             "image.stride=4",
                             "model.embed=48",
                             "text.context=9",
                             "eval.batch=3",
                             "data.workers=0"};
  cr_assert(xr_config_load(&f.config, NULL, overrides, sizeof overrides / sizeof *overrides) == XR_OK, "%s", xr_message());
  cr_assert(xr_task_open_encoder(&f.task, f.config, true) == XR_OK, "%s", xr_message());
  const xr_dataset_options options = {.splits = 1u << XR_SPLIT_TEST};
  cr_assert(xr_dataset_open(&f.task.dataset, "cuhk-pedes", f.folder.root, &options) == XR_OK, "%s", xr_message());
  f.task.method = &method;
  return f;
}

static void drop(fixture *f) {
  xr_task_close(&f->task);
  xr_parameters_free(f->parameters);
  xr_config_free(f->config);
  scratch_remove(&f->folder);
}

/* ---- what is expected, pair by pair */
typedef struct {
  float image_features[IMAGES * WIDTH], text_features[CAPTIONS * WIDTH], image_tokens[IMAGES * PATCHES * WIDTH],
      text_tokens[CAPTIONS * CONTEXT * WIDTH], weight[2 * 4 * WIDTH], bias[2];
  int length[CAPTIONS];
} facts;

static void read_facts(facts *k, const fixture *f, xr_encoder_options options) {
  xr_encoder *encoder;
  options.rank = false;
  options.tokens = options.pair_tokens = true;
  cr_assert(xr_encoder_new(&encoder, &f->task, f->parameters, options) == XR_OK, "%s", xr_message());
  cr_assert_eq(xr_encode_side(encoder, XR_ENCODE_IMAGES, XR_SPLIT_TEST, NULL, k->image_features, NULL, k->image_tokens), XR_OK);
  cr_assert_eq(xr_encode_side(encoder, XR_ENCODE_TEXTS, XR_SPLIT_TEST, NULL, k->text_features, NULL, k->text_tokens), XR_OK);
  xr_encoder_free(encoder);
  const int weight = xr_parameter_find(f->parameters, "head.weight"), bias = xr_parameter_find(f->parameters, "head.bias");
  cr_assert(xr_parameter_read(f->parameters, XR_MASTER, weight, k->weight) == XR_OK);
  cr_assert(xr_parameter_read(f->parameters, XR_MASTER, bias, k->bias) == XR_OK);
  for (int q = 0; q < CAPTIONS; q++) {
    int32_t ids[CONTEXT];
    cr_assert_eq(xr_tokenize(f->task.tokenizer, f->task.dataset->splits[XR_SPLIT_TEST].captions[q].text, CONTEXT, ids, &k->length[q]),
                 XR_OK);
  }
}

static double cosine(const facts *k, int q, int image) {
  const float *a = k->text_features + q * WIDTH, *b = k->image_features + image * WIDTH;
  double dot = 0, aa = 0, bb = 0;
  for (int i = 0; i < WIDTH; i++) {
    dot += (double)a[i] * (double)b[i];
    aa += (double)a[i] * (double)a[i];
    bb += (double)b[i] * (double)b[i];
  }
  return dot / sqrt(aa * bb);
}

static double match(const facts *k, int q, int image) {
  double score = (double)k->bias[1] - (double)k->bias[0];
  for (int i = 0; i < WIDTH; i++) {
    double v = 0, t = 0;
    for (int n = 0; n < PATCHES; n++) v += (double)k->image_tokens[(image * PATCHES + n) * WIDTH + i] / PATCHES;
    for (int n = 0; n < k->length[q]; n++) t += (double)k->text_tokens[(q * CONTEXT + n) * WIDTH + i] / k->length[q];
    t += (double)k->text_tokens[(q * CONTEXT + k->length[q] - 1) * WIDTH + i];
    const double u[4] = {v, t, v * t, fabs(v - t)};
    for (int part = 0; part < 4; part++)
      score += u[part] * ((double)k->weight[4 * WIDTH + part * WIDTH + i] - (double)k->weight[part * WIDTH + i]);
  }
  return score;
}

/* Images in the order of a row of scores. */
static void order_of(const float *scores, int order[IMAGES]) {
  for (int i = 0; i < IMAGES; i++) {
    int ahead = 0;
    for (int j = 0; j < IMAGES; j++) ahead += scores[j] > scores[i] || (scores[j] == scores[i] && j < i);
    order[ahead] = i;
  }
}

/* The first `best` are those of the highest cosines, by their match; the others follow by cosine. */
static void expect_order(const facts *k, int q, const float *scores, int best, double slack) {
  int order[IMAGES];
  order_of(scores, order);
  double lowest = 2;
  for (int i = 0; i < best; i++) lowest = fmin(lowest, cosine(k, q, order[i]));
  for (int i = 0; i + 1 < best; i++)
    cr_assert(match(k, q, order[i]) >= match(k, q, order[i + 1]) - slack, "caption %d: place %d has %g, the next %g", q, i,
              match(k, q, order[i]), match(k, q, order[i + 1]));
  for (int i = best; i < IMAGES; i++) cr_assert(cosine(k, q, order[i]) <= lowest + 1e-6, "caption %d: an image was left behind", q);
  for (int i = best; i + 1 < IMAGES; i++) cr_assert(cosine(k, q, order[i]) >= cosine(k, q, order[i + 1]) - 1e-6);
}

static void check(const char *rerank, int best, xr_dtype compute, xr_backend backend) {
  fixture f = make(rerank);
  const xr_encoder_options options = {.compute = compute, .backend = backend, .rank = true};
  xr_encoder *encoder;
  xr_split_features features;
  static facts k;
  cr_assert(xr_encoder_new(&encoder, &f.task, f.parameters, options) == XR_OK, "%s", xr_message());
  cr_assert_eq(xr_parameters_allocate(f.parameters, (xr_parameter_options){.seed = 3, .compute = compute, .backend = backend}), XR_OK);
  cr_assert(xr_encode_split(encoder, XR_SPLIT_TEST, NULL, &features) == XR_OK, "%s", xr_message());
  read_facts(&k, &f, options);
  int moved = 0;
  for (int q = 0; q < CAPTIONS; q++) {
    int order[IMAGES], first = 0;
    expect_order(&k, q, features.scores + q * IMAGES, best, compute == XR_F32 ? 1e-5 : 0.05);
    order_of(features.scores + q * IMAGES, order);
    for (int i = 1; i < IMAGES; i++)
      if (cosine(&k, q, i) > cosine(&k, q, first)) first = i;
    moved += order[0] != first;
  }
  cr_assert(best == 1 ? moved == 0 : moved > CAPTIONS / 8, "%d captions have another first image", moved);

  xr_evaluation result;
  cr_assert(xr_rank_split(&f.task, XR_SPLIT_TEST, &features, 3, &result) == XR_OK, "%s", xr_message());
  for (int q = 0; q < CAPTIONS; q++) {
    int order[IMAGES];
    order_of(features.scores + q * IMAGES, order);
    for (int i = 0; i < 3; i++) cr_assert_eq(result.top_index[q * 3 + i], order[i]);
  }
  xr_evaluation_free(&result);
  xr_split_features_free(&features);
  xr_encoder_free(encoder);
  drop(&f);
}

Test(pair_score, some_images_of_each_caption) { check("7", 7, XR_F32, XR_CPU); }
Test(pair_score, one_image_stays_first) { check("1", 1, XR_F32, XR_CPU); }
Test(pair_score, more_than_there_are) { check("128", IMAGES, XR_F32, XR_CPU); }
Test(pair_score, bf16) { check("9", 9, XR_BF16, XR_CPU); }

#ifdef XREID_CUDA
Test(pair_score, on_cuda) {
  xr_device device;
  if (xr_device_open(&device, "cuda") != XR_OK) cr_skip_test("%s", xr_message());
  check("7", 7, XR_F32, XR_CUDA);
}
#endif

Test(pair_score, none_wanted) {
  fixture f = make("0");
  xr_encoder *encoder;
  xr_split_features features;
  cr_assert_eq(xr_encoder_new(&encoder, &f.task, f.parameters, (xr_encoder_options){.rank = true}), XR_OK);
  cr_assert_eq(xr_parameter_find(f.parameters, "head.weight"), -1, "nothing of pairs is recorded");
  cr_assert_eq(xr_parameters_allocate(f.parameters, (xr_parameter_options){0}), XR_OK);
  cr_assert_eq(xr_encode_split(encoder, XR_SPLIT_TEST, NULL, &features), XR_OK);
  cr_assert_null(features.scores);
  xr_split_features_free(&features);
  xr_encoder_free(encoder);
  drop(&f);
}

/* A score that is not a number is refused, with the pair. */
Test(pair_score, nan_is_refused) {
  fixture f = make("2");
  xr_encoder *encoder;
  xr_split_features features;
  cr_assert_eq(xr_encoder_new(&encoder, &f.task, f.parameters, (xr_encoder_options){.rank = true}), XR_OK);
  cr_assert_eq(xr_parameters_allocate(f.parameters, (xr_parameter_options){0}), XR_OK);
  const float bias[2] = {0, NAN};
  cr_assert_eq(xr_parameter_write(f.parameters, XR_MASTER, xr_parameter_find(f.parameters, "head.bias"), bias), XR_OK);
  cr_assert_eq(xr_encode_split(encoder, XR_SPLIT_TEST, NULL, &features), XR_NOT_FINITE);
  expect_message("caption 0, image ");
  xr_encoder_free(encoder);
  drop(&f);
}

Test(pair_score, equal_scores_keep_their_order) {
  const int64_t best[2 * 3] = {4, 0, 2, 1, 3, -1};
  const float score[2 * 3] = {1, 5, 1, -INFINITY, 2, 9};
  float scores[2 * 5] = {0.5f, 0.9f, 0.1f, 0.9f, 1, 0, 0.2f, 0.3f, 0.1f, 0.4f};
  cr_assert_eq(xr_reorder_best(2, 5, 3, best, score, scores), XR_OK);
  cr_assert(scores[0] > scores[4] && scores[4] > scores[2] && scores[2] > 1e30f && isfinite(scores[0]));
  cr_assert(scores[5 + 3] > scores[5 + 1] && scores[5 + 1] > 1e30f);
  cr_assert(scores[1] == 0.9f && scores[3] == 0.9f && scores[5] == 0 && scores[7] == 0.3f && scores[9] == 0.4f, "others are as they were");
}
