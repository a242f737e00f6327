#include <math.h>
#include <sys/wait.h>

#include "models/weights.h"
#include "tests/models/clip_tiny.h"
#include "tests/support/golden.h"

static scratch folder;
static xr_golden golden;

static void start(void) {
  folder = scratch_new();
  golden = xr_golden_open("clip_tiny");
}

static void end(void) {
  xr_golden_close(&golden);
  scratch_remove(&folder);
}

TestSuite(weights, .init = start, .fini = end);

/* Runs `xreid` with these words in the folder; its exit code. What it says lies in the file "said". */
__attribute__((format(printf, 1, 2))) static int xreid(const char *format, ...) {
  char words[900], command[1400];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(words, sizeof words, format, arguments);
  va_end(arguments);
  const char *program = getenv("XREID");
  cr_assert(program, "XREID is not set");
  snprintf(command, sizeof command, "cd '%s' && '%s' %s >said 2>&1", folder.root, program, words);
  const int status = system(command);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static char *said(void) {
  static char text[8192];
  char path[XR_PATH_MAX], *bytes;
  size_t size;
  cr_assert_eq(xr_path_join(path, folder.root, "said"), XR_OK);
  cr_assert_eq(xr_read_file(path, &bytes, &size), XR_OK);
  snprintf(text, sizeof text, "%s", bytes);
  free(bytes);
  return text;
}

static void expect_said(const char *part) { cr_expect(strstr(said(), part), "'%s' is not in: %s", part, said()); }

static xr_npy *open_array(const char *name) {
  char path[XR_PATH_MAX];
  xr_npy *array;
  cr_assert_eq(xr_path_join(path, folder.root, name), XR_OK);
  cr_assert(xr_npy_open(&array, path) == XR_OK, "%s\n%s", xr_message(), said());
  return array;
}

/* The largest difference of an array from the golden tensor of the case. */
static double error_of(const char *array_name, const char *name, const char *result) {
  golden.name = name;
  const xr_stored_tensor *t = xr_golden_tensor(&golden, result);
  xr_npy *a = open_array(array_name);
  cr_assert_eq(a->dtype, XR_F32);
  cr_assert_eq(a->rank, t->rank, "%s", array_name);
  for (int i = 0; i < t->rank; i++) cr_assert_eq(a->dim[i], t->dim[i], "%s, axis %d", array_name, i);
  double most = 0;
  for (int64_t i = 0; i < a->count; i++) {
    double expected;
    memcpy(&expected, (const char *)t->data + (size_t)i * sizeof expected, sizeof expected);
    const double error = fabs((double)((const float *)a->data)[i] - expected);
    most = error > most || isnan(error) ? error : most;
  }
  xr_npy_close(a);
  return most;
}

static double tolerance(const char *name, const char *result) {
  char key[80];
  golden.name = name;
  snprintf(key, sizeof key, "%s.naive_f32", result);
  return 4 * xr_golden_scalar(&golden, key);
}

static void expect_result(const char *what, const char *array_name, const char *name, const char *result) {
  const double error = error_of(array_name, name, result), allowed = tolerance(name, result);
  cr_expect(error <= allowed, "%s: %s is off by %g, allowed are %g", what, result, error, allowed);
}

static void write_inputs(void) {
  char path[XR_PATH_MAX];
  golden.name = "tokens";
  const xr_stored_tensor *ids = xr_safetensors_find(golden.file, "tokens");
  tiny_write_pixels(&folder, "pixels.npy", 3, 64, 32);
  tiny_write_pixels(&folder, "large.npy", 2, 96, 48);
  cr_assert_eq(xr_path_join(path, folder.root, "ids.npy"), XR_OK);
  cr_assert_eq(xr_npy_write(path, XR_I32, 2, ids->dim, ids->data), XR_OK);
}

static void write_model(const char *name, bool huggingface, xr_dtype dtype, const char *activation) {
  tiny_model *m = tiny_new();
  if (huggingface) tiny_to_huggingface(m);
  tiny_write(m, &folder, name, dtype, &(xr_metadata){"activation", activation}, activation != NULL);
  tiny_free(m);
}

#define EMBED "embed --threads 1 --weights %s --pixels pixels.npy --tokens ids.npy --out out"

Test(weights, both_namings_in_every_dtype_give_the_features_of_pytorch) {
  static const xr_dtype dtypes[] = {XR_F32, XR_F16, XR_BF16};
  static const char *const results[] = {"image_features", "text_features", "image_tokens", "text_tokens"};
  write_inputs();
  for (int huggingface = 0; huggingface < 2; huggingface++) {
    for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++) {
      char what[80];
      snprintf(what, sizeof what, "%s, %s", huggingface ? "Hugging Face" : "OpenAI", xr_dtype_name(dtypes[d]));
      write_model("model.safetensors", huggingface, dtypes[d], NULL);
      cr_assert_eq(xreid(EMBED " --token-features", "model.safetensors"), 0, "%s", said());
      cr_expect_str_eq(said(), "model.safetensors: 8 positions are taken as 4 x 2 patches\n");
      for (size_t r = 0; r < sizeof results / sizeof *results; r++) {
        char file[80];
        snprintf(file, sizeof file, "out/%s.npy", results[r]);
        expect_result(what, file, "quick_gelu", results[r]);
      }
    }
  }
}

