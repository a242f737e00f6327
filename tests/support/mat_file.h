/* Small .mat files for tests. */
#pragma once

#include <criterion/criterion.h>
#include <matio.h>
#include <stdlib.h>

static inline matvar_t *mat_matrix(const char *name, size_t rows, size_t columns, const double *values) {
  matvar_t *v = Mat_VarCreate(name, MAT_C_DOUBLE, MAT_T_DOUBLE, 2, (size_t[]){rows, columns}, (void *)values, 0);
  cr_assert(v);
  return v;
}

/* rows x 1; takes the cells over. */
static inline matvar_t *mat_cells(const char *name, size_t rows, matvar_t **cells) {
  matvar_t *v = Mat_VarCreate(name, MAT_C_CELL, MAT_T_CELL, 2, (size_t[]){rows, 1}, cells, 0);
  cr_assert(v);
  return v;
}

/* Frees the variable. */
static inline void mat_write(const char *path, matvar_t *v) {
  mat_t *file = Mat_CreateVer(path, NULL, MAT_FT_MAT5);
  cr_assert(file, "%s", path);
  cr_assert_eq(Mat_VarWrite(file, v, MAT_COMPRESSION_ZLIB), 0);
  Mat_Close(file);
  Mat_VarFree(v);
}
