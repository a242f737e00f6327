#include "host/data/loader.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "host/base/memory.h"
#include "host/base/random.h"
#include "host/data/pixels.h"
#include "host/data/words.h"

/* One place in the ring. What a batch holds is written by the workers without the lock: each sample by one of them. */
typedef struct {
  xr_batch batch;
  int32_t *samples, *tokens, *lengths, *pids, *image_ids, *labels;
  uint8_t *pixels;
  xr_augment_decision *decisions;
  int32_t *masked, *targets, *mask_index, *mask_label; /* NULL without masked words */
  bool used, delivered;
  int32_t filled;        /* samples that are done */
  int32_t failed_sample; /* within the batch; B: none */
  xr_status status;      /* of failed_sample */
  char message[1000];
} slot;

typedef struct {
  slot *slot;
  int32_t place;    /* within the batch */
  int64_t position; /* within the epoch */
} ticket;

typedef struct {
  pthread_t thread;
  xr_loader *loader;
  xr_resizer *resizer;
} worker;

struct xr_loader {
  xr_arena *arena;
  xr_loader_options options;
  const xr_dataset *dataset;
  const xr_split *split;
  const xr_sampler *sampler;     /* NULL: the split's own order */
  const xr_tokenizer *tokenizer; /* NULL: images only */
  xr_pixels *pixels;             /* NULL: captions only */
  int32_t batch_size;
  int32_t left, right; /* tokens that change places when an image is flipped; 0 and 0: none do */
  slot *slots;
  worker *workers;
  int started_workers;
  xr_resizer *resizer; /* without workers: the consumer's */

  /* Set by start_epoch while no worker is busy, read by busy workers. */
  uint64_t epoch;
  int32_t *order; /* NULL: 0, 1, 2, .. */
  int64_t samples, batches;

  pthread_mutex_t lock; /* guards what follows and the slots' bookkeeping */
  pthread_cond_t work;  /* something may be claimed, or stop */
  pthread_cond_t done;  /* a batch is ready, or no worker is busy */
  bool stop, running;   /* running: samples may be claimed */
  int busy;             /* workers that fill a sample */
  int64_t claimed;      /* samples of the epoch that are done or being done */
  int64_t next;         /* batch to deliver */
  double waited_seconds;
};

static slot *slot_of(const xr_loader *l, int64_t batch) { return &l->slots[batch % l->options.slots]; }

static bool masks(const xr_loader *l) { return l->sampler && l->options.mask.probability > 0; }

static int64_t mask_rows(const xr_loader *l) { return xr_mask_capacity(l->batch_size, l->options.context, l->options.mask.probability); }

/* ---- workers */

static bool ends_word(const xr_tokenizer *tokenizer, int32_t id) {
  const char *text = xr_tokenizer_text(tokenizer, id);
  const size_t bytes = strlen(text);
  return bytes >= XR_WORD_END_BYTES && strcmp(text + bytes - XR_WORD_END_BYTES, XR_WORD_END) == 0;
}

/* Whole words only: the same token also ends "upright". */
static void swap_sides(const xr_loader *l, int32_t *tokens, int32_t length) {
  for (int32_t i = 1; i < length; i++)
    if ((tokens[i] == l->left || tokens[i] == l->right) && (i == 1 || ends_word(l->tokenizer, tokens[i - 1])))
      tokens[i] = l->left + l->right - tokens[i];
}

static void mask_words(const xr_loader *l, const ticket *t) {
  const size_t context = (size_t)l->options.context;
  const int32_t mask_id = xr_tokenizer_mask(l->tokenizer);
  int32_t *tokens = t->slot->tokens + (size_t)t->place * context, *masked = t->slot->masked + (size_t)t->place * context;
  xr_mask_draw draw = {.key = xr_random_key(l->options.seed, "mask"), .epoch = l->epoch, .position = (uint64_t)t->position};
  memcpy(masked, tokens, context * sizeof *masked);
  xr_mask_caption(&l->options.mask, draw, mask_id, l->options.context, masked, t->slot->targets + (size_t)t->place * context);
  draw.key = xr_random_key(l->options.seed, "mask of the other losses");
  if (l->options.mask_tokens) xr_mask_caption(&l->options.mask, draw, mask_id, l->options.context, tokens, NULL);
}

