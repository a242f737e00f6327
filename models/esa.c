#include "models/esa.h"

#include "models/asm.h"
#include "models/dual_encoder.h"
#include "models/esa_embed.h"
#include "models/esa_losses.h"
#include "models/mlm.h"

bool xr_esa_wants_sets(const xr_config *c) {
  return c->esa.score_weight > 0 || c->loss.asm_.weight > 0 || c->loss.mmd.weight > 0 || c->loss.uniformity.weight > 0 ||
         c->loss.diversity.weight > 0;
}

/* What one modality gives. */
typedef struct {
  xr_var tokens;   /* the tower's, projected [B, N, D] */
  xr_var feature;  /* the global one, [B, D] */
  xr_esa_sets set; /* empty: not wanted */
} side;

/* ---- from the towers to sets */
/* How much the token at `index` (empty: the first) looks at the tokens from 1 on, in the tower's last block. */
static xr_var score(xr_graph *g, const xr_config *c, const xr_taps *taps, int64_t heads, xr_var index) {
  if (c->esa.kind != XR_CONFIG_ESA_TOPK) return (xr_var){0};
  xr_var row = xr_attention_row_of(g, "attention", taps->last_qkv, heads, index);
  return xr_slice_of(g, "score", row, 1, 1, xr_last_dim(xr_shape_of(g, row)) - 1);
}

/* The tokens behind the class or start token. */
static xr_var inner_tokens(xr_graph *g, xr_var tokens) { return xr_slice_of(g, "tokens", tokens, 1, 1, xr_shape_of(g, tokens).dim[1] - 1); }

static side image_side(xr_graph *g, const xr_model_context *context, xr_var pixels, xr_var decisions, xr_var shared) {
  const xr_config *c = context->config;
  xr_taps taps = {0};
  side s = {.tokens = xr_image_tokens(g, context, pixels, decisions, &taps)};
  s.feature = xr_image_feature(g, s.tokens);
  if (!xr_esa_wants_sets(c)) return s;
  xr_scope_begin(g, "patches");
  xr_esa_input in = {.modality = XR_IMAGE, .tokens = inner_tokens(g, s.tokens), .global = s.feature, .shared = shared};
  in.score = score(g, c, &taps, c->vision.heads, (xr_var){0});
  xr_scope_end(g);
  s.set = xr_esa_embed(g, c, &in);
  return s;
}

static side text_side(xr_graph *g, const xr_model_context *context, xr_var ids, xr_var end, xr_var words, xr_var shared) {
  const xr_config *c = context->config;
  xr_taps taps = {0};
  side s = {.tokens = xr_text_tokens(g, context, ids, &taps)};
  s.feature = xr_text_feature(g, s.tokens, end);
  if (!xr_esa_wants_sets(c)) return s;
  xr_scope_begin(g, "words");
  xr_esa_input in = {.modality = XR_TEXT, .tokens = inner_tokens(g, s.tokens), .length = words, .global = s.feature, .shared = shared};
  in.score = score(g, c, &taps, c->text.heads, end);
  xr_scope_end(g);
  s.set = xr_esa_embed(g, c, &in);
  return s;
}

/* How many tokens behind the start token are a set's: an input. */
static xr_var words_input(xr_graph *g, const xr_model_context *context, xr_var *words, int32_t *without) {
  if (!xr_esa_wants_sets(context->config)) return (xr_var){0};
  *without = context->config->esa.text_tokens == XR_CONFIG_TOKENS_WITH_END ? 1 : 2;
  return *words = xr_input(g, "words", XR_I32, XR_SHAPE(context->batch));
}

/* What both modalities' sets start from. */
static xr_var shared_queries(xr_graph *g, const xr_config *c) { return xr_esa_wants_sets(c) ? xr_esa_shared(g, c) : (xr_var){0}; }

/* ---- losses */
static const xr_set_kind similarities[] = {[XR_CONFIG_SET_SMOOTH_CHAMFER] = XR_SET_SMOOTH_CHAMFER,
                                           [XR_CONFIG_SET_CHAMFER] = XR_SET_CHAMFER,
                                           [XR_CONFIG_SET_MIL] = XR_SET_MIL,
                                           [XR_CONFIG_SET_AVERAGE] = XR_SET_AVERAGE,
                                           [XR_CONFIG_SET_OPTIMAL] = XR_SET_OPTIMAL,
                                           [XR_CONFIG_SET_ALIGNED] = XR_SET_ALIGNED};

xr_set_similarity_options xr_esa_similarity(const xr_config *c) {
  return (xr_set_similarity_options){.kind = similarities[c->esa.similarity], .sharpness = (float)c->esa.sharpness};
}

