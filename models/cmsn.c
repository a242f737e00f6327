#include "models/cmsn.h"

#include "models/cria.h"
#include "models/crl.h"
#include "models/dual_encoder.h"
#include "models/imfi.h"
#include "models/match.h"
#include "models/mlm.h"
#include "models/spt.h"

/* What one modality gives. */
typedef struct {
  xr_var tokens;  /* the tower's, projected [B, N, D] */
  xr_var feature; /* f [B, D] */
  xr_imfi_input scales;
  xr_var slots; /* Z [B, M, D], or empty */
} side;

/* What the modes of IMFI share. */
static bool fuses_pairs(const xr_config *c) { return c->imfi.mode == XR_CONFIG_IMFI_CROSS_ATTN && c->loss.match.weight > 0; }
static bool shares_queries(const xr_config *c) {
  return c->imfi.mode != XR_CONFIG_IMFI_OFF && c->imfi.mode != XR_CONFIG_IMFI_CROSS_MLM && c->imfi.mode != XR_CONFIG_IMFI_CROSS_ATTN;
}
static bool crosses_scales(const xr_config *c) {
  return c->imfi.mode == XR_CONFIG_IMFI_CROSS_MLM || c->imfi.mode == XR_CONFIG_IMFI_SHARED_QUERY_CROSS_MLM ||
         c->imfi.mode == XR_CONFIG_IMFI_CROSS_ATTN;
}

/* Does anything read the scales of this modality? The queries do; in training the words of MLM read the image's, and pairs both; in
 * retrieval pairs alone, where they are wanted. */
static bool reads_scales(const xr_graph *g, const xr_model_context *context, xr_modality modality) {
  const xr_config *c = context->config;
  const bool training = xr_graph_options_of(g).training;
  if (shares_queries(c) || (fuses_pairs(c) && (training || context->pair_tokens))) return true;
  return crosses_scales(c) && modality == XR_IMAGE && xr_mlm_wanted(c) && training;
}

static xr_taps taps_of(const xr_graph *g, const xr_model_context *context, xr_modality modality) {
  return reads_scales(g, context, modality) ? xr_imfi_taps(context->config, modality) : (xr_taps){0};
}

/* IMFI on a tower's tokens and taps: its scales, and the feature that stands for the global one. */
static void integrate(xr_graph *g, const xr_model_context *context, const xr_taps *taps, side *s) {
  const xr_config *c = context->config;
  s->feature = s->scales.global;
  if (!reads_scales(g, context, s->scales.modality)) return;
  xr_pass_begin(g, s->scales.modality == XR_IMAGE ? "image" : "text");
  xr_imfi_scales(g, c, taps, s->tokens, &s->scales);
  if (shares_queries(c)) {
    s->slots = xr_imfi_slots(g, c, &s->scales);
    s->feature = xr_imfi_feature(g, c, &s->scales, s->slots);
  }
  xr_pass_end(g);
}

static side image_side(xr_graph *g, const xr_model_context *context, xr_var pixels, xr_var decisions) {
  xr_taps taps = taps_of(g, context, XR_IMAGE);
  side s = {.tokens = xr_image_tokens(g, context, pixels, decisions, &taps)};
  s.scales = (xr_imfi_input){.modality = XR_IMAGE, .global = xr_image_feature(g, s.tokens)};
  integrate(g, context, &taps, &s);
  return s;
}

static side text_side(xr_graph *g, const xr_model_context *context, xr_var ids, xr_var end, xr_var length) {
  xr_taps taps = taps_of(g, context, XR_TEXT);
  side s = {.tokens = xr_text_tokens(g, context, ids, &taps)};
  s.scales = (xr_imfi_input){.modality = XR_TEXT, .length = length, .global = xr_text_feature(g, s.tokens, end)};
  integrate(g, context, &taps, &s);
  return s;
}

/* How many keys of a caption count for IMFI: an input, where padding is left out; with all scales in one, as many times as scales. Pairs
 * need both. */
static xr_var key_length(xr_graph *g, const xr_model_context *context, xr_var *length, xr_var *joint_length, int32_t *joint_scales) {
  const xr_config *c = context->config;
  if (!c->text.mask_pad || (!shares_queries(c) && !fuses_pairs(c))) return (xr_var){0};
  const bool joint = c->imfi.mode == XR_CONFIG_IMFI_CONCAT || fuses_pairs(c);
  const xr_shape samples = XR_SHAPE(context->batch);
  if (!length->id && c->imfi.mode != XR_CONFIG_IMFI_CONCAT) *length = xr_input(g, "length", XR_I32, samples);
  if (!joint) return *length;
  *joint_scales = (int32_t)c->imfi.taps_count;
  return *joint_length = xr_input(g, "joint_length", XR_I32, samples);
}

/* CRL; kind cross_attn takes the words that looked at the image, by MLM's encoder. */
static xr_var combine(xr_graph *g, const xr_model_context *context, const side *v, const side *t, const xr_training_graph *out) {
  xr_crl_input pair = {.image = v->feature, .text = t->feature, .image_slots = v->slots, .text_slots = t->slots};
  if (context->config->crl.kind == XR_CONFIG_CRL_CROSS_ATTN) {
    const xr_mlm_size size = xr_mlm_size_of(context);
    xr_pass_begin(g, "crl");
    pair.interaction = xr_text_feature(g, xr_mlm_encoder(g, &size, t->tokens, v->tokens, out->length), out->end);
    xr_pass_end(g);
  }
  return xr_crl(g, context->config, &pair);
}

