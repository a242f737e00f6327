#include "host/data/trials.h"

#include <stdlib.h>
#include <string.h>

#include "host/data/python_random.h"
#include "host/data/trials_official.h"

const char *const xr_search_mode_names[XR_SEARCH_MODES] = {"all", "indoor"};
const char *const xr_gallery_draw_names[XR_GALLERY_DRAWS] = {"agw", "official"};

static const struct {
  const char *name, *other_name;
} direction_names[XR_DIRECTIONS] = {
    [XR_DIRECTION_USUAL] = {"usual", NULL},
    [XR_INFRARED_TO_VISIBLE] = {"infrared-to-visible", "thermal-to-visible"},
    [XR_VISIBLE_TO_INFRARED] = {"visible-to-infrared", "visible-to-thermal"},
    [XR_VISIBLE_TO_INFRARED_TRANSPOSED] = {"visible-to-infrared-transposed", NULL},
};

const char *xr_direction_name(xr_direction direction) { return direction_names[direction].name; }

bool xr_direction_find(const char *name, xr_direction *direction) {
  for (xr_direction d = XR_INFRARED_TO_VISIBLE; d < XR_DIRECTIONS; d++) {
    const char *other = direction_names[d].other_name;
    if (strcmp(name, direction_names[d].name) != 0 && !(other && strcmp(name, other) == 0)) continue;
    *direction = d;
    return true;
  }
  return false;
}

/* What a data set's protocol has. */
typedef struct {
  const char *name;
  xr_direction usual;
  unsigned directions; /* bits 1u << xr_direction */
  bool draws, indoor, multi_shot, official;
} rule;
#define BIT(direction) (1u << (direction))
static const rule rules[] = {
    {"sysu-mm01", XR_INFRARED_TO_VISIBLE, BIT(XR_INFRARED_TO_VISIBLE), true, true, true, true},
    {"regdb", XR_VISIBLE_TO_INFRARED, BIT(XR_INFRARED_TO_VISIBLE) | BIT(XR_VISIBLE_TO_INFRARED), false, false, false, false},
    {"llcm", XR_INFRARED_TO_VISIBLE, BIT(XR_INFRARED_TO_VISIBLE) | BIT(XR_VISIBLE_TO_INFRARED) | BIT(XR_VISIBLE_TO_INFRARED_TRANSPOSED),
     true, false, false, false},
};

typedef struct {
  xr_trials *out;
  const xr_dataset *dataset;
  const rule *rule;
  xr_trials_options options;
  /* what is drawn from, which is the gallery unless the direction is transposed */
  const xr_image_record *pool;
  size_t pool_count;
  xr_permutations *official;
  size_t largest; /* most images of one person by one camera */
} maker;

static const rule *find_rule(const char *name) {
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
    if (strcmp(rules[i].name, name) == 0) return &rules[i];
  return NULL;
}

bool xr_has_official_draw(const xr_dataset *dataset) {
  const rule *r = find_rule(dataset->name);
  return r && r->official;
}

static xr_status check_options(maker *m) {
  const char *name = m->dataset->name;
  xr_trials_options *o = &m->options;
  m->rule = find_rule(name);
  if (!m->rule) return xr_fail(XR_BAD_INPUT, "%s is no visible-infrared data set: it has no gallery draws and directions", name);
  if (!o->shots) o->shots = 1;
  if (o->direction == XR_DIRECTION_USUAL) o->direction = m->rule->usual;
  if (!(m->rule->directions & BIT(o->direction)))
    return xr_fail(XR_BAD_INPUT, "%s has no direction %s", name, xr_direction_name(o->direction));
  if (o->mode == XR_SEARCH_INDOOR && !m->rule->indoor) return xr_fail(XR_BAD_INPUT, "%s has no indoor search: its mode is all", name);
  if (o->shots != 1 && !(o->shots == 10 && m->rule->multi_shot))
    return xr_fail(XR_BAD_INPUT, "%s has no galleries of %d images a person and camera: shots is 1%s", name, o->shots,
                   m->rule->multi_shot ? " or 10" : "");
  if (o->draw == XR_DRAW_OFFICIAL && !m->rule->official)
    return xr_fail(XR_BAD_INPUT, "%s comes with no drawn galleries: draw is agw", name);
  return XR_OK;
}

