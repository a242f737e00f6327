/* Masked words: how many, which, what they become, and that nothing else depends on it. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "host/base/random.h"
#include "host/data/mask.h"

enum { CONTEXT = 77, MASK = 49405, START = 49406, END = 49407 };

static const xr_mask_options irra = {.probability = 0.15f, .mask_share = 0.8f, .random_share = 0.1f};

/* start, `words` words, end, padding */
static int caption(int32_t *ids, int words, uint64_t number) {
  memset(ids, 0, CONTEXT * sizeof *ids);
  ids[0] = START;
  for (int i = 1; i <= words; i++) ids[i] = 1 + (int32_t)((number * 7919 + (uint64_t)i * 104729) % (MASK - 1));
  ids[words + 1] = END;
  return words;
}

static xr_mask_draw draw(uint64_t position) { return (xr_mask_draw){xr_random_key(1, "mask"), 3, position}; }

/* Frequencies within five standard deviations of what they should be. */
static void expect_share(double count, double of, double share, const char *what) {
  const double deviation = sqrt(of * share * (1 - share));
  cr_assert(fabs(count - of * share) < 5 * deviation, "%s: %.0f of %.0f, expected %.0f +- %.0f", what, count, of, of * share, deviation);
}

Test(mask, shares_are_those_asked_for) {
  enum { CAPTIONS = 4000, BINS = 16 };
  int64_t words = 0, chosen = 0, masks = 0, random = 0, kept = 0, bin[BINS] = {0};
  for (uint64_t n = 0; n < CAPTIONS; n++) {
    int32_t ids[CONTEXT], before[CONTEXT], target[CONTEXT];
    const int count = caption(ids, 20 + (int)(n % 50), n);
    memcpy(before, ids, sizeof ids);
    xr_mask_caption(&irra, draw(n), MASK, CONTEXT, ids, target);
    words += count;
    for (int i = 0; i < CONTEXT; i++) {
      const bool word = i >= 1 && i <= count;
      if (target[i] < 0) {
        cr_assert_eq(ids[i], before[i], "a word that was not chosen has changed");
        continue;
      }
      cr_assert(word, "place %d is no word", i);
      cr_assert_eq(target[i], before[i]);
      chosen++;
      if (ids[i] == MASK) {
        masks++;
      } else if (ids[i] == before[i]) {
        kept++;
      } else {
        cr_assert(ids[i] >= 1 && ids[i] < MASK, "a random word %d", ids[i]);
        random++;
        bin[(int64_t)(ids[i] - 1) * BINS / (MASK - 1)]++;
      }
    }
  }
  expect_share((double)chosen, (double)words, 0.15, "chosen");
  expect_share((double)masks, (double)chosen, 0.8, "masks");
  expect_share((double)random, (double)chosen, 0.1, "random words");
  expect_share((double)kept, (double)chosen, 0.1, "kept words");
  for (int i = 0; i < BINS; i++) expect_share((double)bin[i], (double)random, 1.0 / BINS, "a sixteenth of the vocabulary");
}

Test(mask, a_draw_is_a_function_of_seed_epoch_and_position) {
  int32_t first[CONTEXT], again[CONTEXT], other[CONTEXT], clean[CONTEXT];
  caption(clean, 70, 5);
  memcpy(first, clean, sizeof clean);
  xr_mask_caption(&irra, draw(9), MASK, CONTEXT, first, NULL);
  memcpy(again, clean, sizeof clean);
  int32_t target[CONTEXT];
  xr_mask_caption(&irra, draw(9), MASK, CONTEXT, again, target);
  cr_assert_arr_eq(first, again, sizeof first);
  const xr_mask_draw others[] = {{draw(9).key, 3, 10}, {draw(9).key, 4, 9}, {xr_random_key(2, "mask"), 3, 9}};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    memcpy(other, clean, sizeof clean);
    xr_mask_caption(&irra, others[i], MASK, CONTEXT, other, NULL);
    cr_assert_neq(memcmp(first, other, sizeof first), 0);
  }
  /* a word's draw is its own: what stands before it does not matter */
  clean[1] = clean[1] % 1000 + 1;
  memcpy(other, clean, sizeof clean);
  int32_t changed[CONTEXT];
  xr_mask_caption(&irra, draw(9), MASK, CONTEXT, other, changed);
  for (int i = 2; i < CONTEXT; i++) cr_assert(target[i] == changed[i] && first[i] == other[i]);
}

