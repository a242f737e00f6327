#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/file.h"
#include "host/io/config.h"
#include "host/io/config_schema.h"

#define REPOSITORY XREID_TEST_FOLDER "/../"

static char folder[] = "/tmp/xreid-config-XXXXXX";
static char path[100], other_path[100];

static void make_folder(void) {
  cr_assert(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/a.yaml", folder);
  snprintf(other_path, sizeof other_path, "%s/sub/b.yaml", folder);
}

static void remove_folder(void) {
  unlink(path);
  unlink(other_path);
  char sub[XR_PATH_MAX];
  snprintf(sub, sizeof sub, "%s/sub", folder);
  rmdir(sub);
  rmdir(folder);
}

TestSuite(config, .init = make_folder, .fini = remove_folder);

static void write_text(const char *to, const char *text) { cr_assert_eq(xr_write_file(to, text, strlen(text)), XR_OK, "%s", xr_message()); }

static xr_config *load_file(const char *from) {
  xr_config *config;
  cr_assert_eq(xr_config_load(&config, from, NULL, 0), XR_OK, "%s", xr_message());
  return config;
}

static xr_config *load_text(const char *text) {
  write_text(path, text);
  return load_file(path);
}

static xr_config *load_override(const char *override) {
  xr_config *config;
  cr_assert_eq(xr_config_load(&config, NULL, &override, 1), XR_OK, "%s", xr_message());
  return config;
}

/* Loading `text` must fail with "<path><expected>". */
static void expect_error(const char *text, const char *expected) {
  char whole[1000];
  snprintf(whole, sizeof whole, "%s%s", path, expected);
  write_text(path, text);
  xr_config *config;
  cr_expect_eq(xr_config_load(&config, path, NULL, 0), XR_BAD_INPUT, "accepted: %s", text);
  cr_expect_null(config);
  cr_expect_str_eq(xr_message(), whole, "\n%s\nshould be\n%s", xr_message(), whole);
}

static void expect_override_error(const char *override, const char *expected) {
  char whole[1000];
  snprintf(whole, sizeof whole, "override '%s': %s", override, expected);
  xr_config *config;
  cr_expect_eq(xr_config_load(&config, NULL, &override, 1), XR_BAD_INPUT, "accepted: %s", override);
  cr_expect_str_eq(xr_message(), whole, "\n%s\nshould be\n%s", xr_message(), whole);
}

/* ---- defaults, presets, layers */

Test(config, defaults_are_irra_s_recipe) {
  xr_config *c = load_file(NULL);
  cr_expect_eq(c->method, XR_CONFIG_IRRA);
  cr_expect_eq(c->image.height, 384);
  cr_expect_eq(c->image.mean[0], 0.48145466);
  cr_expect_eq(c->image.resize, XR_CONFIG_BILINEAR);
  cr_expect_eq(c->vision.width, 768);
  cr_expect_eq(c->text.vocabulary_size, 0);
  cr_expect_eq(c->model.preset, XR_CONFIG_PRESET_VIT_B_16);
  cr_expect_eq(c->loss.sdm.temperature, 0.02);
  cr_expect_eq(c->augment.erase_aspect[1], 3.3);
  cr_expect_eq(c->sampler.kind, XR_CONFIG_SAMPLER_RANDOM);
  cr_expect(c->sampler.drop_last);
  cr_expect_eq(c->optimizer.lr, 1e-5);
  cr_expect_eq(c->optimizer.eps, 1e-3);
  cr_expect_eq(c->schedule.kind, XR_CONFIG_COSINE);
  cr_expect_eq(c->schedule.milestones_count, 0);
  cr_expect_eq(c->train.epochs, 60);
  cr_expect_str_eq(c->eval.split, "val");
  cr_expect_str_eq(c->paper.figures.R1, "");
  xr_config_free(c);
}

Test(config, first_fitting_group_wins) {
  static const struct {
    const char *parameter;
    double lr, decay; /* 0: no group */
  } cases[] = {{"classifier.bias", 5, 0},     {"classifier.weight", 5, 1},           {"mlm_head.dense.bias", 5, 0},
               {"cross_attn.out.bias", 2, 0}, {"cross_attn.in_proj_weight", 5, 1},   {"text.blocks.0.attn.in_proj_bias", 2, 0},
               {"ln_pre_t.weight", 0, 0},     {"visual.positional_embedding", 0, 0}, {"biased.weight", 0, 0}};
  xr_config *c = load_file(NULL);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const xr_config_group *group = xr_config_group_of(c, cases[i].parameter);
    cr_expect_eq(group != NULL, cases[i].lr != 0, "%s", cases[i].parameter);
    if (!group) continue;
    cr_expect_eq(group->lr_factor, cases[i].lr, "%s", cases[i].parameter);
    cr_expect_eq(group->weight_decay_factor, cases[i].decay, "%s", cases[i].parameter);
    cr_expect_eq(group->eps, 0);
  }
  xr_config_free(c);
}

