#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/eval/evaluate.h"
#include "host/eval/rerank.h"
#include "host/eval/result_json.h"
#include "tools/commands.h"
#include "tools/output.h"
#include "tools/print_evaluation.h"
#include "tools/rank_input.h"
#include "tools/run_options.h"

static const xr_command_text text = {
    .name = "rank",
    .usage = "(--query Q.npy --gallery G.npy | --scores S.npy | --distances D.npy) --query-ids I.npy --gallery-ids I.npy [options]",
    .summary = "Evaluates features or scores made anywhere: CMC, mAP and mINP, exact, with a stated tie rule.",
    .example = "  xreid rank --query text.npy --gallery image.npy --query-ids text_ids.npy --gallery-ids image_ids.npy\n"
               "  xreid rank --query t.npy --gallery i.npy --query-sets ts.npy --gallery-sets is.npy --set-weight 0.5 \\\n"
               "             --query-ids text_ids.npy --gallery-ids image_ids.npy\n"
               "  xreid rank --distances d.npy --query-ids q.npy --gallery-ids g.npy --protocol market \\\n"
               "             --query-cameras qc.npy --gallery-cameras gc.npy --json -"};

typedef struct {
  xr_rank_files files;
  xr_run_options run;
  const char *metric, *set_similarity, *set_weight, *set_sharpness;
  const char *protocol, *ties, *ap, *rerank, *topk_out, *json;
  int64_t max_rank, top_k, memory;
  /* from the above */
  xr_score_rule rule;
  xr_rerank_options neighbours;
  xr_evaluation_options how;
} rank_options;

/* "rerank" before the closing brace: figures of a re-ranking are always marked. */
static char *marked(char *json, const xr_rerank_options *o) {
  char *more = NULL;
  if (json && asprintf(&more, "%.*s,\"rerank\":{\"k1\":%lld,\"k2\":%lld,\"lambda\":%.6g}}", (int)strlen(json) - 1, json, (long long)o->k1,
                       (long long)o->k2, (double)o->lambda) < 0)
    more = NULL;
  free(json);
  return more;
}

static xr_status write_results(const rank_options *o, const xr_evaluation *trials, size_t count) {
  if (o->topk_out) XR_TRY(xr_npy_write(o->topk_out, XR_I64, 2, (int64_t[]){trials->queries, trials->top_k}, trials->top_index));
  if (!xr_is_standard_output(o->json)) {
    xr_evaluation mean;
    XR_TRY(xr_evaluation_mean(trials, count, &mean));
    if (o->rerank)
      printf("re-ranked   k-reciprocal neighbours, k1 %lld, k2 %lld, lambda %g\n", (long long)o->neighbours.k1, (long long)o->neighbours.k2,
             (double)o->neighbours.lambda);
    if (count > 1) printf("trials      %zu, of which this is the mean\n", count);
    xr_print_evaluation(&mean);
    xr_evaluation_free(&mean);
  }
  if (!o->json) return XR_OK;
  char *json = o->files.trials ? xr_rank_trials_json(trials, count) : xr_rank_json(trials);
  if (o->rerank) json = marked(json, &o->neighbours);
  if (!json) return XR_NO_MEMORY;
  xr_status status = xr_write_output(o->json, json);
  free(json);
  return status;
}

/* A number, or NaN. */
static float number(const char *digits) {
  char *end;
  const float value = strtof(digits, &end);
  return *digits && !*end ? value : NAN;
}

/* -1 when the options make sense together. */
static int check_files(const xr_rank_files *f) {
  const int matrices = (f->scores != NULL) + (f->distances != NULL), rows = f->query || f->gallery || f->query_sets || f->gallery_sets;
  if (matrices + rows != 1) return xr_usage_error(&text, "needs --query and --gallery, or --scores, or --distances: one of the three");
  if (!f->query != !f->gallery) return xr_usage_error(&text, "--query and --gallery go together");
  if (!f->query_sets != !f->gallery_sets) return xr_usage_error(&text, "--query-sets and --gallery-sets go together");
  if (!f->query_ids || !f->gallery_ids) return xr_usage_error(&text, "needs --query-ids and --gallery-ids");
  return -1;
}