/* Sides of the trials, and what is drawn from. */
static xr_status choose_sides(maker *m, xr_split_id split_id) {
  const xr_split *split = &m->dataset->splits[split_id];
  const xr_image_record *side[2] = {split->images, split->images + split->visible_count};
  const size_t count[2] = {split->visible_count, split->image_count - split->visible_count};
  if (!count[0] || !count[1])
    return xr_fail(XR_BAD_INPUT, "%s: the %s split has no %s images", m->dataset->root, xr_split_name(split_id),
                   count[0] ? "infrared" : "visible");
  const xr_direction direction = m->options.direction;
  const bool transposed = direction == XR_VISIBLE_TO_INFRARED_TRANSPOSED;
  const int query = direction == XR_VISIBLE_TO_INFRARED ? 0 : 1, drawn = transposed ? query : !query;
  m->out->direction = direction;
  m->out->query_images = side[query];
  m->out->query_image_count = count[query];
  m->out->gallery_images = side[!query];
  m->out->gallery_image_count = count[!query];
  m->pool = side[drawn];
  m->pool_count = count[drawn];
  return XR_OK;
}

/* The end of the images of one person by one camera that begin at `first`: in official order they follow one another. */
static size_t group_end(const maker *m, size_t first) {
  size_t end = first + 1;
  while (end < m->pool_count && m->pool[end].pid == m->pool[first].pid && m->pool[end].camera == m->pool[first].camera) end++;
  return end;
}

static bool in_gallery(const maker *m, int32_t camera) { return m->options.mode == XR_SEARCH_ALL || camera <= 2; }

static xr_status measure(maker *m, size_t *drawn) {
  *drawn = 0;
  for (size_t first = 0, end; first < m->pool_count; first = end) {
    end = group_end(m, first);
    if (end - first > m->largest) m->largest = end - first;
    const size_t shots = (size_t)m->options.shots;
    if (in_gallery(m, m->pool[first].camera)) *drawn += end - first < shots ? end - first : shots;
  }
  return *drawn ? XR_OK
                : xr_fail(XR_BAD_INPUT, "%s: no image of the split is by cameras 1 and 2, which indoor search has", m->dataset->root);
}

/* drawn: room for as many places as `measure` counted. */
static xr_status draw(const maker *m, int trial, int32_t *drawn, uint32_t *picks, uint32_t *room) {
  xr_python_random random;
  xr_python_seed(&random, (uint64_t)trial);
  size_t next = 0;
  for (size_t first = 0, end; first < m->pool_count; first = end) {
    end = group_end(m, first);
    const xr_image_record *image = &m->pool[first];
    if (!in_gallery(m, image->camera)) continue;
    const uint32_t there = (uint32_t)(end - first), shots = (uint32_t)m->options.shots, take = there < shots ? there : shots;
    if (m->official)
      XR_TRY(xr_permutation_start(m->official, image->camera, image->pid, trial, there, take, picks));
    else if (shots == 1)
      picks[0] = xr_python_below(&random, there);
    else
      xr_python_sample(&random, there, take, picks, room);
    for (uint32_t i = 0; i < take; i++) drawn[next++] = (int32_t)(first + picks[i]);
  }
  return XR_OK;
}

static int32_t *all_places(xr_arena *arena, size_t count) {
  int32_t *places = XR_NEW_ARRAY(arena, int32_t, count);
  for (size_t i = 0; places && i < count; i++) places[i] = (int32_t)i;
  return places;
}

static uint64_t *mask_of(xr_arena *arena, size_t images, const int32_t *places, size_t count) {
  uint64_t *mask = XR_NEW_ARRAY(arena, uint64_t, (images + 63) / 64);
  for (size_t i = 0; mask && i < count; i++) mask[places[i] / 64] |= (uint64_t)1 << (places[i] % 64);
  return mask;
}

