/* CPython's module `random` to the bit, for galleries that published code draws with it.
 *
 * The generator is MT19937 (Matsumoto and Nishimura, "Mersenne twister", ACM TOMACS 1998), seeded from an integer by init_by_array with its
 * 32-bit digits. Python 3.2 and newer draw an index below n as getrandbits(bit length of n), again while it is not below n: a list of one
 * item costs draws too. Python 2 multiplies a random() instead and gives other galleries. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { XR_PYTHON_WORDS = 624 };

typedef struct {
  uint32_t word[XR_PYTHON_WORDS];
  int used;
} xr_python_random;

void xr_python_seed(xr_python_random *r, uint64_t seed);           /* random.seed(seed) */
uint32_t xr_python_bits(xr_python_random *r, int bits);            /* random.getrandbits(bits), 1 .. 32 */
uint32_t xr_python_below(xr_python_random *r, uint32_t n);         /* the index that random.choice takes of n > 0 items */
void xr_python_sample(xr_python_random *r, uint32_t n, uint32_t k, /* random.sample(range(n), k), k <= n; */
                      uint32_t *out, uint32_t *room);              /* out: [k], room: [n] */
