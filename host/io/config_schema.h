/* What a configuration may contain (private to the configuration's own files). */
#pragma once

#include <cyaml/cyaml.h>

#include "host/io/yaml_tree.h"

/* The schema of xr_config: names, types and places of all keys. */
extern const cyaml_schema_value_t xr_config_schema;

/* What the schema cannot say about a value. Every number has a rule; texts have one when only certain words are allowed. */
typedef struct {
  const char *path;         /* "optimizer.groups.lr_factor": sequences add nothing */
  double minimum, maximum;  /* numbers: both ends are allowed */
  const char *const *words; /* texts: the allowed ones, then NULL */
  const char *fallback;     /* inside a sequence's mappings: the value of an absent key; NULL: the key must be there */
} xr_config_rule;

extern const xr_config_rule xr_config_rules[];
extern const size_t xr_config_rule_count;

/* The rule for a path such as "optimizer.groups[2].lr_factor", or NULL. */
const xr_config_rule *xr_config_rule_for(const char *path);

/* Checks a tree against the schema and the rules. Brings it into the form libcyaml reads: numbers in canonical spelling, empty
 * sections as mappings, absent keys of sequence entries filled in. Keys of mappings outside sequences may be absent. */
xr_status xr_config_check(xr_arena *arena, xr_yaml *root);

/* The shortest decimal form that reads back as `value`; NULL: no memory. */
const char *xr_config_number(xr_arena *arena, double value);