Test(config, empty_texts_and_sections_are_the_defaults) {
  static const char *const texts[] = {"", "# nothing\n", "---\n", "train:\n  # epochs: 5\noptimizer:\n", "data: {}\n", "~\n"};
  xr_config *defaults = load_file(NULL);
  uint64_t expected, hash;
  cr_assert_eq(xr_config_hash(defaults, &expected), XR_OK);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    xr_config *c = load_text(texts[i]);
    cr_assert_eq(xr_config_hash(c, &hash), XR_OK);
    cr_expect_eq(hash, expected, "%s", texts[i]);
    xr_config_free(c);
  }
  xr_config_free(defaults);
}

Test(config, mappings_merge_and_sequences_replace) {
  xr_config *c = load_text("optimizer:\n  lr: 0.5\n  groups: [{match: [a, b*], eps: 1e-8}]\nschedule: {milestones: [3, 8]}\n");
  cr_expect_eq(c->optimizer.lr, 0.5);
  cr_expect_eq(c->optimizer.beta1, 0.9);
  cr_assert_eq(c->optimizer.groups_count, 1);
  cr_assert_eq(c->optimizer.groups[0].match_count, 2);
  cr_expect_str_eq(c->optimizer.groups[0].match[1], "b*");
  cr_expect_eq(c->optimizer.groups[0].lr_factor, 1);
  cr_expect_eq(c->optimizer.groups[0].weight_decay_factor, 1);
  cr_expect_eq(c->optimizer.groups[0].eps, 1e-8);
  cr_assert_eq(c->schedule.milestones_count, 2);
  cr_expect_eq(c->schedule.milestones[1], 8);
  xr_config_free(c);
}

Test(config, anchors_and_quotes_are_yaml) {
  xr_config *c = load_text("image: {mean: &half [0.5, .5, 5e-1], std: *half}\nname: \"a \\\"b\\\" \\u00e9\"\npaper: {note: null}\n");
  cr_expect_eq(c->image.std[2], 0.5);
  cr_expect_str_eq(c->name, "a \"b\" \xc3\xa9");
  cr_expect_str_eq(c->paper.note, "");
  xr_config_free(c);
}

Test(config, preset_fills_what_is_not_given) {
  xr_config *c = load_text("vision: {layers: 2}\nmodel: {preset: tiny}\n");
  cr_expect_eq(c->vision.layers, 2);
  cr_expect_eq(c->vision.width, 128);
  cr_expect_eq(c->text.context, 32);
  cr_expect_eq(c->image.patch, 8);
  cr_expect_eq(c->model.embed, 128);
  cr_expect_eq(c->image.height, 384);
  xr_config_free(c);
  c = load_text("vision: {layers: 2}\nmodel: {preset: custom}\n");
  cr_expect_eq(c->vision.layers, 2);
  cr_expect_eq(c->vision.width, 768);
  xr_config_free(c);
}

Test(config, every_preset_word_but_custom_has_its_file) {
  xr_config *defaults = load_file(NULL), *c = load_override("model.preset=vit-b-16");
  uint64_t expected, hash;
  cr_assert_eq(xr_config_hash(defaults, &expected), XR_OK);
  cr_assert_eq(xr_config_hash(c, &hash), XR_OK);
  cr_expect_eq(hash, expected); /* the defaults' sizes are the default preset's */
  xr_config_free(c);
  c = load_override("model.preset=custom");
  c->model.preset = XR_CONFIG_PRESET_VIT_B_16;
  cr_assert_eq(xr_config_hash(c, &hash), XR_OK);
  cr_expect_eq(hash, expected);
  xr_config_free(c);
  xr_config_free(defaults);
}

