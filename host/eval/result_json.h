/* Results as JSON text, fractions with 17 significant digits. Fresh text (free it), or NULL and a message. */
#pragma once

#include <stddef.h>

#include "host/eval/evaluate.h"

/* {"queries":n,"gallery":n,"valid":n,"unmatched":n,"cmc":[..],"id_cmc":[..],"mAP":x,"mINP":x,"ties_at_positives":n}
 * "id_cmc" only where the protocol has one; in the next, too. */
char *xr_rank_json(const xr_evaluation *result);
/* The same of the mean of trials, with "trials" as in the next behind it. */
char *xr_rank_trials_json(const xr_evaluation *trials, size_t count);

/* {"protocol":..,"queries":n,"gallery":n,"valid":n,"cmc":[..],"mAP":x,"mINP":x,"trials":[{"cmc":[..],"mAP":x,"mINP":x},..]}
 * trials[count >= 1] of one protocol; the values outside "trials" are their mean (evaluate.h). */
char *xr_eval_json(const xr_evaluation *trials, size_t count);
