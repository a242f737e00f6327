#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/io/config_schema.h"

enum { PATH_CHARS = 160, LIST_CHARS = 400, LONGEST_KEY = 40 };

static xr_status check(xr_arena *arena, const cyaml_schema_value_t *schema, xr_yaml *node, const char *path);

/* ---- the nearest valid key */

static bool is_part(const char *longer, const char *part) { /* "batch" of "batch_size", "epochs" of "warmup_epochs" */
  size_t whole = strlen(longer), length = strlen(part);
  if (length < 2 || whole <= length) return false;
  return (strncasecmp(longer, part, length) == 0 && longer[length] == '_') ||
         (strcasecmp(longer + whole - length, part) == 0 && longer[whole - length - 1] == '_');
}

/* Insertions, deletions, replacements and swaps of neighbours that turn one word into the other, letter case aside. */
static int edit_distance(const char *a, const char *b) {
  int rows[3][LONGEST_KEY + 1];
  size_t m = strlen(a), n = strlen(b);
  if (m > LONGEST_KEY || n > LONGEST_KEY) return LONGEST_KEY;
  int *before = rows[0], *last = rows[1], *now = rows[2];
  for (size_t j = 0; j <= n; j++) last[j] = (int)j;
  for (size_t i = 1; i <= m; i++) {
    now[0] = (int)i;
    for (size_t j = 1; j <= n; j++) {
      int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);
      int best = last[j - 1] + (x != y);
      if (last[j] + 1 < best) best = last[j] + 1;
      if (now[j - 1] + 1 < best) best = now[j - 1] + 1;
      bool swapped = i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) && y == tolower((unsigned char)a[i - 2]);
      if (swapped && before[j - 2] + 1 < best) best = before[j - 2] + 1;
      now[j] = best;
    }
    int *oldest = before;
    before = last;
    last = now;
    now = oldest;
  }
  return last[n];
}

/* Larger is less alike; -1: not alike. */
static int unlikeness(const char *wrong, const char *word) {
  int distance = edit_distance(wrong, word), length = (int)strlen(wrong), limit = length < 6 ? 1 : length / 3;
  if (distance <= limit) return distance;
  return is_part(wrong, word) || is_part(word, wrong) ? 2 : -1;
}

static void join(char out[PATH_CHARS], const char *path, const char *key) {
  int length = snprintf(out, PATH_CHARS, "%s%s%.60s", path, *path ? "." : "", key);
  if (length >= PATH_CHARS) memcpy(out + PATH_CHARS - 4, "...", 4);
}

typedef struct {
  const char *key;    /* the unknown one */
  const char *parent; /* the section it stands in */
  char best[PATH_CHARS];
  int cost;
} search;

static const cyaml_schema_field_t *fields_of(const cyaml_schema_value_t *schema) {
  return schema->type == CYAML_MAPPING ? schema->mapping.fields : NULL;
}

static void search_keys(search *s, const cyaml_schema_value_t *schema, const char *path) {
  bool here = strcmp(path, s->parent) == 0; /* a neighbour is likelier than a key of another section */
  for (const cyaml_schema_field_t *field = fields_of(schema); field && field->key; field++) {
    char full[PATH_CHARS];
    join(full, path, field->key);
    int unlike = unlikeness(s->key, field->key), cost = unlike * 2 + !here;
    if (unlike >= 0 && (s->cost < 0 || cost < s->cost)) {
      s->cost = cost;
      memcpy(s->best, full, sizeof full);
    }
    search_keys(s, &field->value, full);
  }
}

static void list_keys(char out[LIST_CHARS], const cyaml_schema_value_t *schema) {
  size_t used = 0;
  out[0] = '\0';
  for (const cyaml_schema_field_t *field = fields_of(schema); field && field->key && used < LIST_CHARS; field++)
    used += (size_t)snprintf(out + used, LIST_CHARS - used, "%s%s", used ? ", " : "", field->key);
}

static xr_status unknown_key(const xr_yaml_item *item, const cyaml_schema_value_t *schema, const char *path) {
  char full[PATH_CHARS], list[LIST_CHARS];
  join(full, path, item->key);
  search s = {.key = item->key, .parent = path, .cost = -1};
  search_keys(&s, schema, path); /* first where it stands (a sequence's entry is reached only so), then everywhere */
  search_keys(&s, &xr_config_schema, "");
  if (s.cost >= 0) return xr_yaml_fail(item->place, "unknown key '%s'; did you mean '%s'?", full, s.best);
  list_keys(list, schema);
  return xr_yaml_fail(item->place, "unknown key '%s'; the keys here are %s", full, list);
}