Test(weights, the_activation_comes_with_the_file) {
  write_inputs();
  write_model("gelu.safetensors", true, XR_F32, "gelu");
  cr_assert_eq(xreid(EMBED, "gelu.safetensors"), 0, "%s", said());
  expect_result("gelu", "out/image_features.npy", "gelu", "image_features");
  expect_result("gelu", "out/text_features.npy", "gelu", "text_features");
  cr_expect_gt(error_of("out/image_features.npy", "quick_gelu", "image_features"), 100 * tolerance("quick_gelu", "image_features"));

  cr_expect_eq(xreid(EMBED " model.activation=quick_gelu", "gelu.safetensors"), 1);
  expect_said("work with the activation gelu, the configuration has quick_gelu: set model.activation=gelu");
}

Test(weights, normalisation_comes_with_the_file) {
  static const xr_metadata half[] = {{"image_statistics", "{\"mean\": [0.5, 0.5, 0.5], \"std\": [0.25, 0.5, 0.5]}"}};
  write_inputs();
  tiny_model *m = tiny_new();
  tiny_write(m, &folder, "half.safetensors", XR_F32, half, 1);
  tiny_write(m, &folder, "plain.safetensors", XR_F32, NULL, 0);
  tiny_free(m);
  cr_assert_eq(xreid(EMBED, "half.safetensors"), 0, "%s", said());
  cr_assert_eq(
      xreid(
          "embed --threads 1 --weights plain.safetensors --pixels pixels.npy --out set image.mean=[0.5,0.5,0.5] image.std=[0.25,0.5,0.5]"),
      0, "%s", said());
  xr_npy *applied = open_array("out/image_features.npy"), *configured = open_array("set/image_features.npy");
  cr_expect_arr_eq(applied->data, configured->data, (size_t)applied->count * sizeof(float));
  xr_npy_close(applied);
  xr_npy_close(configured);
  cr_expect_gt(error_of("out/image_features.npy", "quick_gelu", "image_features"), 100 * tolerance("quick_gelu", "image_features"));
  cr_assert_eq(xreid(EMBED " image.mean=[0.4,0.5,0.5]", "half.safetensors"), 0);
  expect_said("warning: half.safetensors: these weights belong to images normalised with {\"mean\": [0.5, 0.5, 0.5]");
}

