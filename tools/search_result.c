#include "tools/search_result.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "host/base/memory.h"
#include "host/base/text.h"
#include "host/eval/contact_sheet.h"
#include "host/eval/report.h"
#include "tools/output.h"

/* "query 3" where it has no words of its own, in text[QUERY_TEXT]. */
enum { QUERY_TEXT = 32 };
static const char *title_of(const xr_search_query *query, int64_t number, char *text) {
  if (query->text || query->image) return query->text ? query->text : query->image;
  snprintf(text, QUERY_TEXT, "query %" PRId64, number);
  return text;
}

static int64_t found(const xr_search_result *r, int64_t query) {
  int64_t count = 0;
  while (count < r->top_k && r->rows[query * r->top_k + count] >= 0) count++;
  return count;
}

/* ---- a table */
xr_status xr_print_search(const xr_search_result *r) {
  char number[QUERY_TEXT];
  for (int64_t q = 0; q < r->query_count; q++) {
    printf("%s%s\n  rank    score  picture\n", q ? "\n" : "", title_of(&r->queries[q], q, number));
    for (int64_t i = 0; i < found(r, q); i++) {
      const int64_t at = q * r->top_k + i;
      xr_index_item item;
      XR_TRY(xr_index_item_at(r->index, r->rows[at], &item));
      printf("  %4" PRId64 "  %7.4f  ", i + 1, (double)r->scores[at]);
      if (*item.path)
        printf("%s\n", item.path);
      else
        printf("row %" PRId64 "\n", r->rows[at]);
    }
  }
  return fflush(stdout) == 0 ? XR_OK : xr_fail(XR_IO, "cannot write to standard output");
}

/* ---- JSON */
static xr_status add_match(const xr_search_result *r, int64_t at, int64_t rank, json_t *matches) {
  xr_index_item item;
  XR_TRY(xr_index_item_at(r->index, r->rows[at], &item));
  json_t *match = json_pack("{s:I, s:f, s:I, s:s%}", "rank", (json_int_t)rank, "score", (double)r->scores[at], "row",
                            (json_int_t)r->rows[at], "path", item.path, strlen(item.path));
  if (!match) return xr_fail(XR_BAD_INPUT, "%s: a name that is no UTF-8 text cannot be written as JSON", item.path);
  if (item.id >= 0) json_object_set_new(match, "id", json_integer(item.id));
  if (item.camera >= 0) json_object_set_new(match, "camera", json_integer(item.camera));
  json_array_append_new(matches, match);
  return XR_OK;
}

static xr_status add_query(const xr_search_result *r, int64_t q, json_t *queries) {
  const xr_search_query *query = &r->queries[q];
  json_t *matches = json_array(), *object = json_object();
  if (query->text) json_object_set_new(object, "text", json_string(query->text));
  if (query->image) json_object_set_new(object, "image", json_string(query->image));
  json_object_set_new(object, "results", matches);
  json_array_append_new(queries, object);
  for (int64_t i = 0; i < found(r, q); i++) XR_TRY(add_match(r, q * r->top_k + i, i + 1, matches));
  return XR_OK;
}

xr_status xr_write_search_json(const xr_search_result *r, const char *path) {
  const xr_index_form *form = xr_index_form_of(r->index);
  json_t *model = json_object(), *queries = json_array();
  for (size_t i = 0; i < form->facts; i++) json_object_set_new(model, form->model[i].name, json_string(form->model[i].value));
  json_t *root = json_pack("{s:s?, s:I, s:I, s:o, s:o}", "gallery", r->gallery, "pictures", (json_int_t)xr_index_rows(r->index),
                           "unreadable", (json_int_t)xr_index_skipped(r->index), "model", model, "queries", queries);
  xr_status status = root ? XR_OK : xr_fail(XR_BAD_INPUT, "%s: this name is no UTF-8 text and cannot be written as JSON", r->gallery);
  for (int64_t q = 0; q < r->query_count && status == XR_OK; q++) status = add_query(r, q, queries);
  char *text = status == XR_OK ? json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
  if (status == XR_OK && !text) status = xr_fail(XR_NO_MEMORY, "out of memory for the result");
  if (status == XR_OK) status = xr_write_output(path, text);
  free(text);
  json_decref(root);
  return status;
}