/* ---- values */

static const char *shown(char out[80], const xr_yaml *node) { /* what stands there, for a message */
  if (node->kind == XR_YAML_MAPPING) return "a mapping of keys";
  if (node->kind == XR_YAML_SEQUENCE) return "a sequence";
  if (!*node->text) return "nothing";
  snprintf(out, 80, "'%.60s%s'", node->text, strlen(node->text) > 60 ? "..." : "");
  return out;
}

static xr_status wrong_kind(const xr_yaml *node, const char *path, const char *expected) {
  char text[80];
  return xr_yaml_fail(node->place, "'%s' takes %s, not %s", path, expected, shown(text, node));
}

const char *xr_config_number(xr_arena *arena, double value) {
  char text[40];
  for (int digits = 1; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, value);
    if (strtod(text, NULL) == value) break;
  }
  return xr_arena_copy(arena, text);
}

static xr_status check_range(const xr_yaml *node, const char *path, double value) {
  const xr_config_rule *rule = xr_config_rule_for(path);
  if (!rule || (value >= rule->minimum && value <= rule->maximum)) return XR_OK;
  char text[80];
  return xr_yaml_fail(node->place, "'%s' takes %.16g to %.16g, not %s", path, rule->minimum, rule->maximum, shown(text, node));
}

static xr_status check_integer(xr_arena *arena, xr_yaml *node, const char *path) {
  const char *digits = node->text + (node->text[0] == '-' || node->text[0] == '+');
  if (!*digits || digits[strspn(digits, "0123456789")]) return wrong_kind(node, path, "a whole number");
  errno = 0;
  int64_t value = strtoll(node->text, NULL, 10);
  XR_TRY(check_range(node, path, errno ? (value < 0 ? -INFINITY : INFINITY) : (double)value));
  node->text = xr_arena_format(arena, "%" PRId64, value);
  return node->text ? XR_OK : XR_NO_MEMORY;
}

static xr_status check_number(xr_arena *arena, xr_yaml *node, const char *path) {
  char *end;
  double value = strtod(node->text, &end);
  if (end == node->text || *end || node->text[strspn(node->text, "0123456789+-.eE")]) return wrong_kind(node, path, "a number");
  XR_TRY(check_range(node, path, value));
  node->text = xr_config_number(arena, value);
  return node->text ? XR_OK : XR_NO_MEMORY;
}

typedef struct {
  char list[LIST_CHARS];
  size_t used;
  const char *near;
  int unlike;
} word_list;

/* Adds a word to the list for a message; true: it is the one. */
static bool add_word(word_list *words, const char *word, bool last, const char *wrong) {
  if (strcmp(word, wrong) == 0) return true;
  int unlike = unlikeness(wrong, word);
  if (unlike >= 0 && (!words->near || unlike < words->unlike)) {
    words->near = word;
    words->unlike = unlike;
  }
  const char *comma = !words->used ? "" : last ? " or " : ", ";
  if (words->used < LIST_CHARS) words->used += (size_t)snprintf(words->list + words->used, LIST_CHARS - words->used, "%s%s", comma, word);
  return false;
}

static xr_status wrong_word(const xr_yaml *node, const char *path, const word_list *words) {
  char text[80];
  if (!words->near) return wrong_kind(node, path, words->list);
  return xr_yaml_fail(node->place, "'%s' takes %s, not %s; did you mean '%s'?", path, words->list, shown(text, node), words->near);
}

static xr_status check_enum(const cyaml_schema_value_t *schema, const xr_yaml *node, const char *path) {
  word_list words = {0};
  for (uint32_t i = 0; i < schema->enumeration.count; i++)
    if (add_word(&words, schema->enumeration.strings[i].str, i + 1 == schema->enumeration.count, node->text)) return XR_OK;
  return wrong_word(node, path, &words);
}

static xr_status check_text(const xr_yaml *node, const char *path) {
  const xr_config_rule *rule = xr_config_rule_for(path);
  if (!rule || !rule->words) return XR_OK;
  word_list words = {0};
  for (const char *const *word = rule->words; *word; word++)
    if (add_word(&words, *word, !word[1], node->text)) return XR_OK;
  return wrong_word(node, path, &words);
}

