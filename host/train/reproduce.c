#include "host/train/reproduce.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/train/run_folder.h"
#include "host/train/trainer.h"

/* ---- what is to be run */
/* A name as a folder: "+ CRL + CRIA" becomes "crl-cria". */
static const char *folder_name(xr_arena *arena, const char *name) {
  char *text = xr_arena_alloc(arena, strlen(name) + 4), *end = text;
  if (!text) return NULL;
  for (const char *c = name; *c; c++) {
    if (isalnum((unsigned char)*c) || *c == '_')
      *end++ = (char)tolower((unsigned char)*c);
    else if (end > text && end[-1] != '-')
      *end++ = '-';
  }
  while (end > text && end[-1] == '-') *--end = '\0';
  return *text ? text : strcpy(text, "run");
}

static xr_status add_variant(xr_reproduction *r, const char *name, char *const *set, size_t set_count) {
  xr_reproduced_variant *v = &r->variants[r->variant_count];
  const char *folder = folder_name(r->arena, name);
  *v = (xr_reproduced_variant){
      .name = name, .set = set, .set_count = set_count, .runs = XR_NEW_ARRAY(r->arena, xr_reproduced_run, r->seeds)};
  if (!folder || !v->runs) return XR_NO_MEMORY;
  for (int64_t i = 0; i < r->seeds; i++) {
    const int64_t seed = r->config->train.seed + i;
    v->runs[i] = (xr_reproduced_run){.seed = seed, .folder = xr_arena_format(r->arena, "%s/%s/seed-%lld", r->out, folder, (long long)seed)};
    if (!v->runs[i].folder) return XR_NO_MEMORY;
  }
  for (size_t i = 0; i < r->variant_count; i++)
    if (strcmp(r->variants[i].runs->folder, v->runs->folder) == 0)
      return xr_fail(XR_BAD_INPUT, "ablation: '%s' and '%s' would share the folder %s/%s; rename one", r->variants[i].name, name, r->out,
                     folder);
  r->variant_count++;
  return XR_OK;
}

static xr_status list_variants(xr_reproduction *r) {
  const xr_config *c = r->config;
  if (r->ablation && !c->ablation_count) return xr_fail(XR_BAD_INPUT, "the configuration lists no ablation");
  r->variants = XR_NEW_ARRAY(r->arena, xr_reproduced_variant, r->ablation ? c->ablation_count : 1);
  if (!r->variants) return XR_NO_MEMORY;
  if (!r->ablation) return add_variant(r, *c->name ? c->name : "run", NULL, 0);
  for (uint32_t i = 0; i < c->ablation_count; i++)
    XR_TRY(add_variant(r, c->ablation[i].name, c->ablation[i].set, c->ablation[i].set_count));
  return XR_OK;
}

/* The command line's overrides, then the variant's, then the seed. */
static xr_status load_config(const xr_reproduce_options *o, const xr_reproduced_variant *v, int64_t seed, xr_config **config) {
  char seed_text[64];
  size_t count = 0;
  const char **overrides = calloc(o->override_count + v->set_count + 1, sizeof *overrides);
  if (!overrides) return xr_fail(XR_NO_MEMORY, "out of memory");
  for (size_t i = 0; i < o->override_count; i++) overrides[count++] = o->overrides[i];
  for (size_t i = 0; i < v->set_count; i++) overrides[count++] = v->set[i];
  snprintf(seed_text, sizeof seed_text, "train.seed=%lld", (long long)seed);
  overrides[count++] = seed_text;
  xr_status status = xr_config_load(config, o->path, overrides, count);
  free(overrides);
  return status == XR_OK ? XR_OK : xr_fail_in(status, "%s", v->name);
}

static xr_status read_result(xr_reproduced_run *run) {
  char path[XR_PATH_MAX];
  XR_TRY(xr_path_join(path, run->folder, "metrics.jsonl"));
  xr_status status = xr_metrics_read_result(path, &run->result);
  if (status == XR_OK) run->state = XR_RUN_FINISHED;
  return status;
}

/* Is the configuration good, does it fit what is there, and is that finished? */
static xr_status look(const xr_reproduce_options *o, const xr_reproduced_variant *v, xr_reproduced_run *run) {
  xr_config *config;
  XR_TRY(load_config(o, v, run->seed, &config));
  xr_status status = xr_run_folder_check(run->folder, config);
  xr_config_free(config);
  XR_TRY(status);
  status = read_result(run);
  return status == XR_NOT_FOUND ? XR_OK : status;
}

