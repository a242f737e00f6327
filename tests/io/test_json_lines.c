#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/file.h"
#include "host/io/json_lines.h"

static char path[] = "/tmp/xreid-lines-XXXXXX";

static void make_file(void) {
  int fd = mkstemp(path);
  cr_assert(fd >= 0);
  close(fd);
}
static void remove_file(void) { unlink(path); }
TestSuite(json_lines, .init = make_file, .fini = remove_file);

static void write_text(const char *text) { cr_assert_eq(xr_write_file(path, text, strlen(text)), XR_OK, "%s", xr_message()); }

static void expect_text(const char *expected) {
  char *text;
  size_t bytes;
  cr_assert_eq(xr_read_file(path, &text, &bytes), XR_OK);
  cr_expect_str_eq(text, expected);
  free(text);
}

static xr_json_lines *open_lines(void) {
  xr_json_lines *file;
  cr_assert_eq(xr_json_lines_open(&file, path), XR_OK, "%s", xr_message());
  return file;
}

static void write_step(xr_json_lines *file, int64_t step) {
  xr_json_begin(file);
  xr_json_integer(file, "step", step);
  cr_assert_eq(xr_json_end(file), XR_OK, "%s", xr_message());
}

Test(json_lines, one_object_a_line_in_the_given_order) {
  xr_json_lines *file = open_lines();
  xr_json_begin(file);
  xr_json_text(file, "kind", "a \"b\"\n\xc3\xa9");
  xr_json_integer(file, "step", INT64_MAX);
  xr_json_number(file, "loss", 0.1);
  xr_json_number(file, "bad", NAN);
  xr_json_numbers(file, "cmc", (double[]){0.5, INFINITY, -1}, 3);
  xr_json_numbers(file, "none", NULL, 0);
  cr_assert_eq(xr_json_end(file), XR_OK);
  write_step(file, 2);
  expect_text("{\"kind\":\"a \\\"b\\\"\\n\xc3\xa9\",\"step\":9223372036854775807,\"loss\":0.10000000000000001,\"bad\":null,"
              "\"cmc\":[0.5,null,-1.0],\"none\":[]}\n{\"step\":2}\n"); /* before it is closed */
  cr_assert_eq(xr_json_lines_close(file), XR_OK);
}

Test(json_lines, numbers_come_back_bit_for_bit) {
  const double values[] = {0.1, 1.0 / 3, DBL_MAX, DBL_MIN, 5e-324, -0.0, 123456789.123456789};
  enum { COUNT = sizeof values / sizeof *values };
  xr_json_lines *file = open_lines();
  xr_json_begin(file);
  xr_json_numbers(file, "x", values, COUNT);
  cr_assert_eq(xr_json_end(file), XR_OK);
  cr_assert_eq(xr_json_lines_close(file), XR_OK);
  json_t *lines;
  cr_assert_eq(xr_json_lines_read(path, &lines), XR_OK, "%s", xr_message());
  const json_t *x = json_object_get(json_array_get(lines, 0), "x");
  for (size_t i = 0; i < COUNT; i++) {
    double value = json_real_value(json_array_get(x, i));
    cr_expect_eq(memcmp(&value, &values[i], sizeof value), 0, "%a", values[i]);
  }
  json_decref(lines);
}

Test(json_lines, a_bad_member_spoils_its_line_only) {
  xr_json_lines *file = open_lines();
  xr_json_begin(file);
  xr_json_text(file, "name", "\xff");
  cr_expect_eq(xr_json_end(file), XR_BAD_ARGUMENT);
  write_step(file, 1);
  cr_assert_eq(xr_json_lines_close(file), XR_OK);
  expect_text("{\"step\":1}\n");
}

Test(json_lines, a_torn_last_line_is_left_out_and_removed) {
  write_text("{\"step\":1}\n{\"step\":2}\n{\"st");
  json_t *lines;
  cr_assert_eq(xr_json_lines_read(path, &lines), XR_OK, "%s", xr_message());
  cr_expect_eq(json_array_size(lines), 2);
  json_decref(lines);
  xr_json_lines *file = open_lines();
  write_step(file, 3);
  cr_assert_eq(xr_json_lines_close(file), XR_OK);
  expect_text("{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n");
}

Test(json_lines, broken_lines_are_named) {
  json_t *lines;
  char expected[100];
  write_text("{\"step\":1}\n{oops\n{\"step\":2}\n");
  cr_expect_eq(xr_json_lines_read(path, &lines), XR_BAD_INPUT);
  cr_expect_null(lines);
  snprintf(expected, sizeof expected, "%s:2: no JSON object: ", path);
  cr_expect_eq(strncmp(xr_message(), expected, strlen(expected)), 0, "%s", xr_message());
  write_text("[1]\n");
  cr_expect_eq(xr_json_lines_read(path, &lines), XR_BAD_INPUT);
  snprintf(expected, sizeof expected, "%s:1: an array, an object is expected", path);
  cr_expect_str_eq(xr_message(), expected);
  cr_expect_eq(xr_json_lines_keep(path, "step", 1), XR_BAD_INPUT);
  expect_text("[1]\n");
}

Test(json_lines, keep_cuts_what_a_resumed_run_will_repeat) {
  write_text("{\"step\":1}\n{\"note\": \"x\"}\n{\"step\":2 }\n{\"step\":3}\n{\"step\":2.5}\n{\"step\":4");
  cr_assert_eq(xr_json_lines_keep(path, "step", 2), XR_OK, "%s", xr_message());
  expect_text("{\"step\":1}\n{\"note\": \"x\"}\n{\"step\":2 }\n");
  cr_assert_eq(xr_json_lines_keep(path, "step", 0), XR_OK);
  expect_text("{\"note\": \"x\"}\n");
}

Test(json_lines, missing_files_have_no_lines) {
  json_t *lines;
  cr_assert_eq(xr_json_lines_read("/nowhere/m.jsonl", &lines), XR_OK);
  cr_expect_eq(json_array_size(lines), 0);
  json_decref(lines);
  cr_expect_eq(xr_json_lines_keep("/nowhere/m.jsonl", "step", 1), XR_OK);
  xr_json_lines *file;
  cr_expect_eq(xr_json_lines_open(&file, "/nowhere/m.jsonl"), XR_IO);
  cr_expect_str_eq(xr_message(), "/nowhere/m.jsonl: cannot write: No such file or directory");
}
