#include <unistd.h>

#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/base/random.h"
#include "host/data/image_write.h"
#include "host/data/loader.h"
#include "tests/data/scratch.h"

enum { HEIGHT = 24, WIDTH = 10, CONTEXT = 16, BATCH = 5, IMAGES = 9, TEST_IMAGES = 4, PIXEL_BYTES = HEIGHT * WIDTH * 3 };

typedef struct {
  scratch folder;
  xr_dataset *dataset;
  xr_sampler *sampler;
  xr_tokenizer *tokenizer;
} fixture;

static void write_noise(const char *path, int number) {
  const int width = 7 + number * 3, height = 40 - number;
  uint8_t *pixels = xr_block_alloc((size_t)(width * height * 3));
  for (int i = 0; i < width * height * 3; i++) pixels[i] = (uint8_t)((i * 37 + number * 101 + i * i / 7) & 255);
  xr_status status = number % 2 ? xr_image_write_png(path, width, height, pixels) : xr_image_write_jpeg(path, width, height, pixels, 90);
  cr_assert(status == XR_OK, "%s", xr_message());
  xr_block_free(pixels);
}

static void image_path(char *path, const fixture *f, int number) { snprintf(path, XR_PATH_MAX, "%s/imgs/%d.img", f->folder.root, number); }

/* IMAGES training images of 3 identities with 1 to 3 captions each (17 samples), TEST_IMAGES of 2 identities with 2 captions each. */
static void write_dataset(const fixture *f) {
  char json[8192], path[XR_PATH_MAX];
  size_t used = 0;
  for (int i = 0; i < IMAGES + TEST_IMAGES; i++) {
    const bool test = i >= IMAGES;
    image_path(path, f, i);
    write_noise(path, i);
    used += (size_t)snprintf(json + used, sizeof json - used, "%s{\"id\":%d,\"file_path\":\"%d.img\",\"split\":\"%s\",\"captions\":[",
                             i ? "," : "[", test ? 50 + i % 2 : 1 + i % 3, i, test ? "test" : "train");
    for (int c = 0; c < (test ? 2 : 1 + i * 2 % 3); c++)
      used += (size_t)snprintf(json + used, sizeof json - used, "%s\"a %d b %d\"", c ? "," : "", i, c);
    used += (size_t)snprintf(json + used, sizeof json - used, "]}");
  }
  snprintf(json + used, sizeof json - used, "]");
  scratch_text(&f->folder, "reid_raw.json", json);
}

static void write_merges(const fixture *f) { scratch_text(&f->folder, "merges.txt", "#version: 0.2\na b</w>\n"); }

static fixture fixture_new(bool drop_last) {
  fixture f = {.folder = scratch_new()};
  char path[XR_PATH_MAX];
  snprintf(path, sizeof path, "%s/imgs", f.folder.root);
  cr_assert_eq(xr_make_folders(path), XR_OK);
  write_dataset(&f);
  write_merges(&f);
  cr_assert(xr_dataset_open(&f.dataset, "cuhk-pedes", f.folder.root, NULL) == XR_OK, "%s", xr_message());
  snprintf(path, sizeof path, "%s/merges.txt", f.folder.root);
  cr_assert(xr_tokenizer_load(&f.tokenizer, path, XR_TOKENIZER_CLIP) == XR_OK, "%s", xr_message());
  const xr_split *train = &f.dataset->splits[XR_SPLIT_TRAIN];
  cr_assert_eq(train->caption_count, 18);
  int32_t pids[32];
  for (size_t i = 0; i < train->caption_count; i++) pids[i] = train->captions[i].pid;
  xr_sampler_options options = {.batch = BATCH, .seed = 4, .drop_last = drop_last};
  cr_assert(xr_sampler_open(&f.sampler, pids, train->caption_count, &options) == XR_OK, "%s", xr_message());
  return f;
}

static void fixture_free(fixture *f) {
  xr_sampler_free(f->sampler);
  xr_tokenizer_free(f->tokenizer);
  xr_dataset_free(f->dataset);
  scratch_remove(&f->folder);
}

