#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "host/io/config.h"
#include "host/io/config_schema.h"
#include "host/io/embedded.h"

enum { MAX_BASES = 16 };

static const cyaml_config_t cyaml = {.mem_fn = cyaml_mem, .log_level = CYAML_LOG_ERROR};

/* ---- the layers of a configuration, each checked where it was written */

static xr_status read_embedded(xr_arena *arena, const char *path, xr_yaml **root) {
  *root = NULL;
  for (size_t i = 0; i < xr_embedded_file_count; i++) {
    const xr_embedded_file *file = &xr_embedded_files[i];
    if (strcmp(file->path, path) != 0) continue;
    XR_TRY(xr_yaml_parse(root, arena, file->path, true, file->text, file->bytes));
    return xr_config_check(arena, *root);
  }
  return XR_OK;
}

/* Takes `base` out of the file's mapping; NULL when it has none. */
static xr_status take_base(xr_yaml *root, xr_yaml **base) {
  *base = NULL;
  for (size_t i = 0; root->kind == XR_YAML_MAPPING && i < root->count; i++) {
    if (strcmp(root->items[i].key, "base") != 0) continue;
    *base = root->items[i].value;
    memmove(root->items + i, root->items + i + 1, (--root->count - i) * sizeof *root->items);
    if ((*base)->kind != XR_YAML_SCALAR || !*(*base)->text) return xr_yaml_fail((*base)->place, "'base' takes a file name");
  }
  return XR_OK;
}

static xr_status read_file(xr_arena *arena, const char *path, int bases, xr_yaml **root);

static xr_status read_base(xr_arena *arena, const char *path, const xr_yaml *base, int bases, xr_yaml **root) {
  if (bases == MAX_BASES) return xr_yaml_fail(base->place, "more than %d files follow from 'base': does one name itself?", MAX_BASES);
  const char *name = xr_path_name(path);
  char folder[XR_PATH_MAX], full[XR_PATH_MAX];
  snprintf(folder, sizeof folder, "%.*s", (int)(name - path), path);
  XR_TRY(xr_path_join(full, folder, base->text));
  const char *kept = xr_arena_copy(arena, full);
  if (!kept) return XR_NO_MEMORY;
  if (!xr_is_file(kept)) {
    xr_yaml_fail(base->place, "'base': there is no file %s", kept);
    return XR_NOT_FOUND;
  }
  return read_file(arena, kept, bases + 1, root);
}

static xr_status read_file(xr_arena *arena, const char *path, int bases, xr_yaml **root) {
  char *text;
  size_t bytes;
  XR_TRY(xr_read_file(path, &text, &bytes));
  xr_status status = xr_yaml_parse(root, arena, path, true, text, bytes);
  free(text);
  XR_TRY(status);
  xr_yaml *base, *under;
  XR_TRY(take_base(*root, &base));
  XR_TRY(xr_config_check(arena, *root));
  if (!base) return XR_OK;
  XR_TRY(read_base(arena, path, base, bases, &under));
  *root = xr_yaml_merge(arena, under, *root);
  return *root ? XR_OK : XR_NO_MEMORY;
}

/* "a.b=value" as the mapping {a: {b: value}}. */
static xr_status read_override(xr_arena *arena, const char *text, xr_yaml **root) {
  const char *source = xr_arena_format(arena, "override '%s'", text), *equals = strchr(text, '=');
  if (!source) return XR_NO_MEMORY;
  xr_yaml_place place = {.source = source};
  if (!equals || equals == text) return xr_yaml_fail(place, "an override is written key.sub=value");
  xr_yaml *value;
  XR_TRY(xr_yaml_parse(&value, arena, source, false, equals + 1, strlen(equals + 1)));
  if (value->kind == XR_YAML_MAPPING && !value->count) value->kind = XR_YAML_SCALAR; /* "key=": an empty text */
  for (const char *key = equals, *end = equals; key > text; end = key - 1) {         /* from the innermost key outwards */
    key = end;
    while (key > text && key[-1] != '.') key--;
    char *name = xr_arena_format(arena, "%.*s", (int)(end - key), key);
    xr_yaml *outer = xr_yaml_new(arena, XR_YAML_MAPPING, place);
    if (!name || !outer || xr_yaml_add(arena, outer, name, place, value) != XR_OK) return XR_NO_MEMORY;
    if (!*name) return xr_yaml_fail(place, "a dot has no key before or after it");
    value = outer;
  }
  *root = value;
  return xr_config_check(arena, value);
}

