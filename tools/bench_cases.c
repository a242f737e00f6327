#include "tools/bench_cases.h"

#include "host/base/random.h"

xr_bench_sizes xr_bench_paper_sizes(int64_t batch) {
  return (xr_bench_sizes){.batch = batch,
                          .height = 384,
                          .width = 128,
                          .patch = 16,
                          .image_tokens = 193,
                          .image_width = 768,
                          .image_heads = 12,
                          .text_tokens = 77,
                          .text_width = 512,
                          .text_heads = 8,
                          .embed = 512,
                          .queries = 8,
                          .set_size = 4,
                          .set_heads = 4,
                          .all_sets = 1024,
                          .classes = 11003,
                          .vocabulary = 49408,
                          .masked = (batch * 15 + 3) / 4,
                          .parameters = 155262203,
                          .captions = 6156,
                          .gallery = 3074,
                          .frame_height = 288,
                          .frame_width = 144,
                          .stem = 64};
}

xr_bench_sizes xr_bench_small_sizes(int64_t batch) {
  return (xr_bench_sizes){.batch = batch,
                          .height = 16,
                          .width = 8,
                          .patch = 4,
                          .image_tokens = 9,
                          .image_width = 64,
                          .image_heads = 2,
                          .text_tokens = 7,
                          .text_width = 32,
                          .text_heads = 1,
                          .embed = 32,
                          .queries = 2,
                          .set_size = 3,
                          .set_heads = 2,
                          .all_sets = 7,
                          .classes = 13,
                          .vocabulary = 101,
                          .masked = 5,
                          .parameters = 40003,
                          .captions = 25,
                          .gallery = 70,
                          .frame_height = 32,
                          .frame_width = 16,
                          .stem = 4};
}

/* ---- values of integers */
static uint32_t below(uint64_t key, int64_t i, int64_t limit) {
  return xr_below(xr_philox_at(key, 0, (uint64_t)i).word[0], (uint32_t)limit);
}

static void classes_of(const xr_bench_sizes *s, uint64_t key, xr_shape shape, int32_t *values) {
  for (int64_t i = 0; i < xr_elements(shape); i++) values[i] = (int32_t)below(key, i, s->classes);
}

static void words_of(const xr_bench_sizes *s, uint64_t key, xr_shape shape, int32_t *values) {
  for (int64_t i = 0; i < xr_elements(shape); i++) values[i] = (int32_t)below(key, i, s->vocabulary);
}

/* Spread evenly over the batch's places, ascending as the operation wants them. */
static void places_of(const xr_bench_sizes *s, uint64_t key, xr_shape shape, int32_t *values) {
  const int64_t count = xr_elements(shape);
  (void)key;
  for (int64_t i = 0; i < count; i++) values[i] = (int32_t)(i * s->batch * s->text_tokens / count);
}

/* Captions fill about a third of their places; the rest is padding, whose gradient goes to one row of the table. */
static void captions_of(const xr_bench_sizes *s, uint64_t key, xr_shape shape, int32_t *values) {
  words_of(s, key, shape, values);
  for (int64_t i = 0; i < xr_elements(shape); i++)
    if (i % s->text_tokens > s->text_tokens / 3) values[i] = 0;
}

/* Every second image mirrored and erased in a quarter of its area, all shifted. */
static void decisions_of(const xr_bench_sizes *s, uint64_t key, xr_shape shape, int32_t *values) {
  xr_augment_decision *d = (xr_augment_decision *)values;
  for (int64_t b = 0; b < shape.dim[0]; b++)
    d[b] = (xr_augment_decision){.flip = b % 2 == 0,
                                 .crop_x = (int32_t)below(key, 2 * b, 21) - 10,
                                 .crop_y = (int32_t)below(key, 2 * b + 1, 21) - 10,
                                 .erase_x = (int32_t)s->width / 4,
                                 .erase_y = (int32_t)s->height / 4,
                                 .erase_width = b % 2 ? (int32_t)s->width / 2 : 0,
                                 .erase_height = b % 2 ? (int32_t)s->height / 2 : 0};
}

/* ---- operations */
/* A tensor of random numbers in the compute dtype whose gradient is wanted. */
static xr_var random_tensor(xr_graph *g, const char *name, xr_shape shape) {
  xr_var p = xr_param_f32(g, name, XR_SHAPE(xr_rows(shape), xr_last_dim(shape)), (xr_init){XR_INIT_NORMAL, 1});
  return xr_reshape(g, name, xr_cast_to(g, name, xr_scale_by(g, name, p, 1), xr_graph_options_of(g).compute), shape);
}

