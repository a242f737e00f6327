#include "host/io/yaml_tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { MAX_DEPTH = 32, MAX_NODES = 100000 }; /* far beyond any configuration; aliases could otherwise grow without end */

typedef struct {
  xr_arena *arena;
  const char *source;
  bool lines;
  yaml_document_t document;
  size_t nodes;
} parsing;

xr_status xr_yaml_fail(xr_yaml_place place, const char *format, ...) {
  char text[900];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (place.line) return xr_fail(XR_BAD_INPUT, "%s:%zu:%zu: %s", place.source, place.line, place.column, text);
  return xr_fail(XR_BAD_INPUT, "%s: %s", place.source, text);
}

static xr_yaml_place place_of(const parsing *p, yaml_mark_t mark) {
  return p->lines ? (xr_yaml_place){p->source, mark.line + 1, mark.column + 1} : (xr_yaml_place){.source = p->source};
}

xr_yaml *xr_yaml_new(xr_arena *arena, xr_yaml_kind kind, xr_yaml_place place) {
  xr_yaml *node = XR_NEW(arena, xr_yaml);
  if (node) *node = (xr_yaml){.kind = kind, .text = "", .place = place};
  return node;
}

xr_status xr_yaml_add(xr_arena *arena, xr_yaml *parent, const char *key, xr_yaml_place key_place, xr_yaml *value) {
  if (parent->count == parent->room) {
    size_t room = parent->room ? parent->room * 2 : 8;
    xr_yaml_item *items = XR_NEW_ARRAY(arena, xr_yaml_item, room);
    if (!items) return XR_NO_MEMORY;
    if (parent->count) memcpy(items, parent->items, parent->count * sizeof *items);
    parent->items = items;
    parent->room = room;
  }
  parent->items[parent->count++] = (xr_yaml_item){key, key_place, value};
  return XR_OK;
}

xr_yaml *xr_yaml_get(const xr_yaml *mapping, const char *key, size_t key_length) {
  if (mapping->kind != XR_YAML_MAPPING) return NULL;
  for (size_t i = 0; i < mapping->count; i++)
    if (strncmp(mapping->items[i].key, key, key_length) == 0 && !mapping->items[i].key[key_length]) return mapping->items[i].value;
  return NULL;
}

xr_yaml *xr_yaml_find(const xr_yaml *root, const char *path) {
  for (;;) {
    size_t length = strcspn(path, ".");
    xr_yaml *value = xr_yaml_get(root, path, length);
    if (!value || !path[length]) return value;
    root = value;
    path += length + 1;
  }
}

static xr_status convert(parsing *p, int index, int depth, xr_yaml **out);

static xr_status convert_scalar(parsing *p, const yaml_node_t *from, xr_yaml *to) {
  const char *text = (const char *)from->data.scalar.value;
  if (strlen(text) != from->data.scalar.length) return xr_yaml_fail(to->place, "the text contains a zero byte");
  to->quoted = from->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
  bool none = !to->quoted && (strcmp(text, "null") == 0 || strcmp(text, "~") == 0);
  to->text = none ? "" : xr_arena_copy(p->arena, text);
  return to->text ? XR_OK : XR_NO_MEMORY;
}

static xr_status convert_pair(parsing *p, const yaml_node_pair_t *pair, int depth, xr_yaml *to) {
  xr_yaml *key, *value;
  XR_TRY(convert(p, pair->key, depth + 1, &key));
  if (key->kind != XR_YAML_SCALAR) return xr_yaml_fail(key->place, "a key must be a word");
  for (size_t i = 0; i < to->count; i++)
    if (strcmp(to->items[i].key, key->text) == 0) {
      if (!p->lines) return xr_yaml_fail(key->place, "the key '%.60s' is given twice", key->text);
      return xr_yaml_fail(key->place, "the key '%.60s' is given twice (first in line %zu)", key->text, to->items[i].place.line);
    }
  XR_TRY(convert(p, pair->value, depth + 1, &value));
  return xr_yaml_add(p->arena, to, key->text, key->place, value);
}

