#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/eval/evaluate.h"
#include "host/eval/result_json.h"
#include "host/io/npy.h"
#include "kernels/common/threads.h"
#include "tools/commands.h"
#include "tools/options.h"
#include "tools/output.h"
#include "tools/print_evaluation.h"

static const xr_command_text text = {
    .name = "rank",
    .usage = "(--query Q.npy --gallery G.npy | --scores S.npy | --distances D.npy) --query-ids I.npy --gallery-ids I.npy [options]",
    .summary = "Evaluates features or scores made anywhere: CMC, mAP and mINP, exact, with a stated tie rule.",
    .example = "  xreid rank --query text.npy --gallery image.npy --query-ids text_ids.npy --gallery-ids image_ids.npy\n"
               "  xreid rank --distances d.npy --query-ids q.npy --gallery-ids g.npy --protocol market \\\n"
               "             --query-cameras qc.npy --gallery-cameras gc.npy --json -"};

typedef struct {
  const char *query, *gallery, *scores, *distances, *query_ids, *gallery_ids, *query_cameras, *gallery_cameras;
  const char *metric, *protocol, *ties, *topk_out, *json;
  int64_t max_rank, top_k, threads;
} rank_options;

/* The input's arrays live in mapped files or, converted, in the arena. */
enum { MAX_FILES = 8 };
typedef struct {
  xr_arena *arena;
  xr_npy *file[MAX_FILES];
  int files;
} loaded;

static xr_status load(loaded *l, const char *path, int rank, const char *shape, xr_npy **file) {
  XR_TRY(xr_npy_open(file, path));
  l->file[l->files++] = *file;
  if ((*file)->rank != rank) return xr_fail(XR_BAD_SHAPE, "%s: has %d dimensions, %s is expected", path, (*file)->rank, shape);
  return XR_OK;
}

/* A matrix of float32, or of float16 (widened, which is exact). */
static xr_status load_floats(loaded *l, const char *path, const char *shape, const float **data, int64_t dim[2]) {
  xr_npy *file;
  XR_TRY(load(l, path, 2, shape, &file));
  memcpy(dim, file->dim, 2 * sizeof *dim);
  *data = file->data;
  if (file->dtype == XR_F32) return XR_OK;
  if (file->dtype != XR_F16)
    return xr_fail(XR_BAD_INPUT, "%s: holds %s, float32 or float16 is expected; save .astype('float32')", path, xr_dtype_name(file->dtype));
  float *wide = XR_NEW_ARRAY(l->arena, float, file->count);
  if (!wide) return XR_NO_MEMORY;
  xr_npy_to_f32(file, wide);
  *data = wide;
  return XR_OK;
}

static xr_status load_integers(loaded *l, const char *path, const char *side, int64_t count, const int64_t **data) {
  xr_npy *file;
  XR_TRY(load(l, path, 1, "one number for each item", &file));
  if (file->dim[0] != count)
    return xr_fail(XR_BAD_SHAPE, "%s: has %" PRId64 " entries, the %s has %" PRId64 " rows", path, file->dim[0], side, count);
  *data = file->data;
  if (file->dtype == XR_I64) return XR_OK;
  if (file->dtype != XR_I32)
    return xr_fail(XR_BAD_INPUT, "%s: holds %s, int64 is expected; save .astype('int64')", path, xr_dtype_name(file->dtype));
  int64_t *wide = XR_NEW_ARRAY(l->arena, int64_t, count);
  if (!wide) return XR_NO_MEMORY;
  for (int64_t i = 0; i < count; i++) wide[i] = ((const int32_t *)file->data)[i];
  *data = wide;
  return XR_OK;
}