static void train(xr_graph *g, const xr_model_context *context, xr_training_graph *out) {
  const xr_config *c = context->config;
  xr_var captions = xr_dual_encoder_inputs(g, context, out);
  xr_var length = key_length(g, context, &out->length, &out->joint_length, &out->joint_scales);
  const side v = image_side(g, context, out->pixels, out->decisions), t = text_side(g, context, captions, out->end, length);

  xr_var cosine = xr_cosines(g, "cosine", v.feature, t.feature);
  xr_add_loss(out, "sdm", c->loss.sdm.weight, xr_sdm(g, c, cosine, out->identity, out->image));
  xr_add_loss(out, "id", c->loss.id.weight, xr_identity_loss(g, context, v.feature, t.feature, out->identity));

  /* MLM; with cross_mlm the words look at the image's tokens of every scale */
  if (xr_mlm_wanted(c)) {
    xr_var words = xr_mlm_words(g, context, out, t.tokens), seen = crosses_scales(c) ? xr_imfi_all_tokens(g, &v.scales) : v.tokens;
    xr_add_loss(out, "mlm", c->loss.mlm.weight, xr_mlm_loss(g, context, out, words, seen));
  }

  /* image-text matching on fused pairs, among them hard negatives */
  if (fuses_pairs(c)) {
    const xr_match_input batch = {.scales = v.scales.scales,
                                  .image = xr_imfi_all_tokens(g, &v.scales),
                                  .text = xr_imfi_interleave(g, t.scales.scales, t.scales.tokens),
                                  .end = out->end,
                                  .length = out->length,
                                  .joint_length = out->joint_length};
    xr_add_loss(out, "match", c->loss.match.weight, xr_match_loss(g, context, &batch, cosine, out->identity));
  }

  /* CRIA, on the pairs' combined representation (CRL) */
  if (c->loss.cria.weight > 0) {
    xr_var combined = combine(g, context, &v, &t, out);
    xr_var cria = xr_cria_loss(g, context, v.feature, t.feature, combined, out->identity, &out->identity_samples);
    if (out->identity_samples.id) xr_output(g, "identity_samples", out->identity_samples);
    xr_add_loss(out, "cria", c->loss.cria.weight, cria);
  }

  if (c->loss.spt.weight > 0) {
    xr_var spt = xr_spt_loss(g, c, cosine, v.feature, t.feature, out->identity, out->image);
    xr_add_loss(out, "spt", c->loss.spt.weight, spt);
  }
  xr_sum_losses(g, out);
}

static void encode_images(xr_graph *g, const xr_model_context *context, xr_encoder_graph *out) {
  side s = image_side(g, context, xr_image_input(g, context, out), (xr_var){0});
  xr_encoder_result(g, "image_features", s.feature, s.tokens, out);
  if (context->pair_tokens) out->pair_tokens = xr_imfi_all_tokens(g, &s.scales);
}

static void encode_texts(xr_graph *g, const xr_model_context *context, xr_encoder_graph *out) {
  xr_var ids = xr_caption_input(g, context, out);
  xr_var length = shares_queries(context->config) ? key_length(g, context, &out->length, &out->joint_length, &out->joint_scales)
                                                  : (xr_var){0};
  side s = text_side(g, context, ids, out->end, length);
  xr_encoder_result(g, "text_features", s.feature, s.tokens, out);
  if (context->pair_tokens) out->pair_tokens = xr_imfi_interleave(g, s.scales.scales, s.scales.tokens);
}

/* The scores by which the best images of a caption are ordered anew. */
static bool scores_pairs(const xr_config *c) { return fuses_pairs(c) && c->imfi.rerank > 0; }

static void score_pairs(xr_graph *g, const xr_model_context *context, int64_t image_tokens, int64_t text_tokens, xr_pair_graph *out) {
  const xr_config *c = context->config;
  const xr_dtype compute = xr_graph_options_of(g).compute;
  const int64_t pairs = context->batch;
  *out = (xr_pair_graph){.image_tokens = xr_input(g, "image_tokens", compute, XR_SHAPE(pairs, image_tokens, c->model.embed)),
                         .text_tokens = xr_input(g, "text_tokens", compute, XR_SHAPE(pairs, text_tokens, c->model.embed)),
                         .end = xr_input(g, "end", XR_I32, XR_SHAPE(pairs))};
  key_length(g, context, &out->length, &out->joint_length, &out->joint_scales);
  const xr_match_input fused = {.scales = (int)c->imfi.taps_count,
                                .image = out->image_tokens,
                                .text = out->text_tokens,
                                .end = out->end,
                                .length = out->length,
                                .joint_length = out->joint_length};
  out->logits = xr_match_logits(g, context, &fused);
  xr_output(g, "logits", out->logits);
}

const xr_method xr_cmsn = {.name = "cmsn",
                           .train = train,
                           .encode_images = encode_images,
                           .encode_texts = encode_texts,
                           .scores_pairs = scores_pairs,
                           .score_pairs = score_pairs};