static xr_loader_options options_for(int workers, int slots, size_t cached_images) {
  return (xr_loader_options){.width = WIDTH,
                             .height = HEIGHT,
                             .filter = XR_RESIZE_BILINEAR,
                             .context = CONTEXT,
                             .batch = 3,
                             .workers = workers,
                             .slots = slots,
                             .cache_bytes = cached_images * PIXEL_BYTES,
                             .augment = xr_augment_irra,
                             .seed = 11};
}

static xr_loader *open_training(const fixture *f, xr_loader_options options) {
  xr_loader *l;
  cr_assert(xr_loader_open(&l, f->dataset, f->sampler, f->tokenizer, &options) == XR_OK, "%s", xr_message());
  return l;
}

static void start(xr_loader *l, uint64_t epoch, int64_t batch) {
  cr_assert(xr_loader_start_epoch(l, epoch, batch) == XR_OK, "%s", xr_message());
}

static const xr_batch *next(xr_loader *l) {
  const xr_batch *batch;
  cr_assert(xr_loader_next(l, &batch) == XR_OK, "%s", xr_message());
  return batch;
}

/* What a batch must hold, made without the loader. */
static void expect_image(const xr_batch *batch, int32_t place, const xr_image_record *record) {
  xr_image image;
  uint8_t pixels[PIXEL_BYTES];
  cr_assert_eq(xr_image_load(&image, record->path, (xr_image_options){0}, NULL), XR_OK);
  cr_assert_eq(xr_image_resize(&image, WIDTH, HEIGHT, XR_RESIZE_BILINEAR, pixels), XR_OK);
  xr_image_free(&image);
  cr_assert_arr_eq(pixels, batch->pixels + place * PIXEL_BYTES, PIXEL_BYTES);
  cr_assert_eq(batch->pids[place], record->pid);
  cr_assert_eq(batch->image_ids[place], record->image_id);
}

static void expect_tokens(const fixture *f, const xr_batch *batch, int32_t place, const char *text) {
  int32_t ids[CONTEXT];
  int length;
  cr_assert_eq(xr_tokenize(f->tokenizer, text, CONTEXT, ids, &length), XR_OK);
  cr_assert_arr_eq(ids, batch->tokens + place * CONTEXT, sizeof ids);
  cr_assert_eq(batch->lengths[place], length);
}

static void expect_training_batch(const fixture *f, const xr_batch *batch, uint64_t epoch, int64_t number) {
  const xr_split *train = &f->dataset->splits[XR_SPLIT_TRAIN];
  int32_t *order;
  size_t samples;
  cr_assert_eq(xr_sampler_epoch(f->sampler, epoch, &order, &samples), XR_OK);
  const size_t first = (size_t)number * BATCH, left = samples - first;
  cr_assert_eq(batch->number, number);
  cr_assert_eq(batch->size, BATCH);
  cr_assert_eq((size_t)batch->count, left < BATCH ? left : BATCH);
  for (int32_t place = 0; place < BATCH; place++) {
    const int32_t real = place < batch->count ? place : batch->count - 1; /* the rest repeats the last one */
    const size_t position = first + (size_t)real;
    const xr_caption_record *caption = &train->captions[order[position]];
    cr_assert_eq(batch->samples[place], order[position]);
    cr_assert_eq(batch->labels[place], caption->pid - 1);
    expect_image(batch, place, &train->images[caption->image]);
    expect_tokens(f, batch, place, caption->text);
    const xr_augment_decision decision = xr_augment_decide(&xr_augment_irra, HEIGHT, WIDTH, 11, epoch, position);
    cr_assert_eq(memcmp(&decision, &batch->decisions[place], sizeof decision), 0);
  }
  free(order);
}

/* Reads the epoch from `first` on, checking every batch. */
static void expect_epoch(const fixture *f, xr_loader *l, uint64_t epoch, int64_t first, int64_t batches) {
  start(l, epoch, first);
  cr_assert_eq(xr_loader_batches(l), batches);
  for (int64_t number = first; number < batches; number++) {
    const xr_batch *batch = next(l);
    cr_assert_not_null(batch);
    expect_training_batch(f, batch, epoch, number);
    xr_loader_release(l, batch);
  }
  cr_assert_null(next(l));
  cr_assert_null(next(l), "the end of an epoch stays the end");
}

