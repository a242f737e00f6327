/* What is wrong with a data set: into the caller's list, or as a failure or a line of the log. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "host/base/file.h"
#include "host/base/log.h"
#include "host/data/dataset_build.h"

static void add(xr_dataset_problems *problems, bool error, const char *kind, size_t count, const char *text) {
  problems->errors += error;
  if (problems->count == XR_DATASET_PROBLEMS) return;
  xr_dataset_problem *p = &problems->list[problems->count++];
  *p = (xr_dataset_problem){.error = error, .kind = kind, .count = count};
  snprintf(p->text, sizeof p->text, "%s", text);
}

xr_status xr_build_problem(const xr_dataset_builder *builder, xr_status status, const char *kind, size_t count) {
  xr_dataset_problems *problems = builder->options->problems;
  if (!problems) return status;
  add(problems, true, kind, count, xr_message());
  return XR_OK;
}

void xr_build_warn(const xr_dataset_builder *builder, const char *kind, size_t count, const char *format, ...) {
  char text[sizeof(((xr_dataset_problem *)NULL)->text)];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (builder->options->problems)
    add(builder->options->problems, false, kind, count, text);
  else
    xr_warn("%s", text);
}

void xr_fault(xr_faults *f, const char *format, ...) {
  char text[1000];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  const xr_dataset_problems *problems = f->builder->options->problems;
  if (problems && problems->each_file) problems->each_file(problems->context, f->kind, text);
  if (f->count++ >= XR_NAMED_FAULTS) return;
  const size_t used = strlen(f->first);
  snprintf(f->first + used, sizeof f->first - used, "%s%s", used ? ", " : "", text);
}

xr_status xr_faults_end(const xr_faults *f, xr_status status, const char *source, const char *what, const char *remedy) {
  if (!f->count) return XR_OK;
  xr_fail(status, "%s: %zu %s: %s%s. %s", source, f->count, what, f->first, f->count > XR_NAMED_FAULTS ? ", .." : "", remedy);
  return xr_build_problem(f->builder, status, f->kind, f->count);
}

static bool same_counts(const xr_split_counts *a, const xr_split_counts *b) {
  return a->identities == b->identities && a->images == b->images && a->captions == b->captions && a->infrared == b->infrared;
}

/* "identities, images, captions", or "identities, visible, infrared" */
static const char *counts_text(char *text, size_t size, bool infrared, const xr_split_counts *c) {
  snprintf(text, size, "%zu, %zu, %zu", c->identities, infrared ? c->images - c->infrared : c->images,
           infrared ? c->infrared : c->captions);
  return text;
}

static xr_status is_drawn(const char *root, bool *drawn) {
  char path[XR_PATH_MAX];
  XR_TRY(xr_path_join(path, root, "synth.json"));
  *drawn = xr_is_file(path);
  return XR_OK;
}

xr_status xr_build_compare_counts(const xr_dataset_builder *builder) {
  const xr_dataset_adapter *adapter = builder->adapter;
  const xr_split_counts *expected = builder->expected, *known = adapter->variant ? adapter->variant->counts : NULL;
  char list[600] = "", here[80], there[80];
  bool drawn, variant = known != NULL;
  size_t different = 0;
  XR_TRY(is_drawn(builder->dataset->root, &drawn));
  for (xr_split_id split = 0; split < XR_SPLITS && !drawn; split++) {
    const xr_split_builder *s = &builder->splits[split];
    if (!xr_build_wants(builder, split) || (split == XR_SPLIT_VAL && builder->no_val && !s->image_count)) continue;
    const xr_split_counts found = xr_count_split(
        &(xr_split){.images = s->images, .image_count = s->image_count, .caption_count = s->caption_count});
    variant = variant && same_counts(&found, &known[split]);
    if (same_counts(&found, &expected[split])) continue;
    const size_t used = strlen(list);
    snprintf(list + used, sizeof list - used, "%s%s %s instead of %s", different++ ? "; " : "", xr_split_name(split),
             counts_text(here, sizeof here, adapter->infrared, &found),
             counts_text(there, sizeof there, adapter->infrared, &expected[split]));
  }
  if (different)
    xr_build_warn(builder, variant ? "known-variant" : "counts", different,
                  "%s: identities, %s are not those of the official release: %s%s%s", builder->source,
                  adapter->infrared ? "visible and infrared images" : "images and captions", list, variant ? ". Remark: " : "",
                  variant ? adapter->variant->remark : "");
  return XR_OK;
}
