/* The learning rate over a run. e is the position in epochs (whole epochs with schedule.update: epoch, else with its fraction), W =
 * warmup_epochs, E = train.epochs:
 *
 *   e < W      factor = warmup_factor + (1 - warmup_factor) e / W
 *   cosine     factor = final + (1 - final) (1 + cos(pi (e - W) / (E - W))) / 2
 *   multistep  factor = gamma ^ (number of milestones <= e)
 *   constant   factor = 1
 *
 * With cosine, W = 5, E = 60 and warmup_factor .1 this is IRRA's schedule. */
#pragma once

#include "host/io/config.h"

double xr_learning_rate(const xr_config *config, int64_t epoch, double fraction_of_epoch);
