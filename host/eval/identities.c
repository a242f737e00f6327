#include "host/eval/identities.h"

#include <stdlib.h>

enum { HIDING_CAMERA = 3, HIDDEN_CAMERA = 2 }; /* SYSU-MM01 */

/* An item's or a query's name in two parts. */
typedef struct {
  int64_t id, camera;
  int32_t index;
} entry;

static int compare_keys(const entry *x, const entry *y) {
  if (x->id != y->id) return x->id < y->id ? -1 : 1;
  return (x->camera > y->camera) - (x->camera < y->camera);
}

static int compare_entries(const void *a, const void *b) {
  const entry *x = a, *y = b;
  const int order = compare_keys(x, y);
  return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* Numbers the different (id, camera) of the gallery 0, 1, .. in ascending order; `cameras` may be NULL: all the same.
 * of_item [G]; of_query [Q], -1 where the gallery has no such pair; `sorted` [G] is left as the gallery in that order. */
static int64_t number(entry *sorted, const xr_evaluation_input *in, bool cameras, int32_t *of_item, int32_t *of_query) {
  for (int64_t g = 0; g < in->gallery; g++) sorted[g] = (entry){in->gallery_ids[g], cameras ? in->gallery_cameras[g] : 0, (int32_t)g};
  qsort(sorted, (size_t)in->gallery, sizeof *sorted, compare_entries);
  int32_t count = 0;
  for (int64_t g = 0; g < in->gallery; g++) {
    if (g && compare_keys(&sorted[g - 1], &sorted[g]) != 0) count++;
    of_item[sorted[g].index] = count;
  }
  for (int64_t q = 0; q < in->queries; q++) {
    const entry wanted = {.id = in->query_ids[q], .camera = cameras ? in->query_cameras[q] : 0};
    int64_t low = 0, high = in->gallery; /* the first entry that is not below */
    while (low < high) {
      const int64_t middle = low + (high - low) / 2;
      if (compare_keys(&sorted[middle], &wanted) < 0)
        low = middle + 1;
      else
        high = middle;
    }
    of_query[q] = low < in->gallery && compare_keys(&sorted[low], &wanted) == 0 ? of_item[sorted[low].index] : -1;
  }
  return (int64_t)count + 1;
}

static void hide_same_place(xr_identities *who, const xr_evaluation_input *in) {
  for (int64_t g = 0; g < in->gallery; g++) who->item_code[g] = in->gallery_cameras[g] == HIDDEN_CAMERA;
  for (int64_t q = 0; q < in->queries; q++) who->hidden_code[q] = in->query_cameras[q] == HIDING_CAMERA ? 1 : -1;
}

xr_status xr_identities_find(xr_identities *who, xr_arena *arena, const xr_evaluation_input *in, const xr_protocol *protocol) {
  const int64_t n = in->gallery;
  *who = (xr_identities){.of_item = XR_NEW_ARRAY(arena, int32_t, n),
                         .of_query = XR_NEW_ARRAY(arena, int32_t, in->queries),
                         .items = XR_NEW_ARRAY(arena, int32_t, n)};
  if (protocol->hides) {
    who->item_code = XR_NEW_ARRAY(arena, int32_t, n);
    who->hidden_code = XR_NEW_ARRAY(arena, int32_t, in->queries);
    if (!who->item_code || !who->hidden_code) return XR_NO_MEMORY;
  }
  if (!who->of_item || !who->of_query || !who->items) return XR_NO_MEMORY;
  entry *sorted = malloc((size_t)n * sizeof *sorted);
  if (!sorted) return xr_fail(XR_NO_MEMORY, "evaluation: out of memory for the ids of %lld items", (long long)n);
  if (protocol->hides == XR_HIDE_SAME_ID_AND_CAMERA) number(sorted, in, true, who->item_code, who->hidden_code);
  if (protocol->hides == XR_HIDE_SAME_PLACE) hide_same_place(who, in);
  who->count = number(sorted, in, false, who->of_item, who->of_query);
  who->first = XR_NEW_ARRAY(arena, int64_t, who->count + 1);
  for (int64_t g = 0; who->first && g < n; g++) {
    who->items[g] = sorted[g].index;
    who->first[who->of_item[sorted[g].index] + 1] = g + 1;
  }
  free(sorted);
  return who->first ? XR_OK : XR_NO_MEMORY;
}