Test(config, base_is_found_beside_the_file_and_gives_way) {
  char sub[XR_PATH_MAX];
  snprintf(sub, sizeof sub, "%s/sub", folder);
  cr_assert_eq(xr_make_folders(sub), XR_OK);
  write_text(path, "train: {epochs: 7, seed: 3}\nmodel: {preset: tiny}\n");
  write_text(other_path, "base: ../a.yaml\ntrain: {epochs: 9}\n");
  xr_config *c = load_file(other_path);
  cr_expect_eq(c->train.epochs, 9);
  cr_expect_eq(c->train.seed, 3);
  cr_expect_eq(c->vision.width, 128);
  xr_config_free(c);
}

Test(config, overrides_win_and_the_last_one_most) {
  static const char *const overrides[] = {
      "train.epochs=5",       "data.root=/data/CUHK-PEDES", "train.epochs=6",     "paper.note=a=b, c",   "name=",
      "image.mean=[0, 0, 1]", "schedule.milestones=[]",     "optimizer.lr=+1e-3", "train={log_every: 4}"};
  write_text(path, "train: {epochs: 7, seed: 3}\nname: x\n");
  xr_config *c;
  cr_assert_eq(xr_config_load(&c, path, overrides, sizeof overrides / sizeof *overrides), XR_OK, "%s", xr_message());
  cr_expect_eq(c->train.epochs, 6);
  cr_expect_eq(c->train.seed, 3);
  cr_expect_eq(c->train.log_every, 4);
  cr_expect_str_eq(c->data.root, "/data/CUHK-PEDES");
  cr_expect_str_eq(c->paper.note, "a=b, c");
  cr_expect_str_eq(c->name, "");
  cr_expect_eq(c->image.mean[2], 1);
  cr_expect_eq(c->optimizer.lr, 1e-3);
  xr_config_free(c);
}

Test(config, numbers_are_decimal) {
  xr_config *c = load_override("train.seed=010");
  cr_expect_eq(c->train.seed, 10);
  xr_config_free(c);
  c = load_override("train.seed=9007199254740991");
  cr_expect_eq(c->train.seed, 9007199254740991);
  xr_config_free(c);
}

/* ---- the resolved text */

static void expect_round_trip(xr_config *c) {
  char *text, *again;
  cr_assert_eq(xr_config_to_yaml(c, &text), XR_OK, "%s", xr_message());
  xr_config *back = load_text(text);
  cr_assert_eq(xr_config_to_yaml(back, &again), XR_OK);
  cr_expect_str_eq(again, text);
  cr_expect_eq(memcmp(back->image.mean, c->image.mean, sizeof c->image.mean), 0);
  cr_expect_eq(memcmp(&back->loss, &c->loss, sizeof c->loss), 0);
  cr_expect_eq(memcmp(&back->train, &c->train, sizeof c->train), 0);
  cr_expect_str_eq(back->paper.note, c->paper.note);
  cr_expect_str_eq(back->name, c->name);
  free(text);
  free(again);
  xr_config_free(back);
  xr_config_free(c);
}

Test(config, resolved_text_loads_to_the_same_values) {
  expect_round_trip(load_file(NULL));
  expect_round_trip(load_text("loss: {sdm: {temperature: 0.1000000000000000055, weight: 0.3333333333333333148}}\n"
                              "image: {mean: [1e-300, -0.0, 0.7071067811865476], std: [1e-6, 2.2, 3]}\n"
                              "optimizer: {groups: []}\nschedule: {kind: multistep, milestones: [1, 5, 1000]}\n"));
  expect_round_trip(load_text("name: 'null'\npaper: {note: \"two\\nlines: # and 'quotes'  \\u2603 \\t\"}\n"));
}

