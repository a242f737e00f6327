/* The tiny CLIP model of tests/oracle/clip_tiny.py: weights that are functions of their names, written as files of any naming and dtype,
 * and the pictures and captions that go with them. */
#pragma once

#include <criterion/criterion.h>

#include "host/base/random.h"
#include "host/io/npy.h"
#include "host/io/safetensors.h"
#include "tests/data/scratch.h"

enum {
  TINY_WIDTH = 64,
  TINY_LAYERS = 2,
  TINY_PATCH = 16,
  TINY_POSITIONS = 9,
  TINY_CONTEXT = 16,
  TINY_VOCABULARY = 100,
  TINY_MOST = 160,
  TINY_NAME = 200
};

typedef struct {
  char name[TINY_NAME];
  int rank;
  int64_t dim[4], count;
  float *values;
} tiny_tensor;

typedef struct {
  tiny_tensor tensor[TINY_MOST];
  int count;
} tiny_model;

static inline uint8_t tiny_byte(uint64_t key, int64_t i) { return (uint8_t)(xr_philox_at(key, 0, (uint64_t)i / 4).word[i % 4] >> 24); }

static inline bool tiny_ends_with(const char *name, const char *ending) {
  const size_t n = strlen(name), m = strlen(ending);
  return n >= m && strcmp(name + n - m, ending) == 0;
}

static inline float tiny_value(const char *name, uint8_t byte) {
  static const struct {
    const char *ending;
    float scale;
  } scales[] = {{".attn.in_proj_weight", 1.0f / 4}, {"class_embedding", 1},          {"positional_embedding", 1.0f / 2},
                {"token_embedding.weight", 1},      {"conv1.weight", 1.0f / 16},     {"proj", 1.0f / 4},
                {"text_projection", 1.0f / 4},      {"mlp.c_proj.weight", 1.0f / 16}};
  const bool gain = (strstr(name, ".ln_") || strncmp(name, "ln_", 3) == 0) && tiny_ends_with(name, ".weight");
  if (gain) return 0.5f + (float)(byte >> 1) / 256;
  float scale = 1.0f / 8;
  for (size_t i = 0; i < sizeof scales / sizeof *scales; i++)
    if (tiny_ends_with(name, scales[i].ending)) {
      scale = scales[i].scale;
      break;
    }
  return (float)((int)byte - 128) / 128 * scale;
}

static inline tiny_tensor *tiny_add(tiny_model *m, const char *prefix, const char *name, int64_t a, int64_t b, int64_t c, int64_t d) {
  cr_assert_lt(m->count, TINY_MOST);
  tiny_tensor *t = &m->tensor[m->count++];
  snprintf(t->name, sizeof t->name, "%s%s", prefix, name);
  const int64_t dim[4] = {a, b, c, d};
  t->count = 1;
  for (t->rank = 0; t->rank < 4 && dim[t->rank]; t->rank++) t->count *= t->dim[t->rank] = dim[t->rank];
  t->values = malloc((size_t)t->count * sizeof *t->values);
  const uint64_t key = xr_random_key(0, t->name);
  for (int64_t i = 0; i < t->count; i++) t->values[i] = tiny_value(t->name, tiny_byte(key, i));
  return t;
}

static inline void tiny_add_pair(tiny_model *m, const char *prefix, const char *name, int64_t rows, int64_t columns) {
  char full[80];
  snprintf(full, sizeof full, "%s.weight", name);
  tiny_add(m, prefix, full, rows, columns, 0, 0);
  snprintf(full, sizeof full, "%s.bias", name);
  tiny_add(m, prefix, full, rows, 0, 0, 0);
}

static inline void tiny_add_blocks(tiny_model *m, const char *tower) {
  const int64_t w = TINY_WIDTH;
  for (int i = 0; i < TINY_LAYERS; i++) {
    char p[80];
    snprintf(p, sizeof p, "%stransformer.resblocks.%d.", tower, i);
    tiny_add_pair(m, p, "ln_1", w, 0);
    tiny_add_pair(m, p, "ln_2", w, 0);
    tiny_add(m, p, "attn.in_proj_weight", 3 * w, w, 0, 0);
    tiny_add(m, p, "attn.in_proj_bias", 3 * w, 0, 0, 0);
    tiny_add_pair(m, p, "attn.out_proj", w, w);
    tiny_add_pair(m, p, "mlp.c_fc", 4 * w, w);
    tiny_add_pair(m, p, "mlp.c_proj", w, 4 * w);
  }
}

