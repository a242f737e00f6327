#include <stdlib.h>
#include <string.h>

#include "host/api/handles.h"
#include "host/eval/evaluate.h"

struct xreid_ranking {
  xr_evaluation result;
};

/* ---- names */
static xr_status find_rule(const xreid_rank_input *in, xr_score_rule *rule) {
  *rule = (xr_score_rule){.metric = in->metric ? xr_metric_find(in->metric) : XR_COSINE,
                          .set_weight = in->set_weight,
                          .set_kind = in->set_similarity ? xr_set_kind_find(in->set_similarity) : XR_SET_SMOOTH_CHAMFER,
                          .set_sharpness = in->set_sharpness > 0 ? in->set_sharpness : 16};
  if (rule->metric == XR_METRICS) return xr_fail(XR_BAD_ARGUMENT, "there is no metric '%s': cosine, dot, euclidean", in->metric);
  if (rule->set_kind == XR_SET_KINDS)
    return xr_fail(XR_BAD_ARGUMENT, "there is no similarity '%s' of sets: smooth_chamfer, chamfer, mil, avg, optimal, aligned",
                   in->set_similarity);
  return XR_OK;
}

static xr_status find_options(const xreid_rank_input *in, xr_evaluation_options *o) {
  *o = (xr_evaluation_options){.protocol = xr_protocol_find(in->protocol ? in->protocol : "text-to-image"),
                               .max_rank = in->max_rank,
                               .ties = in->ties ? xr_tie_rule_find(in->ties) : XR_TIES_LOWER_INDEX,
                               .top_k = in->top};
  if (!o->protocol) return xr_fail(XR_BAD_ARGUMENT, "there is no protocol '%s': %s", in->protocol, xr_protocol_names());
  if (o->ties == XR_TIE_RULES) return xr_fail(XR_BAD_ARGUMENT, "there is no tie rule '%s': lower-index, best, worst", in->ties);
  return in->max_rank < 0 || in->top < 0 ? xr_fail(XR_BAD_ARGUMENT, "xreid_rank: a negative number of ranks") : XR_OK;
}

/* ---- ranking */
static xr_row_source rows_of(const float *data) { return (xr_row_source){.data = data, .dtype = XR_F32}; }

static xr_status rank(xreid_ranking *r, const xreid_rank_input *given) {
  xreid_rank_input in;
  xr_evaluation_options options;
  XR_TRY(xreid_take(&in, sizeof in, given, "xreid_rank"));
  if ((in.query_features != NULL) != (in.gallery_features != NULL) || (in.query_sets != NULL) != (in.gallery_sets != NULL))
    return xr_fail(XR_BAD_ARGUMENT, "xreid_rank: query and gallery go together");
  xr_evaluation_input e = {.queries = in.queries,
                           .gallery = in.gallery,
                           .query_features = rows_of(in.query_features),
                           .gallery_features = rows_of(in.gallery_features),
                           .width = in.width,
                           .query_sets = rows_of(in.query_sets),
                           .gallery_sets = rows_of(in.gallery_sets),
                           .set_width = in.width,
                           .query_set_size = in.set_size,
                           .gallery_set_size = in.set_size,
                           .scores = rows_of(in.scores),
                           .distances = in.distances != 0,
                           .query_ids = in.query_ids,
                           .gallery_ids = in.gallery_ids,
                           .query_cameras = in.query_cameras,
                           .gallery_cameras = in.gallery_cameras};
  XR_TRY(find_rule(&in, &e.rule));
  XR_TRY(find_options(&in, &options));
  return xr_evaluate(&e, &options, &r->result);
}

xreid_status xreid_rank(xreid_ranking **ranking, const xreid_rank_input *input) {
  if (!ranking) return xreid_status_of(xr_fail(XR_BAD_ARGUMENT, "xreid_rank: NULL where the ranking goes"));
  *ranking = NULL;
  xreid_ranking *r = calloc(1, sizeof *r);
  xr_status status = r ? rank(r, input) : xr_fail(XR_NO_MEMORY, "out of memory");
  if (status == XR_OK)
    *ranking = r;
  else
    free(r);
  return xreid_status_of(status);
}

void xreid_ranking_close(xreid_ranking *r) {
  if (!r) return;
  xr_evaluation_free(&r->result);
  free(r);
}

xreid_status xreid_ranking_measures(const xreid_ranking *r, xreid_measures *measures) {
  if (!r || !measures || measures->size < sizeof measures->size)
    return xreid_status_of(xr_fail(XR_BAD_ARGUMENT, "xreid_ranking_measures: something is NULL, or the structure's size is not set"));
  const xr_evaluation *e = &r->result;
  const xreid_measures all = {.size = measures->size,
                              .queries = e->queries,
                              .gallery = e->gallery,
                              .valid = e->valid,
                              .unmatched = e->unmatched,
                              .ties_at_positives = e->ties_at_positives,
                              .mAP = e->mAP,
                              .mINP = e->mINP,
                              .cmc = e->cmc,
                              .cmc_length = e->cmc_length,
                              .id_cmc = e->id_cmc,
                              .id_cmc_length = e->id_cmc_length,
                              .top = e->top_index,
                              .top_scores = e->top_score};
  memcpy(measures, &all, measures->size < sizeof all ? measures->size : sizeof all);
  return XREID_OK;
}