Test(config, delivered_configurations_load) {
  xr_config *c = load_file(REPOSITORY "configs/irra_cuhk-pedes.yaml");
  cr_expect_str_eq(c->paper.figures.R1, "73.38");
  cr_expect_eq(c->vision.width, 768);
  expect_round_trip(c);
  c = load_file(REPOSITORY "configs/irra_icfg-pedes.yaml");
  cr_expect_str_eq(c->data.dataset, "icfg-pedes");
  cr_expect_eq(c->data.val_holdout, 0.05);
  cr_expect_str_eq(c->paper.figures.mINP, "7.93");
  expect_round_trip(c);
  c = load_file(REPOSITORY "configs/irra_rstpreid.yaml");
  cr_expect_str_eq(c->data.dataset, "rstpreid");
  cr_expect_str_eq(c->paper.figures.R10, "88.20");
  expect_round_trip(c);
  c = load_file(REPOSITORY "configs/quickstart.yaml");
  cr_expect_eq(c->vision.width, 128);
  cr_expect_eq(c->image.height, 96);
  expect_round_trip(c);
}

Test(config, hash_sees_every_value) {
  xr_config *a = load_file(NULL), *b = load_override("optimizer.groups=[{match: [x]}]");
  uint64_t one, two;
  cr_assert_eq(xr_config_hash(a, &one), XR_OK);
  cr_assert_eq(xr_config_hash(b, &two), XR_OK);
  cr_expect_neq(one, two);
  xr_config_free(a);
  xr_config_free(b);
}

/* Every key of the schema has a default, every number a rule, and every rule a key. */
static int leaves;
static void expect_complete(const cyaml_schema_value_t *schema, const xr_yaml *defaults, const char *at) {
  for (const cyaml_schema_field_t *field = schema->mapping.fields; field->key; field++) {
    char full[200];
    snprintf(full, sizeof full, "%s%s%s", at, *at ? "." : "", field->key);
    const cyaml_schema_value_t *value = &field->value;
    if (defaults) cr_expect(xr_yaml_find(defaults, full), "configs/defaults.yaml lacks %s", full);
    bool sequence = value->type == CYAML_SEQUENCE || value->type == CYAML_SEQUENCE_FIXED;
    const cyaml_schema_value_t *inner = sequence ? value->sequence.entry : value;
    if (inner->type == CYAML_MAPPING) {
      expect_complete(inner, sequence ? NULL : defaults, full);
      continue;
    }
    const xr_config_rule *rule = xr_config_rule_for(full);
    if (inner->type == CYAML_INT || inner->type == CYAML_FLOAT) cr_expect(rule && rule->minimum < rule->maximum, "%s has no range", full);
    leaves += rule != NULL;
  }
}

Test(config, schema_rules_and_defaults_agree) {
  char *text;
  size_t bytes;
  cr_assert_eq(xr_read_file(REPOSITORY "configs/defaults.yaml", &text, &bytes), XR_OK);
  xr_arena *arena = xr_arena_new();
  xr_yaml *root;
  cr_assert_eq(xr_yaml_parse(&root, arena, "defaults", true, text, bytes), XR_OK, "%s", xr_message());
  leaves = 0;
  expect_complete(&xr_config_schema, root, "");
  cr_expect_eq(leaves, (int)xr_config_rule_count, "%d keys have a rule, there are %zu rules", leaves, xr_config_rule_count);
  xr_arena_free(arena);
  free(text);
}

/* ---- errors */