/* Under OpenAI's names. */
static inline tiny_model *tiny_new(void) {
  const int64_t w = TINY_WIDTH;
  tiny_model *m = calloc(1, sizeof *m);
  tiny_add(m, "", "visual.class_embedding", w, 0, 0, 0);
  tiny_add(m, "", "visual.conv1.weight", w, 3, TINY_PATCH, TINY_PATCH);
  tiny_add(m, "", "visual.positional_embedding", TINY_POSITIONS, w, 0, 0);
  tiny_add(m, "", "visual.proj", w, w, 0, 0);
  tiny_add(m, "", "token_embedding.weight", TINY_VOCABULARY, w, 0, 0);
  tiny_add(m, "", "positional_embedding", TINY_CONTEXT, w, 0, 0);
  tiny_add(m, "", "text_projection", w, w, 0, 0);
  tiny_add(m, "", "logit_scale", 0, 0, 0, 0);
  tiny_add_pair(m, "", "visual.ln_pre", w, 0);
  tiny_add_pair(m, "", "visual.ln_post", w, 0);
  tiny_add_blocks(m, "visual.");
  tiny_add_pair(m, "", "ln_final", w, 0);
  tiny_add_blocks(m, "");
  return m;
}

static inline tiny_tensor *tiny_find(tiny_model *m, const char *name) {
  for (int i = 0; i < m->count; i++)
    if (strcmp(m->tensor[i].name, name) == 0) return &m->tensor[i];
  cr_assert(false, "no tensor %s", name);
  return m->tensor;
}

static inline void tiny_transpose(tiny_tensor *t) {
  float *out = malloc((size_t)t->count * sizeof *out);
  for (int64_t r = 0; r < t->dim[0]; r++)
    for (int64_t c = 0; c < t->dim[1]; c++) out[c * t->dim[0] + r] = t->values[r * t->dim[1] + c];
  free(t->values);
  t->values = out;
  const int64_t rows = t->dim[0];
  t->dim[0] = t->dim[1];
  t->dim[1] = rows;
}

static inline void tiny_free(tiny_model *m) {
  for (int i = 0; i < m->count; i++) free(m->tensor[i].values);
  free(m);
}

/* Puts `to` in place of `from` in a name that has it. */
static inline void tiny_rename(char name[TINY_NAME], const char *from, const char *to) {
  char *at = strstr(name, from), rest[TINY_NAME];
  if (!at) return;
  snprintf(rest, sizeof rest, "%s", at + strlen(from));
  snprintf(at, (size_t)(name + TINY_NAME - at), "%s%s", to, rest);
}

