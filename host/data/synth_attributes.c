#include "host/data/synth_attributes.h"

#include <string.h>

static const char *const genders[] = {"woman", "man", NULL};
static const char *const uppers[] = {"t-shirt", "shirt", "sweater", "hoodie", "jacket", "coat", "dress", NULL};
static const char *const patterns[] = {"plain", "striped", "plaid", "printed", NULL};
static const char *const lowers[] = {"none", "trousers", "jeans", "shorts", "skirt", "leggings", NULL};
static const char *const hairs[] = {"short", "shoulder-length", "long", "ponytail", NULL};
static const char *const hats[] = {"none", "cap", "beanie", "sun hat", NULL};
static const char *const bags[] = {"none", "backpack", "handbag", "shoulder bag", "suitcase", NULL};
static const char *const shoes[] = {"sneakers", "leather shoes", "boots", "sandals", NULL};
static const char *const glasses[] = {"no", "yes", NULL};
static const char *const colours[] = {"none",  "black", "white",  "grey", "red",   "orange", "yellow",
                                      "green", "blue",  "purple", "pink", "brown", "beige",  NULL};

const xr_attribute_text xr_synth_attribute_text[XR_SYNTH_ATTRIBUTES] = {
    [XR_ATTR_GENDER] = {"gender", genders},
    [XR_ATTR_UPPER] = {"upper", uppers},
    [XR_ATTR_UPPER_COLOUR] = {"upper_colour", colours},
    [XR_ATTR_PATTERN] = {"upper_pattern", patterns},
    [XR_ATTR_INNER_COLOUR] = {"inner_colour", colours},
    [XR_ATTR_LOWER] = {"lower", lowers},
    [XR_ATTR_LOWER_COLOUR] = {"lower_colour", colours},
    [XR_ATTR_HAIR] = {"hair", hairs},
    [XR_ATTR_HAIR_COLOUR] = {"hair_colour", colours},
    [XR_ATTR_HAT] = {"hat", hats},
    [XR_ATTR_HAT_COLOUR] = {"hat_colour", colours},
    [XR_ATTR_BAG] = {"bag", bags},
    [XR_ATTR_BAG_COLOUR] = {"bag_colour", colours},
    [XR_ATTR_SHOES] = {"shoes", shoes},
    [XR_ATTR_SHOE_COLOUR] = {"shoe_colour", colours},
    [XR_ATTR_GLASSES] = {"glasses", glasses},
};

/* How often each colour is worn. Index: xr_colour. */
static const uint8_t upper_colours[XR_COLOURS] = {0, 11, 12, 9, 12, 8, 9, 11, 12, 8, 8, 6, 6};
static const uint8_t inner_colours[XR_COLOURS] = {0, 6, 14, 6, 5, 2, 4, 2, 4, 0, 2, 0, 0};
static const uint8_t lower_colours[XR_LOWERS][XR_COLOURS] = {
    [XR_NO_LOWER] = {1},
    [XR_TROUSERS] = {0, 14, 6, 9, 4, 0, 0, 6, 8, 0, 0, 9, 10},
    [XR_JEANS] = {0, 3, 2, 3, 0, 0, 0, 0, 12, 0, 0, 0, 0},
    [XR_SHORTS] = {0, 8, 8, 6, 7, 3, 4, 6, 8, 0, 0, 4, 8},
    [XR_SKIRT] = {0, 8, 7, 4, 8, 3, 5, 5, 6, 6, 6, 3, 3},
    [XR_LEGGINGS] = {0, 12, 0, 6, 0, 0, 0, 0, 4, 4, 0, 2, 0},
};
static const uint8_t hair_colours[XR_COLOURS] = {0, 12, 0, 3, 2, 0, 6, 0, 0, 0, 0, 11, 0}; /* yellow: blonde */
static const uint8_t hat_colours[XR_COLOURS] = {0, 8, 7, 3, 8, 3, 6, 4, 7, 2, 3, 0, 4};
static const uint8_t bag_colours[XR_COLOURS] = {0, 10, 5, 4, 9, 5, 6, 6, 8, 4, 4, 7, 3};
static const uint8_t shoe_colours[XR_SHOE_KINDS][XR_COLOURS] = {
    [XR_SNEAKERS] = {0, 6, 14, 5, 6, 2, 2, 3, 5, 0, 3, 0, 0},
    [XR_LEATHER_SHOES] = {0, 12, 0, 0, 1, 0, 0, 0, 0, 0, 0, 9, 0},
    [XR_BOOTS] = {0, 10, 0, 2, 0, 0, 0, 0, 0, 0, 0, 9, 3},
    [XR_SANDALS] = {0, 5, 4, 0, 0, 0, 0, 0, 0, 0, 2, 6, 2},
};