/* ---- pictures */
typedef struct {
  xr_arena *arena;
  xr_ranked_example *examples; /* [query_count] */
} shown;

static xr_status show_match(const xr_search_result *r, xr_arena *arena, int64_t at, xr_ranked_image *image) {
  char path[XR_PATH_MAX];
  xr_index_item item;
  XR_TRY(xr_index_item_at(r->index, r->rows[at], &item));
  XR_TRY(xr_index_picture(r->index, &item, path));
  *image = (xr_ranked_image){.path = xr_arena_copy(arena, path), .score = (double)r->scores[at]};
  image->name = *path ? xr_path_name(image->path) : xr_arena_format(arena, "row %" PRId64, r->rows[at]);
  return image->path && image->name ? XR_OK : XR_NO_MEMORY;
}

static xr_status show_query(const xr_search_result *r, const shown *s, int64_t q) {
  const xr_search_query *query = &r->queries[q];
  char number[QUERY_TEXT];
  const int64_t count = found(r, q);
  xr_ranked_image *ranked = XR_NEW_ARRAY(s->arena, xr_ranked_image, count);
  xr_ranked_example *example = &s->examples[q];
  *example = (xr_ranked_example){.caption = xr_arena_copy(s->arena, title_of(query, q, number)),
                                 .query_image = query->image,
                                 .ranked = ranked,
                                 .count = (size_t)count};
  if (!ranked || !example->caption) return XR_NO_MEMORY;
  for (int64_t i = 0; i < count; i++) XR_TRY(show_match(r, s->arena, q * r->top_k + i, &ranked[i]));
  return XR_OK;
}

static xr_status show(const xr_search_result *r, shown *s) {
  s->arena = xr_arena_new();
  s->examples = s->arena ? XR_NEW_ARRAY(s->arena, xr_ranked_example, r->query_count) : NULL;
  if (!s->examples) return XR_NO_MEMORY;
  for (int64_t q = 0; q < r->query_count; q++) XR_TRY(show_query(r, s, q));
  return XR_OK;
}

xr_status xr_write_search_sheet(const xr_search_result *r, const char *path) {
  shown s = {0};
  xr_status status = show(r, &s);
  if (status == XR_OK) status = xr_contact_sheet_write(path, s.examples, (size_t)r->query_count);
  xr_arena_free(s.arena);
  return status;
}

static xr_status write_page(const xr_search_result *r, const shown *s, const char *path) {
  const xr_index_form *form = xr_index_form_of(r->index);
  char count[XR_GROUPED_TEXT];
  xr_report_fact facts[XR_INDEX_FACTS + 2];
  size_t used = 0;
  facts[used++] = (xr_report_fact){"gallery", r->gallery};
  for (size_t i = 0; i < form->facts; i++) facts[used++] = (xr_report_fact){form->model[i].name, form->model[i].value};
  const char *left_out = xr_index_skipped(r->index)
                             ? xr_arena_format(s->arena, ", %" PRId64 " could not be read", xr_index_skipped(r->index))
                             : "";
  const char *subtitle = xr_arena_format(s->arena, "%s pictures searched%s", xr_grouped(count, xr_index_rows(r->index)),
                                         left_out ? left_out : "");
  if (!left_out || !subtitle) return XR_NO_MEMORY;
  return xr_report_write(path, &(xr_report){.title = "Search",
                                            .subtitle = subtitle,
                                            .examples_title = r->query_count > 1 ? "Queries" : "Query",
                                            .examples = s->examples,
                                            .example_count = (size_t)r->query_count,
                                            .facts_title = "Gallery and model",
                                            .facts = facts,
                                            .fact_count = used});
}

xr_status xr_write_search_page(const xr_search_result *r, const char *path) {
  shown s = {0};
  xr_status status = show(r, &s);
  if (status == XR_OK) status = write_page(r, &s, path);
  xr_arena_free(s.arena);
  return status;
}
