/* The masked-language module against PyTorch in double precision, and how IRRA's training graph uses it. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/base/random.h"
#include "host/data/mask.h"
#include "host/graph/device.h"
#include "host/graph/executor.h"
#include "models/mlm.h"
#include "tests/support/golden.h"

/* ---- the module alone: its inputs are parameters, so that their gradients can be read */
typedef struct {
  xr_backend backend;
  xr_parameters *parameters;
  xr_graph *graph;
  xr_plan *plan;
  xr_executor *executor;
  xr_var index, label, length, logits, loss;
} module;

typedef struct {
  int64_t batch, context, tokens, rows;
  xr_mlm_size size;
  bool padded;
} module_size;

static module make_module(module_size s, xr_backend backend) {
  module m = {.backend = backend, .parameters = xr_parameters_new()};
  m.graph = xr_graph_new(m.parameters, (xr_graph_options){.name = "mlm", .compute = XR_F32, .training = true});
  const xr_init normal = {XR_INIT_NORMAL, 1};
  xr_var words = xr_param(m.graph, "words", XR_SHAPE(s.batch, s.context, s.size.width), normal);
  xr_var tokens = xr_param(m.graph, "tokens", XR_SHAPE(s.batch, s.tokens, s.size.width), normal);
  m.index = xr_input(m.graph, "index", XR_I32, XR_SHAPE(s.rows));
  m.label = xr_input(m.graph, "label", XR_I32, XR_SHAPE(s.rows));
  if (s.padded) m.length = xr_input(m.graph, "length", XR_I32, XR_SHAPE(s.batch));
  m.logits = xr_mlm_logits(m.graph, &s.size, xr_mlm_encoder(m.graph, &s.size, words, tokens, m.length), m.index);
  m.loss = xr_cross_entropy_loss(m.graph, "loss", m.logits, m.label, 0);
  xr_output(m.graph, "loss", m.loss);
  xr_output(m.graph, "logits", m.logits);
  cr_assert(xr_graph_status(m.graph) == XR_OK, "%s", xr_message());
  cr_assert(xr_plan_new(&m.plan, m.graph, m.loss, (xr_plan_options){.backend = backend}) == XR_OK && xr_plan_check(m.plan) == XR_OK, "%s",
            xr_message());
  cr_assert(xr_parameters_allocate(m.parameters, (xr_parameter_options){.seed = 3, .training = true, .backend = backend}) == XR_OK, "%s",
            xr_message());
  cr_assert(xr_executor_new(&m.executor, m.plan, (xr_executor_options){.poison = true}) == XR_OK, "%s", xr_message());
  return m;
}

static void drop_module(module *m) {
  xr_executor_free(m->executor);
  xr_plan_free(m->plan);
  xr_graph_free(m->graph);
  xr_parameters_free(m->parameters);
}

static void feed_input(const module *m, xr_var input, const int32_t *from) {
  if (input.id) memcpy(xr_executor_input(m->executor, input), from, (size_t)xr_elements(xr_shape_of(m->graph, input)) * sizeof *from);
}

static void step(const module *m) {
  cr_assert(xr_executor_upload(m->executor) == XR_OK && xr_executor_step(m->executor, (xr_seed){1, 0}) == XR_OK &&
                xr_executor_wait(m->executor) == XR_OK,
            "%s", xr_message());
}

static float *values_of(const module *m, xr_parameter_part part, int index) {
  float *values = xr_block_alloc((size_t)xr_elements(xr_parameter_at(m->parameters, index)->shape) * sizeof *values);
  cr_assert(xr_parameter_read(m->parameters, part, index, values) == XR_OK, "%s", xr_message());
  return values;
}