Test(loader, batches_depend_neither_on_workers_nor_slots_nor_cache) {
  fixture f = fixture_new(false);
  for (int workers = 0; workers <= 3; workers++)
    for (int slots = 2; slots <= 5; slots += 3)
      for (size_t cached = 0; cached <= IMAGES; cached += 3) {
        xr_loader *l = open_training(&f, options_for(workers, slots, cached));
        for (uint64_t epoch = 0; epoch < 2; epoch++) expect_epoch(&f, l, epoch, 0, 4);
        cr_assert_gt(xr_loader_waited_seconds(l), 0);
        xr_loader_free(l);
      }
  fixture_free(&f);
}

Test(loader, an_epoch_resumes_in_the_middle) {
  fixture f = fixture_new(true);
  xr_loader *l = open_training(&f, options_for(2, 3, 0));
  for (int64_t first = 0; first <= 3; first++) expect_epoch(&f, l, 7, first, 3);
  cr_assert_eq(xr_loader_start_epoch(l, 7, 4), XR_BAD_ARGUMENT);
  expect_message("epoch 7 has 3 batches, it cannot start at batch 4");
  xr_loader_free(l);
  fixture_free(&f);
}

/* Masked words are those that mask.h draws for the sample's place in the epoch, whoever prepares the batch and wherever one begins; with
 * `mask_tokens` the other captions are masked by a draw of their own. */
static void expect_masked_batch(const fixture *f, const xr_batch *batch, const xr_loader_options *o, uint64_t epoch) {
  enum { PLACES = BATCH * CONTEXT };
  const xr_split *train = &f->dataset->splits[XR_SPLIT_TRAIN];
  const int64_t rows = xr_mask_capacity(BATCH, CONTEXT, o->mask.probability);
  int32_t tokens[PLACES], masked[PLACES], targets[PLACES], index[PLACES], label[PLACES];
  int length;
  for (int32_t place = 0; place < BATCH; place++) {
    const int32_t real = place < batch->count ? place : batch->count - 1;
    xr_mask_draw draw = {xr_random_key(o->seed, "mask"), epoch, (uint64_t)(batch->number * BATCH + real)};
    int32_t *of = tokens + place * CONTEXT;
    cr_assert_eq(xr_tokenize(f->tokenizer, train->captions[batch->samples[place]].text, CONTEXT, of, &length), XR_OK);
    memcpy(masked + place * CONTEXT, of, CONTEXT * sizeof *of);
    xr_mask_caption(&o->mask, draw, xr_tokenizer_mask(f->tokenizer), CONTEXT, masked + place * CONTEXT, targets + place * CONTEXT);
    draw.key = xr_random_key(o->seed, "mask of the other losses");
    if (o->mask_tokens) xr_mask_caption(&o->mask, draw, xr_tokenizer_mask(f->tokenizer), CONTEXT, of, NULL);
  }
  cr_assert_eq(batch->mask_rows, rows);
  cr_assert_geq(xr_mask_collect(PLACES, masked, targets, rows, index, label), BATCH);
  cr_assert_arr_eq(batch->tokens, tokens, sizeof tokens);
  cr_assert_arr_eq(batch->masked_tokens, masked, sizeof masked);
  cr_assert_arr_eq(batch->mask_index, index, (size_t)rows * sizeof *index);
  cr_assert_arr_eq(batch->mask_label, label, (size_t)rows * sizeof *label);
}

