/* The table people read after rank, eval and train: percent with two decimals, on stdout. */
#pragma once

#include "host/eval/evaluate.h"

void xr_print_evaluation(const xr_evaluation *result);