Test(weights, positions_fit_any_grid) {
  static const struct {
    const char *name, *words;
  } cases[] = {{"bilinear.6x3", "--pixels large.npy image.height=96 image.width=48"},
               {"bicubic.6x3", "--pixels large.npy image.height=96 image.width=48 vision.position_resize=bicubic"},
               {"bilinear.7x3", "--pixels pixels.npy image.height=64 image.width=32 image.stride=8"},
               {"bicubic.7x3", "--pixels pixels.npy image.height=64 image.width=32 image.stride=8 vision.position_resize=bicubic"}};
  write_inputs();
  write_model("model.safetensors", false, XR_F32, NULL);
  tiny_model *m = tiny_new();
  tiny_write(m, &folder, "stated.safetensors", XR_F32, &(xr_metadata){"position_grid", "[4, 2]"}, 1);
  tiny_free(m);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    cr_assert_eq(xreid("embed --threads 1 --weights stated.safetensors --out out %s", cases[i].words), 0, "%s", said());
    expect_said("visual.positional_embedding: resized from 4 x 2 to ");
    expect_result(cases[i].words, "out/image_features.npy", cases[i].name, "image_features");
  }
  /* a grid that nothing tells: taken as it is where the number is right, refused where it is not */
  cr_expect_eq(xreid("embed --threads 1 --weights model.safetensors --out out %s", cases[0].words), 1);
  expect_said("visual.positional_embedding has 8 patches of an unknown grid, so it cannot be resized to 18");
  cr_expect_eq(xreid("embed --threads 1 --weights model.safetensors --out out --pixels pixels.npy image.height=64 image.width=32"), 0, "%s",
               said());
}

Test(weights, position_tables_are_those_of_pytorch) {
  static const char *const names[] = {"bilinear.2x5", "bicubic.2x5"};
  tiny_model *m = tiny_new();
  const tiny_tensor *table = tiny_find(m, "visual.positional_embedding");
  float out[11 * TINY_WIDTH];
  for (int filter = XR_POSITIONS_BILINEAR; filter <= XR_POSITIONS_BICUBIC; filter++) {
    golden.name = names[filter];
    const xr_stored_tensor *t = xr_golden_tensor(&golden, "table");
    xr_position_table_resize(table->values, (xr_grid){4, 2}, out, (xr_grid){2, 5}, TINY_WIDTH, (xr_position_filter)filter);
    cr_assert_eq(t->dim[0], 11);
    for (int64_t i = 0; i < t->dim[0]; i++)
      for (int64_t k = 0; k < t->dim[1]; k++) {
        double expected;
        memcpy(&expected, (const char *)t->data + (size_t)(i * t->dim[1] + k) * sizeof expected, sizeof expected);
        cr_expect_float_eq(out[i * TINY_WIDTH + k], expected, 1e-7, "%s [%d, %d]: %.9g, not %.9g", names[filter], (int)i, (int)k,
                           (double)out[i * TINY_WIDTH + k], expected);
      }
    /* the same grid changes nothing */
    xr_position_table_resize(table->values, (xr_grid){4, 2}, out, (xr_grid){4, 2}, TINY_WIDTH, (xr_position_filter)filter);
    cr_expect_arr_eq(out, table->values, (size_t)table->count * sizeof(float));
  }
  tiny_free(m);
}

Test(weights, a_forgotten_transpose_would_show) {
  write_inputs();
  tiny_model *m = tiny_new();
  tiny_transpose(tiny_find(m, "text_projection"));
  tiny_write(m, &folder, "turned.safetensors", XR_F32, NULL, 0);
  tiny_free(m);
  cr_assert_eq(xreid(EMBED, "turned.safetensors"), 0, "%s", said());
  cr_expect_gt(error_of("out/text_features.npy", "quick_gelu", "text_features"), 1e4 * tolerance("quick_gelu", "text_features"));
  expect_result("the other tower", "out/image_features.npy", "quick_gelu", "image_features");
}

