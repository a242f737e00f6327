/* The bodies of kernels/common/mma.cuh: the warp meets once, and the last lane to come does the product for all. */
#pragma once

#include "emu_fibers.h"
#include "emu_math.h"

namespace emu {
inline float half_of(uint32_t word, int upper) { return bits<float>(upper ? word & 0xffff0000u : word << 16); }

inline void mma_16x8x16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], EMU_SITE) {
  struct offer {
    float *d;
    const uint32_t *a, *b;
  } mine = {d, a, b};
  meet(~0u, where, &mine, [](void *const *offers, unsigned) {
    const auto of = [&](int lane) { return static_cast<offer *>(offers[lane]); };
    float A[16][16], B[16][8];
    for (int l = 0; l < lanes; l++)
      for (int upper = 0; upper < 2; upper++) {
        const int g = l / 4, k = l % 4 * 2 + upper;
        for (int i = 0; i < 4; i++) A[g + i % 2 * 8][k + i / 2 * 8] = half_of(of(l)->a[i], upper);
        for (int i = 0; i < 2; i++) B[k + i * 8][g] = half_of(of(l)->b[i], upper);
      }
    for (int l = 0; l < lanes; l++)
      for (int i = 0; i < 4; i++) {
        float sum = of(l)->d[i];
        for (int k = 0; k < 16; k++) sum += A[l / 4 + i / 2 * 8][k] * B[k][l % 4 * 2 + i % 2];
        of(l)->d[i] = sum;
      }
  });
}

template <int Matrices> void load_matrices(uint32_t (&r)[Matrices], const void *row, bool transposed, EMU_SITE) {
  struct offer {
    uint32_t *r;
    const unsigned short *row;
    bool transposed;
  } mine = {r, static_cast<const unsigned short *>(row), transposed};
  if (self().linear % lanes < 8 * Matrices && reinterpret_cast<uintptr_t>(row) % 16)
    fail("%s:%d: a matrix row that is not 16-byte aligned", where.file, where.line);
  meet(~0u, where, &mine, [](void *const *offers, unsigned) {
    const auto of = [&](int lane) { return static_cast<offer *>(offers[lane]); };
    for (int l = 0; l < lanes; l++)
      for (int m = 0; m < Matrices; m++) {
        const int g = l / 4, t = l % 4 * 2;
        const auto at = [&](int i, int j) { return static_cast<uint32_t>(of(m * 8 + i)->row[j]); };
        of(l)->r[m] = of(l)->transposed ? at(t, g) | at(t + 1, g) << 16 : at(g, t) | at(g, t + 1) << 16;
      }
  });
}
} // namespace emu
