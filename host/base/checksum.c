#include "host/base/checksum.h"

#include <zlib.h>

enum { PIECE = 1 << 20, PIECES = 64 }; /* bytes that one thread takes at a time; pieces in a round */

uint32_t xr_checksum(uint32_t before, const void *bytes, size_t size) {
  const unsigned char *from = bytes;
  while (size >= 2 * PIECE) {
    const int pieces = size / PIECE < PIECES ? (int)(size / PIECE) : PIECES;
    uint32_t part[PIECES];
#pragma omp parallel for schedule(static)
    for (int i = 0; i < pieces; i++) part[i] = (uint32_t)crc32_z(0, from + (size_t)i * PIECE, PIECE);
    for (int i = 0; i < pieces; i++) before = (uint32_t)crc32_combine(before, part[i], PIECE);
    from += (size_t)pieces * PIECE;
    size -= (size_t)pieces * PIECE;
  }
  return (uint32_t)crc32_z(before, from, size);
}