/* `text`: what the file says, which is not read then and has no `base`. */
static xr_status read_given(xr_arena *arena, const char *path, const char *text, xr_yaml **given) {
  *given = NULL;
  if (!text) return path ? read_file(arena, path, 0, given) : XR_OK;
  XR_TRY(xr_yaml_parse(given, arena, path, true, text, strlen(text)));
  return xr_config_check(arena, *given);
}

static xr_status resolve(xr_arena *arena, const char *path, const char *text, const char *const *overrides, size_t count, xr_yaml **tree) {
  xr_yaml *defaults, *preset, *given;
  XR_TRY(read_embedded(arena, "configs/defaults.yaml", &defaults));
  XR_TRY(read_given(arena, path, text, &given));
  for (size_t i = 0; i < count; i++) {
    xr_yaml *one = NULL;
    XR_TRY(read_override(arena, overrides[i], &one));
    given = xr_yaml_merge(arena, given, one);
    if (!given) return XR_NO_MEMORY;
  }
  xr_yaml *name = given ? xr_yaml_find(given, "model.preset") : NULL;
  if (!name) name = xr_yaml_find(defaults, "model.preset");
  const char *file = xr_arena_format(arena, "configs/presets/%s.yaml", name->text);
  if (!file) return XR_NO_MEMORY;
  XR_TRY(read_embedded(arena, file, &preset)); /* "custom" has none */
  *tree = preset ? xr_yaml_merge(arena, defaults, preset) : defaults;
  if (*tree && given) *tree = xr_yaml_merge(arena, *tree, given);
  return *tree ? XR_OK : XR_NO_MEMORY;
}

/* ---- values that must fit each other */

typedef struct {
  bool wrong;
  const char *keys[2];
  const char *rule;
} pair_rule;

static bool is_built_in(const xr_yaml *node) {
  for (size_t i = 0; i < xr_embedded_file_count; i++)
    if (node->place.source == xr_embedded_files[i].path) return true;
  return false;
}

static xr_status misfit(xr_arena *arena, const xr_yaml *tree, const pair_rule *rule) {
  const char *shown[2] = {"", ""};
  xr_yaml_place place = {0};
  for (int i = 1; i >= 0; i--) {
    const xr_yaml *node = rule->keys[i] ? xr_yaml_find(tree, rule->keys[i]) : NULL;
    if (!node) continue;
    if (!is_built_in(node) || !place.source) place = node->place; /* the key that the user wrote is the one to change */
    const char *value = node->kind == XR_YAML_SCALAR ? xr_arena_format(arena, " (%s)", node->text) : "";
    shown[i] = xr_arena_format(arena, "%s'%s'%s", i ? " and " : "", rule->keys[i], value ? value : "");
    if (!shown[i]) return XR_NO_MEMORY;
  }
  return xr_yaml_fail(place, "%s%s: %s", shown[0], shown[1], rule->rule);
}

static bool grows(const int64_t *values, uint32_t count) {
  for (uint32_t i = 1; i < count; i++)
    if (values[i] <= values[i - 1]) return false;
  return true;
}

/* CMSN's taps end with the tower's last block: its tokens are the last scale. */
static bool ends_at(const int64_t *taps, uint32_t count, int64_t layers) { return count && taps[count - 1] == layers; }

/* ESA: is element k of an image's set made as element k of a caption's? */
static bool pairs_elements(const xr_config *c) {
  return c->esa.shared_queries || c->esa.kind == XR_CONFIG_ESA_DECODER || c->esa.kind == XR_CONFIG_ESA_TOPK;
}