/* ---- conversion */
static void expect_same_file(const char *a, const char *b) {
  char path_a[XR_PATH_MAX], path_b[XR_PATH_MAX], *bytes_a, *bytes_b;
  size_t size_a, size_b;
  cr_assert_eq(xr_path_join(path_a, folder.root, a), XR_OK);
  cr_assert_eq(xr_path_join(path_b, folder.root, b), XR_OK);
  cr_assert_eq(xr_read_file(path_a, &bytes_a, &size_a), XR_OK);
  cr_assert_eq(xr_read_file(path_b, &bytes_b, &size_b), XR_OK);
  cr_expect_eq(size_a, size_b, "%s and %s", a, b);
  cr_expect(size_a == size_b && memcmp(bytes_a, bytes_b, size_a) == 0, "%s and %s differ", a, b);
  free(bytes_a);
  free(bytes_b);
}

Test(weights, conversion_there_and_back_gives_the_same_bytes) {
  static const xr_dtype dtypes[] = {XR_F32, XR_F16, XR_BF16};
  for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++) {
    write_model("openai", false, dtypes[d], "quick_gelu");
    write_model("theirs", true, dtypes[d], "quick_gelu");
    cr_assert_eq(xreid("convert openai a"), 0, "%s", said());
    cr_assert_eq(xreid("convert a b --to huggingface"), 0, "%s", said());
    cr_assert_eq(xreid("convert b c --to openai"), 0, "%s", said());
    cr_assert_eq(xreid("convert theirs d --to huggingface"), 0, "%s", said());
    cr_assert_eq(xreid("convert theirs e --to xreid"), 0, "%s", said());
    cr_assert_eq(xreid("convert e f"), 0, "%s", said());
    expect_same_file("a", "c");
    expect_same_file("b", "d");
    expect_same_file("a", "f");
  }
}

Test(weights, conversion_keeps_what_the_file_says) {
  write_model("plain", false, XR_F16, NULL);
  cr_assert_eq(xreid("convert plain gelu --activation gelu --to huggingface"), 0, "%s", said());
  cr_assert_eq(xreid("convert gelu back --to xreid"), 0, "%s", said());
  char path[XR_PATH_MAX];
  xr_weights *w;
  cr_assert_eq(xr_path_join(path, folder.root, "back"), XR_OK);
  cr_assert_eq(xr_weights_open(&w, path), XR_OK, "%s", xr_message());
  cr_expect_str_eq(xr_weights_metadata(w, "activation"), "gelu");
  const xr_weight *scale = xr_weights_find(w, "logit_scale");
  cr_expect(scale && scale->rank == 0);
  const xr_weight *proj = xr_weights_find(w, "visual.proj");
  cr_assert(proj && proj->dtype == XR_F16);
  xr_weights_close(w);
  cr_expect_eq(xreid("convert plain other --to torch"), 2);
  cr_expect_eq(xreid("convert plain other --activation relu"), 2);
  cr_expect_eq(xreid("convert plain"), 2);
}

/* ---- what does not fit */
static void expect_refused(const tiny_model *m, const char *part) {
  tiny_write(m, &folder, "bad.safetensors", XR_F32, NULL, 0);
  cr_expect_eq(xreid(EMBED, "bad.safetensors"), 1);
  expect_said("bad.safetensors: ");
  expect_said(part);
}

Test(weights, every_misfit_is_named) {
  write_inputs();
  tiny_model *m = tiny_new();
  snprintf(tiny_find(m, "visual.ln_post.weight")->name, TINY_NAME, "visual.ln_last.weight");
  tiny_find(m, "transformer.resblocks.1.mlp.c_proj.bias")->dim[0] = 63;
  tiny_find(m, "transformer.resblocks.1.mlp.c_proj.bias")->count = 63;
  snprintf(tiny_find(m, "ln_final.bias")->name, TINY_NAME, "heads.ln");
  expect_refused(m, "3 of the model's 61 tensors are missing or of another shape: ");
  expect_said("visual.ln_post.weight is missing");
  expect_said("transformer.resblocks.1.mlp.c_proj.bias is [63] instead of [64]");
  expect_said("ln_final.bias is missing");
  tiny_free(m);
}