static xr_status convert(parsing *p, int index, int depth, xr_yaml **out) {
  static const xr_yaml_kind kind[] = {
      [YAML_SCALAR_NODE] = XR_YAML_SCALAR, [YAML_SEQUENCE_NODE] = XR_YAML_SEQUENCE, [YAML_MAPPING_NODE] = XR_YAML_MAPPING};
  const yaml_node_t *from = yaml_document_get_node(&p->document, index);
  xr_yaml_place place = place_of(p, from->start_mark);
  if (depth > MAX_DEPTH) return xr_yaml_fail(place, "values are nested more than %d deep", MAX_DEPTH);
  if (++p->nodes > MAX_NODES) return xr_yaml_fail(place, "more than %d values", MAX_NODES);
  xr_yaml *to = *out = xr_yaml_new(p->arena, kind[from->type], place);
  if (!to) return XR_NO_MEMORY;
  if (from->type == YAML_SCALAR_NODE) return convert_scalar(p, from, to);
  if (from->type == YAML_MAPPING_NODE)
    for (yaml_node_pair_t *pair = from->data.mapping.pairs.start; pair < from->data.mapping.pairs.top; pair++)
      XR_TRY(convert_pair(p, pair, depth, to));
  if (from->type == YAML_SEQUENCE_NODE)
    for (yaml_node_item_t *item = from->data.sequence.items.start; item < from->data.sequence.items.top; item++) {
      xr_yaml *value;
      XR_TRY(convert(p, *item, depth + 1, &value));
      XR_TRY(xr_yaml_add(p->arena, to, NULL, value->place, value));
    }
  return XR_OK;
}

static xr_status broken(const parsing *p, const yaml_parser_t *parser) {
  if (parser->error == YAML_MEMORY_ERROR) return xr_fail(XR_NO_MEMORY, "%s: out of memory", p->source);
  const char *problem = parser->problem ? parser->problem : "cannot be read";
  if (parser->error == YAML_READER_ERROR)
    return xr_fail(XR_BAD_INPUT, "%s: broken YAML at byte %zu: %s", p->source, parser->problem_offset + 1, problem);
  bool context = parser->context && p->lines;
  return xr_yaml_fail(place_of(p, parser->problem_mark), "broken YAML: %s%s%s", problem, context ? ", " : "",
                      context ? parser->context : "");
}

static xr_status parse_all(parsing *p, yaml_parser_t *parser, xr_yaml **root) {
  if (!yaml_parser_load(parser, &p->document)) return broken(p, parser);
  const yaml_node_t *top = yaml_document_get_root_node(&p->document);
  xr_status status = XR_OK;
  if (top) {
    status = convert(p, 1, 0, root);
  } else {
    *root = xr_yaml_new(p->arena, XR_YAML_MAPPING, place_of(p, (yaml_mark_t){0}));
    status = *root ? XR_OK : XR_NO_MEMORY;
  }
  yaml_document_delete(&p->document);
  if (status != XR_OK || !top) return status;
  if (!yaml_parser_load(parser, &p->document)) return broken(p, parser);
  const yaml_node_t *second = yaml_document_get_root_node(&p->document);
  if (second) status = xr_yaml_fail(place_of(p, second->start_mark), "a second document begins here; a configuration is one");
  yaml_document_delete(&p->document);
  return status;
}

xr_status xr_yaml_parse(xr_yaml **root, xr_arena *arena, const char *source, bool lines, const char *text, size_t bytes) {
  parsing p = {.arena = arena, .source = source, .lines = lines};
  yaml_parser_t parser;
  if (!yaml_parser_initialize(&parser)) return xr_fail(XR_NO_MEMORY, "%s: out of memory", source);
  yaml_parser_set_input_string(&parser, (const unsigned char *)text, bytes);
  xr_status status = parse_all(&p, &parser, root);
  yaml_parser_delete(&parser);
  return status;
}

