#include "host/train/schedule.h"

#include <math.h>

double xr_learning_rate(const xr_config *c, int64_t epoch, double fraction) {
  const double pi = 3.14159265358979323846, warm = c->schedule.warmup_epochs, epochs = (double)c->train.epochs,
               last = c->schedule.final_factor;
  const double e = (double)epoch + (c->schedule.update == XR_CONFIG_PER_STEP ? fraction : 0);
  double factor = 1;
  if (e < warm) {
    factor = c->schedule.warmup_factor + (1 - c->schedule.warmup_factor) * e / warm;
  } else if (c->schedule.kind == XR_CONFIG_COSINE) {
    factor = epochs > warm ? last + (1 - last) * 0.5 * (1 + cos(pi * fmin(1, (e - warm) / (epochs - warm)))) : 1;
  } else if (c->schedule.kind == XR_CONFIG_MULTISTEP) {
    for (uint32_t i = 0; i < c->schedule.milestones_count; i++) factor *= (double)c->schedule.milestones[i] <= e ? c->schedule.gamma : 1;
  }
  return c->optimizer.lr * factor;
}