static xr_status fill_sample(const xr_loader *l, xr_resizer *resizer, const ticket *t) {
  slot *s = t->slot;
  const int32_t sample = l->order ? l->order[t->position] : (int32_t)t->position, place = t->place;
  int32_t image = sample;
  s->samples[place] = sample;
  if (l->sampler)
    s->decisions[place] = xr_augment_decide(&l->options.augment, l->options.height, l->options.width, l->options.seed, l->epoch,
                                            (uint64_t)t->position);
  if (l->tokenizer) {
    const xr_caption_record *caption = &l->split->captions[sample];
    int32_t *tokens = s->tokens + (size_t)place * (size_t)l->options.context;
    int length;
    image = caption->image;
    const xr_status status = xr_tokenize(l->tokenizer, caption->text, l->options.context, tokens, &length);
    if (status != XR_OK) return xr_fail_in(status, "%s: caption %d", l->split->images[image].path, caption->number);
    if (l->sampler && s->decisions[place].flip && l->left) swap_sides(l, tokens, length);
    s->lengths[place] = length;
    if (masks(l)) mask_words(l, t);
  }
  const xr_image_record *record = &l->split->images[image];
  s->pids[place] = record->pid;
  s->image_ids[place] = record->image_id;
  s->labels[place] = xr_dataset_label(l->dataset, record->pid);
  const size_t image_bytes = (size_t)l->options.width * (size_t)l->options.height * 3;
  return l->pixels ? xr_pixels_read(l->pixels, resizer, (size_t)image, s->pixels + (size_t)place * image_bytes) : XR_OK;
}

/* Takes the next sample whose batch has a slot. With the lock held. */
static bool claim(xr_loader *l, ticket *t) {
  if (!l->running || l->claimed == l->samples) return false;
  const int64_t batch = l->claimed / l->batch_size;
  slot *s = slot_of(l, batch);
  *t = (ticket){s, (int32_t)(l->claimed % l->batch_size), l->claimed};
  if (!s->used) {
    const int64_t left = l->samples - batch * l->batch_size;
    s->used = true;
    s->delivered = false;
    s->filled = 0;
    s->status = XR_OK;
    s->failed_sample = l->batch_size;
    s->batch.number = batch;
    s->batch.count = (int32_t)(left < l->batch_size ? left : l->batch_size);
  } else if (s->batch.number != batch) {
    return false;
  }
  l->claimed++;
  return true;
}

static void note_failure(slot *s, int32_t place, xr_status status) {
  if (status == XR_OK || place >= s->failed_sample) return;
  s->failed_sample = place;
  s->status = status;
  snprintf(s->message, sizeof s->message, "%s", xr_message());
}

/* Fills one sample; false: there is none to fill now. With the lock held, except while it fills. */
static bool work_once(xr_loader *l, xr_resizer *resizer) {
  ticket t;
  if (!claim(l, &t)) return false;
  l->busy++;
  pthread_mutex_unlock(&l->lock);
  const xr_status status = fill_sample(l, resizer, &t);
  pthread_mutex_lock(&l->lock);
  l->busy--;
  note_failure(t.slot, t.place, status);
  if (++t.slot->filled == t.slot->batch.count || (!l->busy && !l->running)) pthread_cond_broadcast(&l->done);
  return true;
}

static void *work(void *argument) {
  const worker *w = argument;
  xr_loader *l = w->loader;
  pthread_mutex_lock(&l->lock);
  while (!l->stop)
    if (!work_once(l, w->resizer)) pthread_cond_wait(&l->work, &l->lock);
  pthread_mutex_unlock(&l->lock);
  return NULL;
}

/* Signals belong to the program's own threads: workers block them all. */
static xr_status start_workers(xr_loader *l) {
  sigset_t all, before;
  sigfillset(&all);
  xr_status status = XR_OK;
  for (int i = 0; i < l->options.workers && status == XR_OK; i++) {
    worker *w = &l->workers[i];
    w->loader = l;
    w->resizer = xr_resizer_new(XR_RESIZE_AS_PILLOW_13);
    if (!w->resizer) return XR_NO_MEMORY;
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&w->thread, NULL, work, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
      status = xr_fail(XR_IO, "worker %d of %d could not be started: %s", i + 1, l->options.workers, strerror(error));
    else
      l->started_workers++;
  }
  return status;
}

/* ---- opening */

