#include "host/io/text_file.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "host/base/file.h"

/* All members of a gzip file one after another, as gzip -d writes them. */
static xr_status inflate_all(const char *path, char *packed, size_t packed_bytes, char **text, size_t *bytes) {
  z_stream stream = {.next_in = (Bytef *)packed, .avail_in = (uInt)packed_bytes};
  size_t room = 0, made = 0;
  char *out = NULL;
  xr_status status = inflateInit2(&stream, MAX_WBITS + 16) == Z_OK ? XR_OK : xr_fail(XR_NO_MEMORY, "%s: out of memory", path);
  if (status != XR_OK) return status;
  for (int step = Z_OK; status == XR_OK;) {
    if (step == Z_STREAM_END && stream.avail_in == 0) break;
    if (step == Z_STREAM_END) inflateReset(&stream);
    if (room - made < 65536) {
      room = room ? room * 2 : 4 * packed_bytes + 65536;
      char *larger = room > XR_TEXT_FILE_MAX ? NULL : realloc(out, room + 1);
      if (!larger) {
        status = xr_fail(XR_BAD_INPUT, "%s: holds more text than fits (at most %d MiB)", path, XR_TEXT_FILE_MAX >> 20);
        break;
      }
      out = larger;
    }
    stream.next_out = (Bytef *)out + made;
    stream.avail_out = (uInt)(room - made);
    step = inflate(&stream, Z_NO_FLUSH);
    made = room - stream.avail_out;
    if (step != Z_OK && step != Z_STREAM_END)
      status = xr_fail(XR_BAD_INPUT, "%s: damaged gzip data after %zu bytes of text (%s); download it again", path, made,
                       step == Z_BUF_ERROR ? "it ends too early"
                       : stream.msg        ? stream.msg
                                           : "bad data");
  }
  inflateEnd(&stream);
  if (status != XR_OK) {
    free(out);
    return status;
  }
  out[made] = '\0';
  *text = out;
  *bytes = made;
  return XR_OK;
}

xr_status xr_read_text_file(const char *path, char **text, size_t *bytes) {
  char *content;
  size_t size, length = strlen(path);
  *text = NULL;
  *bytes = 0;
  XR_TRY(xr_read_file(path, &content, &size));
  bool packed = size >= 2 && (unsigned char)content[0] == 0x1f && (unsigned char)content[1] == 0x8b;
  if (!packed && !(length > 3 && strcmp(path + length - 3, ".gz") == 0)) {
    *text = content;
    *bytes = size;
    return XR_OK;
  }
  xr_status status = packed && size <= XR_TEXT_FILE_MAX ? inflate_all(path, content, size, text, bytes)
                     : packed                           ? xr_fail(XR_BAD_INPUT, "%s: larger than %d MiB", path, XR_TEXT_FILE_MAX >> 20)
                                                        : xr_fail(XR_BAD_INPUT, "%s: is called .gz but is not gzip data", path);
  free(content);
  return status;
}