/* Kinds by gender (woman, man). */
static const uint8_t upper_kinds[2][XR_UPPERS] = {{18, 10, 13, 10, 14, 12, 18}, {24, 16, 13, 15, 18, 9, 0}};
static const uint8_t lower_kinds[2][XR_LOWERS] = {{0, 18, 20, 13, 22, 14}, {0, 32, 32, 22, 0, 0}};
static const uint8_t hair_kinds[2][4] = {{10, 26, 34, 24}, {88, 6, 2, 4}};
static const uint8_t bag_kinds[2][XR_BAGS] = {{30, 20, 26, 16, 8}, {40, 30, 4, 18, 10}};
static const uint8_t shoe_kinds[2][XR_SHOE_KINDS] = {{40, 18, 24, 18}, {52, 28, 14, 8}};
static const uint8_t hat_kinds[2][XR_HATS] = {{74, 8, 8, 10}, {66, 20, 10, 4}};
static const uint8_t pattern_kinds[XR_UPPERS][4] = {
    [XR_TSHIRT] = {50, 22, 4, 24}, [XR_SHIRT] = {48, 20, 32, 0}, [XR_SWEATER] = {60, 30, 4, 6}, [XR_HOODIE] = {66, 4, 0, 30},
    [XR_JACKET] = {94, 0, 6, 0},   [XR_COAT] = {88, 0, 12, 0},   [XR_DRESS] = {62, 18, 12, 8},
};

static int pick(xr_random *random, const uint8_t *weights, int count) {
  uint32_t total = 0;
  for (int i = 0; i < count; i++) total += weights[i];
  uint32_t left = xr_random_below(random, total);
  int i = 0;
  for (; left >= weights[i]; i++) left -= weights[i];
  return i;
}

static int pick_colour(xr_random *random, const uint8_t *weights) { return pick(random, weights, XR_COLOURS); }

/* ---- one group of attributes that depend on each other, drawn together */

static void draw_upper_colour(int *v, xr_random *r) { v[XR_ATTR_UPPER_COLOUR] = pick_colour(r, upper_colours); }

static void draw_pattern(int *v, xr_random *r) { v[XR_ATTR_PATTERN] = pick(r, pattern_kinds[v[XR_ATTR_UPPER]], 4); }

static void draw_lower(int *v, xr_random *r) {
  bool dress = v[XR_ATTR_UPPER] == XR_DRESS;
  v[XR_ATTR_LOWER] = dress ? XR_NO_LOWER : pick(r, lower_kinds[v[XR_ATTR_GENDER]], XR_LOWERS);
  do { /* a suit of one colour hides where the garments meet */
    v[XR_ATTR_LOWER_COLOUR] = pick_colour(r, lower_colours[v[XR_ATTR_LOWER]]);
  } while (v[XR_ATTR_LOWER_COLOUR] == v[XR_ATTR_UPPER_COLOUR] && xr_random_uniform(r) < 0.7f);
}

