/* MATLAB's .mat files (versions 4 to 7.3, packed or not) through matio: variables of whole numbers and cells of them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/memory.h"
#include "host/base/status.h"

/* A matrix [rows, columns], column after column: element (r, c) is at r + c rows. Either of numbers or of values. */
typedef struct xr_mat_value {
  size_t rows, columns;
  const int32_t *number;             /* NULL: a cell array */
  const struct xr_mat_value *values; /* NULL: numbers */
} xr_mat_value;

/* Reads one variable; `value` lies in the arena. Errors name the file and the variable: not there (XR_NOT_FOUND), no .mat file or a damaged
 * one, numbers that are not whole or do not fit int32, more than two dimensions, a complex, text or struct variable (XR_BAD_INPUT). */
xr_status xr_mat_read(xr_arena *arena, const char *path, const char *variable, xr_mat_value *value);