static int check_rule(rank_options *o) {
  const bool features = o->files.query != NULL, sets = o->files.query_sets != NULL;
  if (o->metric && !features) return xr_usage_error(&text, "--metric needs features: --query and --gallery");
  if (!sets && (o->set_similarity || o->set_weight || o->set_sharpness))
    return xr_usage_error(&text, "--set-similarity, --set-weight and --set-sharpness need sets: --query-sets and --gallery-sets");
  o->rule = (xr_score_rule){.metric = o->metric ? xr_metric_find(o->metric) : XR_COSINE,
                            .set_kind = o->set_similarity ? xr_set_kind_find(o->set_similarity) : XR_SET_SMOOTH_CHAMFER,
                            .set_weight = o->set_weight ? number(o->set_weight)
                                          : !sets       ? 0
                                          : features    ? 0.5f
                                                        : 1,
                            .set_sharpness = o->set_sharpness ? number(o->set_sharpness) : 16};
  if (o->rule.metric == XR_METRICS) return xr_usage_error(&text, "there is no metric '%s': cosine, dot, euclidean", o->metric);
  if (o->rule.set_kind == XR_SET_KINDS)
    return xr_usage_error(&text, "there is no similarity '%s': smooth_chamfer, chamfer, mil, avg, optimal, aligned", o->set_similarity);
  if (!(o->rule.set_weight >= 0 && o->rule.set_weight <= 1)) return xr_usage_error(&text, "--set-weight takes a number from 0 to 1");
  if (!(o->rule.set_sharpness > 0)) return xr_usage_error(&text, "--set-sharpness takes a number above 0");
  if (sets && !features && o->rule.set_weight < 1) return xr_usage_error(&text, "sets without features have the weight 1");
  return -1;
}

static int check_rerank(rank_options *o) {
  if (!o->rerank) return -1;
  if (!o->files.query || o->files.query_sets)
    return xr_usage_error(
        &text, "--rerank needs features alone, --query and --gallery: it compares gallery with gallery and query with query, too");
  if (o->rule.metric == XR_DOT) return xr_usage_error(&text, "--rerank needs a distance: --metric cosine or euclidean");
  return xr_rerank_parse(o->rerank, &o->neighbours) == XR_OK ? -1 : xr_usage_error(&text, "--rerank: %s", xr_message());
}

static int check_options(rank_options *o, int positional) {
  if (positional) return xr_usage_error(&text, "takes no arguments besides its options");
  int wrong = check_files(&o->files);
  if (wrong < 0) wrong = check_rule(o);
  if (wrong < 0) wrong = check_rerank(o);
  if (wrong >= 0) return wrong;
  if (o->files.trials && o->topk_out) return xr_usage_error(&text, "--topk and --trials do not go together");
  if ((o->top_k > 0) != (o->topk_out != NULL)) return xr_usage_error(&text, "--topk and --topk-out go together");
  o->files.mapped_bytes = (size_t)o->memory << 20;
  o->how = (xr_evaluation_options){.protocol = xr_protocol_find(o->protocol),
                                   .max_rank = o->max_rank,
                                   .ties = xr_tie_rule_find(o->ties),
                                   .ap = xr_ap_kind_find(o->ap),
                                   .top_k = o->top_k,
                                   .memory_bytes = (size_t)o->memory << 20};
  if (o->how.ties == XR_TIE_RULES) return xr_usage_error(&text, "there is no tie rule '%s': lower-index, best, worst", o->ties);
  if (o->how.ap == XR_AP_KINDS) return xr_usage_error(&text, "there is no average precision '%s': step, trapezoid", o->ap);
  if (!o->how.protocol) return xr_usage_error(&text, "there is no protocol '%s': %s", o->protocol, xr_protocol_names());
  if (o->how.protocol->needs_cameras && (!o->files.query_cameras || !o->files.gallery_cameras))
    return xr_usage_error(&text, "the protocol %s needs --query-cameras and --gallery-cameras", o->protocol);
  return xr_apply_run_options(&text, &o->run);
}

/* The new distances take the features' place. */
static xr_status rerank(const rank_options *o, xr_evaluation_input *in, float **distances) {
  const xr_rerank_input from = {.queries = in->queries,
                                .gallery = in->gallery,
                                .query_features = in->query_features,
                                .gallery_features = in->gallery_features,
                                .width = in->width,
                                .metric = in->rule.metric};
  xr_reranker *reranker;
  XR_TRY(xr_reranker_new(&reranker, &from, o->neighbours));
  *distances = xr_block_alloc((size_t)(in->queries * in->gallery) * sizeof **distances);
  const xr_status status = *distances ? xr_reranker_rows(reranker, 0, in->queries, *distances) : XR_NO_MEMORY;
  xr_reranker_free(reranker);
  in->query_features = in->gallery_features = (xr_row_source){0};
  in->scores = (xr_row_source){.data = *distances};
  in->distances = true;
  return status;
}

static xr_status rank(const rank_options *o) {
  xr_rank_arrays arrays;
  float *distances = NULL;
  xr_evaluation_input in = {.rule = o->rule};
  xr_evaluation *results = NULL;
  xr_status status = xr_rank_load(&arrays, &o->files, &in);
  if (status == XR_OK && o->rerank) status = rerank(o, &in, &distances);
  if (status == XR_OK && !(results = calloc(arrays.trials, sizeof *results))) status = xr_fail(XR_NO_MEMORY, "out of memory");
  if (status == XR_OK) status = xr_evaluate_trials(&in, &o->how, arrays.trial, arrays.trials, results);
  if (status == XR_OK) status = write_results(o, results, arrays.trials);
  for (size_t t = 0; results && t < arrays.trials; t++) xr_evaluation_free(&results[t]);
  free(results);
  xr_rank_close(&arrays);
  xr_block_free(distances);
  return status;
}

