/* YAML as a tree that remembers where every value was written. Everything lives in the caller's arena.
 *
 * One document a text; anchors and aliases are followed, tags are ignored, a plain `null` or `~` is an empty text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "host/base/memory.h"
#include "host/base/status.h"

typedef struct {
  const char *source;  /* a file name, or "override 'a=b'" */
  size_t line, column; /* from 1; 0: the source has no lines */
} xr_yaml_place;

typedef enum { XR_YAML_SCALAR, XR_YAML_SEQUENCE, XR_YAML_MAPPING } xr_yaml_kind;

typedef struct xr_yaml xr_yaml;
typedef struct {
  const char *key; /* mappings only */
  xr_yaml_place place;
  xr_yaml *value;
} xr_yaml_item;

struct xr_yaml {
  xr_yaml_kind kind;
  bool quoted;      /* scalars: written, or to be written, in quotes */
  const char *text; /* scalars */
  size_t count, room;
  xr_yaml_item *items; /* sequences and mappings, in the order of the text */
  xr_yaml_place place;
};

/* An empty text gives an empty mapping. `source` names the text in messages and must outlive the tree; with `lines` false the places
 * have no line. XR_BAD_INPUT with the place when the YAML is broken, a key is repeated or nesting is beyond reason. */
xr_status xr_yaml_parse(xr_yaml **root, xr_arena *arena, const char *source, bool lines, const char *text, size_t bytes);

/* "source:line:column: message", XR_BAD_INPUT. */
xr_status xr_yaml_fail(xr_yaml_place place, const char *format, ...) __attribute__((format(printf, 2, 3)));

xr_yaml *xr_yaml_new(xr_arena *arena, xr_yaml_kind kind, xr_yaml_place place); /* NULL: no memory */
xr_status xr_yaml_add(xr_arena *arena, xr_yaml *parent, const char *key, xr_yaml_place key_place, xr_yaml *value);

/* The value of a mapping's key, or NULL. xr_yaml_find follows dots: "model.preset". */
xr_yaml *xr_yaml_get(const xr_yaml *mapping, const char *key, size_t key_length);
xr_yaml *xr_yaml_find(const xr_yaml *root, const char *path);

/* `under` with what `over` says: mappings key by key, everything else replaced. Shares nodes with both. NULL: no memory. */
xr_yaml *xr_yaml_merge(xr_arena *arena, xr_yaml *under, xr_yaml *over);

/* The tree as block-style YAML (sequences of scalars in one line); the caller frees *text. */
xr_status xr_yaml_write(const xr_yaml *root, char **text, size_t *bytes);
