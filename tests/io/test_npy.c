#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/file.h"
#include "host/io/npy.h"

static char path[64];

static void make_path(void) { snprintf(path, sizeof path, "/tmp/xreid-npy-%d.npy", (int)getpid()); }
static void remove_path(void) { unlink(path); }

TestSuite(npy, .init = make_path, .fini = remove_path);

/* A file with any header: version, header text, data. */
static void write_raw(int major, const char *header, const void *data, size_t bytes) {
  FILE *f = fopen(path, "wb");
  size_t n = strlen(header);
  fwrite("\x93NUMPY", 1, 6, f);
  unsigned char start[6] = {(unsigned char)major, 0, (unsigned char)(n & 255), (unsigned char)(n >> 8), 0, 0};
  fwrite(start, 1, major == 1 ? 4 : 6, f);
  fwrite(header, 1, n, f);
  fwrite(data, 1, bytes, f);
  fclose(f);
}

static void expect_failure(xr_status expected, const char *words) {
  xr_npy *a = NULL;
  xr_status status = xr_npy_open(&a, path);
  cr_expect_eq(status, expected, "status %d: %s", status, xr_message());
  cr_expect_null(a);
  cr_expect(strstr(xr_message(), words), "'%s' is not in: %s", words, xr_message());
  cr_expect(strstr(xr_message(), path), "the file is not named: %s", xr_message());
}

Test(npy, every_element_type_survives_a_round_trip) {
  static const xr_dtype types[] = {XR_F32, XR_F64, XR_F16, XR_I32, XR_I64, XR_U8};
  unsigned char data[6 * 8];
  for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * 7 + 1);
  for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
    cr_assert_eq(xr_npy_write(path, types[t], 2, (int64_t[]){2, 3}, data), XR_OK, "%s", xr_message());
    xr_npy *a;
    cr_assert_eq(xr_npy_open(&a, path), XR_OK, "%s", xr_message());
    cr_expect(a->dtype == types[t] && a->rank == 2 && a->dim[0] == 2 && a->dim[1] == 3 && a->count == 6);
    cr_expect_arr_eq(a->data, data, 6 * xr_dtype_bytes(types[t]));
    xr_npy_close(a);
  }
}

Test(npy, ranks_0_to_8_and_empty_arrays) {
  const int64_t dim[9] = {1, 2, 1, 1, 3, 1, 1, 1, 1};
  const int32_t data[6] = {1, -2, 3, -4, 5, -6};
  for (int rank = 0; rank <= 8; rank++) {
    cr_assert_eq(xr_npy_write(path, XR_I32, rank, dim, data), XR_OK);
    xr_npy *a;
    cr_assert_eq(xr_npy_open(&a, path), XR_OK, "rank %d: %s", rank, xr_message());
    cr_expect_eq(a->rank, rank);
    for (int i = 0; i < rank; i++) cr_expect_eq(a->dim[i], dim[i]);
    cr_expect_eq(((const int32_t *)a->data)[a->count - 1], data[a->count - 1]);
    xr_npy_close(a);
  }
  cr_assert_eq(xr_npy_write(path, XR_F32, 2, (int64_t[]){0, 512}, NULL), XR_OK);
  xr_npy *a;
  cr_assert_eq(xr_npy_open(&a, path), XR_OK, "%s", xr_message());
  cr_expect(a->count == 0 && a->dim[1] == 512);
  xr_npy_close(a);
}

/* The bytes numpy.save itself writes for numpy.arange(3, dtype='<i8'). */
Test(npy, written_bytes_are_those_of_numpy) {
  cr_assert_eq(xr_npy_write(path, XR_I64, 1, (int64_t[]){3}, (int64_t[]){0, 1, 2}), XR_OK);
  char *bytes;
  size_t size;
  cr_assert_eq(xr_read_file(path, &bytes, &size), XR_OK);
  char expected[128];
  memset(expected, ' ', sizeof expected);
  memcpy(expected, "\x93NUMPY\x01\x00\x76\x00", 10);
  const char *text = "{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }";
  memcpy(expected + 10, text, strlen(text));
  expected[127] = '\n';
  cr_assert_eq(size, 128 + 24);
  cr_expect_arr_eq(bytes, expected, 128);
  free(bytes);
}

