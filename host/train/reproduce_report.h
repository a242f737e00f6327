/* The outcome of a reproduction for people (Markdown, percent) and for programs (JSON, fractions with 17 digits). */
#pragma once

#include "host/train/reproduce.h"

/* Sections: the table beside the published figures, the protocol in words, every run. Fresh text (free it). */
xr_status xr_reproduction_markdown(const xr_reproduction *r, char **text);

/* {"name", "xreid", "protocol":{..}, "variants":[{"name", "set":[..], "best":{"count", "mean":{..}, "deviation":{..}, "difference":{..}},
 *   "last":{..}, "runs":[{"seed", "state", "folder", "message"; of a finished one "steps", "epochs", "best_step", "seconds", "backend",
 * "device", "best":{..}, "last":{..}}]}], "paper":{..}, "peers":[{"name", ..}]} Figures are {"R1", "R5", "R10", "mAP", "mINP"}, null where
 * not known; "difference" is that of the means to the first variant. Fresh text (free it). */
xr_status xr_reproduction_json(const xr_reproduction *r, char **text);
