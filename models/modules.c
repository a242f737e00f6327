#include "models/modules.h"

#include <string.h>

#include "models/asm.h"
#include "models/cria.h"
#include "models/crl.h"
#include "models/dual_encoder.h"
#include "models/esa.h"
#include "models/esa_embed.h"
#include "models/esa_losses.h"
#include "models/icm.h"
#include "models/imfi.h"
#include "models/match.h"
#include "models/mlm.h"
#include "models/spt.h"
#include "models/wrt.h"

static void output(xr_module_call *call, const char *name, xr_var v) {
  call->output_name[call->outputs] = name;
  call->output[call->outputs++] = v;
}

static xr_model_context context_of(const xr_module_call *call) {
  const int64_t classes = call->size['C'], vocabulary = call->size['V'];
  return (xr_model_context){
      .config = call->config, .batch = call->size['B'], .classes = classes ? classes : 1, .vocabulary = vocabulary ? vocabulary : 1};
}

/* ---- losses on global features */
static void build_sdm(xr_graph *g, xr_module_call *call) {
  xr_var cosine = xr_cosines(g, "cosine", call->in[0], call->in[1]);
  output(call, "loss", xr_sdm(g, call->config, cosine, call->in[2], call->in[3]));
}

static void build_id(xr_graph *g, xr_module_call *call) {
  const xr_model_context context = context_of(call);
  output(call, "loss", xr_identity_loss(g, &context, call->in[0], call->in[1], call->in[2]));
}

static void build_cria(xr_graph *g, xr_module_call *call) {
  const xr_model_context context = context_of(call);
  if (!call->size['C']) call->config->loss.cria.classify = 0;
  output(call, "loss", xr_cria_loss(g, &context, call->in[0], call->in[1], call->in[2], call->in[3], NULL));
}

static void build_spt(xr_graph *g, xr_module_call *call) {
  xr_var image = call->in[0], text = call->in[1];
  xr_var cosine = xr_cosines(g, "cosine", image, text);
  output(call, "loss", xr_spt_loss(g, call->config, cosine, image, text, call->in[2], call->in[3]));
}

static void build_asm(xr_graph *g, xr_module_call *call) {
  const xr_model_context context = context_of(call);
  const xr_asm_options options = xr_asm_options_of(&context);
  xr_var similarity = xr_cast_to(g, "similarity", call->in[0], XR_F32);
  output(call, "loss", xr_asm_loss(g, &options, similarity, call->in[1], call->in[2], call->in[3], call->in[4], call->in[5]));
}

static void build_tal(xr_graph *g, xr_module_call *call) {
  const xr_config *c = call->config;
  xr_var similarity = xr_cast_to(g, "similarity", call->in[0], XR_F32);
  output(call, "loss", xr_tal_loss(g, (float)c->loss.asm_.margin, (float)c->loss.asm_.temperature, similarity, call->in[1], call->in[2]));
}

/* ---- losses of the visible-infrared methods */
static void build_wrt(xr_graph *g, xr_module_call *call) {
  output(call, "loss", xr_wrt_loss(g, call->in[0], call->in[1], xr_wrt_options_of(call->config)));
}

static void build_icm(xr_graph *g, xr_module_call *call) {
  const xr_model_context context = context_of(call);
  const xr_icm_options options = xr_icm_options_of(&context);
  xr_var x = call->in[1].id ? xr_concat_of(g, "features", 2, call->in, 0) : call->in[0];
  output(call, "loss", xr_icm_loss(g, x, call->in[2], call->size['V'], &options));
}

static void build_hetero_centre(xr_graph *g, xr_module_call *call) {
  call->config->loss.icm.kind = XR_CONFIG_ICM_HC;
  build_icm(g, call);
}

/* ---- losses on embedding sets: elements of any length, as xr_esa_embed normalises them */
static xr_var unit_sets(xr_graph *g, const xr_module_call *call, int i) {
  return xr_l2_normalize_rows(g, i == 0 ? "image_sets" : "text_sets", call->in[i]);
}

static void build_set_similarity(xr_graph *g, xr_module_call *call) {
  xr_var image = unit_sets(g, call, 0), text = unit_sets(g, call, 1);
  output(call, "similarity", xr_set_similarity_of(g, "set_similarity", image, text, xr_esa_similarity(call->config)));
}

static void build_mmd(xr_graph *g, xr_module_call *call) {
  xr_var image = unit_sets(g, call, 0), text = unit_sets(g, call, 1);
  output(call, "loss", xr_esa_mmd(g, image, text, xr_esa_mmd_options(call->config)));
}