static xr_status check_scalar(xr_arena *arena, const cyaml_schema_value_t *schema, xr_yaml *node, const char *path) {
  if (node->kind != XR_YAML_SCALAR) {
    static const char *const expected[CYAML__TYPE_COUNT] = {[CYAML_INT] = "a whole number",
                                                            [CYAML_FLOAT] = "a number",
                                                            [CYAML_BOOL] = "true or false",
                                                            [CYAML_STRING] = "text",
                                                            [CYAML_ENUM] = "a word"};
    return wrong_kind(node, path, expected[schema->type]);
  }
  if (schema->type == CYAML_INT) return check_integer(arena, node, path);
  if (schema->type == CYAML_FLOAT) return check_number(arena, node, path);
  if (schema->type == CYAML_ENUM) return check_enum(schema, node, path);
  if (schema->type == CYAML_STRING) {
    node->quoted = true; /* "5" or "null" stay texts when the tree is written */
    return check_text(node, path);
  }
  if (strcmp(node->text, "true") == 0 || strcmp(node->text, "false") == 0) return XR_OK;
  return wrong_kind(node, path, "true or false");
}

/* ---- mappings and sequences */

static xr_status check_mapping(xr_arena *arena, const cyaml_schema_value_t *schema, xr_yaml *node, const char *path) {
  if (node->kind == XR_YAML_SCALAR && !node->quoted && !*node->text) node->kind = XR_YAML_MAPPING; /* all its lines are comments */
  if (node->kind != XR_YAML_MAPPING) {
    char expected[LIST_CHARS + 30], list[LIST_CHARS];
    list_keys(list, schema);
    snprintf(expected, sizeof expected, "a mapping of keys (%s)", list);
    return wrong_kind(node, *path ? path : "the configuration", expected);
  }
  for (size_t i = 0; i < node->count; i++) {
    const xr_yaml_item *item = &node->items[i];
    const cyaml_schema_field_t *field = schema->mapping.fields;
    while (field->key && strcmp(field->key, item->key) != 0) field++;
    if (!field->key) return unknown_key(item, schema, path);
    char full[PATH_CHARS];
    join(full, path, item->key);
    XR_TRY(check(arena, &field->value, item->value, full));
  }
  return XR_OK;
}

static xr_status complete_entry(xr_arena *arena, const cyaml_schema_value_t *schema, xr_yaml *entry, const char *path) {
  for (const cyaml_schema_field_t *field = schema->mapping.fields; field->key; field++) {
    if (xr_yaml_get(entry, field->key, strlen(field->key))) continue;
    char full[PATH_CHARS];
    join(full, path, field->key);
    const xr_config_rule *rule = xr_config_rule_for(full);
    if (!rule || !rule->fallback) return xr_yaml_fail(entry->place, "'%s' lacks the key '%s'", path, field->key);
    xr_yaml *value = xr_yaml_new(arena, XR_YAML_SCALAR, entry->place);
    if (!value) return XR_NO_MEMORY;
    value->text = rule->fallback;
    XR_TRY(xr_yaml_add(arena, entry, field->key, entry->place, value));
  }
  return XR_OK;
}

static xr_status check_sequence(xr_arena *arena, const cyaml_schema_value_t *schema, xr_yaml *node, const char *path) {
  const cyaml_schema_value_t *entry = schema->sequence.entry;
  bool fixed = schema->type == CYAML_SEQUENCE_FIXED;
  if (node->kind != XR_YAML_SEQUENCE)
    return wrong_kind(node, path, entry->type == CYAML_MAPPING ? "a sequence of mappings" : "a sequence: [a, b]");
  if (fixed && node->count != schema->sequence.max)
    return xr_yaml_fail(node->place, "'%s' takes %" PRIu32 " values, not %zu", path, schema->sequence.max, node->count);
  for (size_t i = 0; i < node->count; i++) {
    char full[PATH_CHARS];
    snprintf(full, sizeof full, "%s[%zu]", path, i);
    XR_TRY(check(arena, entry, node->items[i].value, full));
    if (entry->type == CYAML_MAPPING) XR_TRY(complete_entry(arena, entry, node->items[i].value, full));
  }
  return XR_OK;
}

static xr_status check(xr_arena *arena, const cyaml_schema_value_t *schema, xr_yaml *node, const char *path) {
  if (schema->type == CYAML_MAPPING) return check_mapping(arena, schema, node, path);
  if (schema->type == CYAML_SEQUENCE || schema->type == CYAML_SEQUENCE_FIXED) return check_sequence(arena, schema, node, path);
  return check_scalar(arena, schema, node, path);
}

xr_status xr_config_check(xr_arena *arena, xr_yaml *root) { return check(arena, &xr_config_schema, root, ""); }
