/* Results as JSON text, fractions with 17 significant digits. Fresh text (free it), or NULL and a message. */
#pragma once

#include <stddef.h>

#include "host/eval/evaluate.h"

/* {"queries":n,"gallery":n,"valid":n,"unmatched":n,"cmc":[..],"mAP":x,"mINP":x,"ties_at_positives":n} */
char *xr_rank_json(const xr_evaluation *result);

/* {"protocol":..,"queries":n,"gallery":n,"valid":n,"cmc":[..],"mAP":x,"mINP":x,"trials":[{"cmc":[..],"mAP":x,"mINP":x},..]}
 * trials[count >= 1] of one protocol and one CMC length; the values outside "trials" are means over them, the counts the first's. */
char *xr_eval_json(const xr_evaluation *trials, size_t count);