static void check_golden(const char *name, xr_backend backend) {
  xr_golden golden = xr_golden_open("mlm");
  golden.name = name;
  const module_size s = {.batch = xr_golden_dim(&golden, "words", 0),
                         .context = xr_golden_dim(&golden, "words", 1),
                         .tokens = xr_golden_dim(&golden, "tokens", 1),
                         .rows = xr_golden_dim(&golden, "index", 0),
                         .padded = strcmp(name, "padded") == 0,
                         .size = {.width = xr_golden_dim(&golden, "words", 2),
                                  .layers = strcmp(name, "padded") == 0 ? 2 : 1,
                                  .heads = (int64_t)xr_golden_scalar(&golden, "heads"),
                                  .vocabulary = xr_golden_dim(&golden, "mlm_head.fc.weight", 0),
                                  .recompute_blocks = strcmp(name, "padded") == 0}};
  module m = make_module(s, backend);
  for (int i = 0; i < xr_parameter_count(m.parameters); i++) {
    float *values = xr_golden_load(&golden, xr_parameter_at(m.parameters, i)->name, XR_F32);
    cr_assert(xr_parameter_write(m.parameters, XR_MASTER, i, values) == XR_OK, "%s", xr_message());
    xr_block_free(values);
  }
  const struct {
    const char *name;
    xr_var input;
  } inputs[] = {{"index", m.index}, {"label", m.label}, {"length", m.length}};
  for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
    if (!inputs[i].input.id) continue;
    int32_t *values = xr_golden_load(&golden, inputs[i].name, XR_I32);
    feed_input(&m, inputs[i].input, values);
    xr_block_free(values);
  }
  step(&m);
  xr_golden_expect(&golden, "logits", xr_executor_value(m.executor, m.logits), XR_F32, XR_F32);
  xr_golden_expect(&golden, "loss", xr_executor_value(m.executor, m.loss), XR_F32, XR_F32);
  for (int i = 0; i < xr_parameter_count(m.parameters); i++) {
    char gradient[128];
    snprintf(gradient, sizeof gradient, "d%s", xr_parameter_at(m.parameters, i)->name);
    float *values = values_of(&m, XR_GRADIENT, i);
    xr_golden_expect(&golden, gradient, values, XR_F32, XR_F32);
    xr_block_free(values);
  }
  drop_module(&m);
  xr_golden_close(&golden);
}

Test(mlm, values_and_gradients_are_pytorchs) {
  check_golden("padded", XR_CPU);
  check_golden("whole", XR_CPU);
#ifdef XREID_CUDA
  xr_device device;
  if (xr_device_open(&device, "cuda") != XR_OK) return;
  check_golden("padded", XR_CUDA);
  check_golden("whole", XR_CUDA);
#endif
}

/* The largest difference of two arrays, relative to the first one's largest value. */
static double difference(const float *a, const float *b, int64_t count) {
  double largest = 0, most = 0;
  for (int64_t i = 0; i < count; i++) {
    largest = fmax(largest, fabs((double)a[i]));
    most = fmax(most, fabs((double)a[i] - (double)b[i]));
  }
  return largest > 0 ? most / largest : most;
}

/* The head at 40 % of the places against the head everywhere with labels that leave the others out. */
Test(mlm, the_hidden_words_rows_are_all_that_counts) {
  enum { B = 3, T = 10, PLACES = B * T, ROWS = 16, V = 50 };
  const module_size some = {B, T, 7, ROWS, {.width = 16, .layers = 2, .heads = 2, .vocabulary = V}, false};
  module_size all = some;
  all.rows = PLACES;
  module a = make_module(some, XR_CPU), b = make_module(all, XR_CPU);
  int32_t index[ROWS], label[ROWS], every_index[PLACES], every_label[PLACES];
  int rows = 0;
  for (int i = 0; i < PLACES; i++) {
    every_index[i] = i;
    every_label[i] = i % 5 == 1 || i % 5 == 4 ? i * 7 % V : -1;
    if (every_label[i] < 0) continue;
    index[rows] = i;
    label[rows++] = every_label[i];
  }
  cr_assert_eq(rows, 12);
  for (int r = rows; r < ROWS; r++) index[r] = label[r] = -1;
  feed_input(&a, a.index, index);
  feed_input(&a, a.label, label);
  feed_input(&b, b.index, every_index);
  feed_input(&b, b.label, every_label);
  step(&a);
  step(&b);
  const float *loss_a = xr_executor_value(a.executor, a.loss), *loss_b = xr_executor_value(b.executor, b.loss);
  cr_assert(*loss_a > 0 && fabs((double)*loss_a / (double)*loss_b - 1) < 1e-6, "losses %.9g and %.9g", (double)*loss_a, (double)*loss_b);
  for (int i = 0; i < xr_parameter_count(a.parameters); i++) {
    const xr_parameter *p = xr_parameter_at(a.parameters, i);
    float *x = values_of(&a, XR_GRADIENT, i), *y = values_of(&b, XR_GRADIENT, i);
    cr_assert(difference(x, y, xr_elements(p->shape)) < 1e-5, "gradients of %s differ by %.3g", p->name,
              difference(x, y, xr_elements(p->shape)));
    xr_block_free(x);
    xr_block_free(y);
  }
  drop_module(&a);
  drop_module(&b);
}