Test(weights, a_long_list_ends_with_its_number) {
  write_inputs();
  tiny_model *m = tiny_new();
  for (int i = 0; i < m->count; i++)
    if (strstr(m->tensor[i].name, "resblocks.1.") || strncmp(m->tensor[i].name, "visual.ln", 9) == 0) m->tensor[i].name[0] = 'x';
  tiny_write(m, &folder, "few.safetensors", XR_F32, NULL, 0);
  tiny_free(m);
  cr_expect_eq(xreid(EMBED " vision.layers=2 text.layers=2", "few.safetensors"), 1);
  expect_said("28 of the model's 61 tensors");
  expect_said(", ...");
}

/* What a training's parameter holds after loading. */
static void expect_values(const xr_parameters *p, const char *name, const float *expected, int64_t count) {
  float values[TINY_WIDTH * TINY_WIDTH];
  const int index = xr_parameter_find(p, name);
  cr_assert(index >= 0 && xr_elements(xr_parameter_at(p, index)->shape) == count, "%s", name);
  cr_assert_eq(xr_parameter_read(p, XR_MASTER, index, values), XR_OK);
  cr_expect(memcmp(values, expected, (size_t)count * sizeof *values) == 0, "%s has other values", name);
}

Test(weights, training_takes_what_fits_and_starts_the_rest_fresh) {
  const int64_t w = TINY_WIDTH;
  const xr_init ones = {.kind = XR_INIT_ONE};
  float fresh[TINY_WIDTH * 3];
  for (int i = 0; i < TINY_WIDTH * 3; i++) fresh[i] = 1;
  tiny_model *m = tiny_new();
  tiny_add(m, "", "classifier.weight", 5, w, 0, 0);
  tiny_write(m, &folder, "model.safetensors", XR_F32, NULL, 0);
  xr_parameters *p = xr_parameters_new();
  xr_config *config;
  int index;
  cr_assert_eq(xr_config_load(&config, NULL, NULL, 0), XR_OK, "%s", xr_message());
  xr_parameters_add(p, "visual.proj", XR_SHAPE(w, w), ones, (xr_parameter_kind){0}, &index);
  xr_parameters_add(p, "twin.proj", XR_SHAPE(w, w), ones, (xr_parameter_kind){.like = "visual.proj"}, &index);
  xr_parameters_add(p, "classifier.weight", XR_SHAPE(3, w), ones, (xr_parameter_kind){0}, &index);
  xr_parameters_add(p, "positional_embedding", XR_SHAPE(5, w), ones, (xr_parameter_kind){0}, &index);
  cr_assert_eq(xr_parameters_allocate(p, (xr_parameter_options){.training = true}), XR_OK);
  char path[XR_PATH_MAX];
  cr_assert_eq(xr_path_join(path, folder.root, "model.safetensors"), XR_OK);
  cr_assert_eq(xr_weights_load_file(path, config, p, XR_WEIGHTS_TO_TRAIN), XR_OK, "%s", xr_message());
  const tiny_tensor *proj = tiny_find(m, "visual.proj");
  expect_values(p, "visual.proj", proj->values, proj->count);
  expect_values(p, "twin.proj", proj->values, proj->count);
  expect_values(p, "classifier.weight", fresh, 3 * w);
  expect_values(p, "positional_embedding", tiny_find(m, "positional_embedding")->values, 5 * w);
  cr_expect_eq(xr_weights_load_file(path, config, p, XR_WEIGHTS_TO_ENCODE), XR_BAD_INPUT);
  cr_expect(strstr(xr_message(), "2 of the model's 4 tensors are missing or of another shape: twin.proj is missing, classifier.weight is "
                                 "[5, 64] instead of [3, 64]"),
            "%s", xr_message());
  xr_parameters_free(p);
  xr_config_free(config);
  tiny_free(m);
}