#define FILE_OPTION(NAME, AT, ARGUMENT, HELP) \
  { .name = NAME, .kind = XR_TEXT, .value = &o.files.AT, .argument = ARGUMENT, .help = HELP }
#define NAME_OPTION(NAME, AT, ARGUMENT, HELP) \
  { .name = NAME, .kind = XR_TEXT, .value = &o.AT, .argument = ARGUMENT, .help = HELP }
#define COUNT_OPTION(NAME, AT, ARGUMENT, HELP, MAXIMUM) \
  { .name = NAME, .kind = XR_INTEGER, .value = &o.AT, .argument = ARGUMENT, .help = HELP, .minimum = 1, .maximum = MAXIMUM }

int xr_command_rank(int argc, char **argv) {
  rank_options o = {
      .protocol = "text-to-image", .ties = xr_tie_rule_names[XR_TIES_LOWER_INDEX], .ap = xr_ap_kind_names[XR_AP_STEP], .max_rank = 50};
  const xr_option options[] = {
      FILE_OPTION("query", query, "Q.npy", "query features, float32 or float16 [Q, D]"),
      FILE_OPTION("gallery", gallery, "G.npy", "gallery features [G, D]; may be larger than memory"),
      NAME_OPTION("metric", metric, "NAME", "cosine (default), dot or euclidean"),
      FILE_OPTION("query-sets", query_sets, "Q.npy", "embedding sets of the queries [Q, K, D], with or without features"),
      FILE_OPTION("gallery-sets", gallery_sets, "G.npy", "embedding sets of the gallery [G, K, D]"),
      NAME_OPTION("set-similarity", set_similarity, "NAME", "smooth_chamfer (default), chamfer, mil, avg, optimal or aligned"),
      NAME_OPTION("set-weight", set_weight, "W", "score = (1 - W) metric + W similarity of the sets; default 0.5"),
      NAME_OPTION("set-sharpness", set_sharpness, "A", "of smooth_chamfer; default 16"),
      FILE_OPTION("scores", scores, "S.npy", "scores instead of features, float32 [Q, G], higher is better"),
      FILE_OPTION("distances", distances, "D.npy", "the same, lower is better"),
      FILE_OPTION("query-ids", query_ids, "I.npy", "identities of the queries, int64 [Q]"),
      FILE_OPTION("gallery-ids", gallery_ids, "I.npy", "identities of the gallery, int64 [G]"),
      FILE_OPTION("query-cameras", query_cameras, "C.npy", "cameras of the queries, int64 [Q]"),
      FILE_OPTION("gallery-cameras", gallery_cameras, "C.npy", "cameras of the gallery, int64 [G]"),
      NAME_OPTION("protocol", protocol, "NAME", "text-to-image (default), sysu-mm01, regdb, llcm or market"),
      FILE_OPTION("trials", trials, "M.npy", "bool [T, G]: the items that each of T trials has; the result is their mean"),
      COUNT_OPTION("max-rank", max_rank, "N", "length of the CMC (default 50)", INT32_MAX),
      NAME_OPTION("ties", ties, "RULE", "equal scores: lower-index (default), best or worst case"),
      NAME_OPTION("ap", ap, "KIND", "average precision: step (default), or trapezoid as in some older papers"),
      NAME_OPTION("rerank", rerank, "K1,K2,LAMBDA", "k-reciprocal re-ranking of features first, 20,6,0.3 say"),
      COUNT_OPTION("topk", top_k, "K", "also find each query's K best gallery items", INT32_MAX),
      NAME_OPTION("topk-out", topk_out, "FILE.npy", "where their indices go, int64 [Q, K]; -1 behind the last"),
      NAME_OPTION("device", run.device, "cpu|cuda|cuda:N|auto", "where to compute; default: $XREID_DEVICE, else auto"),
      COUNT_OPTION("threads", run.threads, "N", "processor threads (default: all); the result does not depend on it", 1024),
      COUNT_OPTION("memory", memory, "MIB", "for blocks of rows and scores (default 128, CUDA 1024); the result does not depend on it",
                   1 << 20),
      NAME_OPTION("json", json, "FILE", "also write the result as JSON; - for stdout, without the table"),
  };
  int positional, wrong = xr_parse_options(&text, options, sizeof options / sizeof *options, argc, argv, &positional);
  if (wrong < 0) wrong = check_options(&o, positional);
  xr_device device;
  if (wrong < 0) wrong = xr_open_device(&text, &o.run, &device);
  if (wrong >= 0) return wrong;
  o.how.backend = device.backend;
  return rank(&o) == XR_OK ? XR_EXIT_DONE : xr_command_failed();
}