xr_yaml *xr_yaml_merge(xr_arena *arena, xr_yaml *under, xr_yaml *over) {
  if (!under || under->kind != XR_YAML_MAPPING || over->kind != XR_YAML_MAPPING) return over;
  xr_yaml *both = xr_yaml_new(arena, XR_YAML_MAPPING, over->place);
  if (!both) return NULL;
  for (size_t i = 0; i < under->count; i++) {
    const xr_yaml_item *item = &under->items[i];
    xr_yaml *newer = xr_yaml_get(over, item->key, strlen(item->key));
    xr_yaml *value = newer ? xr_yaml_merge(arena, item->value, newer) : item->value;
    if (!value || xr_yaml_add(arena, both, item->key, item->place, value) != XR_OK) return NULL;
  }
  for (size_t i = 0; i < over->count; i++) {
    const xr_yaml_item *item = &over->items[i];
    if (!xr_yaml_get(under, item->key, strlen(item->key)) && xr_yaml_add(arena, both, item->key, item->place, item->value) != XR_OK)
      return NULL;
  }
  return both;
}

static int add_node(yaml_document_t *document, const xr_yaml *from) { /* 0: no memory */
  if (from->kind == XR_YAML_SCALAR)
    return yaml_document_add_scalar(document, NULL, (const yaml_char_t *)from->text, (int)strlen(from->text),
                                    from->quoted ? YAML_SINGLE_QUOTED_SCALAR_STYLE : YAML_ANY_SCALAR_STYLE);
  bool mapping = from->kind == XR_YAML_MAPPING, plain = !mapping;
  for (size_t i = 0; i < from->count; i++) plain = plain && from->items[i].value->kind == XR_YAML_SCALAR;
  int to = mapping ? yaml_document_add_mapping(document, NULL, YAML_BLOCK_MAPPING_STYLE)
                   : yaml_document_add_sequence(document, NULL, plain ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE);
  for (size_t i = 0; i < from->count && to; i++) {
    const xr_yaml_item *item = &from->items[i];
    int key = mapping
                  ? yaml_document_add_scalar(document, NULL, (const yaml_char_t *)item->key, (int)strlen(item->key), YAML_ANY_SCALAR_STYLE)
                  : 1,
        value = key ? add_node(document, item->value) : 0;
    int done = value && (mapping ? yaml_document_append_mapping_pair(document, to, key, value)
                                 : yaml_document_append_sequence_item(document, to, value));
    if (!done) to = 0;
  }
  return to;
}

static int write_to_stream(void *stream, unsigned char *bytes, size_t size) { return fwrite(bytes, 1, size, stream) == size; }

xr_status xr_yaml_write(const xr_yaml *root, char **text, size_t *bytes) {
  *text = NULL;
  FILE *stream = open_memstream(text, bytes);
  yaml_emitter_t emitter;
  yaml_document_t document;
  bool ok = stream && yaml_document_initialize(&document, NULL, NULL, NULL, 1, 1);
  if (ok && !add_node(&document, root)) {
    yaml_document_delete(&document);
    ok = false;
  }
  if (ok && !yaml_emitter_initialize(&emitter)) {
    yaml_document_delete(&document);
    ok = false;
  }
  if (ok) {
    yaml_emitter_set_output(&emitter, write_to_stream, stream);
    yaml_emitter_set_unicode(&emitter, 1);
    yaml_emitter_set_width(&emitter, -1);
    ok = yaml_emitter_open(&emitter) && yaml_emitter_dump(&emitter, &document) && yaml_emitter_close(&emitter); /* dump frees it */
    yaml_emitter_delete(&emitter);
  }
  if (stream && fclose(stream) != 0) ok = false;
  if (ok) return XR_OK;
  free(*text);
  *text = NULL;
  return xr_fail(XR_NO_MEMORY, "out of memory while writing YAML");
}
