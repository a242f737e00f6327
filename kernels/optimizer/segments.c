#include "kernels/optimizer/segments.h"

xr_status xr_count_chunks(const xr_segment *segment, int64_t segments, int64_t *chunks) {
  *chunks = 0;
  for (int64_t s = 0; s < segments; s++) {
    if (segment[s].offset < 0 || segment[s].count < 0)
      return xr_fail(XR_BAD_SHAPE, "optimizer: segment %lld starts at %lld and has %lld elements", (long long)s,
                     (long long)segment[s].offset, (long long)segment[s].count);
    *chunks += (segment[s].count + XR_CHUNK - 1) / XR_CHUNK;
  }
  return XR_OK;
}

void xr_cut_segments(const xr_segment *segment, int64_t segments, xr_chunk *chunk) {
  for (int64_t s = 0; s < segments; s++)
    for (int64_t at = 0; at < segment[s].count; at += XR_CHUNK) {
      const int64_t left = segment[s].count - at;
      *chunk++ = (xr_chunk){.offset = segment[s].offset + at, .count = (int32_t)(left < XR_CHUNK ? left : XR_CHUNK), .segment = (int32_t)s};
    }
}