static xr_status make_draws(maker *m, const xr_trial_lists *whole, uint32_t *picks, uint32_t *room, size_t drawn) {
  xr_trials *out = m->out;
  const bool transposed = out->direction == XR_VISIBLE_TO_INFRARED_TRANSPOSED;
  for (int t = 0; t < out->count; t++) {
    xr_trial_lists *trial = &out->trial[t];
    *trial = *whole;
    trial->number = t;
    int32_t *places = XR_NEW_ARRAY(out->arena, int32_t, drawn);
    if (!places) return XR_NO_MEMORY;
    XR_TRY(draw(m, t, places, picks, room));
    const uint64_t *mask = mask_of(out->arena, m->pool_count, places, drawn);
    if (!mask) return XR_NO_MEMORY;
    *(transposed ? &trial->query : &trial->gallery) = places;
    *(transposed ? &trial->query_count : &trial->gallery_count) = drawn;
    *(transposed ? &trial->query_mask : &trial->gallery_mask) = mask;
  }
  return XR_OK;
}

static xr_status make_trials(maker *m) {
  xr_trials *out = m->out;
  const xr_trial_lists whole = {.number = m->dataset->trial,
                                .query = all_places(out->arena, out->query_image_count),
                                .query_count = out->query_image_count,
                                .gallery = all_places(out->arena, out->gallery_image_count),
                                .gallery_count = out->gallery_image_count};
  out->count = m->rule->draws ? XR_MAX_TRIALS : 1;
  out->trial = XR_NEW_ARRAY(out->arena, xr_trial_lists, out->count);
  if (!whole.query || !whole.gallery || !out->trial) return XR_NO_MEMORY;
  out->trial[0] = whole;
  if (!m->rule->draws) return XR_OK;
  size_t drawn;
  XR_TRY(measure(m, &drawn));
  if (m->options.draw == XR_DRAW_OFFICIAL) XR_TRY(xr_permutations_open(&m->official, out->arena, m->dataset));
  uint32_t *picks = XR_NEW_ARRAY(out->arena, uint32_t, m->largest), *room = XR_NEW_ARRAY(out->arena, uint32_t, m->largest);
  return picks && room ? make_draws(m, &whole, picks, room, drawn) : XR_NO_MEMORY;
}

/* What a reader of figures has to know. */
static xr_status make_label(const maker *m) {
  const xr_trials_options *o = &m->options;
  if (m->rule->multi_shot)
    m->out->label = xr_arena_format(m->out->arena, "%s-search, %s-shot, galleries drawn %s", xr_search_mode_names[o->mode],
                                    o->shots == 1 ? "single" : "multi",
                                    o->draw == XR_DRAW_OFFICIAL ? "by rand_perm_cam.mat" : "as in AGW's code");
  else if (m->rule->draws)
    m->out->label = o->direction == XR_INFRARED_TO_VISIBLE   ? "infrared to visible"
                    : o->direction == XR_VISIBLE_TO_INFRARED ? "visible to infrared, as in the paper"
                                                             : "visible to infrared, transposed as in the released test script";
  else
    m->out->label = o->direction == XR_INFRARED_TO_VISIBLE ? "thermal to visible" : "visible to thermal";
  return m->out->label ? XR_OK : XR_NO_MEMORY;
}

xr_status xr_trials_make(xr_trials *trials, const xr_dataset *dataset, xr_split_id split, const xr_trials_options *options) {
  maker m = {.out = trials, .dataset = dataset};
  *trials = (xr_trials){0};
  if (options) m.options = *options;
  XR_TRY(check_options(&m));
  XR_TRY(choose_sides(&m, split));
  trials->arena = xr_arena_new();
  if (!trials->arena) return XR_NO_MEMORY;
  xr_status status = make_label(&m);
  if (status == XR_OK) status = make_trials(&m);
  if (status != XR_OK) xr_trials_free(trials);
  return status;
}

void xr_trials_free(xr_trials *trials) {
  xr_arena_free(trials->arena);
  *trials = (xr_trials){0};
}