Test(mask, every_caption_with_a_word_hides_one) {
  const xr_mask_options rare = {.probability = 1e-3f, .mask_share = 0, .random_share = 0};
  int64_t forced = 0;
  for (uint64_t n = 0; n < 200; n++) {
    int32_t ids[CONTEXT], target[CONTEXT];
    caption(ids, 1 + (int)(n % 5), n);
    const int32_t first = ids[1];
    xr_mask_caption(&rare, draw(n), MASK, CONTEXT, ids, target);
    int hidden = 0;
    for (int i = 0; i < CONTEXT; i++) hidden += target[i] >= 0;
    cr_assert_eq(hidden, 1);
    if (ids[1] != MASK) continue; /* chosen by chance, and kept, as rare.mask_share says */
    cr_assert_eq(target[1], first);
    forced++;
  }
  cr_assert_gt(forced, 190);
  int32_t none[CONTEXT], before[CONTEXT], target[CONTEXT];
  caption(none, 0, 0);
  memcpy(before, none, sizeof none);
  xr_mask_caption(&irra, draw(0), MASK, CONTEXT, none, target);
  cr_assert_arr_eq(none, before, sizeof none);
  int32_t bang[] = {START, 0, MASK, 17, END, 0}, bang_target[6]; /* "!", a word that looks like the mask, a word */
  xr_mask_caption(&rare, draw(0), MASK, 6, bang, bang_target);
  cr_assert_arr_eq(bang, ((int32_t[]){START, 0, MASK, MASK, END, 0}), sizeof bang);
  cr_assert_arr_eq(bang_target, ((int32_t[]){-1, -1, -1, 17, -1, -1}), sizeof bang);
}

Test(mask, words_are_collected_in_order_and_cut_without_a_trace) {
  const int32_t masked[] = {START, MASK, 8, 5, MASK, END, START, 9, MASK, END}, target[] = {-1, 7, -1, 5, 6, -1, -1, 3, 2, -1};
  int32_t ids[10], index[7], label[7];
  memcpy(ids, masked, sizeof ids);
  cr_assert_eq(xr_mask_collect(10, ids, target, 7, index, label), 5);
  cr_assert_arr_eq(index, ((int32_t[]){1, 3, 4, 7, 8, -1, -1}), sizeof index);
  cr_assert_arr_eq(label, ((int32_t[]){7, 5, 6, 3, 2, -1, -1}), sizeof label);
  cr_assert_arr_eq(ids, masked, sizeof ids);
  cr_assert_eq(xr_mask_collect(10, ids, target, 3, index, label), 3);
  cr_assert_arr_eq(index, ((int32_t[]){1, 3, 4}), 3 * sizeof *index);
  cr_assert_arr_eq(ids, ((int32_t[]){START, MASK, 8, 5, MASK, END, START, 3, 2, END}), sizeof ids);
}

Test(mask, the_capacity_holds_full_captions) {
  enum { BATCH = 16, STEPS = 300 };
  cr_assert_eq(xr_mask_capacity(64, 77, 0.15f), 872);
  cr_assert_eq(xr_mask_capacity(1, 3, 0.15f), 1);
  cr_assert_eq(xr_mask_capacity(8, 10, 1), 64);
  const int64_t rows = xr_mask_capacity(BATCH, CONTEXT, 0.15f);
  int64_t most = 0;
  for (uint64_t step = 0; step < STEPS; step++) {
    int64_t chosen = 0;
    for (uint64_t b = 0; b < BATCH; b++) {
      int32_t ids[CONTEXT], target[CONTEXT];
      caption(ids, CONTEXT - 2, b);
      xr_mask_caption(&irra, draw(step * BATCH + b), MASK, CONTEXT, ids, target);
      for (int i = 0; i < CONTEXT; i++) chosen += target[i] >= 0;
    }
    most = chosen > most ? chosen : most;
  }
  cr_assert_leq(most, rows);
  cr_assert_gt(most, rows / 2, "far more rows than are ever used");
}

Test(mask, impossible_options_are_refused) {
  const struct {
    xr_mask_options options;
    const char *message;
  } bad[] = {{{1.5f, 0.8f, 0.1f}, "a probability of 1.5"},
             {{NAN, 0.8f, 0.1f}, "a probability of"},
             {{0.15f, 0.8f, 0.3f}, "shares of 0.8 (mask) and 0.3 (random)"},
             {{0.15f, -0.1f, 0.3f}, "shares of -0.1 (mask)"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    cr_assert_eq(xr_mask_check(&bad[i].options), XR_BAD_INPUT);
    cr_assert(strstr(xr_message(), bad[i].message), "%s", xr_message());
  }
  cr_assert_eq(xr_mask_check(&irra), XR_OK);
  cr_assert_eq(xr_mask_check(&(xr_mask_options){0}), XR_OK);
}