Test(loader, masked_words_depend_on_the_place_in_the_epoch_alone) {
  fixture f = fixture_new(false);
  for (int workers = 0; workers <= 3; workers++) {
    xr_loader_options o = options_for(workers, 3, IMAGES);
    o.mask = (xr_mask_options){.probability = 0.3f, .mask_share = 0.8f, .random_share = 0.1f};
    o.mask_tokens = workers % 2;
    xr_loader *l = open_training(&f, o);
    for (uint64_t epoch = 0; epoch < 2; epoch++)
      for (int64_t first = 0; first < 4; first += 3) {
        const xr_batch *batch;
        start(l, epoch, first);
        while ((batch = next(l))) {
          expect_masked_batch(&f, batch, &o, epoch);
          xr_loader_release(l, batch);
        }
      }
    xr_loader_free(l);
  }
  xr_loader_options o = options_for(0, 2, 0);
  o.mask = (xr_mask_options){.probability = 0.3f, .mask_share = 0.8f, .random_share = 0.3f};
  xr_loader *l;
  cr_assert_eq(xr_loader_open(&l, f.dataset, f.sampler, f.tokenizer, &o), XR_BAD_INPUT);
  expect_message("shares of 0.8 (mask) and 0.3 (random)");
  l = open_training(&f, options_for(0, 2, 0));
  start(l, 0, 0);
  const xr_batch *batch = next(l);
  cr_assert(!batch->masked_tokens && !batch->mask_index && !batch->mask_label && batch->mask_rows == 0);
  xr_loader_free(l);
  fixture_free(&f);
}

Test(loader, the_cache_survives_the_files) {
  fixture f = fixture_new(false);
  xr_loader *l = open_training(&f, options_for(2, 2, IMAGES));
  const xr_batch *batch;
  start(l, 0, 0);
  while ((batch = next(l))) xr_loader_release(l, batch);
  char path[XR_PATH_MAX];
  for (int i = 0; i < IMAGES; i++) {
    image_path(path, &f, i);
    cr_assert_eq(unlink(path), 0);
  }
  start(l, 1, 0);
  while ((batch = next(l))) xr_loader_release(l, batch);
  xr_loader_free(l);
  l = open_training(&f, options_for(2, 2, 0)); /* without one they are missed */
  start(l, 1, 0);
  cr_assert_eq(xr_loader_next(l, &batch), XR_NOT_FOUND);
  xr_loader_free(l);
  fixture_free(&f);
}

Test(loader, several_batches_are_held_and_given_back_in_any_order) {
  fixture f = fixture_new(false);
  xr_loader *l = open_training(&f, options_for(2, 3, 0));
  const xr_batch *refused;
  cr_assert_eq(xr_loader_next(l, &refused), XR_BAD_ARGUMENT);
  expect_message("xr_loader_start_epoch comes first");
  start(l, 3, 0);
  const xr_batch *first = next(l), *second = next(l), *third = next(l);
  cr_assert_eq(xr_loader_next(l, &refused), XR_BAD_ARGUMENT);
  expect_message("all 3 batches of the loader are in use");
  expect_training_batch(&f, first, 3, 0);
  expect_training_batch(&f, third, 3, 2);
  expect_training_batch(&f, second, 3, 1);
  xr_loader_release(l, second);
  xr_loader_release(l, first);
  const xr_batch *fourth = next(l);
  expect_training_batch(&f, fourth, 3, 3);
  expect_training_batch(&f, third, 3, 2);
  cr_assert_null(next(l));
  xr_loader_free(l);
  fixture_free(&f);
}

Test(loader, a_file_that_cannot_be_read_fails_its_batch) {
  fixture f = fixture_new(false);
  const xr_split *train = &f.dataset->splits[XR_SPLIT_TRAIN];
  int32_t *order;
  size_t samples;
  cr_assert_eq(xr_sampler_epoch(f.sampler, 0, &order, &samples), XR_OK);
  /* The image of the last batch's first sample; the epoch is good up to the first batch that has it. */
  const int32_t image = train->captions[order[15]].image;
  size_t bad_batch = 0;
  while (train->captions[order[bad_batch * BATCH]].image != image && train->captions[order[bad_batch * BATCH + 1]].image != image &&
         train->captions[order[bad_batch * BATCH + 2]].image != image && train->captions[order[bad_batch * BATCH + 3]].image != image &&
         train->captions[order[bad_batch * BATCH + 4]].image != image)
    bad_batch++;
  char name[64];
  snprintf(name, sizeof name, "imgs/%d.img", image);
  scratch_text(&f.folder, name, "no picture at all");
  for (int workers = 0; workers <= 3; workers += 3) {
    xr_loader *l = open_training(&f, options_for(workers, 2, 0));
    const xr_batch *batch;
    start(l, 0, 0);
    for (size_t i = 0; i < bad_batch; i++) xr_loader_release(l, next(l));
    for (int again = 0; again < 2; again++) {
      cr_assert_neq(xr_loader_next(l, &batch), XR_OK);
      cr_assert_null(batch);
      expect_message(train->images[image].path);
    }
    xr_loader_free(l);
  }
  free(order);
  fixture_free(&f);
}