Test(config, unknown_keys_name_the_nearest_one) {
  expect_error("name: x\ntrain:\n  epoch: 5\n", ":3:3: unknown key 'train.epoch'; did you mean 'train.epochs'?");
  expect_error("trian: {epochs: 5}\n", ":1:1: unknown key 'trian'; did you mean 'train'?");
  expect_error("epochs: 5\n", ":1:1: unknown key 'epochs'; did you mean 'train.epochs'?");
  expect_error("schedule: {epochs: 5}\n", ":1:12: unknown key 'schedule.epochs'; did you mean 'train.epochs'?");
  expect_error("LR: 5\n", ":1:1: unknown key 'LR'; did you mean 'optimizer.lr'?");
  expect_error("batch_size: 5\n", ":1:1: unknown key 'batch_size'; did you mean 'sampler.batch'?");
  expect_error("eval: {batch_size: 5}\n", ":1:8: unknown key 'eval.batch_size'; did you mean 'eval.batch'?");
  expect_error("optimizer: {groups: [{match: [x], lr_facto: 2}]}\n",
               ":1:35: unknown key 'optimizer.groups[0].lr_facto'; did you mean 'optimizer.groups[0].lr_factor'?");
  expect_error("loss: {sdm: {zzzz: 5}}\n", ":1:14: unknown key 'loss.sdm.zzzz'; the keys here are weight, temperature, semi_weight");
  expect_error("train: {base: x.yaml}\n", ":1:9: unknown key 'train.base'; the keys here are seed, epochs, max_steps, log_every, "
                                          "checkpoint_every_epochs, keep, nonfinite_limit, peak_tflop_per_second, peak_gb_per_second");
}

Test(config, wrong_types_name_the_expected_one) {
  expect_error("train: {epochs: 5.5}\n", ":1:17: 'train.epochs' takes a whole number, not '5.5'");
  expect_error("train: {epochs: 0x10}\n", ":1:17: 'train.epochs' takes a whole number, not '0x10'");
  expect_error("train: {epochs: -}\n", ":1:17: 'train.epochs' takes a whole number, not '-'");
  expect_error("train: {epochs: }\n", ":1:17: 'train.epochs' takes a whole number, not nothing");
  expect_error("train: {epochs: [5]}\n", ":1:17: 'train.epochs' takes a whole number, not a sequence");
  expect_error("optimizer: {lr: fast}\n", ":1:17: 'optimizer.lr' takes a number, not 'fast'");
  expect_error("optimizer: {lr: nan}\n", ":1:17: 'optimizer.lr' takes a number, not 'nan'");
  expect_error("optimizer: {lr: {a: 1}}\n", ":1:17: 'optimizer.lr' takes a number, not a mapping of keys");
  expect_error("text: {mask_pad: yes}\n", ":1:18: 'text.mask_pad' takes true or false, not 'yes'");
  expect_error("name: [a]\n", ":1:7: 'name' takes text, not a sequence");
  expect_error("loss: {id: 1}\n", ":1:12: 'loss.id' takes a mapping of keys (weight, smoothing), not '1'");
  expect_error("image: {mean: 0.5}\n", ":1:15: 'image.mean' takes a sequence: [a, b], not '0.5'");
  expect_error("image: {mean: [0, 1]}\n", ":1:15: 'image.mean' takes 3 values, not 2");
  expect_error("image: {mean: [0, x, 1]}\n", ":1:19: 'image.mean[1]' takes a number, not 'x'");
  expect_error("optimizer: {groups: [x]}\n",
               ":1:22: 'optimizer.groups[0]' takes a mapping of keys (match, lr_factor, weight_decay_factor, eps), not 'x'");
  expect_error("optimizer: {groups: x}\n", ":1:21: 'optimizer.groups' takes a sequence of mappings, not 'x'");
  expect_error("optimizer:\n  groups:\n    - lr_factor: 3\n", ":3:7: 'optimizer.groups[0]' lacks the key 'match'");
  expect_error("- a\n", ":1:1: 'the configuration' takes a mapping of keys (name, method, data, image, vision, text, model, imfi, crl, esa, loss, "
                        "augment, sampler, optimizer, schedule, train, eval, paper, ablation), not a sequence");
}

Test(config, wrong_words_name_the_right_ones) {
  expect_error("schedule: {kind: cosin}\n",
               ":1:18: 'schedule.kind' takes cosine, multistep or constant, not 'cosin'; did you mean 'cosine'?");
  expect_error("schedule: {kind: 0}\n", ":1:18: 'schedule.kind' takes cosine, multistep or constant, not '0'");
  expect_error("eval: {split: train}\n", ":1:15: 'eval.split' takes val or test, not 'train'");
  expect_error("model: {precision: F32}\n", ":1:20: 'model.precision' takes f32 or bf16, not 'F32'; did you mean 'f32'?");
  expect_error("vision: {position_resize: nearest}\n", ":1:27: 'vision.position_resize' takes bilinear or bicubic, not 'nearest'");
}