static void build_uniformity(xr_graph *g, xr_module_call *call) { output(call, "loss", xr_esa_uniformity(g, call->in[0], call->in[1])); }

static void build_diversity(xr_graph *g, xr_module_call *call) {
  xr_var image = unit_sets(g, call, 0), text = unit_sets(g, call, 1);
  output(call, "loss", xr_esa_diversity(g, image, text));
}

/* ---- masked-language modelling */
static void build_mlm(xr_graph *g, xr_module_call *call) {
  call->config->model.embed = call->size['D'];
  const xr_model_context context = context_of(call);
  const xr_mlm_size size = xr_mlm_size_of(&context);
  xr_var x = xr_mlm_encoder(g, &size, call->in[0], call->in[1], call->in[4]);
  output(call, "loss", xr_cross_entropy_loss(g, "mlm", xr_mlm_logits(g, &size, x, call->in[2]), call->in[3], 0));
}

static void build_mlm_head(xr_graph *g, xr_module_call *call) {
  call->config->model.embed = call->size['D'];
  const xr_model_context context = context_of(call);
  const xr_mlm_size size = xr_mlm_size_of(&context);
  output(call, "loss", xr_cross_entropy_loss(g, "mlm", xr_mlm_logits(g, &size, call->in[0], call->in[1]), call->in[2], 0));
}

/* ---- CMSN's modules */
static void build_imfi(xr_graph *g, xr_module_call *call) {
  xr_config *c = call->config;
  c->model.embed = call->size['D'];
  c->imfi.queries = call->size['M'];
  xr_imfi_input in = {.modality = call->in[5].id ? XR_TEXT : XR_IMAGE, .length = call->in[5], .global = call->in[0]};
  for (int s = 0; s < XR_MAX_TAPS && call->in[1 + s].id; s++) in.tokens[in.scales++] = xr_imfi_code(g, call->in[1 + s], s);
  xr_var slots = xr_imfi_slots(g, c, &in);
  output(call, "feature", xr_imfi_feature(g, c, &in, slots));
  output(call, "slots", slots);
}

static void build_match(xr_graph *g, xr_module_call *call) {
  call->config->model.embed = call->size['D'];
  const xr_model_context context = context_of(call);
  const xr_match_input batch = {.scales = (int)call->config->imfi.taps_count,
                                .image = call->in[2],
                                .text = call->in[3],
                                .end = call->in[4],
                                .length = call->in[6],
                                .joint_length = call->in[7]};
  xr_var cosine = xr_cosines(g, "cosine", call->in[0], call->in[1]);
  output(call, "loss", xr_match_loss(g, &context, &batch, cosine, call->in[5]));
}

static void build_crl(xr_graph *g, xr_module_call *call) {
  call->config->model.embed = call->size['D'];
  const xr_crl_input in = {
      .image = call->in[0], .text = call->in[1], .image_slots = call->in[2], .text_slots = call->in[3], .interaction = call->in[4]};
  output(call, "combined", xr_crl(g, call->config, &in));
}

/* ---- ESA's modules */
/* score: of each token, or empty. A parameter's shape tells the set's size: by the letter K, or by L, which is one more. */
static void build_esa(xr_graph *g, xr_module_call *call, xr_config_esa kind, xr_var score) {
  xr_config *c = call->config;
  c->model.embed = call->size['D'];
  c->esa.kind = kind;
  c->esa.dropout = 0;
  if (call->size['K']) c->esa.set_size = call->size['K'];
  if (call->size['L']) c->esa.set_size = call->size['L'] - 1;
  const xr_esa_input in = {.modality = XR_IMAGE, .global = call->in[0], .tokens = call->in[1], .length = call->in[2], .score = score};
  const xr_esa_sets out = xr_esa_embed(g, c, &in);
  output(call, "sets", out.sets);
  output(call, "residual", out.residual);
}

