#include "models/modules.h"

#include <string.h>

#include "models/cria.h"
#include "models/crl.h"
#include "models/dual_encoder.h"
#include "models/imfi.h"
#include "models/match.h"
#include "models/mlm.h"
#include "models/spt.h"

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
};
const int xr_module_count = sizeof xr_modules / sizeof *xr_modules;

const xr_module *xr_module_find(const char *name) {
  for (int i = 0; i < xr_module_count; i++)
    if (strcmp(xr_modules[i].name, name) == 0) return &xr_modules[i];
  return NULL;
}