static xr_var linear(xr_graph *g, int64_t rows, int64_t in, int64_t out, xr_activation_kind activation) {
  xr_var x = random_tensor(g, "x", XR_SHAPE(rows, in)), w = xr_param(g, "w", XR_SHAPE(out, in), (xr_init){XR_INIT_NORMAL, 0.02f});
  return xr_linear_with(g, "op", x, w, xr_param(g, "b", XR_SHAPE(out), (xr_init){XR_INIT_ZERO, 0}),
                        (xr_linear_options){.activation = activation});
}
static xr_var image_qkv(xr_graph *g, const xr_bench_sizes *s) {
  return linear(g, s->batch * s->image_tokens, s->image_width, 3 * s->image_width, XR_ACTIVATION_NONE);
}
static xr_var image_fc(xr_graph *g, const xr_bench_sizes *s) {
  return linear(g, s->batch * s->image_tokens, s->image_width, 4 * s->image_width, XR_ACTIVATION_QUICK_GELU);
}
static xr_var text_qkv(xr_graph *g, const xr_bench_sizes *s) {
  return linear(g, s->batch * s->text_tokens, s->text_width, 3 * s->text_width, XR_ACTIVATION_NONE);
}
static xr_var text_fc(xr_graph *g, const xr_bench_sizes *s) {
  return linear(g, s->batch * s->text_tokens, s->text_width, 4 * s->text_width, XR_ACTIVATION_QUICK_GELU);
}
static xr_var classifier(xr_graph *g, const xr_bench_sizes *s) { return linear(g, s->batch, s->embed, s->classes, XR_ACTIVATION_NONE); }
static xr_var mlm_logits(xr_graph *g, const xr_bench_sizes *s) { return linear(g, s->masked, s->embed, s->vocabulary, XR_ACTIVATION_NONE); }

static xr_var attention(xr_graph *g, int64_t b, int64_t tokens, int64_t width, int64_t heads, bool causal) {
  return xr_self_attention(g, "op", random_tensor(g, "qkv", XR_SHAPE(b, tokens, 3 * width)),
                           (xr_attention_options){.heads = heads, .causal = causal});
}
static xr_var attention_image(xr_graph *g, const xr_bench_sizes *s) {
  return attention(g, s->batch, s->image_tokens, s->image_width, s->image_heads, false);
}
static xr_var attention_text(xr_graph *g, const xr_bench_sizes *s) {
  return attention(g, s->batch, s->text_tokens, s->text_width, s->text_heads, true);
}

static xr_var multiscale(xr_graph *g, const xr_bench_sizes *s, int64_t tokens) {
  static const char *const names[] = {"kv0", "kv1", "kv2"};
  xr_var kv[3];
  for (int i = 0; i < 3; i++) kv[i] = random_tensor(g, names[i], XR_SHAPE(s->batch, tokens, 2 * s->text_width));
  return xr_multiscale_attention_of(
      g, "op", random_tensor(g, "q", XR_SHAPE(s->queries, s->text_width)), 3, kv,
      (xr_multiscale_options){.heads = s->text_heads, .gate = xr_param(g, "gate", XR_SHAPE(s->text_width), (xr_init){XR_INIT_NORMAL, 1})});
}
static xr_var multiscale_image(xr_graph *g, const xr_bench_sizes *s) { return multiscale(g, s, s->image_tokens); }
static xr_var multiscale_text(xr_graph *g, const xr_bench_sizes *s) { return multiscale(g, s, s->text_tokens); }

static xr_var slot_attention(xr_graph *g, const xr_bench_sizes *s, int64_t tokens) {
  return xr_slot_attention_of(g, "op", random_tensor(g, "q", XR_SHAPE(s->batch, s->set_size, s->embed)),
                              random_tensor(g, "kv", XR_SHAPE(s->batch, tokens, 2 * s->embed)), s->set_heads, (xr_var){0});
}
static xr_var slots_image(xr_graph *g, const xr_bench_sizes *s) { return slot_attention(g, s, s->image_tokens - 1); }
static xr_var slots_text(xr_graph *g, const xr_bench_sizes *s) { return slot_attention(g, s, s->text_tokens - 2); }

static xr_var layernorm(xr_graph *g, const xr_bench_sizes *s) {
  return xr_layernorm_of(g, random_tensor(g, "x", XR_SHAPE(s->batch * s->image_tokens, s->image_width)), "op", 1e-5f);
}
static xr_var add_layernorm(xr_graph *g, const xr_bench_sizes *s) {
  xr_shape shape = XR_SHAPE(s->batch * s->image_tokens, s->image_width);
  xr_var sum, y = xr_add_layernorm(g, random_tensor(g, "x", shape), random_tensor(g, "residual", shape), "op", 1e-5f, &sum);
  return y;
}
static xr_var quick_gelu(xr_graph *g, const xr_bench_sizes *s) {
  return xr_activate(g, "op", random_tensor(g, "x", XR_SHAPE(s->batch * s->image_tokens, 4 * s->image_width)), XR_ACTIVATION_QUICK_GELU);
}
static xr_var l2_normalize(xr_graph *g, const xr_bench_sizes *s) {
  return xr_l2_normalize_rows(g, "op", random_tensor(g, "x", XR_SHAPE(s->batch, s->embed)));
}