Test(loader, of_several_failures_the_first_sample_is_reported) {
  fixture f = fixture_new(false);
  const xr_split *train = &f.dataset->splits[XR_SPLIT_TRAIN];
  int32_t *order;
  size_t samples;
  char name[64];
  cr_assert_eq(xr_sampler_epoch(f.sampler, 0, &order, &samples), XR_OK);
  for (int i = 0; i < IMAGES; i++) {
    snprintf(name, sizeof name, "imgs/%d.img", i);
    scratch_text(&f.folder, name, "no picture at all");
  }
  for (int workers = 0; workers <= 3; workers++) {
    xr_loader *l = open_training(&f, options_for(workers, 2, 0));
    for (int64_t first = 0; first < 4; first++) {
      const xr_batch *batch;
      start(l, 0, first);
      cr_assert_neq(xr_loader_next(l, &batch), XR_OK);
      expect_message(train->images[train->captions[order[first * BATCH]].image].path);
    }
    xr_loader_free(l);
  }
  free(order);
  fixture_free(&f);
}

static void cut_file(const char *path) {
  char *bytes;
  size_t size;
  cr_assert_eq(xr_read_file(path, &bytes, &size), XR_OK);
  cr_assert_eq(xr_write_file(path, bytes, size * 3 / 4), XR_OK);
  free(bytes);
}

Test(loader, cut_files_are_errors_or_warned_of_once) {
  fixture f = fixture_new(false);
  char path[XR_PATH_MAX], log[4096] = "";
  image_path(path, &f, 4); /* a JPEG with three captions: read three times an epoch */
  cut_file(path);
  xr_loader *l = open_training(&f, options_for(2, 2, 0));
  const xr_batch *batch;
  xr_status status = XR_OK;
  start(l, 0, 0);
  while (status == XR_OK && (status = xr_loader_next(l, &batch)) == XR_OK && batch) xr_loader_release(l, batch);
  cr_assert_eq(status, XR_BAD_INPUT);
  expect_message(path);
  xr_loader_free(l);

  xr_loader_options options = options_for(2, 2, 0);
  options.allow_truncated = true;
  l = open_training(&f, options);
  FILE *file = fmemopen(log, sizeof log, "w");
  xr_log_to(file);
  for (uint64_t epoch = 0; epoch < 2; epoch++) {
    start(l, epoch, 0);
    while ((batch = next(l))) xr_loader_release(l, batch);
  }
  xr_log_to(NULL);
  fclose(file);
  char *first = strstr(log, path);
  cr_assert(first && strstr(first, "missing rows are grey"), "the log is: %s", log);
  cr_assert_null(strstr(first + 1, path), "warned twice: %s", log);
  xr_loader_free(l);
  fixture_free(&f);
}

