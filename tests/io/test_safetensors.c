#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/file.h"
#include "host/io/safetensors.h"

static char path[64];

static void make_path(void) { snprintf(path, sizeof path, "/tmp/xreid-safetensors-%d", (int)getpid()); }
static void remove_path(void) { unlink(path); }

TestSuite(safetensors, .init = make_path, .fini = remove_path);

/* A file that announces `header_bytes` and holds any header text and any number of data bytes. */
static void write_raw(uint64_t header_bytes, const char *header, size_t data_bytes) {
  FILE *f = fopen(path, "wb");
  cr_assert(f);
  fwrite(&header_bytes, sizeof header_bytes, 1, f);
  fwrite(header, 1, strlen(header), f);
  for (size_t i = 0; i < data_bytes; i++) fputc((int)i, f);
  fclose(f);
}

static void expect_refused(xr_status expected, const char *words) {
  xr_safetensors *file = NULL;
  xr_status status = xr_safetensors_open(&file, path);
  cr_expect_eq(status, expected, "status %d: %s", status, status == XR_OK ? "opened" : xr_message());
  cr_expect_null(file);
  cr_expect(strstr(xr_message(), words), "'%s' is not in: %s", words, xr_message());
  cr_expect(strstr(xr_message(), path), "the file is not named: %s", xr_message());
  xr_safetensors_close(file);
}

Test(safetensors, every_element_type_survives_a_round_trip) {
  const float f32[6] = {1, -2, 3.5f, 0, 1e-30f, -7};
  const double f64[2] = {0.1, -3};
  const uint16_t half[3] = {0x3c00, 0xc000, 0x0001}, bf16[1] = {0x3f80};
  const int32_t i32[2] = {-5, 7};
  const int64_t i64[1] = {1LL << 40};
  const uint8_t u8[3] = {0, 1, 255};
  const xr_stored_tensor tensors[] = {
      {.name = "f32", .dtype = XR_F32, .rank = 2, .dim = {2, 3}, .data = f32, .bytes = sizeof f32},
      {.name = "f64", .dtype = XR_F64, .rank = 1, .dim = {2}, .data = f64, .bytes = sizeof f64},
      {.name = "f16", .dtype = XR_F16, .rank = 1, .dim = {3}, .data = half, .bytes = sizeof half},
      {.name = "bf16", .dtype = XR_BF16, .rank = 0, .data = bf16, .bytes = sizeof bf16},
      {.name = "i32", .dtype = XR_I32, .rank = 1, .dim = {2}, .data = i32, .bytes = sizeof i32},
      {.name = "i64", .dtype = XR_I64, .rank = 1, .dim = {1}, .data = i64, .bytes = sizeof i64},
      {.name = "u8", .dtype = XR_U8, .rank = 3, .dim = {1, 3, 1}, .data = u8, .bytes = sizeof u8},
      {.name = "empty", .dtype = XR_F32, .rank = 2, .dim = {4, 0}, .data = f32, .bytes = 0},
  };
  enum { COUNT = sizeof tensors / sizeof *tensors };
  const xr_metadata metadata[] = {{"format", "pt"}, {"quote", "a \"word\"\n"}};
  cr_assert_eq(xr_safetensors_write(path, tensors, COUNT, metadata, 2), XR_OK, "%s", xr_message());
  xr_safetensors *file;
  cr_assert_eq(xr_safetensors_open(&file, path), XR_OK, "%s", xr_message());
  cr_expect_eq(xr_safetensors_count(file), COUNT);
  for (size_t i = 0; i < COUNT; i++) {
    const xr_stored_tensor *t = xr_safetensors_find(file, tensors[i].name);
    cr_assert(t && t->dtype == tensors[i].dtype && t->rank == tensors[i].rank && t->bytes == tensors[i].bytes, "%s", tensors[i].name);
    for (int d = 0; d < t->rank; d++) cr_expect_eq(t->dim[d], tensors[i].dim[d]);
    cr_expect(memcmp(t->data, tensors[i].data, t->bytes) == 0, "%s", t->name);
  }
  float values[3];
  xr_stored_to_f32(xr_safetensors_find(file, "f16"), values);
  cr_expect(values[0] == 1 && values[1] == -2 && values[2] == 0x1p-24f);
  cr_expect_null(xr_safetensors_find(file, "f3"));
  cr_expect_str_eq(xr_safetensors_metadata(file, "quote"), "a \"word\"\n");
  cr_expect_null(xr_safetensors_metadata(file, "other"));
  xr_safetensors_close(file);
}

Test(safetensors, files_that_are_none) {
  expect_refused(XR_NOT_FOUND, "No such file");
  cr_assert_eq(xr_write_file(path, "", 0), XR_OK);
  expect_refused(XR_BAD_INPUT, "is no safetensors file: 0 bytes");
  cr_assert_eq(xr_write_file(path, "seven b", 7), XR_OK);
  expect_refused(XR_BAD_INPUT, "is no safetensors file: 7 bytes");
  cr_assert_eq(xr_write_file(path, "a file of words, not of numbers\n", 32), XR_OK);
  expect_refused(XR_BAD_INPUT, "is cut short or no safetensors file");
  unlink(path);
  cr_assert_eq(xr_make_folders(path), XR_OK);
  expect_refused(XR_BAD_INPUT, "is no file");
  rmdir(path);
}