Test(npy, other_spellings_versions_and_unaligned_data_are_read) {
  const float data[2] = {1.5f, -2};
  for (int major = 1; major <= 3; major++) {
    write_raw(major, " { \"shape\":(2 , 1),'fortran_order' :False,'descr':\"<f4\"}", data, sizeof data);
    xr_npy *a;
    cr_assert_eq(xr_npy_open(&a, path), XR_OK, "version %d: %s", major, xr_message());
    cr_expect(a->rank == 2 && a->dim[0] == 2 && a->dim[1] == 1);
    cr_expect_eq((uintptr_t)a->data % sizeof(float), 0);
    float out[2];
    xr_npy_to_f32(a, out);
    cr_expect(out[0] == 1.5f && out[1] == -2);
    xr_npy_close(a);
  }
  write_raw(1, "{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }", "\1\0", 2);
  xr_npy *a;
  cr_assert_eq(xr_npy_open(&a, path), XR_OK, "%s", xr_message());
  cr_expect(a->dtype == XR_U8 && ((const uint8_t *)a->data)[0] == 1);
  xr_npy_close(a);
}

Test(npy, half_precision_widens_exactly) {
  const uint16_t half[4] = {0x3c00, 0xc000, 0x0001, 0x7c00}; /* 1, -2, 2^-24, infinity */
  cr_assert_eq(xr_npy_write(path, XR_F16, 1, (int64_t[]){4}, half), XR_OK);
  xr_npy *a;
  cr_assert_eq(xr_npy_open(&a, path), XR_OK);
  float out[4];
  xr_npy_to_f32(a, out);
  cr_expect(out[0] == 1 && out[1] == -2 && out[2] == 0x1p-24f && out[3] > 1e38f);
  xr_npy_close(a);
}

Test(npy, what_cannot_be_read_is_named) {
  expect_failure(XR_NOT_FOUND, "No such file");
  static const struct {
    const char *header, *words;
    xr_status status;
    size_t bytes;
  } cases[] = {
      {"{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", "Fortran", XR_UNSUPPORTED, 16},
      {"{'descr': '>f4', 'fortran_order': False, 'shape': (2, 2), }", "big-endian", XR_UNSUPPORTED, 16},
      {"{'descr': '<c8', 'fortran_order': False, 'shape': (2,), }", "<c8", XR_UNSUPPORTED, 16},
      {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", "records", XR_UNSUPPORTED, 8},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", "cut short: its header announces 24 bytes of data, 16", XR_BAD_INPUT,
       16},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", "bytes after its data", XR_BAD_INPUT, 16},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4), }", "too large", XR_BAD_INPUT, 16},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", "too large", XR_BAD_INPUT, 16},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,4), }", "more than 8 dimensions", XR_UNSUPPORTED, 16},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (-4,), }", "shape cannot be read", XR_BAD_INPUT, 16},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (4 4), }", "shape cannot be read", XR_BAD_INPUT, 16},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (4", "shape cannot be read", XR_BAD_INPUT, 0},
      {"{'descr': '<f4', 'fortran_order': Maybe, 'shape': (4,)}", "fortran_order", XR_BAD_INPUT, 16},
      {"{'descr': '<f4', 'shape': (4,)}", "lacks", XR_BAD_INPUT, 16},
      {"{'descr': '<f4", "cannot be read", XR_BAD_INPUT, 0},
      {"['descr']", "no dictionary", XR_BAD_INPUT, 16},
      {"{'colour': 3}", "unknown entry 'colour'", XR_BAD_INPUT, 16},
  };
  const char data[16] = {0};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    write_raw(1, cases[i].header, data, cases[i].bytes);
    expect_failure(cases[i].status, cases[i].words);
  }
  write_raw(4, "{}", data, 0);
  expect_failure(XR_UNSUPPORTED, "version 4.0");
  xr_write_file(path, "", 0);
  expect_failure(XR_BAD_INPUT, "no npy file");
  xr_write_file(path, "PK\3\4 this is a zip archive", 24);
  expect_failure(XR_BAD_INPUT, "no npy file");
  xr_write_file(path, "\x93NUMPY\x01\x00\x76\x00{'descr", 17);
  expect_failure(XR_BAD_INPUT, "cut short within its header");
  xr_write_file(path, "\x93NUMPY\x02\x00\x76\x00", 10);
  expect_failure(XR_BAD_INPUT, "cut short within its header");
}

Test(npy, bf16_and_too_many_dimensions_are_not_written) {
  cr_expect_eq(xr_npy_write(path, XR_BF16, 1, (int64_t[]){1}, "ab"), XR_UNSUPPORTED);
  cr_expect(strstr(xr_message(), "bf16"), "%s", xr_message());
  cr_expect_eq(xr_npy_write(path, XR_F32, 9, (int64_t[9]){1, 1, 1, 1, 1, 1, 1, 1, 1}, "abcd"), XR_BAD_ARGUMENT);
  cr_expect_not(xr_is_file(path));
}