static xr_status check_options(const xr_loader_options *o, int32_t batch) {
  if (batch < 1) return xr_fail(XR_BAD_INPUT, "a batch of %d samples", batch);
  if (o->workers < 0 || o->workers > XR_LOADER_MAX_WORKERS)
    return xr_fail(XR_BAD_INPUT, "0 to %d loader threads are supported, not %d", XR_LOADER_MAX_WORKERS, o->workers);
  if (o->slots < 2 || o->slots > 1024) return xr_fail(XR_BAD_INPUT, "2 to 1024 batches can be prepared ahead, not %d", o->slots);
  return XR_OK;
}

static xr_status make_masks(const xr_loader *l, slot *s) {
  const size_t places = (size_t)l->batch_size * (size_t)l->options.context, rows = (size_t)mask_rows(l);
  s->masked = XR_NEW_ARRAY(l->arena, int32_t, places);
  s->targets = XR_NEW_ARRAY(l->arena, int32_t, places);
  s->mask_index = XR_NEW_ARRAY(l->arena, int32_t, rows);
  s->mask_label = XR_NEW_ARRAY(l->arena, int32_t, rows);
  if (!s->masked || !s->targets || !s->mask_index || !s->mask_label) return XR_NO_MEMORY;
  s->batch.masked_tokens = s->masked;
  s->batch.mask_index = s->mask_index;
  s->batch.mask_label = s->mask_label;
  s->batch.mask_rows = (int64_t)rows;
  return XR_OK;
}

static xr_status make_slot(const xr_loader *l, slot *s) {
  const size_t size = (size_t)l->batch_size;
  int32_t **const lists[] = {&s->samples, &s->pids, &s->image_ids, &s->labels, &s->lengths, &s->tokens};
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
    const bool of_text = lists[i] == &s->lengths || lists[i] == &s->tokens;
    if (of_text && !l->tokenizer) continue;
    *lists[i] = XR_NEW_ARRAY(l->arena, int32_t, size * (lists[i] == &s->tokens ? (size_t)l->options.context : 1));
    if (!*lists[i]) return XR_NO_MEMORY;
  }
  if (l->sampler && !(s->decisions = XR_NEW_ARRAY(l->arena, xr_augment_decision, size))) return XR_NO_MEMORY;
  if (l->pixels && !(s->pixels = xr_arena_alloc(l->arena, size * (size_t)l->options.width * (size_t)l->options.height * 3)))
    return XR_NO_MEMORY;
  s->batch = (xr_batch){.size = l->batch_size,
                        .samples = s->samples,
                        .pixels = s->pixels,
                        .tokens = s->tokens,
                        .lengths = s->lengths,
                        .pids = s->pids,
                        .image_ids = s->image_ids,
                        .labels = s->labels,
                        .decisions = s->decisions};
  return masks(l) ? make_masks(l, s) : XR_OK;
}

static xr_status make_parts(xr_loader *l, bool with_images) {
  const xr_loader_options *o = &l->options;
  if (with_images) {
    const xr_pixel_options pixel_options = {o->width, o->height, o->filter, o->cache_bytes, o->allow_truncated};
    XR_TRY(xr_pixels_open(&l->pixels, l->split->images, l->split->image_count, &pixel_options));
  }
  l->slots = XR_NEW_ARRAY(l->arena, slot, o->slots);
  l->workers = XR_NEW_ARRAY(l->arena, worker, o->workers);
  if (!l->slots || !l->workers) return XR_NO_MEMORY;
  for (int i = 0; i < o->slots; i++) XR_TRY(make_slot(l, &l->slots[i]));
  if (!o->workers && !(l->resizer = xr_resizer_new(XR_RESIZE_AS_PILLOW_13))) return XR_NO_MEMORY;
  return start_workers(l);
}

/* `kind` has the fields that tell the three kinds of loaders apart. */
static xr_status open_loader(xr_loader **loader, const xr_loader *kind, bool with_images) {
  *loader = NULL;
  XR_TRY(check_options(&kind->options, kind->batch_size));
  xr_arena *arena = xr_arena_new();
  xr_loader *l = arena ? XR_NEW(arena, xr_loader) : NULL;
  if (!l) {
    xr_arena_free(arena);
    return XR_NO_MEMORY;
  }
  *l = *kind;
  l->arena = arena;
  pthread_mutex_init(&l->lock, NULL);
  pthread_cond_init(&l->work, NULL);
  pthread_cond_init(&l->done, NULL);
  xr_status status = make_parts(l, with_images);
  if (status == XR_OK)
    *loader = l;
  else
    xr_loader_free(l);
  return status;
}

