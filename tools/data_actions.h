/* The actions of `xreid data` that have a file of their own (tools/data_<action>.c); argv[0] is the action's name. */
#pragma once

#include <stdbool.h>

int xr_data_check(int argc, char **argv);
int xr_data_list(int argc, char **argv);

#define XR_VAL_HOLDOUT_HELP "where the release has no val split: share of the training identities that become one; default 0"

#define XR_SEPARATE_VAL_HELP "sysu-mm01: the persons of val_id are not training persons but the val split"

/* The number of a --val-holdout, 0 to 0.5; NULL leaves *share as it is. */
bool xr_parse_share(const char *text, double *share);
