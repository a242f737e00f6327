#include "models/weight_names.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

/* # stands for a layer's number, @ for q, k or v, * for weight or bias. */
#define TOWER(ours, theirs)                                                                                                             \
  {ours ".#.ln_1.*", theirs ".#.layer_norm1.*", XR_WEIGHT_AS_IT_IS}, {ours ".#.ln_2.*", theirs ".#.layer_norm2.*", XR_WEIGHT_AS_IT_IS}, \
      {ours ".#.attn.in_proj_*", theirs ".#.self_attn.@_proj.*", XR_WEIGHT_JOINED},                                                     \
      {ours ".#.attn.out_proj.*", theirs ".#.self_attn.out_proj.*", XR_WEIGHT_AS_IT_IS},                                                \
      {ours ".#.mlp.c_fc.*", theirs ".#.mlp.fc1.*", XR_WEIGHT_AS_IT_IS}, {                                                              \
    ours ".#.mlp.c_proj.*", theirs ".#.mlp.fc2.*", XR_WEIGHT_AS_IT_IS                                                                   \
  }

static const struct {
  const char *ours, *theirs;
  xr_weight_transform transform;
} huggingface[] = {
    {"visual.class_embedding", "vision_model.embeddings.class_embedding", XR_WEIGHT_AS_IT_IS},
    {"visual.conv1.weight", "vision_model.embeddings.patch_embedding.weight", XR_WEIGHT_AS_IT_IS},
    {"visual.positional_embedding", "vision_model.embeddings.position_embedding.weight", XR_WEIGHT_AS_IT_IS},
    {"visual.ln_pre.*", "vision_model.pre_layrnorm.*", XR_WEIGHT_AS_IT_IS}, /* spelt so there */
    TOWER("visual.transformer.resblocks", "vision_model.encoder.layers"),
    {"visual.ln_post.*", "vision_model.post_layernorm.*", XR_WEIGHT_AS_IT_IS},
    {"visual.proj", "visual_projection.weight", XR_WEIGHT_TRANSPOSED},
    {"token_embedding.weight", "text_model.embeddings.token_embedding.weight", XR_WEIGHT_AS_IT_IS},
    {"positional_embedding", "text_model.embeddings.position_embedding.weight", XR_WEIGHT_AS_IT_IS},
    TOWER("transformer.resblocks", "text_model.encoder.layers"),
    {"ln_final.*", "text_model.final_layer_norm.*", XR_WEIGHT_AS_IT_IS},
    {"text_projection", "text_projection.weight", XR_WEIGHT_TRANSPOSED},
};
enum { RULES = sizeof huggingface / sizeof *huggingface };

static const char *const prefixes[] = {"module.", "base_model."};

static const char *const skipped[] = {"logit_scale", "input_resolution", "context_length",       "vocab_size",
                                      "optimizer.*", "*.position_ids",   "*.num_batches_tracked"};

typedef struct {
  const char *number, *ending;
  int digits, part;
} captures;

static bool fits(const char *pattern, const char *name, captures *c) {
  static const char parts[] = "qkv";
  for (; *pattern; pattern++) {
    if (*pattern == '#') {
      c->number = name;
      c->digits = (int)strspn(name, "0123456789");
      if (!c->digits) return false;
      name += c->digits;
    } else if (*pattern == '@') {
      const char *found = *name ? strchr(parts, *name++) : NULL;
      if (!found) return false;
      c->part = (int)(found - parts);
    } else if (*pattern == '*') {
      c->ending = name;
      return strcmp(name, "weight") == 0 || strcmp(name, "bias") == 0;
    } else if (*pattern != *name++) {
      return false;
    }
  }
  return !*name;
}

static bool fill(const char *pattern, const captures *c, char name[XR_WEIGHT_NAME]) {
  int used = 0;
  for (; *pattern && used < XR_WEIGHT_NAME; pattern++) {
    const size_t room = (size_t)(XR_WEIGHT_NAME - used);
    if (*pattern == '#')
      used += snprintf(name + used, room, "%.*s", c->digits, c->number);
    else if (*pattern == '*')
      used += snprintf(name + used, room, "%s", c->ending);
    else
      used += snprintf(name + used, room, "%c", *pattern == '@' ? "qkv"[c->part] : *pattern);
  }
  return used < XR_WEIGHT_NAME;
}

void xr_weight_name_ours(const char *theirs, xr_weight_name *ours) {
  for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
    if (strncmp(theirs, prefixes[i], strlen(prefixes[i])) == 0) theirs += strlen(prefixes[i]);
  for (int i = 0; i < RULES; i++) {
    captures c = {0};
    if (!fits(huggingface[i].theirs, theirs, &c) || !fill(huggingface[i].ours, &c, ours->name)) continue;
    ours->transform = huggingface[i].transform;
    ours->part = c.part;
    return;
  }
  snprintf(ours->name, sizeof ours->name, "%s", theirs);
  ours->transform = XR_WEIGHT_AS_IT_IS;
  ours->part = 0;
}

bool xr_weight_name_huggingface(const char *ours, int part, xr_weight_name *theirs) {
  for (int i = 0; i < RULES; i++) {
    captures c = {0};
    if (!fits(huggingface[i].ours, ours, &c)) continue;
    c.part = part;
    theirs->transform = huggingface[i].transform;
    theirs->part = part;
    return fill(huggingface[i].theirs, &c, theirs->name);
  }
  return false;
}

bool xr_weight_is_tower(const char *ours) {
  xr_weight_name unused;
  return xr_weight_name_huggingface(ours, 0, &unused);
}

bool xr_weight_is_skipped(const char *ours) {
  for (size_t i = 0; i < sizeof skipped / sizeof *skipped; i++)
    if (fnmatch(skipped[i], ours, 0) == 0) return true;
  return false;
}