static xr_status check_pairs(xr_arena *arena, const xr_yaml *tree, const xr_config *c) {
  const bool cmsn = c->method == XR_CONFIG_CMSN, esa = c->method == XR_CONFIG_ESA, own_taps = c->imfi.text_taps_count > 0;
  const pair_rule rules[] = {
      {c->vision.width % c->vision.heads != 0, {"vision.width", "vision.heads"}, "the heads share the width, which must be their multiple"},
      {c->text.width % c->text.heads != 0, {"text.width", "text.heads"}, "the heads share the width, which must be their multiple"},
      {c->image.height < c->image.patch, {"image.height", "image.patch"}, "the image is smaller than a patch"},
      {c->image.width < c->image.patch, {"image.width", "image.patch"}, "the image is smaller than a patch"},
      {c->image.stride > c->image.patch, {"image.stride", "image.patch"}, "the patches would leave pixels out"},
      {c->augment.erase_area[0] > c->augment.erase_area[1], {"augment.erase_area"}, "the smaller end comes first"},
      {c->augment.erase_aspect[0] > c->augment.erase_aspect[1], {"augment.erase_aspect"}, "the smaller end comes first"},
      {c->sampler.kind == XR_CONFIG_SAMPLER_IDENTITY && c->sampler.batch % c->sampler.instances != 0,
       {"sampler.batch", "sampler.instances"},
       "a batch of the identity sampler holds whole groups of `instances`"},
      {c->optimizer.nesterov && c->optimizer.momentum <= 0, {"optimizer.nesterov", "optimizer.momentum"}, "nesterov needs momentum"},
      {c->schedule.kind == XR_CONFIG_MULTISTEP && !c->schedule.milestones_count,
       {"schedule.kind", "schedule.milestones"},
       "multistep needs milestones"},
      {!grows(c->schedule.milestones, c->schedule.milestones_count), {"schedule.milestones"}, "milestones must grow"},
      {cmsn && c->model.embed % c->imfi.heads != 0,
       {"model.embed", "imfi.heads"},
       "the heads share the width, which must be their multiple"},
      {cmsn && (c->imfi.taps_count > XR_CONFIG_MAX_TAPS || !grows(c->imfi.taps, c->imfi.taps_count)),
       {"imfi.taps"},
       "one to four blocks, growing"},
      {cmsn && !ends_at(c->imfi.taps, c->imfi.taps_count, c->vision.layers),
       {"imfi.taps", "vision.layers"},
       "the last scale is the tower's last block"},
      {cmsn && !own_taps && !ends_at(c->imfi.taps, c->imfi.taps_count, c->text.layers),
       {"imfi.taps", "text.layers"},
       "the last scale is the tower's last block; give the text tower its own imfi.text_taps"},
      {cmsn && own_taps &&
           (c->imfi.text_taps_count != c->imfi.taps_count || !grows(c->imfi.text_taps, c->imfi.text_taps_count) ||
            !ends_at(c->imfi.text_taps, c->imfi.text_taps_count, c->text.layers)),
       {"imfi.text_taps", "text.layers"},
       "as many blocks as imfi.taps, growing, the last one the tower's last"},
      {cmsn && c->imfi.mode == XR_CONFIG_IMFI_CROSS_ATTN && c->loss.match.weight <= 0,
       {"imfi.mode", "loss.match.weight"},
       "cross_attn fuses pairs for the matching loss, which needs a weight"},
      {esa && c->loss.asm_.margin_min > c->loss.asm_.margin_max,
       {"loss.asm.margin_min", "loss.asm.margin_max"},
       "the smaller margin comes first"},
      {esa && c->esa.score_weight > 0 && c->loss.asm_.weight == 0,
       {"esa.score_weight", "loss.asm.weight"},
       "nothing trains the sets to tell people apart; esa.score_weight: 0 ranks by the global features"},
      {esa && c->esa.similarity == XR_CONFIG_SET_ALIGNED && !pairs_elements(c),
       {"esa.similarity", "esa.shared_queries"},
       "element k of an image and of a caption mean the same only where they start from the same query"},
  };
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
    if (rules[i].wrong) return misfit(arena, tree, &rules[i]);
  return XR_OK;
}

/* ---- from tree to structure */

static xr_status load(xr_arena *arena, xr_config **config, const char *path, const char *text, const char *const *overrides, size_t count) {
  xr_yaml *tree;
  XR_TRY(resolve(arena, path, text, overrides, count, &tree));
  char *resolved;
  size_t bytes;
  XR_TRY(xr_yaml_write(tree, &resolved, &bytes));
  cyaml_err_t error = cyaml_load_data((const uint8_t *)resolved, bytes, &cyaml, &xr_config_schema, (cyaml_data_t **)config, NULL);
  free(resolved);
  if (error != CYAML_OK)
    return xr_fail(XR_BAD_INPUT, "%s: the configuration cannot be loaded: %s", path ? path : "configs/defaults.yaml",
                   cyaml_strerror(error));
  return check_pairs(arena, tree, *config);
}

static xr_status load_or_nothing(xr_config **config, const char *path, const char *text, const char *const *overrides, size_t count) {
  *config = NULL;
  xr_arena *arena = xr_arena_new();
  if (!arena) return XR_NO_MEMORY;
  xr_status status = load(arena, config, path, text, overrides, count);
  xr_arena_free(arena);
  if (status != XR_OK) {
    xr_config_free(*config);
    *config = NULL;
  }
  return status;
}

xr_status xr_config_load(xr_config **config, const char *path, const char *const *overrides, size_t count) {
  return load_or_nothing(config, path, NULL, overrides, count);
}