/* *id: the word's token; 0: it has several. */
static xr_status find_word(const xr_tokenizer *tokenizer, const char *word, int32_t *id) {
  int32_t ids[4]; /* start, the word, end and one more */
  int length;
  XR_TRY(xr_tokenize(tokenizer, word, 4, ids, &length));
  *id = length == 3 ? ids[1] : 0;
  return XR_OK;
}

static xr_status find_words(const xr_tokenizer *tokenizer, int32_t *left, int32_t *right) {
  XR_TRY(find_word(tokenizer, "left", left));
  XR_TRY(find_word(tokenizer, "right", right));
  if (*left && *right) return XR_OK;
  return xr_fail(XR_BAD_INPUT, "flip_swaps_words needs a single token for \"left\" and one for \"right\"; this vocabulary spells them");
}

xr_status xr_loader_open(xr_loader **loader, const xr_dataset *dataset, const xr_sampler *sampler, const xr_tokenizer *tokenizer,
                         const xr_loader_options *options) {
  *loader = NULL;
  const xr_split *train = &dataset->splits[XR_SPLIT_TRAIN];
  XR_TRY(xr_augment_check(&options->augment));
  XR_TRY(xr_mask_check(&options->mask));
  if (xr_sampler_samples(sampler) != train->caption_count)
    return xr_fail(XR_BAD_ARGUMENT, "the sampler has %zu samples, the train split %zu captions", xr_sampler_samples(sampler),
                   train->caption_count);
  int32_t left = 0, right = 0;
  if (options->flip_swaps_words) XR_TRY(find_words(tokenizer, &left, &right));
  return open_loader(loader,
                     &(xr_loader){.options = *options,
                                  .dataset = dataset,
                                  .split = train,
                                  .sampler = sampler,
                                  .tokenizer = tokenizer,
                                  .batch_size = xr_sampler_batch(sampler),
                                  .left = left,
                                  .right = right},
                     true);
}

xr_status xr_loader_open_images(xr_loader **loader, const xr_dataset *dataset, xr_split_id split, const xr_loader_options *options) {
  return open_loader(
      loader, &(xr_loader){.options = *options, .dataset = dataset, .split = &dataset->splits[split], .batch_size = options->batch}, true);
}

xr_status xr_loader_open_captions(xr_loader **loader, const xr_dataset *dataset, xr_split_id split, const xr_tokenizer *tokenizer,
                                  const xr_loader_options *options) {
  return open_loader(
      loader,
      &(xr_loader){
          .options = *options, .dataset = dataset, .split = &dataset->splits[split], .tokenizer = tokenizer, .batch_size = options->batch},
      false);
}

void xr_loader_free(xr_loader *loader) {
  if (!loader) return;
  pthread_mutex_lock(&loader->lock);
  loader->stop = true;
  pthread_cond_broadcast(&loader->work);
  pthread_mutex_unlock(&loader->lock);
  for (int i = 0; i < loader->started_workers; i++) pthread_join(loader->workers[i].thread, NULL);
  for (int i = 0; loader->workers && i < loader->options.workers; i++) xr_resizer_free(loader->workers[i].resizer);
  xr_resizer_free(loader->resizer);
  pthread_cond_destroy(&loader->done);
  pthread_cond_destroy(&loader->work);
  pthread_mutex_destroy(&loader->lock);
  xr_pixels_free(loader->pixels);
  free(loader->order);
  xr_arena_free(loader->arena);
}

/* ---- the consumer's side */

/* Leaves the workers idle, with nothing to claim. */
static void stop_epoch(xr_loader *l) {
  pthread_mutex_lock(&l->lock);
  l->running = false;
  while (l->busy) pthread_cond_wait(&l->done, &l->lock);
  pthread_mutex_unlock(&l->lock);
}

