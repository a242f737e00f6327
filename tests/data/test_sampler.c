#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "host/data/sampler.h"
#include "tests/data/scratch.h"

static xr_sampler *open_sampler(const int32_t *identity, size_t count, xr_sampler_options options) {
  xr_sampler *s;
  cr_assert(xr_sampler_open(&s, identity, count, &options) == XR_OK, "%s", xr_message());
  return s;
}

static int32_t *draw(const xr_sampler *s, uint64_t epoch, size_t *count) {
  int32_t *order;
  cr_assert(xr_sampler_epoch(s, epoch, &order, count) == XR_OK, "%s", xr_message());
  return order;
}

static void expect_failure(const int32_t *identity, size_t count, xr_sampler_options options, const char *part) {
  xr_sampler *s;
  cr_assert_eq(xr_sampler_open(&s, identity, count, &options), XR_BAD_INPUT);
  cr_assert_null(s);
  expect_message(part);
}

Test(sampler, random_is_a_permutation_and_differs_by_epoch_and_seed) {
  int32_t identity[101] = {0};
  xr_sampler *s = open_sampler(identity, 101, (xr_sampler_options){.batch = 8, .seed = 5}),
             *other = open_sampler(identity, 101, (xr_sampler_options){.batch = 8, .seed = 6}),
             *full = open_sampler(identity, 101, (xr_sampler_options){.batch = 8, .seed = 5, .drop_last = true});
  size_t n, n_again, n_other, n_next, n_full;
  int32_t *order = draw(s, 3, &n), *again = draw(s, 3, &n_again), *seed = draw(other, 3, &n_other), *next = draw(s, 4, &n_next),
          *dropped = draw(full, 3, &n_full);
  cr_assert(n == 101 && n_again == 101 && n_other == 101 && n_next == 101 && n_full == 96);
  bool seen[101] = {0};
  for (size_t i = 0; i < n; i++) {
    cr_assert(order[i] >= 0 && order[i] < 101 && !seen[order[i]]);
    seen[order[i]] = true;
  }
  cr_assert_arr_eq(order, again, n * sizeof *order);
  cr_assert_arr_eq(order, dropped, n_full * sizeof *order);
  cr_assert_neq(memcmp(order, seed, n * sizeof *order), 0);
  cr_assert_neq(memcmp(order, next, n * sizeof *order), 0);
  int32_t *lists[] = {order, again, seed, next, dropped};
  for (int i = 0; i < 5; i++) free(lists[i]);
  xr_sampler_free(s);
  xr_sampler_free(other);
  xr_sampler_free(full);
}

/* Every one of the 4! orders of four samples is as likely as the others: chi-square with 23 degrees of freedom, p < 1e-6 beyond 70. */
Test(sampler, random_orders_are_equally_likely) {
  int32_t identity[4] = {0};
  xr_sampler *s = open_sampler(identity, 4, (xr_sampler_options){.batch = 4, .seed = 1});
  enum { RUNS = 24000 };
  int counts[256] = {0};
  for (uint64_t epoch = 0; epoch < RUNS; epoch++) {
    size_t n;
    int32_t *order = draw(s, epoch, &n);
    counts[order[0] * 64 + order[1] * 16 + order[2] * 4 + order[3]]++;
    free(order);
  }
  double chi_square = 0;
  int orders = 0;
  for (int i = 0; i < 256; i++)
    if (counts[i]) {
      orders++;
      chi_square += (counts[i] - RUNS / 24.0) * (counts[i] - RUNS / 24.0) / (RUNS / 24.0);
    }
  cr_assert_eq(orders, 24);
  cr_assert_lt(chi_square, 70);
  xr_sampler_free(s);
}

/* 40 identities with 1 to 11 samples, in scattered order. */
enum { IDENTITIES = 40, BATCH = 24, K = 4, P = BATCH / K };
static size_t make_identities(int32_t *identity, size_t *samples_of) {
  size_t count = 0;
  for (int32_t round = 0; round < 11; round++)
    for (int32_t id = 0; id < IDENTITIES; id++)
      if (round < 1 + id * 7 % 11) {
        identity[count++] = id * 3 + 100;
        samples_of[id]++;
      }
  return count;
}

Test(sampler, identity_batches_hold_p_identities_of_k_samples) {
  int32_t identity[IDENTITIES * 11];
  size_t samples_of[IDENTITIES] = {0}, count = make_identities(identity, samples_of);
  xr_sampler *s = open_sampler(identity, count,
                               (xr_sampler_options){.kind = XR_SAMPLER_IDENTITY, .batch = BATCH, .per_identity = K, .seed = 9});
  for (uint64_t epoch = 0; epoch < 50; epoch++) {
    size_t n, uses[IDENTITIES] = {0};
    int sample_uses[IDENTITIES * 11] = {0};
    int32_t *order = draw(s, epoch, &n);
    cr_assert(n > 0 && n % BATCH == 0);
    for (size_t batch = 0; batch < n; batch += BATCH) {
      int32_t seen[P];
      for (size_t group = 0; group < P; group++) {
        const int32_t *members = order + batch + group * K;
        seen[group] = identity[members[0]];
        for (size_t i = 1; i < K; i++) cr_assert_eq(identity[members[i]], seen[group]);
        for (size_t i = 0; i < group; i++) cr_assert_neq(seen[i], seen[group], "an identity stands in a batch twice");
      }
      for (size_t i = 0; i < BATCH; i++) {
        cr_assert(order[batch + i] >= 0 && (size_t)order[batch + i] < count);
        uses[(identity[order[batch + i]] - 100) / 3]++;
        sample_uses[order[batch + i]]++;
      }
    }
    size_t identities_left = 0;
    for (size_t id = 0; id < IDENTITIES; id++) {
      const size_t most = samples_of[id] < K ? K : samples_of[id] / K * K;
      cr_assert_leq(uses[id], most);
      if (uses[id] < most) identities_left++;
    }
    cr_assert_lt(identities_left, P, "the epoch ended although another batch was possible");
    for (size_t i = 0; i < count; i++)
      if (samples_of[(identity[i] - 100) / 3] >= K) cr_assert_leq(sample_uses[i], 1, "a sample of a frequent identity was drawn twice");
    free(order);
  }
  xr_sampler_free(s);
}

