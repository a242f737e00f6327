/* CRC-32 as in zlib, PNG and gzip: it finds torn and damaged files, not forged ones. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The checksum of what `before` is the checksum of (0: nothing) followed by these bytes. Uses all threads for large blocks. */
uint32_t xr_checksum(uint32_t before, const void *bytes, size_t size);