Test(loader, evaluation_loaders_follow_the_split) {
  fixture f = fixture_new(false);
  const xr_split *test = &f.dataset->splits[XR_SPLIT_TEST];
  xr_loader_options options = options_for(2, 2, TEST_IMAGES);
  xr_loader *images, *captions;
  cr_assert(xr_loader_open_images(&images, f.dataset, XR_SPLIT_TEST, &options) == XR_OK, "%s", xr_message());
  cr_assert(xr_loader_open_captions(&captions, f.dataset, XR_SPLIT_TEST, f.tokenizer, &options) == XR_OK, "%s", xr_message());
  for (int pass = 0; pass < 2; pass++) {
    const xr_batch *batch;
    size_t seen = 0;
    start(images, 0, 0);
    cr_assert_eq(xr_loader_batches(images), 2);
    while ((batch = next(images))) {
      cr_assert_eq(batch->size, 3);
      cr_assert_eq(batch->count, seen ? 1 : 3);
      cr_assert(!batch->tokens && !batch->lengths && !batch->decisions);
      for (int32_t i = 0; i < batch->size; i++) {
        const size_t real = seen + (size_t)(i < batch->count ? i : batch->count - 1);
        cr_assert_eq(batch->samples[i], (int32_t)real);
        cr_assert_eq(batch->labels[i], -1);
        expect_image(batch, i, &test->images[real]);
      }
      seen += (size_t)batch->count;
      xr_loader_release(images, batch);
    }
    cr_assert_eq(seen, TEST_IMAGES);
    seen = 0;
    start(captions, 0, 0);
    while ((batch = next(captions))) {
      cr_assert(!batch->pixels && !batch->decisions);
      for (int32_t i = 0; i < batch->size; i++) {
        const size_t real = seen + (size_t)(i < batch->count ? i : batch->count - 1);
        cr_assert_eq(batch->samples[i], (int32_t)real);
        cr_assert_eq(batch->pids[i], test->captions[real].pid);
        cr_assert_eq(batch->image_ids[i], test->captions[real].image_id);
        expect_tokens(&f, batch, i, test->captions[real].text);
      }
      seen += (size_t)batch->count;
      xr_loader_release(captions, batch);
    }
    cr_assert_eq(seen, 2 * TEST_IMAGES);
  }
  xr_loader_free(images);
  xr_loader_free(captions);
  cr_assert_eq(xr_loader_open_images(&images, f.dataset, XR_SPLIT_VAL, &options), XR_OK); /* an empty split has no batch */
  start(images, 0, 0);
  cr_assert_null(next(images));
  xr_loader_free(images);
  fixture_free(&f);
}

/* Stops, restarts and closes at every possible moment; the sanitizers look on. */
Test(loader, stops_at_any_time) {
  fixture f = fixture_new(false);
  for (int batches = -1; batches <= 4; batches++)
    for (int held = 0; held < 2; held++) {
      xr_loader *l = open_training(&f, options_for(held ? 3 : 2, 3, 4));
      if (batches >= 0) start(l, 1, 0);
      for (int i = 0; i < batches; i++) {
        const xr_batch *batch = next(l);
        if (!held || i != 1) xr_loader_release(l, batch);
      }
      if (batches > 0) {
        start(l, 2, 1); /* with workers in the middle of epoch 1 */
        const xr_batch *batch = next(l);
        expect_training_batch(&f, batch, 2, 1);
      }
      xr_loader_free(l);
    }
  xr_loader_free(NULL);
  fixture_free(&f);
}

/* Captions of eight images, with words that hold the sides' names and with a caption that is cut after "left". */
static fixture sides_fixture(void) {
  static const char *const captions[4] = {"left right lefty", "right", "ab copyright left ab", "a a a a a a a a a a a a a left left"};
  fixture f = {.folder = scratch_new()};
  char json[4096], path[XR_PATH_MAX];
  size_t used = 0;
  int32_t pids[8];
  snprintf(path, sizeof path, "%s/imgs", f.folder.root);
  cr_assert_eq(xr_make_folders(path), XR_OK);
  for (int i = 0; i < 8; i++) {
    image_path(path, &f, i);
    write_noise(path, i);
    used += (size_t)snprintf(json + used, sizeof json - used,
                             "%s{\"id\":1,\"file_path\":\"%d.img\",\"split\":\"train\",\"captions\":[\"%s\"]}", i ? "," : "[", i,
                             captions[i % 4]);
    pids[i] = 1;
  }
  snprintf(json + used, sizeof json - used, "]");
  scratch_text(&f.folder, "reid_raw.json", json);
  scratch_text(&f.folder, "merges.txt", "#version: 0.2\nl e\nle f\nlef t</w>\nr i\nri g\nrig h\nrigh t</w>\nlef t\n");
  cr_assert(xr_dataset_open(&f.dataset, "cuhk-pedes", f.folder.root, NULL) == XR_OK, "%s", xr_message());
  snprintf(path, sizeof path, "%s/merges.txt", f.folder.root);
  cr_assert(xr_tokenizer_load(&f.tokenizer, path, XR_TOKENIZER_CLIP) == XR_OK, "%s", xr_message());
  cr_assert_eq(xr_sampler_open(&f.sampler, pids, 8, &(xr_sampler_options){.batch = 4, .seed = 4}), XR_OK);
  return f;
}