/* ---- running */
static xr_status train(const xr_reproduce_options *o, const xr_reproduced_variant *v, xr_reproduced_run *run, bool *stopped) {
  xr_config *config;
  xr_train_result result;
  char path[XR_PATH_MAX];
  XR_TRY(xr_path_join(path, run->folder, "config.yaml"));
  XR_TRY(load_config(o, v, run->seed, &config));
  xr_status status = xr_train(
      config,
      &(xr_train_options){
          .folder = run->folder, .resume = xr_is_file(path), .backend = o->backend, .no_graph = o->no_graph, .stop = o->stop},
      &result);
  xr_config_free(config);
  XR_TRY(status);
  *stopped = result.stopped;
  return result.stopped ? XR_OK : read_result(run);
}

static xr_status run_one(xr_reproduction *r, const xr_reproduce_options *o, const xr_reproduced_variant *v, xr_reproduced_run *run) {
  if (run->state == XR_RUN_FINISHED) {
    xr_info("%s, seed %lld: finished already", v->name, (long long)run->seed);
    return XR_OK;
  }
  xr_info("%s, seed %lld: in %s", v->name, (long long)run->seed, run->folder);
  if (train(o, v, run, &r->stopped) != XR_OK) {
    run->state = XR_RUN_FAILED;
    run->message = xr_arena_copy(r->arena, xr_message());
    if (!run->message) return XR_NO_MEMORY;
    xr_warn("%s, seed %lld failed: %s", v->name, (long long)run->seed, run->message);
  }
  return r->stopped || !o->progress ? XR_OK : o->progress(o->context, r);
}

static xr_status reproduce(xr_reproduction *r, const xr_reproduce_options *o) {
  r->arena = xr_arena_new();
  if (!r->arena) return XR_NO_MEMORY;
  XR_TRY(list_variants(r));
  for (size_t v = 0; v < r->variant_count; v++)
    for (int64_t s = 0; s < r->seeds; s++) XR_TRY(look(o, &r->variants[v], &r->variants[v].runs[s]));
  for (int64_t s = 0; s < r->seeds; s++) /* every variant once, then once more: a table of all of them is there early */
    for (size_t v = 0; v < r->variant_count; v++) {
      if (o->stop && *o->stop) r->stopped = true;
      if (r->stopped) return XR_OK;
      XR_TRY(run_one(r, o, &r->variants[v], &r->variants[v].runs[s]));
    }
  return XR_OK;
}

xr_status xr_reproduce(xr_reproduction *r, const xr_config *config, const xr_reproduce_options *options) {
  *r = (xr_reproduction){.config = config, .out = options->out, .seeds = options->seeds, .ablation = options->ablation};
  xr_status status = reproduce(r, options);
  if (status != XR_OK) xr_reproduction_free(r);
  return status;
}

void xr_reproduction_free(xr_reproduction *r) {
  xr_arena_free(r->arena);
  *r = (xr_reproduction){0};
}

/* ---- what came out */
size_t xr_reproduction_count(const xr_reproduction *r, xr_run_state state) {
  size_t count = 0;
  for (size_t v = 0; v < r->variant_count; v++)
    for (int64_t s = 0; s < r->seeds; s++) count += r->variants[v].runs[s].state == state;
  return count;
}

xr_spread xr_reproduction_spread(const xr_reproduction *r, const xr_reproduced_variant *v, bool last) {
  xr_spread spread = {0};
  for (int pass = 0; pass < 2; pass++) { /* the mean first, then the squares of what is left */
    for (int64_t s = 0; s < r->seeds; s++) {
      double figures[XR_FIGURES];
      if (v->runs[s].state != XR_RUN_FINISHED) continue;
      xr_figures_of(last ? &v->runs[s].result.last : &v->runs[s].result.best, figures);
      spread.count += pass == 0;
      for (int i = 0; i < XR_FIGURES; i++)
        if (pass == 0)
          spread.mean[i] += figures[i];
        else
          spread.deviation[i] += (figures[i] - spread.mean[i]) * (figures[i] - spread.mean[i]);
    }
    for (int i = 0; i < XR_FIGURES && pass == 0; i++) spread.mean[i] = spread.count ? spread.mean[i] / (double)spread.count : NAN;
  }
  for (int i = 0; i < XR_FIGURES; i++)
    spread.deviation[i] = spread.count > 1 ? sqrt(spread.deviation[i] / (double)(spread.count - 1)) : NAN;
  return spread;
}