Test(config, numbers_out_of_range_name_the_range) {
  expect_error("train: {epochs: 0}\n", ":1:17: 'train.epochs' takes 1 to 1000000, not '0'");
  expect_error("data: {val_holdout: 0.6}\n", ":1:21: 'data.val_holdout' takes 0 to 0.5, not '0.6'");
  expect_error("augment: {flip: 1.01}\n", ":1:17: 'augment.flip' takes 0 to 1, not '1.01'");
  expect_error("image: {std: [1, 0, 1]}\n", ":1:18: 'image.std[1]' takes 1e-06 to 10, not '0'");
  expect_error("train: {seed: -99999999999999999999}\n", ":1:15: 'train.seed' takes 0 to 9007199254740992, not '-99999999999999999999'");
  expect_error("optimizer: {lr: 1e999}\n", ":1:17: 'optimizer.lr' takes 0 to 100, not '1e999'");
  expect_error("optimizer: {groups: [{match: [a], lr_factor: -1}]}\n",
               ":1:46: 'optimizer.groups[0].lr_factor' takes 0 to 1000000, not '-1'");
}

Test(config, values_that_do_not_fit_each_other) {
  expect_error("vision: {heads: 7}\n",
               ":1:17: 'vision.width' (768) and 'vision.heads' (7): the heads share the width, which must be their multiple");
  expect_error("text: {heads: 8, width: 100}\n",
               ":1:25: 'text.width' (100) and 'text.heads' (8): the heads share the width, which must be their multiple");
  expect_error("image: {height: 10}\n", ":1:17: 'image.height' (10) and 'image.patch' (16): the image is smaller than a patch");
  expect_error("image: {width: 10}\n", ":1:16: 'image.width' (10) and 'image.patch' (16): the image is smaller than a patch");
  expect_error("image: {stride: 17}\n", ":1:17: 'image.stride' (17) and 'image.patch' (16): the patches would leave pixels out");
  expect_error("augment: {erase_area: [0.4, 0.2]}\n", ":1:23: 'augment.erase_area': the smaller end comes first");
  expect_error("augment: {erase_aspect: [3, 1]}\n", ":1:25: 'augment.erase_aspect': the smaller end comes first");
  expect_error("sampler: {kind: identity, instances: 5}\n", ":1:38: 'sampler.batch' (64) and 'sampler.instances' (5): a batch of the "
                                                            "identity sampler holds whole groups of `instances`");
  expect_error("optimizer: {kind: sgd, nesterov: true, momentum: 0}\n",
               ":1:34: 'optimizer.nesterov' (true) and 'optimizer.momentum' (0): nesterov needs momentum");
  expect_error("schedule: {kind: multistep}\n", ":1:18: 'schedule.kind' (multistep) and 'schedule.milestones': multistep needs milestones");
  expect_error("schedule: {milestones: [5, 5]}\n", ":1:24: 'schedule.milestones': milestones must grow");
}

Test(config, repeated_keys_and_broken_yaml) {
  expect_error("train:\n  epochs: 5\n  seed: 1\n  epochs: 6\n", ":4:3: the key 'epochs' is given twice (first in line 2)");
  expect_error("train:\n  epochs: 5\n seed: 1\n", ":3:2: broken YAML: did not find expected key, while parsing a block mapping");
  expect_error("name: [a\n", ":2:1: broken YAML: did not find expected ',' or ']', while parsing a flow sequence");
  expect_error("name: a\tb\n\tc: d\n", ":2:1: broken YAML: found a tab character that violates indentation, while scanning a plain scalar");
  expect_error("name: \xff\n", ": broken YAML at byte 7: invalid leading UTF-8 octet");
  expect_error("name: \"a\\0b\"\n", ":1:7: the text contains a zero byte");
  expect_error("name: *a\n", ":1:7: broken YAML: found undefined alias");
  expect_error("? [a]\n: b\n", ":1:3: a key must be a word");
  expect_error("name: a\n---\nname: b\n", ":3:1: a second document begins here; a configuration is one");
  expect_error("name: &a [*a]\n", ":1:7: values are nested more than 32 deep");
}

