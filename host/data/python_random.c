#include "host/data/python_random.h"

#include <stdbool.h>

enum { N = XR_PYTHON_WORDS, SHIFT = 397 };

static void start(uint32_t *word, uint32_t seed) {
  word[0] = seed;
  for (uint32_t i = 1; i < N; i++) word[i] = 1812433253u * (word[i - 1] ^ word[i - 1] >> 30) + i;
}

void xr_python_seed(xr_python_random *r, uint64_t seed) {
  uint32_t *word = r->word;
  const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)}, digits = key[1] ? 2 : 1;
  uint32_t i = 1;
  start(word, 19650218u);
  for (uint32_t step = 0, j = 0; step < N; step++, j = (j + 1) % digits) {
    word[i] = (word[i] ^ (word[i - 1] ^ word[i - 1] >> 30) * 1664525u) + key[j] + j;
    if (++i == N) {
      word[0] = word[N - 1];
      i = 1;
    }
  }
  for (uint32_t step = 0; step < N - 1; step++) {
    word[i] = (word[i] ^ (word[i - 1] ^ word[i - 1] >> 30) * 1566083941u) - i;
    if (++i == N) {
      word[0] = word[N - 1];
      i = 1;
    }
  }
  word[0] = 0x80000000u;
  r->used = N;
}

static void refill(xr_python_random *r) {
  for (int i = 0; i < N; i++) {
    const uint32_t mixed = (r->word[i] & 0x80000000u) | (r->word[(i + 1) % N] & 0x7fffffffu);
    r->word[i] = r->word[(i + SHIFT) % N] ^ mixed >> 1 ^ (mixed & 1 ? 0x9908b0dfu : 0);
  }
  r->used = 0;
}

uint32_t xr_python_bits(xr_python_random *r, int bits) {
  if (r->used == N) refill(r);
  uint32_t y = r->word[r->used++];
  y ^= y >> 11;
  y ^= y << 7 & 0x9d2c5680u;
  y ^= y << 15 & 0xefc60000u;
  y ^= y >> 18;
  return y >> (32 - bits);
}

uint32_t xr_python_below(xr_python_random *r, uint32_t n) {
  int bits = 0;
  while (bits < 32 && n >> bits) bits++;
  uint32_t value;
  do value = xr_python_bits(r, bits);
  while (value >= n);
  return value;
}

/* Up to which n CPython moves the items of a copied list instead of remembering those that it has taken. */
static uint64_t copied_up_to(uint32_t k) {
  uint64_t size = 21, power = 4;
  if (k <= 5) return size;
  while (power < 3 * (uint64_t)k) power *= 4;
  return size + power;
}

void xr_python_sample(xr_python_random *r, uint32_t n, uint32_t k, uint32_t *out, uint32_t *room) {
  const bool copied = n <= copied_up_to(k);
  for (uint32_t i = 0; i < n; i++) room[i] = copied ? i : 0; /* the list that is left, or marks of what is taken */
  for (uint32_t i = 0; i < k; i++) {
    uint32_t place = xr_python_below(r, copied ? n - i : n);
    while (!copied && room[place]) place = xr_python_below(r, n);
    out[i] = copied ? room[place] : place;
    room[place] = copied ? room[n - i - 1] : 1;
  }
}