Test(loader, left_and_right_change_places_with_the_flip) {
  static const char *const mirrored[4] = {"right left lefty", "left", "ab copyright right ab", "a a a a a a a a a a a a a right right"};
  fixture f = sides_fixture();
  int seen[4][2] = {{0}}; /* of each caption: straight, mirrored */
  for (int swaps = 0; swaps < 2; swaps++) {
    xr_loader_options options = options_for(2, 2, 8);
    options.flip_swaps_words = swaps;
    xr_loader *l = open_training(&f, options);
    for (uint64_t epoch = 0; epoch < 6; epoch++) {
      const xr_batch *batch;
      start(l, epoch, 0);
      while ((batch = next(l))) {
        for (int32_t i = 0; i < batch->count; i++) {
          const int32_t sample = batch->samples[i];
          const bool flip = batch->decisions[i].flip;
          expect_tokens(&f, batch, i, flip && swaps ? mirrored[sample % 4] : f.dataset->splits[XR_SPLIT_TRAIN].captions[sample].text);
          seen[sample % 4][flip]++;
        }
        xr_loader_release(l, batch);
      }
    }
    xr_loader_free(l);
  }
  for (int i = 0; i < 4; i++) cr_assert(seen[i][0] && seen[i][1], "caption %d: %d straight, %d mirrored", i, seen[i][0], seen[i][1]);
  fixture_free(&f);
}

Test(loader, sides_must_be_single_tokens) {
  fixture f = fixture_new(false);
  xr_loader *l;
  xr_loader_options options = options_for(1, 2, 0);
  options.flip_swaps_words = true;
  cr_assert_eq(xr_loader_open(&l, f.dataset, f.sampler, f.tokenizer, &options), XR_BAD_INPUT);
  cr_assert_null(l);
  expect_message("needs a single token for \"left\"");
  fixture_free(&f);
}

Test(loader, options_that_cannot_work) {
  fixture f = fixture_new(false);
  static const struct {
    int width, workers, slots, batch;
    float flip;
    const char *message;
  } cases[] = {{0, 1, 2, 3, 0, "images cannot be resized to 24 x 0"},
               {WIDTH, -1, 2, 3, 0, "0 to 256 loader threads"},
               {WIDTH, 1, 1, 3, 0, "2 to 1024 batches"},
               {WIDTH, 1, 2, 0, 0, "a batch of 0 samples"},
               {WIDTH, 1, 2, 3, 2, "flip is a probability"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    xr_loader *l;
    xr_loader_options options = options_for(cases[i].workers, cases[i].slots, 0);
    options.width = cases[i].width;
    options.batch = cases[i].batch;
    options.augment.flip = cases[i].flip;
    xr_status status = cases[i].flip > 0 ? xr_loader_open(&l, f.dataset, f.sampler, f.tokenizer, &options)
                                         : xr_loader_open_images(&l, f.dataset, XR_SPLIT_TEST, &options);
    cr_assert_eq(status, XR_BAD_INPUT);
    cr_assert_null(l);
    expect_message(cases[i].message);
  }
  int32_t pids[3] = {0};
  xr_sampler *other;
  xr_loader *l;
  xr_loader_options options = options_for(1, 2, 0);
  cr_assert_eq(xr_sampler_open(&other, pids, 3, &(xr_sampler_options){.batch = 2}), XR_OK);
  cr_assert_eq(xr_loader_open(&l, f.dataset, other, f.tokenizer, &options), XR_BAD_ARGUMENT);
  expect_message("the sampler has 3 samples, the train split 18 captions");
  xr_sampler_free(other);
  fixture_free(&f);
}