static void build_esa_slot(xr_graph *g, xr_module_call *call) { build_esa(g, call, XR_CONFIG_ESA_SLOT, (xr_var){0}); }
static void build_esa_query(xr_graph *g, xr_module_call *call) { build_esa(g, call, XR_CONFIG_ESA_QUERY, (xr_var){0}); }
static void build_esa_pie(xr_graph *g, xr_module_call *call) { build_esa(g, call, XR_CONFIG_ESA_PIE, (xr_var){0}); }
static void build_esa_cluster(xr_graph *g, xr_module_call *call) { build_esa(g, call, XR_CONFIG_ESA_CLUSTER, (xr_var){0}); }
static void build_esa_decoder(xr_graph *g, xr_module_call *call) { build_esa(g, call, XR_CONFIG_ESA_DECODER, (xr_var){0}); }
static void build_esa_topk(xr_graph *g, xr_module_call *call) {
  build_esa(g, call, XR_CONFIG_ESA_TOPK, xr_cast_to(g, "score", call->in[3], XR_F32));
}

/* ---- feature maps */
static void build_gem(xr_graph *g, xr_module_call *call) {
  output(call, "feature", xr_gem_of(g, call->in[0], "gem", (xr_gem_options){.learned = call->size['P'] > 0}));
}

/* ---- the table */
#define FEATURE(name, shape) \
  { name, shape, XR_MODULE_FEATURE, false }
#define OPTIONAL(name, shape) \
  { name, shape, XR_MODULE_FEATURE, true }
#define INTEGER(name, shape) \
  { name, shape, XR_MODULE_INTEGER, false }
#define OPTIONAL_INTEGER(name, shape) \
  { name, shape, XR_MODULE_INTEGER, true }
#define PARAMETER(name, shape) \
  { name, shape, XR_MODULE_PARAMETER, false }
#define OPTIONAL_PARAMETER(name, shape) \
  { name, shape, XR_MODULE_PARAMETER, true }

#define ESA_TENSORS FEATURE("global", "B, D"), FEATURE("tokens", "B, N, D"), OPTIONAL_INTEGER("length", "B")

#define MODALITIES FEATURE("visible", "V, D"), OPTIONAL("infrared", "I, D"), INTEGER("identity", "B")