static xr_var token_embedding(xr_graph *g, const xr_bench_sizes *s) {
  xr_var table = xr_param(g, "table", XR_SHAPE(s->vocabulary, s->text_width), (xr_init){XR_INIT_NORMAL, 1});
  return xr_embed_tokens(g, "op", xr_input(g, "ids", XR_I32, XR_SHAPE(s->batch, s->text_tokens)), table,
                         xr_param(g, "position", XR_SHAPE(s->text_tokens, s->text_width), (xr_init){XR_INIT_NORMAL, 1}));
}
static xr_var take_rows(xr_graph *g, const xr_bench_sizes *s) {
  return xr_take_rows_of(g, "op", random_tensor(g, "x", XR_SHAPE(s->batch, s->text_tokens, s->text_width)),
                         xr_input(g, "index", XR_I32, XR_SHAPE(s->masked)));
}
static xr_var class_token(xr_graph *g, const xr_bench_sizes *s) {
  xr_var token = xr_param(g, "class", XR_SHAPE(s->image_width), (xr_init){XR_INIT_NORMAL, 1});
  xr_var position = xr_param(g, "position", XR_SHAPE(s->image_tokens, s->image_width), (xr_init){XR_INIT_NORMAL, 1});
  return xr_class_token_and_position(g, "op", random_tensor(g, "x", XR_SHAPE(s->batch, s->image_tokens - 1, s->image_width)), token,
                                     position);
}
static xr_var augment(xr_graph *g, const xr_bench_sizes *s) {
  xr_var pixels = xr_input(g, "pixels", XR_U8, XR_SHAPE(s->batch, s->height, s->width, 3));
  xr_var decisions = xr_input(g, "decisions", XR_I32, XR_SHAPE(s->batch, sizeof(xr_augment_decision) / sizeof(int32_t)));
  return xr_normalize_image(g, "op", pixels, decisions, (xr_image_statistics){.std = {1, 1, 1}});
}
static xr_var patchify(xr_graph *g, const xr_bench_sizes *s) {
  return xr_patchify_of(g, "op", random_tensor(g, "x", XR_SHAPE(s->batch, s->height, s->width, 3)), s->patch, s->patch);
}

/* ResNet-50, its last stage without a stride: the first convolution, and one of each kind behind it. */
static xr_var conv(xr_graph *g, const xr_bench_sizes *s, int64_t shrink, int64_t in, xr_conv2d_options options) {
  return xr_conv2d_of(g, random_tensor(g, "x", XR_SHAPE(s->batch, s->frame_height / shrink, s->frame_width / shrink, in)), "op", options);
}
static xr_var conv_stem(xr_graph *g, const xr_bench_sizes *s) {
  return conv(g, s, 1, 3, (xr_conv2d_options){.channels = s->stem, .kernel = 7, .stride = 2, .pad = 3});
}
static xr_var conv_layer1(xr_graph *g, const xr_bench_sizes *s) {
  return conv(g, s, 4, s->stem, (xr_conv2d_options){.channels = s->stem, .kernel = 3, .pad = 1});
}
static xr_var conv_layer2(xr_graph *g, const xr_bench_sizes *s) {
  return conv(g, s, 4, 2 * s->stem, (xr_conv2d_options){.channels = 2 * s->stem, .kernel = 3, .stride = 2, .pad = 1});
}
static xr_var conv_layer3(xr_graph *g, const xr_bench_sizes *s) {
  return conv(g, s, 16, 16 * s->stem, (xr_conv2d_options){.channels = 4 * s->stem, .kernel = 1});
}
static xr_var conv_layer4(xr_graph *g, const xr_bench_sizes *s) {
  return conv(g, s, 16, 8 * s->stem, (xr_conv2d_options){.channels = 8 * s->stem, .kernel = 3, .pad = 1});
}

/* Losses end in a weighted sum, so that the loss's own gradient of 1 is not written by the operation's node. */
static xr_var weighted(xr_graph *g, xr_var loss) { return xr_weighted_loss(g, "sum", 1, &loss, (const float[]){1}); }