/* ---- IRRA's training graph */
enum { BATCH = 4, CLASSES = 5, VOCABULARY = 60, CONTEXT = 9 };

typedef struct {
  xr_config *config;
  xr_parameters *parameters;
  xr_graph *graph;
  xr_training_graph model;
  xr_plan *plan;
  xr_executor *executor;
} training;

static training make_training(const char *mask_aug, const char *mask_pad, const char *recompute) {
  training t = {.parameters = xr_parameters_new()};
  const char *overrides[] = {
      "model.preset=tiny", "image.height=32",   "image.width=16",    "image.patch=8", "image.stride=8", "vision.layers=2",
      "text.layers=2",     "vision.width=24",   "vision.heads=2",    "text.width=16", "text.heads=2",   "text.context=9",
      "model.embed=12",    "loss.mlm.weight=2", "loss.mlm.layers=2", mask_aug,        mask_pad,         recompute};
  cr_assert(xr_config_load(&t.config, NULL, overrides, sizeof overrides / sizeof *overrides) == XR_OK, "%s", xr_message());
  const xr_model_context context = {.config = t.config, .batch = BATCH, .classes = CLASSES, .vocabulary = VOCABULARY};
  t.graph = xr_graph_new(t.parameters, (xr_graph_options){.name = "train", .compute = XR_F32, .training = true});
  xr_method_of(t.config)->train(t.graph, &context, &t.model);
  cr_assert(xr_graph_status(t.graph) == XR_OK, "%s", xr_message());
  cr_assert(xr_plan_new(&t.plan, t.graph, t.model.total, (xr_plan_options){.backend = XR_CPU}) == XR_OK && xr_plan_check(t.plan) == XR_OK,
            "%s", xr_message());
  cr_assert(xr_parameters_allocate(t.parameters, (xr_parameter_options){.seed = 5, .training = true}) == XR_OK, "%s", xr_message());
  cr_assert(xr_executor_new(&t.executor, t.plan, (xr_executor_options){.poison = true, .check_finite = true}) == XR_OK, "%s", xr_message());
  return t;
}

static void drop_training(training *t) {
  xr_executor_free(t->executor);
  xr_plan_free(t->plan);
  xr_graph_free(t->graph);
  xr_parameters_free(t->parameters);
  xr_config_free(t->config);
}

static void put(const training *t, xr_var input, const int32_t *from) {
  if (input.id) memcpy(xr_executor_input(t->executor, input), from, (size_t)xr_elements(xr_shape_of(t->graph, input)) * sizeof *from);
}

/* A batch whose captions have words 1 .. 56, of which some are hidden; `draw` changes which, in the captions of the other losses and in
 * the masked ones. Negative: nothing is hidden. Then a step. */
