#include "host/data/python_random.h"

#include <criterion/criterion.h>

/* random.seed(s), then random.choice of lists of these lengths: Python 3. */
Test(python_random, choice) {
  static const uint32_t lengths[] = {29, 8, 20, 20, 2, 1, 3, 7, 50, 88, 33, 16, 17, 1000};
  static const struct {
    uint64_t seed;
    uint32_t pick[14];
  } cases[] = {{0, {27, 6, 13, 1, 1, 0, 1, 6, 19, 61, 22, 6, 16, 142}},
               {1, {4, 1, 8, 3, 1, 0, 1, 5, 24, 26, 6, 15, 0, 914}},
               {2, {27, 0, 2, 2, 1, 0, 2, 6, 42, 39, 16, 6, 1, 595}},
               {9, {14, 5, 8, 4, 0, 0, 1, 4, 29, 77, 5, 10, 1, 745}}};
  xr_python_random r;
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    xr_python_seed(&r, cases[c].seed);
    for (int i = 0; i < 14; i++) {
      const uint32_t pick = xr_python_below(&r, lengths[i]);
      cr_expect_eq(pick, cases[c].pick[i], "seed %d, list %d: %u", (int)cases[c].seed, i, pick);
    }
  }
}

Test(python_random, bits) {
  static const int bits[] = {1, 5, 17, 32, 32};
  static const uint32_t expected[] = {1, 8, 97227, 1539898300u, 3415330359u};
  xr_python_random r;
  xr_python_seed(&r, 5);
  for (int i = 0; i < 5; i++) cr_expect_eq(xr_python_bits(&r, bits[i]), expected[i]);
}

/* random.sample(range(n), k): by moving a copied list (n up to 85 for k of 10) and by remembering; a seed of more than 32 bits. */
Test(python_random, sample) {
  static const struct {
    uint64_t seed;
    uint32_t n, k, pick[10];
  } cases[] = {{0, 12, 10, {6, 11, 0, 4, 7, 3, 2, 10, 5, 8}},
               {1, 85, 10, {17, 72, 8, 32, 15, 63, 57, 60, 48, 26}},
               {2, 86, 10, {7, 11, 10, 46, 21, 85, 39, 32, 77, 27}},
               {3, 200, 10, {60, 151, 139, 33, 94, 154, 121, 160, 148, 16}},
               {4, 30, 3, {7, 9, 3}},
               {5, 1000, 6, {637, 261, 759, 367, 814, 707}},
               {((uint64_t)1 << 40) + 7, 50, 10, {39, 47, 40, 36, 45, 30, 16, 49, 8, 33}}};
  xr_python_random r;
  uint32_t out[10], room[1000];
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    xr_python_seed(&r, cases[c].seed);
    xr_python_sample(&r, cases[c].n, cases[c].k, out, room);
    for (uint32_t i = 0; i < cases[c].k; i++) cr_expect_eq(out[i], cases[c].pick[i], "case %zu, pick %u: %u", c, i, out[i]);
  }
}
