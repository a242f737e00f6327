#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "tools/bench.h"

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

xr_bench_spread xr_bench_spread_of(double *seconds, int64_t count) {
  qsort(seconds, (size_t)count, sizeof *seconds, by_value);
  return (xr_bench_spread){seconds[count / 2], seconds[0], seconds[count - 1]};
}

int xr_bench_write_json(const json_t *json, const char *path) {
  char *out = json ? json_dumps(json, JSON_INDENT(1)) : NULL;
  xr_status status = out ? XR_OK : xr_fail(XR_NO_MEMORY, "out of memory");
  if (out && strcmp(path, "-") == 0)
    puts(out);
  else if (out)
    status = xr_write_file(path, out, strlen(out));
  free(out);
  return status == XR_OK ? XR_EXIT_DONE : xr_command_failed();
}

void xr_bench_report(const xr_bench *b, const xr_bench_row *row) {
  const xr_product_kind kind = xr_product_kind_of(b->backend, b->compute, b->tf32);
  const double seconds = row->seconds.median, products = row->flops / b->flops_per_second[kind], traffic = row->bytes / b->bytes_per_second;
  const double share = fmax(products, traffic) / seconds;
  const bool by_products = products > traffic;
  char rate[32] = "-";
  if (row->flops > 0) snprintf(rate, sizeof rate, "%.3f", row->flops / seconds * 1e-12);
  fprintf(b->table, "%-18s %-8s %10.4f %10.4f %9.1f %9s %6.1f %-8s %s%s%s\n", row->name, row->pass, 1e3 * seconds, 1e3 * row->seconds.least,
          row->bytes / seconds * 1e-9, rate, 100 * share,
          by_products                   ? "products"
          : row->rotation.exceeds_cache ? "copies"
                                        : "copies*",
          row->shape, *row->note ? ", " : "", row->note);
  json_array_append_new(b->rows,
                        json_pack("{s:s, s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:s, s:i, s:f, s:b}", "op", row->name,
                                  "pass", row->pass, "shape", row->shape, "note", row->note, "ms", 1e3 * seconds, "ms_min",
                                  1e3 * row->seconds.least, "ms_max", 1e3 * row->seconds.most, "flop", row->flops, "bytes", row->bytes,
                                  "tflop_per_second", row->flops / seconds * 1e-12, "gb_per_second", row->bytes / seconds * 1e-9,
                                  "share_of_ceiling", share, "ceiling", by_products ? "products" : "copies", "sets", row->rotation.sets,
                                  "set_bytes", row->rotation.set_bytes, "exceeds_cache", row->rotation.exceeds_cache));
}
