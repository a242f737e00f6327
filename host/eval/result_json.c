#include "host/eval/result_json.h"

#include <jansson.h>

static json_t *curve(const double *values, int64_t length) {
  json_t *array = json_array();
  for (int64_t k = 0; k < length; k++) json_array_append_new(array, json_real(values[k]));
  return array;
}

/* "cmc", "id_cmc" where there is one, "mAP", "mINP". */
static void put_measures(json_t *to, const xr_evaluation *r) {
  json_object_set_new(to, "cmc", curve(r->cmc, r->cmc_length));
  if (r->id_cmc) json_object_set_new(to, "id_cmc", curve(r->id_cmc, r->id_cmc_length));
  json_object_set_new(to, "mAP", json_real(r->mAP));
  json_object_set_new(to, "mINP", json_real(r->mINP));
}

static char *finish(json_t *object) {
  char *text = object ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
  json_decref(object);
  if (!text) xr_fail(XR_NO_MEMORY, "out of memory for the result's JSON");
  return text;
}

static json_t *rank_object(const xr_evaluation *r) {
  json_t *object = json_pack("{s:I, s:I, s:I, s:I}", "queries", (json_int_t)r->queries, "gallery", (json_int_t)r->gallery, "valid",
                             (json_int_t)r->valid, "unmatched", (json_int_t)r->unmatched);
  put_measures(object, r);
  json_object_set_new(object, "ties_at_positives", json_integer((json_int_t)r->ties_at_positives));
  return object;
}

static json_t *list_of(const xr_evaluation *trials, size_t count) {
  json_t *list = json_array();
  for (size_t t = 0; t < count; t++) {
    json_t *one = json_object();
    put_measures(one, &trials[t]);
    json_array_append_new(list, one);
  }
  return list;
}

char *xr_rank_json(const xr_evaluation *r) { return finish(rank_object(r)); }

char *xr_rank_trials_json(const xr_evaluation *trials, size_t count) {
  xr_evaluation mean;
  if (xr_evaluation_mean(trials, count, &mean) != XR_OK) return NULL;
  json_t *object = rank_object(&mean);
  json_object_set_new(object, "trials", list_of(trials, count));
  xr_evaluation_free(&mean);
  return finish(object);
}

char *xr_eval_json(const xr_evaluation *trials, size_t count) {
  xr_evaluation mean;
  if (xr_evaluation_mean(trials, count, &mean) != XR_OK) return NULL;
  json_t *object = json_pack("{s:s, s:I, s:I, s:I}", "protocol", mean.protocol->name, "queries", (json_int_t)mean.queries, "gallery",
                             (json_int_t)mean.gallery, "valid", (json_int_t)mean.valid);
  put_measures(object, &mean);
  json_object_set_new(object, "trials", list_of(trials, count));
  xr_evaluation_free(&mean);
  return finish(object);
}
