#include "host/eval/result_json.h"

#include <jansson.h>

static json_t *curve(const xr_evaluation *trials, size_t count) {
  json_t *array = json_array();
  for (int64_t k = 0; k < trials->cmc_length; k++) {
    double sum = 0;
    for (size_t t = 0; t < count; t++) sum += trials[t].cmc[k];
    json_array_append_new(array, json_real(sum / (double)count));
  }
  return array;
}

static char *finish(json_t *object) {
  char *text = object ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
  json_decref(object);
  if (!text) xr_fail(XR_NO_MEMORY, "out of memory for the result's JSON");
  return text;
}

char *xr_rank_json(const xr_evaluation *r) {
  return finish(json_pack("{s:I, s:I, s:I, s:I, s:o, s:f, s:f, s:I}", "queries", (json_int_t)r->queries, "gallery", (json_int_t)r->gallery,
                          "valid", (json_int_t)r->valid, "unmatched", (json_int_t)r->unmatched, "cmc", curve(r, 1), "mAP", r->mAP, "mINP",
                          r->mINP, "ties_at_positives", (json_int_t)r->ties_at_positives));
}

char *xr_eval_json(const xr_evaluation *trials, size_t count) {
  json_t *list = json_array();
  double mAP = 0, mINP = 0;
  for (size_t t = 0; t < count; t++) {
    mAP += trials[t].mAP;
    mINP += trials[t].mINP;
    json_array_append_new(list, json_pack("{s:o, s:f, s:f}", "cmc", curve(&trials[t], 1), "mAP", trials[t].mAP, "mINP", trials[t].mINP));
  }
  return finish(json_pack("{s:s, s:I, s:I, s:I, s:o, s:f, s:f, s:o}", "protocol", trials->protocol->name, "queries",
                          (json_int_t)trials->queries, "gallery", (json_int_t)trials->gallery, "valid", (json_int_t)trials->valid, "cmc",
                          curve(trials, count), "mAP", mAP / (double)count, "mINP", mINP / (double)count, "trials", list));
}