const xr_module xr_modules[] = {
    {"sdm",
     "similarity distribution matching of images and texts",
     "loss.sdm",
     {FEATURE("image", "B, D"), FEATURE("text", "B, D"), INTEGER("identity", "B"), OPTIONAL_INTEGER("image_id", "B")},
     build_sdm},
    {"id",
     "identity classification of images and texts by one classifier",
     "loss.id",
     {FEATURE("image", "B, D"), FEATURE("text", "B, D"), INTEGER("identity", "B"), PARAMETER("classifier.weight", "C, D")},
     build_id},
    {"mlm",
     "masked-language modelling: words that look at image tokens, and the head on the masked ones",
     "loss.mlm",
     {FEATURE("words", "B, T, D"), FEATURE("tokens", "B, N, D"), INTEGER("index", "R"), INTEGER("label", "R"),
      OPTIONAL_INTEGER("length", "B"), PARAMETER("mlm_head.fc.weight", "V, D")},
     build_mlm},
    {"mlm_head",
     "the head of masked-language modelling alone",
     "loss.mlm",
     {FEATURE("words", "B, T, D"), INTEGER("index", "R"), INTEGER("label", "R"), PARAMETER("mlm_head.fc.weight", "V, D")},
     build_mlm_head},
    {"imfi",
     "implicit multi-scale feature integration; with a length: of a text",
     "imfi",
     {FEATURE("global", "B, D"), FEATURE("tokens.0", "B, N, D"), OPTIONAL("tokens.1", "B, O, D"), OPTIONAL("tokens.2", "B, P, D"),
      OPTIONAL("tokens.3", "B, Q, D"), OPTIONAL_INTEGER("length", "B"), PARAMETER("imfi.query", "M, D")},
     build_imfi},
    {"match",
     "image-text matching on fused pairs; tokens of as many scales as imfi.taps has, a text's token by token",
     "loss.match",
     {FEATURE("image", "B, D"), FEATURE("text", "B, D"), FEATURE("image_tokens", "B, N, D"), FEATURE("text_tokens", "B, T, D"),
      INTEGER("end", "B"), INTEGER("identity", "B"), OPTIONAL_INTEGER("length", "B"), OPTIONAL_INTEGER("joint_length", "B")},
     build_match},
    {"crl",
     "combined representation of images and texts",
     "crl",
     {FEATURE("image", "B, D"), FEATURE("text", "B, D"), OPTIONAL("image_slots", "B, M, D"), OPTIONAL("text_slots", "B, M, D"),
      OPTIONAL("interaction", "B, D")},
     build_crl},
    {"esa_slot",
     "the slot block of embedding set alignment, without dropout; parameters as of an image's",
     "esa",
     {ESA_TENSORS, PARAMETER("esa.image.set", "K, D")},
     build_esa_slot},
    {"esa_query",
     "the same block with an ordinary softmax, over the tokens",
     "esa",
     {ESA_TENSORS, PARAMETER("esa.image.set", "K, D")},
     build_esa_query},
    {"esa_pie",
     "embedding set of PVSE's heads, without dropout",
     "esa",
     {ESA_TENSORS, PARAMETER("esa.image.attn.fc_2.weight", "K, H")},
     build_esa_pie},
    {"esa_topk",
     "embedding set of the tokens with the highest scores (esa.image_ratio of them) in esa.set_size groups, without dropout",
     "esa",
     {ESA_TENSORS, FEATURE("score", "B, N")},
     build_esa_topk},
    {"esa_cluster",
     "embedding set of tokens shared out among learned centres, without dropout; the last row of the assignment is their importance",
     "esa",
     {ESA_TENSORS, PARAMETER("esa.image.assign.weight", "L, D")},
     build_esa_cluster},
    {"esa_decoder",
     "embedding set of part slots decoded against the tokens, without dropout",
     "esa",
     {ESA_TENSORS, PARAMETER("esa.set", "K, D")},
     build_esa_decoder},
    {"cria",
     "alignment of the identity centres of images, texts and their combination",
     "loss.cria",
     {FEATURE("image", "B, D"), FEATURE("text", "B, D"), OPTIONAL("combined", "B, D"), INTEGER("identity", "B"),
      OPTIONAL_PARAMETER("classifier.weight", "C, D")},
     build_cria},
    {"spt",
     "semi-positive triplets",
     "loss.spt",
     {FEATURE("image", "B, D"), FEATURE("text", "B, D"), INTEGER("identity", "B"), INTEGER("image_id", "B")},
     build_spt},
    {"asm",
     "adaptive semantic margins on the similarities of images and texts",
     "loss.asm",
     {FEATURE("similarity", "B, B"), OPTIONAL("image", "B, D"), OPTIONAL("text", "B, D"), INTEGER("identity", "B"),
      OPTIONAL_INTEGER("image_id", "B"), OPTIONAL_INTEGER("length", "B"), OPTIONAL_PARAMETER("asm.memory.features", "C, D")},
     build_asm},
    {"tal",
     "triplet alignment loss of RDE; options are those of asm",
     "loss.asm",
     {FEATURE("similarity", "B, B"), INTEGER("identity", "B"), OPTIONAL_INTEGER("image_id", "B")},
     build_tal},
    {"wrt",
     "weighted regularized triplets, on features of both modalities",
     "loss.wrt",
     {FEATURE("features", "B, D"), INTEGER("identity", "B")},
     build_wrt},
    {"icm",
     "identity-aware centre mining and its alternatives; identities of the visible samples, then of the infrared",
     "loss.icm",
     {MODALITIES, OPTIONAL_PARAMETER("icm.memory.visible_centres", "C, D")},
     build_icm},
    {"hetero_centre", "icm with kind hc", "loss.icm", {MODALITIES}, build_hetero_centre},
    {"set_similarity",
     "similarity of every image's embedding set with every text's",
     "esa",
     {FEATURE("image", "A, K, D"), FEATURE("text", "B, L, D")},
     build_set_similarity},
    {"mmd",
     "maximum mean discrepancy of the elements of images' and texts' sets",
     "loss.mmd",
     {FEATURE("image", "A, K, D"), FEATURE("text", "B, L, D")},
     build_mmd},
    {"uniformity",
     "uniformity inside embedding sets, of what their elements add to the global feature",
     NULL,
     {FEATURE("image", "A, K, D"), FEATURE("text", "B, L, D")},
     build_uniformity},
    {"gem",
     "generalised-mean pooling of feature maps; with gem.p the power is learned, else it is 3",
     NULL,
     {FEATURE("map", "B, H, W, C"), OPTIONAL_PARAMETER("gem.p", "P")},
     build_gem},
    {"diversity", "diversity inside embedding sets", NULL, {FEATURE("image", "A, K, D"), FEATURE("text", "B, L, D")}, build_diversity},
};
const int xr_module_count = sizeof xr_modules / sizeof *xr_modules;

const xr_module *xr_module_find(const char *name) {
  for (int i = 0; i < xr_module_count; i++)
    if (strcmp(xr_modules[i].name, name) == 0) return &xr_modules[i];
  return NULL;
}