/* The same model under Hugging Face's names. */
static inline void tiny_to_huggingface(tiny_model *m) {
  static const char *const names[][2] = {{"visual.transformer.resblocks.", "vision_model.encoder.layers."},
                                         {"visual.class_embedding", "vision_model.embeddings.class_embedding"},
                                         {"visual.conv1.", "vision_model.embeddings.patch_embedding."},
                                         {"visual.positional_embedding", "vision_model.embeddings.position_embedding.weight"},
                                         {"visual.proj", "visual_projection.weight"},
                                         {"visual.ln_pre.", "vision_model.pre_layrnorm."},
                                         {"visual.ln_post.", "vision_model.post_layernorm."},
                                         {"token_embedding.weight", "text_model.embeddings.token_embedding.weight"},
                                         {"ln_final.", "text_model.final_layer_norm."},
                                         {".ln_1.", ".layer_norm1."},
                                         {".ln_2.", ".layer_norm2."},
                                         {".attn.", ".self_attn."},
                                         {".mlp.c_fc.", ".mlp.fc1."},
                                         {".mlp.c_proj.", ".mlp.fc2."}};
  for (int i = m->count - 1; i >= 0; i--) {
    tiny_tensor *t = &m->tensor[i];
    if (strcmp(t->name, "visual.proj") == 0 || strcmp(t->name, "text_projection") == 0) tiny_transpose(t);
    if (strcmp(t->name, "text_projection") == 0) snprintf(t->name, sizeof t->name, "text_projection.weight");
    if (strcmp(t->name, "positional_embedding") == 0) snprintf(t->name, sizeof t->name, "text_model.embeddings.position_embedding.weight");
    if (strncmp(t->name, "transformer.", 12) == 0) tiny_rename(t->name, "transformer.resblocks.", "text_model.encoder.layers.");
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) tiny_rename(t->name, names[k][0], names[k][1]);
    if (!strstr(t->name, "in_proj_")) continue;
    const int64_t third = t->count / 3;
    const tiny_tensor whole = *t;
    for (int k = 0; k < 3; k++) {
      tiny_tensor *part = k ? &m->tensor[m->count++] : t;
      *part = whole;
      part->dim[0] /= 3;
      part->count = third;
      part->values = malloc((size_t)third * sizeof(float));
      memcpy(part->values, whole.values + k * third, (size_t)third * sizeof(float));
      tiny_rename(part->name, "in_proj_", (const char *[]){"q_proj.", "k_proj.", "v_proj."}[k]);
    }
    free(whole.values);
  }
}

static inline void tiny_store(const float *values, int64_t count, xr_dtype dtype, void *out) {
  for (int64_t i = 0; i < count; i++) {
    if (dtype == XR_F32) ((float *)out)[i] = values[i];
    if (dtype == XR_BF16) ((xr_bf16 *)out)[i] = xr_f32_to_bf16(values[i]);
    if (dtype == XR_F16) ((_Float16 *)out)[i] = (_Float16)values[i];
  }
}

/* Writes folder/name with all matrices in `dtype` and, as OpenAI's files have it, vectors in f32 when that is f16. */
static inline void tiny_write(const tiny_model *m, const scratch *folder, const char *name, xr_dtype dtype, const xr_metadata *metadata,
                              size_t metadata_count) {
  xr_stored_tensor tensors[TINY_MOST];
  char path[XR_PATH_MAX];
  for (int i = 0; i < m->count; i++) {
    const tiny_tensor *t = &m->tensor[i];
    const xr_dtype stored = dtype == XR_F16 && t->rank < 2 ? XR_F32 : dtype;
    tensors[i] = (xr_stored_tensor){.name = t->name, .dtype = stored, .rank = t->rank, .bytes = (size_t)t->count * xr_dtype_bytes(stored)};
    memcpy(tensors[i].dim, t->dim, sizeof t->dim);
    void *data = malloc(tensors[i].bytes);
    tiny_store(t->values, t->count, stored, data);
    tensors[i].data = data;
  }
  cr_assert_eq(xr_path_join(path, folder->root, name), XR_OK);
  cr_assert(xr_safetensors_write(path, tensors, (size_t)m->count, metadata, metadata_count) == XR_OK, "%s", xr_message());
  for (int i = 0; i < m->count; i++) free((void *)tensors[i].data);
}

/* folder/name: the oracle's uint8 [count, height, width, 3]. */
static inline void tiny_write_pixels(const scratch *folder, const char *name, int64_t count, int64_t height, int64_t width) {
  char path[XR_PATH_MAX], key[40];
  uint8_t *pixels = malloc((size_t)(count * height * width * 3));
  snprintf(key, sizeof key, "pixels.%dx%d", (int)height, (int)width);
  for (int64_t i = 0; i < count * height * width * 3; i++) pixels[i] = tiny_byte(xr_random_key(0, key), i);
  cr_assert_eq(xr_path_join(path, folder->root, name), XR_OK);
  cr_assert_eq(xr_npy_write(path, XR_U8, 4, (int64_t[]){count, height, width, 3}, pixels), XR_OK);
  free(pixels);
}