static xr_status load_input(loaded *l, const rank_options *o, xr_evaluation_input *in) {
  int64_t dim[2], gallery_dim[2];
  if (o->query) {
    XR_TRY(load_floats(l, o->query, "[Q, D]", &in->query_features, dim));
    XR_TRY(load_floats(l, o->gallery, "[G, D]", &in->gallery_features, gallery_dim));
    if (dim[1] != gallery_dim[1])
      return xr_fail(XR_BAD_SHAPE, "%s has features of %" PRId64 " elements, %s of %" PRId64, o->query, dim[1], o->gallery, gallery_dim[1]);
    in->width = dim[1];
    in->gallery = gallery_dim[0];
  } else {
    in->distances = o->distances != NULL;
    XR_TRY(load_floats(l, in->distances ? o->distances : o->scores, "[Q, G]", &in->scores, dim));
    in->gallery = dim[1];
  }
  in->queries = dim[0];
  XR_TRY(load_integers(l, o->query_ids, "query side", in->queries, &in->query_ids));
  XR_TRY(load_integers(l, o->gallery_ids, "gallery side", in->gallery, &in->gallery_ids));
  if (o->query_cameras) XR_TRY(load_integers(l, o->query_cameras, "query side", in->queries, &in->query_cameras));
  if (o->gallery_cameras) XR_TRY(load_integers(l, o->gallery_cameras, "gallery side", in->gallery, &in->gallery_cameras));
  return XR_OK;
}

static xr_status write_results(const rank_options *o, const xr_evaluation *r) {
  if (o->topk_out) XR_TRY(xr_npy_write(o->topk_out, XR_I64, 2, (int64_t[]){r->queries, r->top_k}, r->top_index));
  if (!xr_is_standard_output(o->json)) xr_print_evaluation(r);
  if (!o->json) return XR_OK;
  char *json = xr_rank_json(r);
  xr_status status = xr_write_output(o->json, json);
  free(json);
  return status;
}

/* -1 when the options make sense together. */
static int check_options(const rank_options *o, int positional) {
  if (positional) return xr_usage_error(&text, "takes no arguments besides its options");
  int sources = (o->query || o->gallery) + (o->scores != NULL) + (o->distances != NULL);
  if (sources != 1) return xr_usage_error(&text, "needs --query and --gallery, or --scores, or --distances: one of the three");
  if ((o->query != NULL) != (o->gallery != NULL)) return xr_usage_error(&text, "--query and --gallery go together");
  if (!o->query_ids || !o->gallery_ids) return xr_usage_error(&text, "needs --query-ids and --gallery-ids");
  if ((o->top_k > 0) != (o->topk_out != NULL)) return xr_usage_error(&text, "--topk and --topk-out go together");
  if (o->metric && !o->query) return xr_usage_error(&text, "--metric needs features: --query and --gallery");
  if (o->metric && xr_metric_find(o->metric) == XR_METRICS)
    return xr_usage_error(&text, "there is no metric '%s': cosine, dot, euclidean", o->metric);
  if (xr_tie_rule_find(o->ties) == XR_TIE_RULES)
    return xr_usage_error(&text, "there is no tie rule '%s': lower-index, best, worst", o->ties);
  const xr_protocol *protocol = xr_protocol_find(o->protocol);
  if (!protocol) return xr_usage_error(&text, "there is no protocol '%s': %s", o->protocol, xr_protocol_names());
  if (protocol->needs_cameras && (!o->query_cameras || !o->gallery_cameras))
    return xr_usage_error(&text, "the protocol %s needs --query-cameras and --gallery-cameras", protocol->name);
  return -1;
}