Test(config, aliases_cannot_grow_without_end) {
  char text[2000];
  int used = snprintf(text, sizeof text, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
  for (int i = 1; i < 9; i++) {
    used += snprintf(text + used, sizeof text - (size_t)used, "a%d: &a%d [", i, i);
    for (int j = 0; j < 10; j++) used += snprintf(text + used, sizeof text - (size_t)used, "%s*a%d", j ? ", " : "", i - 1);
    used += snprintf(text + used, sizeof text - (size_t)used, "]\n");
  }
  write_text(path, text);
  xr_config *config;
  cr_expect_eq(xr_config_load(&config, path, NULL, 0), XR_BAD_INPUT);
  cr_expect(strstr(xr_message(), "more than 100000 values"), "%s", xr_message());
}

Test(config, missing_files) {
  xr_config *config;
  cr_expect_eq(xr_config_load(&config, "/nowhere/x.yaml", NULL, 0), XR_NOT_FOUND);
  cr_expect_str_eq(xr_message(), "/nowhere/x.yaml: No such file or directory");
  cr_expect_eq(xr_config_load(&config, "/tmp", NULL, 0), XR_BAD_INPUT);
  cr_expect_str_eq(xr_message(), "/tmp: is a folder, a file is expected");
  char expected[XR_PATH_MAX + 100];
  write_text(path, "name: a\nbase: gone.yaml\n");
  snprintf(expected, sizeof expected, "%s:2:7: 'base': there is no file %s/gone.yaml", path, folder);
  cr_expect_eq(xr_config_load(&config, path, NULL, 0), XR_NOT_FOUND);
  cr_expect_str_eq(xr_message(), expected);
}

Test(config, base_errors) {
  expect_error("base: a.yaml\n", ":1:7: more than 16 files follow from 'base': does one name itself?");
  expect_error("base: [a.yaml]\n", ":1:7: 'base' takes a file name");
  char sub[XR_PATH_MAX], expected[XR_PATH_MAX + 100];
  snprintf(sub, sizeof sub, "%s/sub", folder);
  cr_assert_eq(xr_make_folders(sub), XR_OK);
  write_text(other_path, "\ntrain: {epoch: 5}\n");
  write_text(path, "base: sub/b.yaml\n");
  snprintf(expected, sizeof expected, "%s:2:9: unknown key 'train.epoch'; did you mean 'train.epochs'?", other_path);
  xr_config *config;
  cr_expect_eq(xr_config_load(&config, path, NULL, 0), XR_BAD_INPUT);
  cr_expect_str_eq(xr_message(), expected);
}

Test(config, override_errors_name_the_override) {
  expect_override_error("train.epochs=x", "'train.epochs' takes a whole number, not 'x'");
  expect_override_error("train.epochs=", "'train.epochs' takes a whole number, not nothing");
  expect_override_error("train.epoch=5", "unknown key 'train.epoch'; did you mean 'train.epochs'?");
  expect_override_error("train.epochs.x=5", "'train.epochs' takes a whole number, not a mapping of keys");
  expect_override_error("train.epochs=0", "'train.epochs' takes 1 to 1000000, not '0'");
  expect_override_error("train=5", "'train' takes a mapping of keys (seed, epochs, max_steps, log_every, checkpoint_every_epochs, keep, "
                                   "nonfinite_limit, peak_tflop_per_second, peak_gb_per_second), not '5'");
  expect_override_error("train.epochs=[1", "broken YAML: did not find expected ',' or ']'");
  expect_override_error("vision.heads=7",
                        "'vision.width' (768) and 'vision.heads' (7): the heads share the width, which must be their multiple");
  expect_override_error("train.epochs", "an override is written key.sub=value");
  expect_override_error("=5", "an override is written key.sub=value");
  expect_override_error("train..epochs=5", "a dot has no key before or after it");
  expect_override_error(".epochs=5", "a dot has no key before or after it");
  expect_override_error("base=x.yaml", "unknown key 'base'; the keys here are name, method, data, image, vision, text, model, imfi, crl, esa, loss, "
                                       "augment, sampler, optimizer, schedule, train, eval, paper, ablation");
}