static void run_training(const training *t, int draw_others, int draw_masked) {
  int32_t ids[BATCH * CONTEXT] = {0}, masked[BATCH * CONTEXT], targets[BATCH * CONTEXT], end[BATCH], length[BATCH], identity[BATCH],
                      image[BATCH];
  int32_t index[64], label[64];
  const xr_mask_options options = {.probability = 0.4f, .mask_share = 0.8f, .random_share = 0.1f};
  for (int b = 0; b < BATCH; b++) {
    const int words = 3 + b;
    ids[b * CONTEXT] = VOCABULARY - 2;
    for (int i = 1; i <= words; i++) ids[b * CONTEXT + i] = 1 + (b * 17 + i * 5) % 56;
    ids[b * CONTEXT + words + 1] = VOCABULARY - 1;
    end[b] = words + 1;
    length[b] = words + 2;
    identity[b] = b / 2;
    image[b] = b;
  }
  memcpy(masked, ids, sizeof ids);
  for (uint64_t b = 0; b < BATCH; b++) {
    const xr_mask_draw others = {(uint64_t)draw_others, 0, b}, hidden = {(uint64_t)draw_masked, 0, b};
    if (draw_others >= 0) xr_mask_caption(&options, others, VOCABULARY - 3, CONTEXT, ids + b * CONTEXT, NULL);
    xr_mask_caption(&options, hidden, VOCABULARY - 3, CONTEXT, masked + b * CONTEXT, targets + b * CONTEXT);
  }
  const int64_t rows = xr_shape_of(t->graph, t->model.mask_index).dim[0];
  cr_assert_leq(rows, 64);
  cr_assert_geq(xr_mask_collect(BATCH * CONTEXT, masked, targets, rows, index, label), BATCH);
  uint8_t *pixels = xr_executor_input(t->executor, t->model.pixels);
  for (int64_t i = 0; i < xr_elements(xr_shape_of(t->graph, t->model.pixels)); i++) pixels[i] = (uint8_t)(i * 37 % 251);
  memset(xr_executor_input(t->executor, t->model.decisions), 0, BATCH * sizeof(xr_augment_decision));
  put(t, t->model.ids, ids);
  put(t, t->model.end, end);
  put(t, t->model.length, length);
  put(t, t->model.identity, identity);
  put(t, t->model.image, image);
  put(t, t->model.masked_ids, masked);
  put(t, t->model.mask_index, index);
  put(t, t->model.mask_label, label);
  cr_assert(xr_executor_step(t->executor, (xr_seed){1, 0}) == XR_OK, "%s", xr_message());
}

static float loss_of(const training *t, const char *name) {
  for (int i = 0; i < t->model.losses; i++)
    if (strcmp(t->model.loss_name[i], name) == 0) return *(const float *)xr_executor_value(t->executor, t->model.loss[i]);
  cr_assert_fail("there is no loss %s", name);
  return 0;
}

/* With the masked captions for all losses, one pass of the text tower gives what two passes over the same captions give. */
Test(mlm, one_pass_over_shared_captions_is_two_over_equal_ones) {
  training one = make_training("text.mask_aug=shared", "text.mask_pad=true", "model.recompute=none"),
           two = make_training("text.mask_aug=independent", "text.mask_pad=true", "model.recompute=blocks");
  cr_assert(!one.model.ids.id && one.model.masked_ids.id && two.model.ids.id && two.model.masked_ids.id);
  cr_assert_eq(xr_parameter_elements(one.parameters), xr_parameter_elements(two.parameters));
  cr_assert_gt(xr_node_count(two.graph), xr_node_count(one.graph));
  run_training(&one, 3, 3);
  run_training(&two, 3, 3);
  cr_assert_eq(one.model.losses, 3);
  for (int i = 0; i < 3; i++) {
    const float x = loss_of(&one, one.model.loss_name[i]), y = loss_of(&two, one.model.loss_name[i]);
    cr_assert_eq(x, y, "%s: %.9g and %.9g", one.model.loss_name[i], (double)x, (double)y);
  }
  const xr_parameter_arrays a = xr_parameters_arrays(one.parameters), b = xr_parameters_arrays(two.parameters);
  cr_assert_eq(a.elements, b.elements);
  for (int i = 0; i < xr_parameter_count(one.parameters); i++) {
    const xr_parameter *p = xr_parameter_at(one.parameters, i),
                       *q = xr_parameter_at(two.parameters, xr_parameter_find(two.parameters, p->name));
    const double off = difference(a.gradient + p->offset, b.gradient + q->offset, xr_elements(p->shape));
    cr_assert(off < 2e-5, "gradients of %s differ by %.3g", p->name, off);
  }
  drop_training(&one);
  drop_training(&two);
}

