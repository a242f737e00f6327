#include "host/io/mat.h"

#include "tests/data/scratch.h"
#include "tests/support/mat_file.h"

static scratch files;
static xr_arena *arena;
static char path[300];
static void begin(void) {
  files = scratch_new();
  arena = xr_arena_new();
  snprintf(path, sizeof path, "%s/a.mat", files.root);
}
static void end(void) {
  xr_arena_free(arena);
  scratch_remove(&files);
}
TestSuite(mat, .init = begin, .fini = end);

Test(mat, numbers_column_by_column) {
  xr_mat_value v;
  mat_write(path, mat_matrix("id", 2, 3, (double[]){1, 2, 3, -4, 5, 2147483647}));
  cr_assert(xr_mat_read(arena, path, "id", &v) == XR_OK, "%s", xr_message());
  cr_assert(v.number && !v.values && v.rows == 2 && v.columns == 3);
  cr_assert_eq(v.number[3], -4);
  cr_assert_eq(v.number[5], 2147483647);
}

Test(mat, cells_of_cells_and_empty_matrices) {
  matvar_t *inner[3] = {mat_matrix(NULL, 2, 2, (double[]){1, 2, 3, 4}), mat_matrix(NULL, 10, 0, NULL),
                        mat_matrix(NULL, 1, 1, (double[]){7})};
  matvar_t *outer[1] = {mat_cells(NULL, 3, inner)};
  xr_mat_value v;
  mat_write(path, mat_cells("all", 1, outer));
  cr_assert(xr_mat_read(arena, path, "all", &v) == XR_OK, "%s", xr_message());
  cr_assert(v.values && v.rows == 1 && v.values[0].values && v.values[0].rows == 3);
  const xr_mat_value *cells = v.values[0].values;
  cr_assert(cells[0].number[2] == 3 && cells[2].number[0] == 7);
  cr_assert_eq(cells[1].columns, 0);
}

static void refused(const char *variable, xr_status status, const char *part) {
  xr_mat_value v;
  cr_assert_eq(xr_mat_read(arena, path, variable, &v), status, "%s", xr_message());
  expect_message(part);
  expect_message("a.mat");
}

Test(mat, what_cannot_be_read) {
  refused("id", XR_NOT_FOUND, "there is no such file");
  mat_write(path, mat_matrix("id", 1, 2, (double[]){1, 2.5}));
  refused("id", XR_BAD_INPUT, "holds 2.5, which is no whole number");
  refused("ids", XR_BAD_INPUT, "holds no variable \"ids\"");
  mat_write(path, mat_matrix("id", 1, 1, (double[]){3e9}));
  refused("id", XR_BAD_INPUT, "no whole number of 32 bits");
  char text[] = "abc";
  mat_write(path, Mat_VarCreate("id", MAT_C_CHAR, MAT_T_UTF8, 2, (size_t[]){1, 3}, text, 0));
  refused("id", XR_BAD_INPUT, "must hold real numbers");
  mat_write(path, Mat_VarCreate("id", MAT_C_DOUBLE, MAT_T_DOUBLE, 3, (size_t[]){1, 1, 2}, (double[]){1, 2}, 0));
  refused("id", XR_BAD_INPUT, "more than two dimensions");
  scratch_text(&files, "a.mat", "1, 2, 3\n");
  refused("id", XR_BAD_INPUT, "no MATLAB file");
}

/* A download that stopped, at every length but that of the header alone. */
Test(mat, files_that_are_cut_off) {
  double numbers[40];
  for (int i = 0; i < 40; i++) numbers[i] = i * 37 % 101;
  mat_write(path, mat_matrix("id", 4, 10, numbers));
  char *bytes;
  size_t size;
  cr_assert_eq(xr_read_file(path, &bytes, &size), XR_OK);
  for (size_t length = 0; length < size; length++) {
    xr_mat_value v;
    scratch_write(&files, "a.mat", bytes, length);
    cr_assert_eq(xr_mat_read(arena, path, "id", &v), XR_BAD_INPUT, "cut at %zu of %zu", length, size);
    expect_message("a.mat: ");
  }
  free(bytes);
}