static void draw_upper(int *v, xr_random *r) {
  v[XR_ATTR_UPPER] = pick(r, upper_kinds[v[XR_ATTR_GENDER]], XR_UPPERS);
  draw_pattern(v, r);
  v[XR_ATTR_INNER_COLOUR] = XR_NO_COLOUR;
  bool opens = v[XR_ATTR_UPPER] == XR_JACKET || v[XR_ATTR_UPPER] == XR_COAT;
  if (opens && xr_random_uniform(r) < 0.6f) do {
      v[XR_ATTR_INNER_COLOUR] = pick_colour(r, inner_colours);
    } while (v[XR_ATTR_INNER_COLOUR] == v[XR_ATTR_UPPER_COLOUR]);
}

static void draw_hair(int *v, xr_random *r) {
  v[XR_ATTR_HAIR] = pick(r, hair_kinds[v[XR_ATTR_GENDER]], 4);
  v[XR_ATTR_HAIR_COLOUR] = pick_colour(r, hair_colours);
}

static void draw_hat(int *v, xr_random *r) {
  v[XR_ATTR_HAT] = pick(r, hat_kinds[v[XR_ATTR_GENDER]], XR_HATS);
  v[XR_ATTR_HAT_COLOUR] = v[XR_ATTR_HAT] ? pick_colour(r, hat_colours) : XR_NO_COLOUR;
}

static void draw_bag(int *v, xr_random *r) {
  v[XR_ATTR_BAG] = pick(r, bag_kinds[v[XR_ATTR_GENDER]], XR_BAGS);
  v[XR_ATTR_BAG_COLOUR] = XR_NO_COLOUR;
  if (v[XR_ATTR_BAG]) do {
      v[XR_ATTR_BAG_COLOUR] = pick_colour(r, bag_colours);
    } while (v[XR_ATTR_BAG_COLOUR] == v[XR_ATTR_UPPER_COLOUR]); /* seen against the clothes */
}

static void draw_shoes(int *v, xr_random *r) {
  v[XR_ATTR_SHOES] = pick(r, shoe_kinds[v[XR_ATTR_GENDER]], XR_SHOE_KINDS);
  v[XR_ATTR_SHOE_COLOUR] = pick_colour(r, shoe_colours[v[XR_ATTR_SHOES]]);
}

static void (*const groups[])(int *v, xr_random *r) = {draw_upper_colour, draw_lower, draw_bag,    draw_hat,
                                                       draw_shoes,        draw_hair,  draw_pattern};
static const uint8_t group_weights[] = {22, 22, 20, 12, 10, 10, 4};

static void draw_stranger(int *v, xr_random *r) {
  v[XR_ATTR_GENDER] = (int)xr_random_below(r, 2);
  draw_upper(v, r);
  draw_upper_colour(v, r);
  if (v[XR_ATTR_INNER_COLOUR] == v[XR_ATTR_UPPER_COLOUR]) v[XR_ATTR_INNER_COLOUR] = XR_NO_COLOUR;
  draw_lower(v, r);
  draw_hair(v, r);
  draw_hat(v, r);
  draw_bag(v, r);
  draw_shoes(v, r);
  v[XR_ATTR_GLASSES] = xr_random_uniform(r) < 0.22f;
}

/* The attributes of `like` with one or two groups drawn anew until something differs. */
static void draw_look_alike(int *v, const int *like, xr_random *r) {
  do {
    memcpy(v, like, XR_SYNTH_ATTRIBUTES * sizeof *v);
    for (int changes = 1 + (xr_random_uniform(r) < 0.35f); changes > 0; changes--) groups[pick(r, group_weights, 7)](v, r);
  } while (memcmp(v, like, XR_SYNTH_ATTRIBUTES * sizeof *v) == 0);
  if (v[XR_ATTR_INNER_COLOUR] == v[XR_ATTR_UPPER_COLOUR]) v[XR_ATTR_INNER_COLOUR] = XR_NO_COLOUR;
}

/* ---- shades */