Test(safetensors, header_lengths_that_lie) {
  static const char header[] = "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}";
  const uint64_t right = sizeof header - 1, wrong[] = {right + 5, 1u << 30, 1ULL << 32, UINT64_MAX, UINT64_MAX - 7};
  xr_safetensors *file;
  write_raw(right, header, 4);
  cr_expect_eq(xr_safetensors_open(&file, path), XR_OK, "%s", xr_message());
  xr_safetensors_close(file);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    write_raw(wrong[i], header, 4);
    expect_refused(XR_BAD_INPUT, "is announced");
  }
  write_raw(right - 1, header, 4);
  expect_refused(XR_BAD_INPUT, "the header is no valid JSON");
  write_raw(0, header, 4);
  expect_refused(XR_BAD_INPUT, "the header is no valid JSON");
}

Test(safetensors, headers_that_lie) {
  static const struct {
    const char *header;
    size_t data_bytes;
    xr_status status;
    const char *words;
  } cases[] = {
      {"[1, 2]", 0, XR_BAD_INPUT, "the header is no JSON object"},
      {"{\"a\":5}", 0, XR_BAD_INPUT, "tensor a: needs dtype, shape and two data_offsets"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4]}}", 4, XR_BAD_INPUT, "needs dtype, shape and two data_offsets"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":4,\"data_offsets\":[0,4]}}", 4, XR_BAD_INPUT, "needs dtype, shape"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,2,4]}}", 4, XR_BAD_INPUT, "two data_offsets"},
      {"{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, XR_UNSUPPORTED, "the dtype F8_E4M3 is not supported"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[-4],\"data_offsets\":[0,4]}}", 4, XR_BAD_INPUT, "something that is no size"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4.0],\"data_offsets\":[0,4]}}", 4, XR_BAD_INPUT, "something that is no size"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,4],\"data_offsets\":[0,4]}}", 4, XR_UNSUPPORTED, "9 dimensions"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 0, XR_BAD_INPUT, "too large"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,5]}}", 4, XR_BAD_INPUT, "do not lie within the 4 bytes of data"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[-4,0]}}", 4, XR_BAD_INPUT, "do not lie within"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,0]}}", 4, XR_BAD_INPUT, "do not lie within"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[9223372036854775804,9223372036854775807]}}", 4, XR_BAD_INPUT,
       "do not lie"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,\"4\"]}}", 4, XR_BAD_INPUT, "do not lie within"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, XR_BAD_INPUT,
       "its shape needs 16 bytes, its data_offsets span 4"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}", 6,
       XR_BAD_INPUT, "overlaps another tensor's"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[5,7]}}", 7,
       XR_BAD_INPUT, "tensor b: its data leaves a hole before it"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]}}", 8,
       XR_BAD_INPUT, "duplicate"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 9, XR_BAD_INPUT, "5 bytes at the end belong to no tensor"},
      {"{}", 3, XR_BAD_INPUT, "3 bytes at the end belong to no tensor"},
      {"{\"__metadata__\":{\"a\":5}}", 0, XR_BAD_INPUT, "the metadata entry a is no text"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    write_raw(strlen(cases[i].header), cases[i].header, cases[i].data_bytes);
    expect_refused(cases[i].status, cases[i].words);
  }
}

Test(safetensors, a_file_cut_anywhere_is_refused) {
  const float data[6] = {1, 2, 3, 4, 5, 6};
  const xr_stored_tensor tensors[] = {{.name = "one", .dtype = XR_F32, .rank = 1, .dim = {4}, .data = data, .bytes = 16},
                                      {.name = "two", .dtype = XR_F32, .rank = 1, .dim = {2}, .data = data, .bytes = 8}};
  cr_assert_eq(xr_safetensors_write(path, tensors, 2, NULL, 0), XR_OK, "%s", xr_message());
  char *whole;
  size_t bytes;
  cr_assert_eq(xr_read_file(path, &whole, &bytes), XR_OK);
  for (size_t n = 0; n < bytes; n++) {
    cr_assert_eq(xr_write_file(path, whole, n), XR_OK);
    xr_safetensors *file = NULL;
    cr_expect_eq(xr_safetensors_open(&file, path), XR_BAD_INPUT, "opened with %zu of %zu bytes", n, bytes);
    xr_safetensors_close(file);
  }
  free(whole);
}

Test(safetensors, a_name_given_twice_is_not_written) {
  const float data[2] = {1, 2};
  const xr_stored_tensor tensors[] = {{.name = "one", .dtype = XR_F32, .rank = 1, .dim = {2}, .data = data, .bytes = 8},
                                      {.name = "one", .dtype = XR_F32, .rank = 1, .dim = {2}, .data = data, .bytes = 8}};
  cr_assert_eq(xr_write_file(path, "older", 5), XR_OK);
  cr_expect_eq(xr_safetensors_write(path, tensors, 2, NULL, 0), XR_BAD_ARGUMENT);
  char *text;
  size_t bytes;
  cr_assert_eq(xr_read_file(path, &text, &bytes), XR_OK);
  cr_expect_str_eq(text, "older");
  free(text);
}