Test(sampler, identity_epochs_are_functions_of_seed_and_epoch) {
  int32_t identity[IDENTITIES * 11];
  size_t samples_of[IDENTITIES] = {0}, count = make_identities(identity, samples_of), n, m;
  xr_sampler_options options = {.kind = XR_SAMPLER_IDENTITY, .batch = BATCH, .per_identity = K, .seed = 9};
  xr_sampler *s = open_sampler(identity, count, options), *fresh = open_sampler(identity, count, options);
  for (uint64_t epoch = 0; epoch < 3; epoch++) free(draw(s, epoch, &n)); /* a fresh sampler that starts at epoch 3 has not drawn these */
  int32_t *order = draw(s, 3, &n), *resumed = draw(fresh, 3, &m);
  cr_assert_eq(n, m);
  cr_assert_arr_eq(order, resumed, n * sizeof *order);
  int32_t *next = draw(s, 4, &m);
  cr_assert(n != m || memcmp(order, next, n * sizeof *order) != 0);
  free(order);
  free(resumed);
  free(next);
  options.seed = 10;
  xr_sampler *other = open_sampler(identity, count, options);
  order = draw(s, 3, &n);
  next = draw(other, 3, &m);
  cr_assert(n != m || memcmp(order, next, n * sizeof *order) != 0);
  free(order);
  free(next);
  xr_sampler_free(s);
  xr_sampler_free(fresh);
  xr_sampler_free(other);
}

/* Identities with 5, 2, 4 and 1 samples, batches of 2 x 2. By enumeration the epoch has 12 samples with probability 7/9 and 8 otherwise
 * (1,528 of 2,000 in a run of IRRA's sampler); the bounds are 4 standard deviations. */
Test(sampler, epoch_lengths_of_unequal_identities) {
  static const int32_t identity[] = {0, 0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 3};
  xr_sampler *s = open_sampler(identity, 12, (xr_sampler_options){.kind = XR_SAMPLER_IDENTITY, .batch = 4, .per_identity = 2, .seed = 3});
  int twelve = 0, left_out[5] = {0};
  for (uint64_t epoch = 0; epoch < 2000; epoch++) {
    size_t n;
    int32_t *order = draw(s, epoch, &n);
    cr_assert(n == 8 || n == 12);
    if (n == 12) {
      int uses[12] = {0};
      for (size_t i = 0; i < n; i++) uses[order[i]]++;
      cr_assert_eq(uses[11], 2, "the single sample is drawn twice");
      int missing = 0;
      for (int i = 0; i < 5; i++)
        if (!uses[i]) {
          missing++;
          left_out[i]++;
        }
      cr_assert_eq(missing, 1, "one of five samples does not fill a group");
      twelve++;
    }
    free(order);
  }
  cr_assert(fabs(twelve / 2000.0 - 7.0 / 9.0) < 4 * sqrt(7.0 / 9.0 * 2.0 / 9.0 / 2000), "%d of 2,000 epochs have 12 samples", twelve);
  for (int i = 0; i < 5; i++) /* each sample is left out as often as the others */
    cr_assert(fabs(left_out[i] - twelve / 5.0) < 4 * sqrt(twelve * 0.16), "sample %d was left out %d times", i, left_out[i]);
  xr_sampler_free(s);
}

Test(sampler, options_that_cannot_work) {
  static const int32_t identity[] = {0, 0, 1, 1, 2};
  expect_failure(identity, 5, (xr_sampler_options){.kind = XR_SAMPLER_IDENTITY, .batch = 10, .per_identity = 4},
                 "a batch of 10 cannot hold identities of 4 samples each: the nearest batch that can is 8");
  expect_failure(identity, 5, (xr_sampler_options){.kind = XR_SAMPLER_IDENTITY, .batch = 11, .per_identity = 4}, "that can is 12");
  expect_failure(identity, 5, (xr_sampler_options){.kind = XR_SAMPLER_IDENTITY, .batch = 1, .per_identity = 4}, "that can is 4");
  expect_failure(identity, 5, (xr_sampler_options){.kind = XR_SAMPLER_IDENTITY, .batch = 8, .per_identity = 2},
                 "needs 4 identities of 2 samples, the data has 3");
  expect_failure(identity, 5, (xr_sampler_options){.kind = XR_SAMPLER_IDENTITY, .batch = 8}, "at least 1 sample an identity");
  expect_failure(identity, 5, (xr_sampler_options){.batch = 0}, "a batch of 0");
  expect_failure(identity, 0, (xr_sampler_options){.batch = 4}, "a sampler of 0 samples");
  expect_failure(identity, 5, (xr_sampler_options){.batch = 6, .drop_last = true}, "5 samples do not fill one batch of 6");
}