xr_mmd_options xr_esa_mmd_options(const xr_config *c) {
  return (xr_mmd_options){.kernel = c->loss.mmd.kernel == XR_CONFIG_MMD_GAUSS ? XR_MMD_GAUSS : XR_MMD_LAPLACE,
                          .gamma = (float)c->loss.mmd.gamma};
}

/* Triplets on the similarities of all images' and captions' sets. */
static xr_var semantic_margin(xr_graph *g, const xr_model_context *context, const side *v, const side *t, xr_training_graph *out) {
  const xr_asm_options options = xr_asm_options_of(context);
  xr_var similarity = xr_set_similarity_of(g, "set_similarity", v->set.sets, t->set.sets, xr_esa_similarity(context->config));
  if (options.margin.kind == XR_MARGIN_QUALITY && !out->length.id) out->length = xr_input(g, "length", XR_I32, XR_SHAPE(context->batch));
  return xr_asm_loss(g, &options, similarity, v->feature, t->feature, out->identity, out->image, out->length);
}

/* What keeps a set's elements apart, and both modalities' elements in one place. */
static void add_regularisers(xr_graph *g, const xr_config *c, const side *v, const side *t, xr_training_graph *out) {
  if (c->loss.mmd.weight > 0) xr_add_loss(out, "mmd", c->loss.mmd.weight, xr_esa_mmd(g, v->set.sets, t->set.sets, xr_esa_mmd_options(c)));
  if (c->loss.uniformity.weight > 0)
    xr_add_loss(out, "uniformity", c->loss.uniformity.weight, xr_esa_uniformity(g, v->set.residual, t->set.residual));
  if (c->loss.diversity.weight > 0) xr_add_loss(out, "diversity", c->loss.diversity.weight, xr_esa_diversity(g, v->set.sets, t->set.sets));
}

/* ---- the three graphs */
static void train(xr_graph *g, const xr_model_context *context, xr_training_graph *out) {
  const xr_config *c = context->config;
  xr_var captions = xr_dual_encoder_inputs(g, context, out), words = words_input(g, context, &out->words, &out->words_without);
  xr_var shared = shared_queries(g, c);
  const side v = image_side(g, context, out->pixels, out->decisions, shared), t = text_side(g, context, captions, out->end, words, shared);

  /* SDM and ID on the global features, as IRRA's */
  xr_var cosine = xr_cosines(g, "cosine", v.feature, t.feature);
  xr_add_loss(out, "sdm", c->loss.sdm.weight, xr_sdm(g, c, cosine, out->identity, out->image));
  xr_add_loss(out, "id", c->loss.id.weight, xr_identity_loss(g, context, v.feature, t.feature, out->identity));

  /* ASM on the sets */
  if (c->loss.asm_.weight > 0) xr_add_loss(out, "asm", c->loss.asm_.weight, semantic_margin(g, context, &v, &t, out));
  add_regularisers(g, c, &v, &t, out);
  if (v.set.sets.id && c->esa.set_size > 1) xr_output(g, "set_cosine", out->set_cosine = xr_esa_set_cosine(g, v.set.sets, t.set.sets));

  if (xr_mlm_wanted(c))
    xr_add_loss(out, "mlm", c->loss.mlm.weight, xr_mlm_loss(g, context, out, xr_mlm_words(g, context, out, t.tokens), v.tokens));
  xr_sum_losses(g, out);
}

static void encoder_result(xr_graph *g, const char *features, const char *sets, const side *s, xr_encoder_graph *out) {
  xr_encoder_result(g, features, s->feature, s->tokens, out);
  out->sets = s->set.sets;
  if (out->sets.id) xr_output(g, sets, out->sets);
}

static void encode_images(xr_graph *g, const xr_model_context *context, xr_encoder_graph *out) {
  xr_var pixels = xr_image_input(g, context, out);
  const side s = image_side(g, context, pixels, (xr_var){0}, shared_queries(g, context->config));
  encoder_result(g, "image_features", "image_sets", &s, out);
}

static void encode_texts(xr_graph *g, const xr_model_context *context, xr_encoder_graph *out) {
  xr_var ids = xr_caption_input(g, context, out), words = words_input(g, context, &out->words, &out->words_without);
  const side s = text_side(g, context, ids, out->end, words, shared_queries(g, context->config));
  encoder_result(g, "text_features", "text_sets", &s, out);
}

const xr_method xr_esa = {.name = "esa", .train = train, .encode_images = encode_images, .encode_texts = encode_texts};