xr_status xr_loader_start_epoch(xr_loader *loader, uint64_t epoch, int64_t first_batch) {
  stop_epoch(loader);
  free(loader->order);
  loader->order = NULL;
  size_t samples = loader->tokenizer ? loader->split->caption_count : loader->split->image_count;
  if (loader->sampler) XR_TRY(xr_sampler_epoch(loader->sampler, epoch, &loader->order, &samples));
  const int64_t batches = ((int64_t)samples + loader->batch_size - 1) / loader->batch_size;
  if (first_batch < 0 || first_batch > batches)
    return xr_fail(XR_BAD_ARGUMENT, "epoch %llu has %lld batches, it cannot start at batch %lld", (unsigned long long)epoch,
                   (long long)batches, (long long)first_batch);
  pthread_mutex_lock(&loader->lock);
  loader->epoch = epoch;
  loader->samples = (int64_t)samples;
  loader->batches = batches;
  loader->next = first_batch;
  loader->claimed = first_batch < batches ? first_batch * loader->batch_size : loader->samples;
  for (int i = 0; i < loader->options.slots; i++) loader->slots[i].used = false;
  loader->running = true;
  pthread_cond_broadcast(&loader->work);
  pthread_mutex_unlock(&loader->lock);
  return XR_OK;
}

int64_t xr_loader_batches(const xr_loader *loader) { return loader->batches; }

/* Copies the last sample over the places of a partial batch that have none. */
static void pad_batch(const xr_loader *l, slot *s) {
  const struct {
    void *list;
    size_t bytes;
  } arrays[] = {{s->samples, sizeof *s->samples},
                {s->tokens, (size_t)l->options.context * sizeof *s->tokens},
                {s->lengths, sizeof *s->lengths},
                {s->pids, sizeof *s->pids},
                {s->image_ids, sizeof *s->image_ids},
                {s->labels, sizeof *s->labels},
                {s->decisions, sizeof *s->decisions},
                {s->masked, (size_t)l->options.context * sizeof *s->masked},
                {s->targets, (size_t)l->options.context * sizeof *s->targets},
                {s->pixels, (size_t)l->options.width * (size_t)l->options.height * 3}};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
    if (!arrays[i].list) continue;
    const char *last = (const char *)arrays[i].list + (size_t)(s->batch.count - 1) * arrays[i].bytes;
    for (int32_t place = s->batch.count; place < s->batch.size; place++)
      memcpy((char *)arrays[i].list + (size_t)place * arrays[i].bytes, last, arrays[i].bytes);
  }
}

/* Waits until the slot's batch is complete, or completes it when there are no workers. With the lock held. */
static void wait_for(xr_loader *l, const slot *s) {
  const double start = xr_seconds();
  while (!(s->used && s->batch.number == l->next && s->filled == s->batch.count))
    if (l->options.workers || !work_once(l, l->resizer)) pthread_cond_wait(&l->done, &l->lock);
  l->waited_seconds += xr_seconds() - start;
}

xr_status xr_loader_next(xr_loader *loader, const xr_batch **batch) {
  *batch = NULL;
  pthread_mutex_lock(&loader->lock);
  xr_status status = XR_OK;
  slot *s = slot_of(loader, loader->next);
  if (!loader->running) {
    status = xr_fail(XR_BAD_ARGUMENT, "the loader has no epoch: xr_loader_start_epoch comes first");
  } else if (loader->next == loader->batches) {
    s = NULL;
  } else if (s->used && s->delivered) {
    status = xr_fail(XR_BAD_ARGUMENT, "all %d batches of the loader are in use: release one", loader->options.slots);
  } else {
    wait_for(loader, s);
    if (s->status != XR_OK) {
      status = xr_fail(s->status, "%s", s->message);
    } else {
      s->delivered = true;
      loader->next++;
    }
  }
  pthread_mutex_unlock(&loader->lock);
  if (status != XR_OK || !s) return status;
  pad_batch(loader, s);
  if (masks(loader))
    xr_mask_collect((int64_t)s->batch.size * loader->options.context, s->masked, s->targets, mask_rows(loader), s->mask_index,
                    s->mask_label);
  *batch = &s->batch;
  return XR_OK;
}

void xr_loader_release(xr_loader *loader, const xr_batch *batch) {
  pthread_mutex_lock(&loader->lock);
  for (int i = 0; i < loader->options.slots; i++)
    if (&loader->slots[i].batch == batch) loader->slots[i].used = false;
  pthread_cond_broadcast(&loader->work);
  pthread_mutex_unlock(&loader->lock);
}

double xr_loader_waited_seconds(const xr_loader *loader) { return loader->waited_seconds; }