int xr_command_rank(int argc, char **argv) {
  rank_options o = {.protocol = "text-to-image", .ties = xr_tie_rule_names[XR_TIES_LOWER_INDEX], .max_rank = 50};
  const xr_option options[] = {
      {.name = "query", .kind = XR_TEXT, .value = &o.query, .argument = "Q.npy", .help = "query features, float32 or float16 [Q, D]"},
      {.name = "gallery", .kind = XR_TEXT, .value = &o.gallery, .argument = "G.npy", .help = "gallery features [G, D]"},
      {.name = "metric", .kind = XR_TEXT, .value = &o.metric, .argument = "NAME", .help = "cosine (default), dot or euclidean"},
      {.name = "scores",
       .kind = XR_TEXT,
       .value = &o.scores,
       .argument = "S.npy",
       .help = "scores instead of features, float32 [Q, G], higher is better"},
      {.name = "distances", .kind = XR_TEXT, .value = &o.distances, .argument = "D.npy", .help = "the same, lower is better"},
      {.name = "query-ids", .kind = XR_TEXT, .value = &o.query_ids, .argument = "I.npy", .help = "identities of the queries, int64 [Q]"},
      {.name = "gallery-ids",
       .kind = XR_TEXT,
       .value = &o.gallery_ids,
       .argument = "I.npy",
       .help = "identities of the gallery, int64 [G]"},
      {.name = "query-cameras",
       .kind = XR_TEXT,
       .value = &o.query_cameras,
       .argument = "C.npy",
       .help = "cameras of the queries, int64 [Q]"},
      {.name = "gallery-cameras",
       .kind = XR_TEXT,
       .value = &o.gallery_cameras,
       .argument = "C.npy",
       .help = "cameras of the gallery, int64 [G]"},
      {.name = "protocol", .kind = XR_TEXT, .value = &o.protocol, .argument = "NAME", .help = "text-to-image (default), regdb or market"},
      {.name = "max-rank",
       .kind = XR_INTEGER,
       .value = &o.max_rank,
       .argument = "N",
       .help = "length of the CMC (default 50)",
       .minimum = 1,
       .maximum = INT32_MAX},
      {.name = "ties",
       .kind = XR_TEXT,
       .value = &o.ties,
       .argument = "RULE",
       .help = "equal scores: lower-index (default), best or worst case"},
      {.name = "topk",
       .kind = XR_INTEGER,
       .value = &o.top_k,
       .argument = "K",
       .help = "also find each query's K best gallery items",
       .minimum = 1,
       .maximum = INT32_MAX},
      {.name = "topk-out",
       .kind = XR_TEXT,
       .value = &o.topk_out,
       .argument = "FILE.npy",
       .help = "where their indices go, int64 [Q, K]; -1 behind the last"},
      {.name = "threads",
       .kind = XR_INTEGER,
       .value = &o.threads,
       .argument = "N",
       .help = "processor threads (default: all); the result does not depend on it",
       .minimum = 1,
       .maximum = 1024},
      {.name = "json",
       .kind = XR_TEXT,
       .value = &o.json,
       .argument = "FILE",
       .help = "also write the result as JSON; - for stdout, without the table"},
  };
  int positional, wrong = xr_parse_options(&text, options, sizeof options / sizeof *options, argc, argv, &positional);
  if (wrong < 0) wrong = check_options(&o, positional);
  if (wrong >= 0) return wrong;
  if (o.threads) xr_threads_set((int)o.threads);
  loaded l = {.arena = xr_arena_new()};
  xr_evaluation_input in = {.metric = o.metric ? xr_metric_find(o.metric) : XR_COSINE};
  xr_evaluation result = {0};
  xr_status status = l.arena ? load_input(&l, &o, &in) : XR_NO_MEMORY;
  if (status == XR_OK) {
    const xr_evaluation_options how = {.protocol = xr_protocol_find(o.protocol),
                                       .max_rank = o.max_rank,
                                       .ties = xr_tie_rule_find(o.ties),
                                       .top_k = o.top_k};
    status = xr_evaluate(&in, &how, &result);
  }
  if (status == XR_OK) status = write_results(&o, &result);
  xr_evaluation_free(&result);
  for (int i = 0; i < l.files; i++) xr_npy_close(l.file[i]);
  xr_arena_free(l.arena);
  return status == XR_OK ? XR_EXIT_DONE : xr_command_failed();
}
