#include "tools/bench_cases.h"

/* The width and token counts of CLIP ViT-B/16 at 384 x 128 and of its text tower; 11,003 identities as in CUHK-PEDES. */
enum { IMAGE_TOKENS = 193, IMAGE_WIDTH = 768, TEXT_TOKENS = 77, TEXT_WIDTH = 512, EMBED = 512, CLASSES = 11003, VOCABULARY = 49408 };

/* A tensor of random numbers whose gradient is wanted. */
static xr_var random_tensor(xr_graph *g, const char *name, xr_shape shape) {
  xr_var p = xr_param(g, name, XR_SHAPE(xr_rows(shape), xr_last_dim(shape)), (xr_init){XR_INIT_NORMAL, 1});
  return xr_reshape(g, name, xr_scale_by(g, name, p, 1), shape);
}

static xr_var linear(xr_graph *g, int64_t rows, int64_t in, int64_t out, xr_activation_kind activation) {
  xr_var x = random_tensor(g, "x", XR_SHAPE(rows, in)), w = xr_param(g, "w", XR_SHAPE(out, in), (xr_init){XR_INIT_NORMAL, 0.02f});
  return xr_linear_with(g, "op", x, w, xr_param(g, "b", XR_SHAPE(out), (xr_init){XR_INIT_ZERO, 0}),
                        (xr_linear_options){.activation = activation});
}

static xr_var image_fc(xr_graph *g, int64_t b) {
  return linear(g, b * IMAGE_TOKENS, IMAGE_WIDTH, 4 * IMAGE_WIDTH, XR_ACTIVATION_QUICK_GELU);
}
static xr_var image_qkv(xr_graph *g, int64_t b) { return linear(g, b * IMAGE_TOKENS, IMAGE_WIDTH, 3 * IMAGE_WIDTH, XR_ACTIVATION_NONE); }
static xr_var text_fc(xr_graph *g, int64_t b) { return linear(g, b * TEXT_TOKENS, TEXT_WIDTH, 4 * TEXT_WIDTH, XR_ACTIVATION_QUICK_GELU); }
static xr_var tiny_fc(xr_graph *g, int64_t b) { return linear(g, b * 49, 128, 512, XR_ACTIVATION_QUICK_GELU); }

static xr_var attention(xr_graph *g, int64_t b, int64_t tokens, int64_t width, int64_t heads, bool causal) {
  return xr_self_attention(g, "op", random_tensor(g, "qkv", XR_SHAPE(b, tokens, 3 * width)),
                           (xr_attention_options){.heads = heads, .causal = causal});
}

static xr_var attention_image(xr_graph *g, int64_t b) { return attention(g, b, IMAGE_TOKENS, IMAGE_WIDTH, 12, false); }
static xr_var attention_text(xr_graph *g, int64_t b) { return attention(g, b, TEXT_TOKENS, TEXT_WIDTH, 8, true); }

static xr_var layernorm(xr_graph *g, int64_t b) {
  return xr_layernorm_of(g, random_tensor(g, "x", XR_SHAPE(b * IMAGE_TOKENS, IMAGE_WIDTH)), "op", 1e-5f);
}
static xr_var add_layernorm(xr_graph *g, int64_t b) {
  xr_shape shape = XR_SHAPE(b * IMAGE_TOKENS, IMAGE_WIDTH);
  xr_var sum, y = xr_add_layernorm(g, random_tensor(g, "x", shape), random_tensor(g, "residual", shape), "op", 1e-5f, &sum);
  return y;
}
static xr_var quick_gelu(xr_graph *g, int64_t b) {
  return xr_activate(g, "op", random_tensor(g, "x", XR_SHAPE(b * IMAGE_TOKENS, 4 * IMAGE_WIDTH)), XR_ACTIVATION_QUICK_GELU);
}
static xr_var token_embedding(xr_graph *g, int64_t b) {
  xr_var table = xr_param(g, "table", XR_SHAPE(VOCABULARY, TEXT_WIDTH), (xr_init){XR_INIT_NORMAL, 1});
  return xr_embed_tokens(g, "op", xr_input(g, "ids", XR_I32, XR_SHAPE(b, TEXT_TOKENS)), table,
                         xr_param(g, "position", XR_SHAPE(TEXT_TOKENS, TEXT_WIDTH), (xr_init){XR_INIT_NORMAL, 1}));
}
static xr_var l2_normalize(xr_graph *g, int64_t b) { return xr_l2_normalize_rows(g, "op", random_tensor(g, "x", XR_SHAPE(b, EMBED))); }
static xr_var cross_entropy(xr_graph *g, int64_t b) {
  return xr_cross_entropy_loss(g, "op", random_tensor(g, "logits", XR_SHAPE(b, CLASSES)), xr_input(g, "labels", XR_I32, XR_SHAPE(b)), 0);
}
static xr_var sdm(xr_graph *g, int64_t b) {
  xr_var unit = xr_l2_normalize_rows(g, "unit", random_tensor(g, "features", XR_SHAPE(b, EMBED)));
  return xr_sdm_loss(g, "op", xr_matmul_transposed(g, "cosine", unit, unit), xr_input(g, "identity", XR_I32, XR_SHAPE(b)), (xr_var){0},
                     (xr_sdm_options){.temperature = 0.02f, .semi_weight = 1});
}

const xr_bench_case xr_bench_cases[] = {
    {"linear_image_fc", "[12352, 768] x [3072, 768], quick GELU", image_fc, "op"},
    {"linear_image_qkv", "[12352, 768] x [2304, 768]", image_qkv, "op"},
    {"linear_text_fc", "[4928, 512] x [2048, 512], quick GELU", text_fc, "op"},
    {"linear_tiny_fc", "[3136, 128] x [512, 128], quick GELU", tiny_fc, "op"},
    {"attention_image", "[64, 12, 193, 64]", attention_image, "op"},
    {"attention_text", "[64, 8, 77, 64] causal", attention_text, "op"},
    {"layernorm", "[12352, 768]", layernorm, "op"},
    {"add_layernorm", "[12352, 768]", add_layernorm, "op"},
    {"quick_gelu", "[12352, 3072]", quick_gelu, "op"},
    {"token_embedding", "[64, 77] of [49408, 512]", token_embedding, "op"},
    {"l2_normalize", "[64, 512]", l2_normalize, "op"},
    {"cross_entropy", "[64, 11003]", cross_entropy, "op"},
    {"sdm", "[64, 64]", sdm, "op"},
};
const int xr_bench_case_count = sizeof xr_bench_cases / sizeof *xr_bench_cases;