Test(weights, half_an_attention_is_refused) {
  write_inputs();
  tiny_model *m = tiny_new();
  tiny_to_huggingface(m);
  snprintf(tiny_find(m, "vision_model.encoder.layers.0.self_attn.k_proj.bias")->name, TINY_NAME, "something");
  expect_refused(m, "the k of visual.transformer.resblocks.0.attn.in_proj_bias is missing");
  tiny_free(m);
}

Test(weights, one_tensor_under_two_names_is_refused) {
  write_inputs();
  tiny_model *m = tiny_new();
  tiny_add(m, "", "vision_model.post_layernorm.bias", TINY_WIDTH, 0, 0, 0);
  expect_refused(m, "both stand for visual.ln_post.bias");
  tiny_free(m);
}

Test(weights, another_vocabulary_is_refused) {
  write_inputs();
  write_model("model.safetensors", false, XR_F32, NULL);
  cr_expect_eq(xreid(EMBED " text.vocabulary_size=101", "model.safetensors"), 1);
  expect_said("token_embedding.weight has 100 token ids, the vocabulary 101: set data.vocabulary");
}

Test(weights, arrays_of_the_wrong_form_are_refused) {
  const int32_t ids[6] = {98, 5, 99, 98, -1, 99}, many[3] = {98, 100, 99};
  int32_t row[TINY_CONTEXT + 1] = {0};
  char path[XR_PATH_MAX];
  write_inputs();
  write_model("model.safetensors", false, XR_F32, NULL);
  cr_expect_eq(xreid("embed --weights model.safetensors --pixels large.npy --out out"), 1);
  expect_said("large.npy: these images are 96 x 48, the model takes 64 x 32 (height x width)");
  cr_assert_eq(xr_path_join(path, folder.root, "bad.npy"), XR_OK);
  cr_assert_eq(xr_npy_write(path, XR_I32, 2, (int64_t[]){2, 3}, ids), XR_OK);
  cr_expect_eq(xreid("embed --weights model.safetensors --tokens bad.npy --out out"), 1);
  expect_said("bad.npy: row 1 holds the id -1; the model knows 0 to 99");
  cr_assert_eq(xr_npy_write(path, XR_I32, 2, (int64_t[]){1, 3}, many), XR_OK);
  cr_expect_eq(xreid("embed --weights model.safetensors --tokens bad.npy --out out"), 1);
  expect_said("bad.npy: row 0 holds the id 100");
  cr_assert_eq(xr_npy_write(path, XR_I32, 2, (int64_t[]){1, TINY_CONTEXT + 1}, row), XR_OK);
  cr_expect_eq(xreid("embed --weights model.safetensors --tokens bad.npy --out out"), 1);
  expect_said("bad.npy: rows have 17 tokens, the model takes 16 at most");
  cr_assert_eq(xr_npy_write(path, XR_I32, 2, (int64_t[]){0, 4}, row), XR_OK);
  cr_expect_eq(xreid("embed --weights model.safetensors --tokens bad.npy --out out"), 1);
  expect_said("bad.npy: holds no token");
  cr_expect_eq(xreid("embed --weights model.safetensors --pixels ids.npy --out out"), 1);
  expect_said("ids.npy: pixels are uint8 [N, height, width, 3]");
}