static xr_var cross_entropy(xr_graph *g, int64_t rows, int64_t columns) {
  return weighted(g, xr_cross_entropy_loss(g, "op", random_tensor(g, "logits", XR_SHAPE(rows, columns)),
                                           xr_input(g, "labels", XR_I32, XR_SHAPE(rows)), 0));
}
static xr_var cross_entropy_id(xr_graph *g, const xr_bench_sizes *s) { return cross_entropy(g, s->batch, s->classes); }
static xr_var cross_entropy_mlm(xr_graph *g, const xr_bench_sizes *s) { return cross_entropy(g, s->masked, s->vocabulary); }
static xr_var sdm(xr_graph *g, const xr_bench_sizes *s) {
  xr_var unit = xr_l2_normalize_rows(g, "unit", random_tensor(g, "features", XR_SHAPE(s->batch, s->embed)));
  return weighted(g,
                  xr_sdm_loss(g, "op", xr_matmul_transposed(g, "cosine", unit, unit), xr_input(g, "identity", XR_I32, XR_SHAPE(s->batch)),
                              (xr_var){0}, (xr_sdm_options){.temperature = 0.02f, .semi_weight = 1}));
}

static xr_var set_similarity(xr_graph *g, const xr_bench_sizes *s, int64_t sets) {
  const int64_t elements = sets * s->set_size;
  xr_var p = xr_param_f32(g, "cosine", XR_SHAPE(elements, elements), (xr_init){XR_INIT_NORMAL, 0.25f});
  return xr_set_reduce(g, "op", xr_scale_by(g, "cosine", p, 1), s->set_size, s->set_size,
                       (xr_set_similarity_options){XR_SET_SMOOTH_CHAMFER, 16});
}
static xr_var set_similarity_batch(xr_graph *g, const xr_bench_sizes *s) { return set_similarity(g, s, s->batch); }
static xr_var set_similarity_all(xr_graph *g, const xr_bench_sizes *s) { return set_similarity(g, s, s->all_sets); }
static xr_var mmd(xr_graph *g, const xr_bench_sizes *s) {
  xr_var x[2];
  for (int side = 0; side < 2; side++) {
    const char *name = side ? "y" : "x";
    x[side] = xr_l2_normalize_rows(g, name, random_tensor(g, name, XR_SHAPE(s->batch * s->set_size, s->embed)));
  }
  return weighted(g, xr_mmd_loss(g, "op", x[0], x[1], (xr_mmd_options){XR_MMD_LAPLACE, 0.5f}));
}

const xr_bench_case xr_bench_cases[] = {
    {"linear_image_qkv", "", image_qkv, NULL, false},
    {"linear_image_fc", "quick GELU", image_fc, NULL, false},
    {"linear_text_qkv", "", text_qkv, NULL, false},
    {"linear_text_fc", "quick GELU", text_fc, NULL, false},
    {"linear_classifier", "", classifier, NULL, false},
    {"linear_mlm", "", mlm_logits, NULL, false},
    {"attention_image", "", attention_image, NULL, false},
    {"attention_text", "causal, the masked half counted", attention_text, NULL, false},
    {"multiscale_image", "gated", multiscale_image, NULL, false},
    {"multiscale_text", "gated", multiscale_text, NULL, false},
    {"slots_image", "one iteration", slots_image, NULL, false},
    {"slots_text", "one iteration", slots_text, NULL, false},
    {"layernorm", "", layernorm, NULL, false},
    {"add_layernorm", "", add_layernorm, NULL, false},
    {"quick_gelu", "", quick_gelu, NULL, false},
    {"l2_normalize", "", l2_normalize, NULL, false},
    {"token_embedding", "a third of the ids are words", token_embedding, captions_of, false},
    {"take_rows", "", take_rows, places_of, false},
    {"class_token", "", class_token, NULL, false},
    {"augment", "", augment, decisions_of, true},
    {"patchify", "", patchify, NULL, true},
    {"conv_stem", "7 x 7, stride 2", conv_stem, NULL, false},
    {"conv_layer1", "3 x 3", conv_layer1, NULL, false},
    {"conv_layer2", "3 x 3, stride 2", conv_layer2, NULL, false},
    {"conv_layer3", "1 x 1", conv_layer3, NULL, false},
    {"conv_layer4", "3 x 3", conv_layer4, NULL, false},
    {"cross_entropy", "", cross_entropy_id, classes_of, false},
    {"cross_entropy_mlm", "", cross_entropy_mlm, words_of, false},
    {"sdm", "", sdm, classes_of, false},
    {"set_similarity", "smooth-chamfer of given cosines", set_similarity_batch, NULL, false},
    {"set_similarity_all", "smooth-chamfer of given cosines", set_similarity_all, NULL, false},
    {"mmd", "", mmd, NULL, false},
};
const int xr_bench_case_count = sizeof xr_bench_cases / sizeof *xr_bench_cases;