/* What each loss sees: hidden words change SDM and ID when they are shared, not when they are drawn anew or off. */
Test(mlm, mask_aug_says_which_captions_the_losses_see) {
  const struct {
    const char *mode;
    bool others_change, both_inputs;
  } modes[] = {{"text.mask_aug=off", false, true}, {"text.mask_aug=shared", true, false}, {"text.mask_aug=independent", false, true}};
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
    training t = make_training(modes[i].mode, "text.mask_pad=false", "model.recompute=none");
    cr_assert_eq(t.model.ids.id != 0, modes[i].both_inputs, "%s", modes[i].mode);
    cr_assert_eq(t.model.length.id, 0);
    run_training(&t, -1, 1);
    const float sdm = loss_of(&t, "sdm"), mlm = loss_of(&t, "mlm"), id = loss_of(&t, "id");
    const float total = *(const float *)xr_executor_value(t.executor, t.model.total);
    cr_assert_float_eq(total, sdm + id + 2 * mlm, 1e-4f * total);
    cr_assert(fabs((double)mlm - log(VOCABULARY)) < 1, "%s: guessing costs %.3f, not %.3f", modes[i].mode, log(VOCABULARY), (double)mlm);
    run_training(&t, -1, 2);
    cr_assert_neq(loss_of(&t, "mlm"), mlm);
    cr_assert_eq(loss_of(&t, "sdm") != sdm, modes[i].others_change, "%s", modes[i].mode);
    const float again = loss_of(&t, "sdm");
    run_training(&t, 7, 2);
    cr_assert_eq(loss_of(&t, "sdm") != again, modes[i].both_inputs, "%s", modes[i].mode);
    drop_training(&t);
  }
}

/* ---- the recipe */
typedef struct {
  xr_config *config;
  xr_parameters *parameters;
  xr_graph *graph;
  xr_training_graph model;
} recipe;

static recipe record_recipe(const char *mask_aug) {
  recipe r = {.parameters = xr_parameters_new()};
  cr_assert(xr_config_load(&r.config, XREID_TEST_FOLDER "/../configs/irra_cuhk-pedes.yaml", &mask_aug, mask_aug ? 1 : 0) == XR_OK, "%s",
            xr_message());
  const xr_model_context context = {.config = r.config, .batch = r.config->sampler.batch, .classes = 11003, .vocabulary = 49408};
  r.graph = xr_graph_new(r.parameters, (xr_graph_options){.name = "train", .compute = XR_F32, .training = true});
  xr_method_of(r.config)->train(r.graph, &context, &r.model);
  cr_assert(xr_graph_status(r.graph) == XR_OK, "%s", xr_message());
  return r;
}

static void drop_recipe(recipe *r) {
  xr_graph_free(r->graph);
  xr_parameters_free(r->parameters);
  xr_config_free(r->config);
}

