/* The table people read after rank, eval and train: percent with two decimals, on stdout. */
#pragma once

#include "host/eval/evaluate.h"

extern const char *const xr_tie_rule_names[XR_TIE_RULES];

void xr_print_evaluation(const xr_evaluation *result);