xr_status xr_config_parse(xr_config **config, const char *yaml, const char *name, const char *const *overrides, size_t count) {
  return load_or_nothing(config, name, yaml, overrides, count);
}

void xr_config_free(xr_config *config) {
  if (config) cyaml_free(&cyaml, &xr_config_schema, config, 0);
}

/* ---- from structure to tree */

static xr_status to_tree(xr_arena *arena, const cyaml_schema_value_t *schema, const char *data, uint32_t count, xr_yaml **out);

static const char *scalar_text(xr_arena *arena, const cyaml_schema_value_t *schema, const char *data) {
  if (schema->type == CYAML_STRING) return *(char *const *)data;
  if (schema->type == CYAML_BOOL) return *(const bool *)data ? "true" : "false";
  if (schema->type == CYAML_INT) return xr_arena_format(arena, "%" PRId64, *(const int64_t *)data);
  if (schema->type == CYAML_FLOAT) return xr_config_number(arena, *(const double *)data);
  int value;
  memcpy(&value, data, sizeof value);
  for (uint32_t i = 0; i < schema->enumeration.count; i++)
    if (schema->enumeration.strings[i].val == value) return schema->enumeration.strings[i].str;
  return "";
}

static xr_status mapping_to_tree(xr_arena *arena, const cyaml_schema_value_t *schema, const char *data, xr_yaml *to) {
  for (const cyaml_schema_field_t *field = schema->mapping.fields; field->key; field++) {
    xr_yaml *value;
    uint32_t count = field->value.sequence.max;
    const char *place = data + field->data_offset;
    if (field->value.type == CYAML_SEQUENCE) {
      memcpy(&count, data + field->count_offset, sizeof count);
      place = *(char *const *)place;
    }
    XR_TRY(to_tree(arena, &field->value, place, count, &value));
    XR_TRY(xr_yaml_add(arena, to, field->key, to->place, value));
  }
  return XR_OK;
}

static xr_status to_tree(xr_arena *arena, const cyaml_schema_value_t *schema, const char *data, uint32_t count, xr_yaml **out) {
  bool sequence = schema->type == CYAML_SEQUENCE || schema->type == CYAML_SEQUENCE_FIXED, mapping = schema->type == CYAML_MAPPING;
  xr_yaml *to = *out = xr_yaml_new(arena, mapping ? XR_YAML_MAPPING : sequence ? XR_YAML_SEQUENCE : XR_YAML_SCALAR, (xr_yaml_place){0});
  if (!to) return XR_NO_MEMORY;
  if (mapping) return mapping_to_tree(arena, schema, data, to);
  if (!sequence) {
    to->quoted = schema->type == CYAML_STRING;
    to->text = scalar_text(arena, schema, data);
    return to->text ? XR_OK : XR_NO_MEMORY;
  }
  for (uint32_t i = 0; i < count; i++) {
    xr_yaml *value;
    const cyaml_schema_value_t *entry = schema->sequence.entry;
    size_t bytes = entry->type == CYAML_STRING ? sizeof(char *) : entry->data_size;
    XR_TRY(to_tree(arena, entry, data + i * bytes, 0, &value));
    XR_TRY(xr_yaml_add(arena, to, NULL, to->place, value));
  }
  return XR_OK;
}

xr_status xr_config_to_yaml(const xr_config *config, char **text) {
  *text = NULL;
  xr_arena *arena = xr_arena_new();
  if (!arena) return XR_NO_MEMORY;
  xr_yaml *tree;
  size_t bytes;
  xr_status status = to_tree(arena, &xr_config_schema, (const char *)config, 0, &tree);
  if (status == XR_OK) status = xr_yaml_write(tree, text, &bytes);
  xr_arena_free(arena);
  return status;
}

xr_status xr_config_hash(const xr_config *config, uint64_t *hash) {
  char *text;
  XR_TRY(xr_config_to_yaml(config, &text));
  *hash = 0xcbf29ce484222325u;
  for (const unsigned char *byte = (const unsigned char *)text; *byte; byte++) *hash = (*hash ^ *byte) * 0x100000001b3u;
  free(text);
  return XR_OK;
}

const xr_config_group *xr_config_group_of(const xr_config *config, const char *parameter) {
  for (uint32_t i = 0; i < config->optimizer.groups_count; i++)
    for (uint32_t j = 0; j < config->optimizer.groups[i].match_count; j++)
      if (fnmatch(config->optimizer.groups[i].match[j], parameter, 0) == 0) return &config->optimizer.groups[i];
  return NULL;
}