Test(weights, rows_shorter_than_the_context_need_no_padding) {
  int32_t ids[6] = {98, 7, 99, 98, 99, 0}, padded[2 * TINY_CONTEXT] = {98, 7, 99};
  char path[XR_PATH_MAX];
  padded[TINY_CONTEXT] = 98;
  padded[TINY_CONTEXT + 1] = 99;
  write_model("model.safetensors", false, XR_F32, NULL);
  cr_assert_eq(xr_path_join(path, folder.root, "short.npy"), XR_OK);
  cr_assert_eq(xr_npy_write(path, XR_I32, 2, (int64_t[]){2, 3}, ids), XR_OK);
  cr_assert_eq(xr_path_join(path, folder.root, "padded.npy"), XR_OK);
  cr_assert_eq(xr_npy_write(path, XR_I32, 2, (int64_t[]){2, TINY_CONTEXT}, padded), XR_OK);
  cr_assert_eq(xreid("embed --weights model.safetensors --tokens short.npy --token-features --normalize --out a"), 0, "%s", said());
  cr_assert_eq(xreid("embed --weights model.safetensors --tokens padded.npy --token-features --normalize --out b"), 0, "%s", said());
  xr_npy *a = open_array("a/text_features.npy"), *b = open_array("b/text_features.npy");
  double squares = 0;
  for (int64_t i = 0; i < a->count; i++) {
    const float x = ((const float *)a->data)[i], y = ((const float *)b->data)[i];
    cr_expect_float_eq(x, y, 1e-6f);
    if (i < TINY_WIDTH) squares += (double)x * (double)x;
  }
  cr_expect_float_eq(squares, 1, 1e-6);
  xr_npy_close(a);
  xr_npy_close(b);
  a = open_array("a/text_tokens.npy");
  b = open_array("b/text_tokens.npy");
  cr_expect(a->dim[1] == 3 && b->dim[1] == TINY_CONTEXT);
  cr_expect_float_eq(((const float *)a->data)[5], ((const float *)b->data)[5], 1e-5f);
  xr_npy_close(a);
  xr_npy_close(b);
}

Test(weights, buffers_are_skipped_and_strangers_listed) {
  write_inputs();
  tiny_model *m = tiny_new();
  tiny_to_huggingface(m);
  tiny_add(m, "", "vision_model.embeddings.position_ids", 1, 9, 0, 0);
  tiny_add(m, "", "text_model.embeddings.position_ids", 1, 16, 0, 0);
  tiny_write(m, &folder, "older.safetensors", XR_F32, NULL, 0);
  cr_assert_eq(xreid(EMBED, "older.safetensors"), 0, "%s", said());
  cr_expect_null(strstr(said(), "warning"), "%s", said());
  tiny_add(m, "", "mlm_head.dense.weight", 4, 4, 0, 0);
  tiny_add(m, "", "classifier.bias", 4, 0, 0, 0);
  tiny_write(m, &folder, "irra.safetensors", XR_F32, NULL, 0);
  tiny_free(m);
  cr_assert_eq(xreid(EMBED, "irra.safetensors"), 0, "%s", said());
  expect_said("warning: irra.safetensors: tensors that the model does not use (2): classifier.bias, mlm_head.dense.weight");
}

Test(weights, prefixes_of_wrappers_are_taken_off) {
  static const struct {
    const char *theirs, *ours;
  } names[] = {{"base_model.visual.proj", "visual.proj"},
               {"module.base_model.ln_final.bias", "ln_final.bias"},
               {"module.vision_model.pre_layrnorm.bias", "visual.ln_pre.bias"},
               {"base_model.logit_scale", "logit_scale"},
               {"ln_post.weight", "ln_post.weight"},
               {"vision_model.encoder.layers.11.self_attn.v_proj.bias", "visual.transformer.resblocks.11.attn.in_proj_bias"},
               {"vision_model.encoder.layers.x.self_attn.v_proj.bias", "vision_model.encoder.layers.x.self_attn.v_proj.bias"},
               {"vision_model.post_layernorm.scale", "vision_model.post_layernorm.scale"}};
  xr_weight_name name;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    xr_weight_name_ours(names[i].theirs, &name);
    cr_expect_str_eq(name.name, names[i].ours);
  }
  xr_weight_name_ours("text_model.encoder.layers.3.self_attn.k_proj.weight", &name);
  cr_expect(name.transform == XR_WEIGHT_JOINED && name.part == 1);
  cr_expect(xr_weight_is_tower("text_projection") && xr_weight_is_tower("visual.transformer.resblocks.11.mlp.c_fc.bias"));
  cr_expect(!xr_weight_is_tower("classifier.weight") && !xr_weight_is_tower("ln_post.weight"));
}