/* 194.5 million, as the paper says; every tensor that IRRA's checkpoint holds besides CLIP's, with its rule of the optimiser. */
Test(mlm, the_recipe_has_irras_parameters_and_rates) {
  const struct {
    const char *name;
    double lr_factor, decay_factor;
  } fresh[] = {{"classifier.weight", 5, 1},
               {"classifier.bias", 5, 0},
               {"ln_pre_t.weight", 1, 1},
               {"ln_pre_t.bias", 2, 0},
               {"ln_pre_i.weight", 1, 1},
               {"ln_pre_i.bias", 2, 0},
               {"cross_attn.in_proj_weight", 5, 1},
               {"cross_attn.in_proj_bias", 2, 0},
               {"cross_attn.out_proj.weight", 5, 1},
               {"cross_attn.out_proj.bias", 2, 0},
               {"cross_modal_transformer.resblocks.%d.ln_1.weight", 5, 1},
               {"cross_modal_transformer.resblocks.%d.ln_1.bias", 2, 0},
               {"cross_modal_transformer.resblocks.%d.attn.in_proj_weight", 5, 1},
               {"cross_modal_transformer.resblocks.%d.attn.in_proj_bias", 2, 0},
               {"cross_modal_transformer.resblocks.%d.attn.out_proj.weight", 5, 1},
               {"cross_modal_transformer.resblocks.%d.attn.out_proj.bias", 2, 0},
               {"cross_modal_transformer.resblocks.%d.ln_2.weight", 5, 1},
               {"cross_modal_transformer.resblocks.%d.ln_2.bias", 2, 0},
               {"cross_modal_transformer.resblocks.%d.mlp.c_fc.weight", 5, 1},
               {"cross_modal_transformer.resblocks.%d.mlp.c_fc.bias", 2, 0},
               {"cross_modal_transformer.resblocks.%d.mlp.c_proj.weight", 5, 1},
               {"cross_modal_transformer.resblocks.%d.mlp.c_proj.bias", 2, 0},
               {"ln_post.weight", 1, 1},
               {"ln_post.bias", 2, 0},
               {"mlm_head.dense.weight", 5, 1},
               {"mlm_head.dense.bias", 5, 0},
               {"mlm_head.ln.weight", 5, 1},
               {"mlm_head.ln.bias", 5, 0},
               {"mlm_head.fc.weight", 5, 1},
               {"mlm_head.fc.bias", 5, 0}};
  recipe r = record_recipe(NULL);
  cr_assert_eq(xr_parameter_elements(r.parameters), 194535419);
  int found = 0;
  for (size_t i = 0; i < sizeof fresh / sizeof *fresh; i++) {
    for (int layer = 0; layer < (strchr(fresh[i].name, '%') ? 4 : 1); layer++) {
      char name[128];
      const char *mark = strchr(fresh[i].name, '%');
      const int before = mark ? (int)(mark - fresh[i].name) : (int)strlen(fresh[i].name);
      snprintf(name, sizeof name, "%.*s", before, fresh[i].name);
      if (mark) snprintf(name + before, sizeof name - (size_t)before, "%d%s", layer, mark + 2);
      cr_assert_geq(xr_parameter_find(r.parameters, name), 0, "there is no %s", name);
      found++;
      const xr_config_group *group = xr_config_group_of(r.config, name);
      cr_assert_eq(group ? group->lr_factor : 1, fresh[i].lr_factor, "%s", name);
      cr_assert_eq(group ? group->weight_decay_factor : 1, fresh[i].decay_factor, "%s", name);
    }
  }
  int clip = 0;
  for (int i = 0; i < xr_parameter_count(r.parameters); i++) {
    const char *name = xr_parameter_at(r.parameters, i)->name;
    clip += strncmp(name, "visual.", 7) == 0 || strncmp(name, "transformer.", 12) == 0 || strncmp(name, "token_embedding.", 16) == 0 ||
            strncmp(name, "ln_final.", 9) == 0 || strcmp(name, "positional_embedding") == 0 || strcmp(name, "text_projection") == 0;
  }
  cr_assert_eq(xr_parameter_count(r.parameters), clip + found);
  cr_assert_eq(r.config->text.mask_aug, XR_CONFIG_MASK_SHARED);
  cr_assert_eq(r.config->loss.mlm.weight, 1);
  drop_recipe(&r);
}

/* Multiply-adds of a pair's forward pass, in 10^9. */
static double work_of(const char *mask_aug) {
  recipe r = record_recipe(mask_aug);
  xr_plan *plan;
  xr_parameters_lay_out(r.parameters, (xr_parameter_options){.training = true});
  cr_assert(xr_plan_new(&plan, r.graph, r.model.total, (xr_plan_options){.backend = XR_CPU}) == XR_OK, "%s", xr_message());
  const double work = xr_plan_work(plan).forward_flops / 2e9 / (double)r.config->sampler.batch;
  xr_plan_free(plan);
  drop_recipe(&r);
  return work;
}

/* IRRA's code computes 26.39: a second pass over the captions, although they are the same, and the head at all 77 places. */
Test(mlm, the_recipe_leaves_out_what_changes_nothing) {
  const double shared = work_of(NULL), apart = work_of("text.mask_aug=off"), head = (512 * 512 + 512 * 49408) * 1e-9;
  const double rows = (double)xr_mask_capacity(64, 77, 0.15f) / 64;
  cr_assert_float_eq(apart - shared, 3.0, 0.01);
  cr_assert_float_eq(apart + (77 - rows) * head, 26.39, 0.02);
  cr_assert_float_eq(shared, 21.8, 0.05);
}