static const uint8_t base_rgb[XR_COLOURS][3] = {
    {0, 0, 0},     {34, 33, 37},  {233, 233, 229}, {128, 130, 133}, {188, 30, 38}, {228, 112, 26},  {232, 200, 48},
    {40, 124, 62}, {36, 80, 176}, {112, 56, 150},  {232, 130, 166}, {104, 64, 38}, {208, 186, 146},
};
static const uint8_t hair_rgb[XR_COLOURS][3] = {[XR_BLACK] = {26, 23, 22},
                                                [XR_GREY] = {150, 148, 146},
                                                [XR_RED] = {136, 56, 26},
                                                [XR_YELLOW] = {206, 168, 98},
                                                [XR_BROWN] = {84, 54, 34}};
static const uint8_t skin_rgb[][3] = {{240, 206, 180}, {229, 186, 152}, {212, 164, 126}, {184, 132, 94}, {142, 96, 66}, {98, 66, 48}};
static const uint8_t denim_rgb[3] = {66, 92, 134};

static double clamp01(double x) { return x < 0 ? 0 : x > 1 ? 1 : x; }

/* The same name, another piece of cloth: a little lighter or darker, a little off in each channel. */
static xr_ink shade(const uint8_t *rgb, xr_random *r) {
  double gain = 0.86 + 0.26 * xr_random_uniform(r);
  double off[3];
  for (int i = 0; i < 3; i++) off[i] = rgb[i] / 255.0 * gain + 0.05 * (xr_random_uniform(r) - 0.5);
  return (xr_ink){clamp01(off[0]), clamp01(off[1]), clamp01(off[2])};
}

static void draw_looks(xr_person *p, xr_random *r) {
  const int *v = p->value;
  bool man = v[XR_ATTR_GENDER] == XR_MAN;
  bool denim = v[XR_ATTR_LOWER] == XR_JEANS && v[XR_ATTR_LOWER_COLOUR] == XR_BLUE;
  bool dark_shirt = v[XR_ATTR_UPPER_COLOUR] != XR_WHITE && v[XR_ATTR_UPPER_COLOUR] != XR_YELLOW && v[XR_ATTR_UPPER_COLOUR] != XR_BEIGE;
  p->skin = shade(skin_rgb[xr_random_below(r, 6)], r);
  p->hair = shade(hair_rgb[v[XR_ATTR_HAIR_COLOUR]], r);
  p->upper = shade(base_rgb[v[XR_ATTR_UPPER_COLOUR]], r);
  p->inner = shade(base_rgb[v[XR_ATTR_INNER_COLOUR]], r);
  p->lower = shade(denim ? denim_rgb : base_rgb[v[XR_ATTR_LOWER_COLOUR]], r);
  p->hat = shade(base_rgb[v[XR_ATTR_HAT_COLOUR]], r);
  p->bag = shade(base_rgb[v[XR_ATTR_BAG_COLOUR]], r);
  p->shoes = shade(base_rgb[v[XR_ATTR_SHOE_COLOUR]], r);
  p->accent = shade(base_rgb[dark_shirt ? XR_WHITE : (xr_random_below(r, 2) ? XR_BLACK : XR_BLUE)], r);
  p->height = (man ? 1.0 : 0.96) + 0.06 * (xr_random_uniform(r) - 0.5);
  p->build = (man ? 1.04 : 0.97) + 0.26 * (xr_random_uniform(r) - 0.45);
  p->print = (int)xr_random_below(r, 4);
}

void xr_synth_draw_identity(xr_person *people, int index, xr_random *random) {
  enum { REACH = 6 }; /* look-alikes stand close together, in groups of a few */
  xr_person *p = &people[index];
  memset(p, 0, sizeof *p);
  int reach = index < REACH ? index : REACH;
  if (reach && xr_random_uniform(random) < 0.35f)
    draw_look_alike(p->value, people[index - 1 - (int)xr_random_below(random, (uint32_t)reach)].value, random);
  else
    draw_stranger(p->value, random);
  draw_looks(p, random);
}
