#include "host/train/peak.h"

#include <math.h>
#include <string.h>

#include "host/graph/ceilings.h"
#include "kernels/common/threads.h"

static const double SECONDS = 0.1; /* for each of the two in a round */
static const double BETTER = 1.03; /* a round that betters the best by less is the last */
enum { LEAST_ROUNDS = 2, MOST_ROUNDS = 6 };

typedef struct { /* what a measurement is good for */
  char device[256];
  const char *products;
  int threads;
} circumstances;

static circumstances circumstances_of(const xr_config *c, xr_backend backend) {
  circumstances now = {.threads = backend == XR_CPU ? xr_threads(INT32_MAX) : 0};
  xr_device_name(backend, now.device, sizeof now.device);
  now.products = xr_product_name(xr_product_kind_of(backend, c->model.precision == XR_CONFIG_BF16 ? XR_BF16 : XR_F32, c->model.tf32));
  return now;
}

static bool is_text(const json_t *object, const char *key, const char *text) {
  const char *value = json_string_value(json_object_get(object, key));
  return value && strcmp(value, text) == 0;
}

static double positive(const json_t *object, const char *key) {
  const double value = json_number_value(json_object_get(object, key));
  return value > 0 ? value : 0;
}

static xr_status remembered(const xr_run_folder *run, const circumstances *now, xr_device_speed *speed) {
  json_t *environment;
  XR_TRY(xr_run_environment_read(run, &environment));
  const json_t *peak = json_object_get(environment, "peak");
  if (is_text(peak, "device", now->device) && is_text(peak, "products", now->products) &&
      json_integer_value(json_object_get(peak, "threads")) == now->threads)
    *speed = (xr_device_speed){positive(peak, "flop_per_second"), positive(peak, "bytes_per_second")};
  json_decref(environment);
  return XR_OK;
}

static xr_status measure(const xr_config *c, xr_backend backend, xr_device_speed *speed) {
  const xr_product_kind kind = xr_product_kind_of(backend, c->model.precision == XR_CONFIG_BF16 ? XR_BF16 : XR_F32, c->model.tf32);
  bool better = true;
  for (int round = 0; round < MOST_ROUNDS && (round < LEAST_ROUNDS || better); round++) {
    xr_device_speed now;
    XR_TRY(xr_measure_copies(backend, SECONDS, &now.bytes_per_second));
    XR_TRY(xr_measure_products(backend, kind, SECONDS, &now.flops_per_second));
    better = now.bytes_per_second > BETTER * speed->bytes_per_second || now.flops_per_second > BETTER * speed->flops_per_second;
    speed->bytes_per_second = fmax(speed->bytes_per_second, now.bytes_per_second);
    speed->flops_per_second = fmax(speed->flops_per_second, now.flops_per_second);
  }
  return XR_OK;
}

static xr_status remember(const xr_run_folder *run, const circumstances *now, xr_device_speed speed, bool raised) {
  return xr_run_environment_add(run, json_pack("{s:{s:s, s:s, s:i, s:f, s:f, s:b}}", "peak", "device", now->device, "products",
                                               now->products, "threads", now->threads, "flop_per_second", speed.flops_per_second,
                                               "bytes_per_second", speed.bytes_per_second, "raised_by_a_step", raised));
}

xr_status xr_run_peak(const xr_run_folder *run, const xr_config *c, xr_backend backend, xr_device_speed *speed) {
  const xr_device_speed given = {c->train.peak_tflop_per_second * 1e12, c->train.peak_gb_per_second * 1e9};
  *speed = (xr_device_speed){0};
  if (!(given.flops_per_second > 0) || !(given.bytes_per_second > 0)) {
    const circumstances now = circumstances_of(c, backend);
    XR_TRY(remembered(run, &now, speed));
    if (!(speed->flops_per_second > 0) || !(speed->bytes_per_second > 0)) {
      *speed = (xr_device_speed){0};
      XR_TRY(measure(c, backend, speed));
      XR_TRY(remember(run, &now, *speed, false));
    }
  }
  if (given.flops_per_second > 0) speed->flops_per_second = given.flops_per_second;
  if (given.bytes_per_second > 0) speed->bytes_per_second = given.bytes_per_second;
  return XR_OK;
}

xr_status xr_run_peak_raise(const xr_run_folder *run, const xr_config *c, xr_backend backend, double share, xr_device_speed *speed,
                            bool *raised) {
  *raised = share > 1 && !(c->train.peak_tflop_per_second > 0) && !(c->train.peak_gb_per_second > 0);
  if (!*raised) return XR_OK;
  speed->flops_per_second *= share;
  speed->bytes_per_second *= share;
  const circumstances now = circumstances_of(c, backend);
  return remember(run, &now, *speed, true);
}
