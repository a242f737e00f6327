#include "host/data/synth_person.h"

#include <math.h>

/* One height of the trunk: half-widths across and front to back, and how far its middle lies forward. */
typedef struct {
  double up, across, depth, forward;
} ring;

enum { MAX_RINGS = 8 };

static const ring trunk[] = {{0.852, 0.036, 0.036, 0.000}, {0.836, 0.080, 0.044, -0.004}, {0.800, 0.112, 0.054, -0.006},
                             {0.725, 0.104, 0.068, 0.010}, {0.620, 0.088, 0.060, 0.006},  {0.530, 0.096, 0.070, -0.006}};
enum { TRUNK_RINGS = sizeof trunk / sizeof *trunk };

/* How a garment lies on the trunk. */
typedef struct {
  double ease;          /* added to every half-width */
  double hem;           /* height of its lower edge; 0.52 and more ends at the hips */
  double flare;         /* half-width added at the hem */
  double sleeve;        /* share of the arm that is covered */
  double sleeve_radius; /* added to the arm's */
} cut;

static const cut cuts[XR_UPPERS] = {
    [XR_TSHIRT] = {0.004, 0.475, 0.006, 0.34, 0.009},  [XR_SHIRT] = {0.003, 0.470, 0.004, 0.97, 0.005},
    [XR_SWEATER] = {0.007, 0.485, 0.002, 0.97, 0.009}, [XR_HOODIE] = {0.012, 0.475, 0.002, 0.97, 0.013},
    [XR_JACKET] = {0.010, 0.465, 0.004, 0.97, 0.011},  [XR_COAT] = {0.012, 0.300, 0.022, 0.97, 0.012},
    [XR_DRESS] = {0.002, 0.285, 0.052, 0.22, 0.007},
};

static double gendered(const xr_person *person, double up, double half) {
  if (person->value[XR_ATTR_GENDER] == XR_MAN) return half;
  return half * (up > 0.76 && up < 0.84 ? 0.91 : up > 0.58 && up < 0.68 ? 0.86 : up < 0.56 ? 1.03 : 1.0);
}

/* The outline of a garment between its rings, down to the hem. Returns the number of points. */
static int trunk_outline(xr_point *points, const xr_person *person, const xr_skeleton *body, double top, const cut *fit) {
  ring rings[MAX_RINGS];
  int count = 0;
  for (int i = 0; i < TRUNK_RINGS; i++)
    if (trunk[i].up <= top && trunk[i].up > fit->hem + 0.03) rings[count++] = trunk[i];
  double low = fmin(fit->hem, 0.52), spread = 0;
  for (int side = 0; side < 2; side++) spread = fmax(spread, fabs(body->knee[side].x));
  if (fit->hem < 0.42) { /* the legs push a long hem outwards */
    double hem = fmax(0.094 + fit->flare, 0);
    rings[count++] = (ring){0.42, 0.099 + fit->flare * 0.4, 0.078 + fit->flare * 0.4, 0.0};
    rings[count++] = (ring){low, hem, fmax(hem * 0.86, spread * 0.75 + 0.045), 0.0};
  } else
    rings[count++] = (ring){fit->hem, 0.097 + fit->flare, 0.072 + fit->flare, -0.004};
  for (int i = 0; i < count; i++) {
    double across = gendered(person, rings[i].up, rings[i].across) * person->build, depth = rings[i].depth * person->build;
    double half = hypot(across * body->fz, depth * body->fx) + (i == 0 && top > 0.84 ? 0 : fit->ease);
    xr_joint middle = xr_body_point(body, 0, rings[i].up, rings[i].forward);
    points[i] = (xr_point){middle.x - half, middle.y};
    points[2 * count - 1 - i] = (xr_point){middle.x + half, middle.y};
  }
  return 2 * count;
}

/* ---- cloth */

static xr_point mix(xr_point a, xr_point b, double t) { return (xr_point){a.x + (b.x - a.x) * t, a.y + (b.y - a.y) * t}; }

/* Bands across the axis a..b, inside the current clip. */
static void draw_bands(const xr_pen *pen, xr_ink ink, double alpha, xr_point a, xr_point b, double half, double period, double width) {
  double length = hypot(b.x - a.x, b.y - a.y), nx = -(b.y - a.y) / length, ny = (b.x - a.x) / length;
  xr_set_ink(pen->ink, ink, alpha);
  cairo_set_line_width(pen->ink, width);
  for (double at = period * 0.6; at < length; at += period) {
    xr_point m = mix(a, b, at / length);
    cairo_move_to(pen->ink, m.x - nx * half, m.y - ny * half);
    cairo_curve_to(pen->ink, m.x - nx * half * 0.4, m.y - ny * half * 0.4 - 0.006, m.x + nx * half * 0.4, m.y + ny * half * 0.4 - 0.006,
                   m.x + nx * half, m.y + ny * half);
    cairo_stroke(pen->ink);
  }
}

/* The upper garment's pattern over the current path (kept), whose axis is a..b. */
static void draw_pattern(const xr_pen *pen, const xr_person *person, xr_point a, xr_point b, double half) {
  int pattern = person->value[XR_ATTR_PATTERN];
  if (pattern != XR_STRIPED && pattern != XR_PLAID) return;
  cairo_path_t *path = cairo_copy_path(pen->ink);
  cairo_save(pen->ink);
  cairo_clip(pen->ink);
  if (pattern == XR_STRIPED) draw_bands(pen, person->accent, 0.9, a, b, half * 1.2, 0.046, 0.018);
  if (pattern == XR_PLAID) {
    xr_ink dark = xr_ink_scale(person->upper, 0.45);
    xr_point left = {a.x - half, (a.y + b.y) / 2}, right = {a.x + half, (a.y + b.y) / 2};
    double tall = hypot(b.x - a.x, b.y - a.y);
    draw_bands(pen, dark, 0.6, a, b, half * 1.2, 0.044, 0.016);
    draw_bands(pen, dark, 0.6, left, right, tall, 0.044, 0.016);
    draw_bands(pen, person->accent, 0.6, (xr_point){a.x, a.y - 0.022}, b, half * 1.2, 0.044, 0.004);
    draw_bands(pen, person->accent, 0.6, (xr_point){left.x + 0.022, left.y}, right, tall, 0.044, 0.004);
  }
  cairo_restore(pen->ink);
  cairo_new_path(pen->ink);
  cairo_append_path(pen->ink, path);
  cairo_path_destroy(path);
}

static void fold(const xr_pen *pen, xr_point from, xr_point bend, xr_point to, double alpha) {
  cairo_move_to(pen->ink, from.x, from.y);
  cairo_curve_to(pen->ink, bend.x, bend.y, bend.x, bend.y, to.x, to.y);
  cairo_set_line_width(pen->ink, 0.007);
  cairo_set_source_rgba(pen->ink, 0, 0, 0, alpha);
  cairo_stroke(pen->ink);
}

/* ---- legs */

static void draw_shoe(const xr_pen *pen, const xr_person *person, const xr_skeleton *body, int side) {
  int kind = person->value[XR_ATTR_SHOES];
  xr_point heel = xr_flat(body->heel[side]), toe = xr_flat(body->toe[side]), ankle = xr_flat(body->ankle[side]);
  xr_ink ink = person->shoes, upper = kind == XR_SANDALS ? person->skin : ink;
  double thick = kind == XR_SNEAKERS ? 0.027 : 0.024;
  if (kind == XR_BOOTS) xr_pen_limb(pen, ink, XR_PART_FEET, mix(ankle, xr_flat(body->knee[side]), 0.34), 0.041, ankle, 0.032);
  xr_pen_limb(pen, upper, XR_PART_FEET, (xr_point){heel.x, heel.y + 0.006}, thick, (xr_point){toe.x, toe.y}, thick * 0.84);
  xr_pen_limb(pen, upper, XR_PART_FEET, ankle, 0.026, (xr_point){heel.x * 0.7 + toe.x * 0.3, heel.y * 0.7 + toe.y * 0.3}, thick);
  cairo_t *c = pen->ink;
  if (kind == XR_SANDALS) {
    for (int i = 0; i < 3; i++) {
      xr_point m = mix(heel, toe, 0.15 + 0.36 * i);
      cairo_move_to(c, m.x - 0.020, m.y + 0.018);
      cairo_line_to(c, m.x + 0.020, m.y + 0.016);
      xr_pen_stroke(pen, ink, 1, 0.014, XR_PART_FEET);
    }
  }
  cairo_move_to(c, heel.x - 0.012 * body->fx, heel.y - 0.018); /* the sole */
  cairo_line_to(c, toe.x + 0.010 * body->fx, toe.y - 0.017);
  bool pale = kind == XR_SNEAKERS && person->value[XR_ATTR_SHOE_COLOUR] != XR_WHITE;
  xr_ink sole = kind == XR_SANDALS ? ink : pale ? (xr_ink){0.86, 0.86, 0.84} : xr_ink_scale(ink, 0.55);
  xr_pen_stroke(pen, sole, 1, 0.010, XR_PART_FEET);
}

static void draw_leg(const xr_pen *pen, const xr_person *person, const xr_skeleton *body, int side) {
  int kind = person->value[XR_ATTR_LOWER];
  double wide = person->build * (kind == XR_LEGGINGS ? 0.93 : 1.0);
  xr_point hip = xr_flat(body->hip[side]), knee = xr_flat(body->knee[side]), ankle = xr_flat(body->ankle[side]);
  bool covered = kind == XR_TROUSERS || kind == XR_JEANS || kind == XR_LEGGINGS;
  xr_ink ink = covered ? person->lower : person->skin;
  if (!covered || kind == XR_LEGGINGS) draw_shoe(pen, person, body, side);
  double ease = kind == XR_TROUSERS ? 0.008 : kind == XR_JEANS ? 0.004 : 0;
  xr_pen_limb(pen, ink, XR_PART_LEGS, knee, 0.042 * wide + ease, ankle, (0.025 + ease * 1.6) * (covered ? 1.08 : 1));
  xr_pen_limb(pen, ink, XR_PART_LEGS, hip, 0.061 * wide + ease, knee, 0.042 * wide + ease);
  if (kind == XR_TROUSERS || kind == XR_JEANS || (covered && person->value[XR_ATTR_SHOES] == XR_BOOTS)) draw_shoe(pen, person, body, side);
  if (person->value[XR_ATTR_SHOES] == XR_BOOTS && !covered) draw_shoe(pen, person, body, side);
  if (kind == XR_SHORTS) {
    xr_point end = mix(hip, knee, 0.90);
    xr_pen_limb(pen, person->lower, XR_PART_LEGS, hip, 0.066 * wide, end, 0.055 * wide);
  }
  if (!covered) return;
  double side_x = 0.03 * wide;
  fold(pen, (xr_point){knee.x - side_x, knee.y + 0.012}, (xr_point){knee.x, knee.y - 0.004}, (xr_point){knee.x + side_x, knee.y + 0.006},
       0.24);
  fold(pen, (xr_point){ankle.x - side_x, ankle.y + 0.034}, (xr_point){ankle.x, ankle.y + 0.016},
       (xr_point){ankle.x + side_x * 0.8, ankle.y + 0.03}, 0.2);
  if (kind != XR_JEANS) return;
  cairo_t *c = pen->ink; /* worn thigh, seam */
  xr_path_limb(c, mix(hip, knee, 0.3), 0.026, mix(hip, knee, 0.8), 0.018);
  cairo_set_source_rgba(c, 1, 1, 1, 0.13);
  cairo_fill(c);
  cairo_move_to(c, hip.x + body->fz * (side ? -0.05 : 0.05), hip.y);
  cairo_line_to(c, knee.x + body->fz * (side ? -0.038 : 0.038), knee.y);
  cairo_line_to(c, ankle.x + body->fz * (side ? -0.028 : 0.028), ankle.y);
  xr_pen_outline(pen, 0.3);
}

static void draw_pelvis(const xr_pen *pen, const xr_person *person, const xr_skeleton *body) {
  bool covered = person->value[XR_ATTR_LOWER] != XR_NO_LOWER && person->value[XR_ATTR_LOWER] != XR_SKIRT;
  if (!covered) return;
  const cut brief = {0.001, 0.485, -0.010, 0, 0};
  xr_point points[2 * MAX_RINGS];
  int count = trunk_outline(points, person, body, 0.63, &brief);
  xr_path_smooth(pen->ink, points, count);
  xr_pen_fill(pen, person->lower, XR_PART_LEGS);
  cairo_new_path(pen->ink);
}

static void draw_skirt(const xr_pen *pen, const xr_person *person, const xr_skeleton *body) {
  if (person->value[XR_ATTR_LOWER] != XR_SKIRT) return;
  const cut flared = {0.004, 0.325, 0.050, 0, 0};
  xr_point points[2 * MAX_RINGS];
  int count = trunk_outline(points, person, body, 0.63, &flared);
  xr_path_smooth(pen->ink, points, count);
  xr_pen_fill(pen, person->lower, XR_PART_LEGS);
  xr_point top = xr_flat(xr_body_point(body, 0, 0.62, 0)), hem = xr_flat(xr_body_point(body, 0, 0.325, 0));
  xr_pen_shade(pen, top, hem, 0.15);
  xr_pen_outline(pen, 0.25);
  for (int i = -2; i <= 2; i++)
    fold(pen, (xr_point){top.x + i * 0.030, top.y - 0.10}, (xr_point){hem.x + i * 0.045, hem.y + 0.1},
         (xr_point){hem.x + i * 0.050, hem.y + 0.008}, 0.16);
}

/* ---- trunk */

static void draw_print(const xr_pen *pen, const xr_person *person, const xr_skeleton *body) {
  if (person->value[XR_ATTR_PATTERN] != XR_PRINTED || body->fz < 0.25) return;
  cairo_t *c = pen->ink;
  xr_point chest = xr_flat(xr_body_point(body, 0, 0.715, 0.062));
  double w = 0.050 * body->fz, h = 0.046;
  xr_point triangle[] = {{chest.x - w, chest.y - h}, {chest.x + w, chest.y - h}, {chest.x, chest.y + h}};
  xr_point bar[] = {{chest.x - w * 1.2, chest.y - h * 0.5},
                    {chest.x + w * 1.2, chest.y - h * 0.5},
                    {chest.x + w * 1.2, chest.y + h * 0.5},
                    {chest.x - w * 1.2, chest.y + h * 0.5}};
  switch (person->print) {
  case 0:
    xr_path_ellipse(c, chest, w, h);
    break;
  case 1:
    xr_path_polygon(c, triangle, 3);
    break;
  case 2:
    xr_path_polygon(c, bar, 4);
    break;
  default:
    xr_path_ellipse(c, chest, w * 1.1, h * 0.6);
    break;
  }
  xr_set_ink(c, person->accent, 0.92);
  cairo_fill(c);
  xr_path_ellipse(c, chest, w * 0.45, h * 0.34);
  xr_set_ink(c, xr_ink_scale(person->upper, 0.8), 0.9);
  cairo_fill(c);
}

/* The front of an open jacket shows what is under it; a closed one its fastening. */
static void draw_front(const xr_pen *pen, const xr_person *person, const xr_skeleton *body, const cut *fit) {
  int kind = person->value[XR_ATTR_UPPER];
  if (body->fz < 0.1 || kind == XR_TSHIRT || kind == XR_SWEATER || kind == XR_DRESS) return;
  cairo_t *c = pen->ink;
  double low = fit->hem + 0.004, w = 0.046 * body->fz;
  xr_point neck = xr_flat(xr_body_point(body, 0, 0.848, 0.02)), chest = xr_flat(xr_body_point(body, 0, 0.72, 0.072)),
           waist = xr_flat(xr_body_point(body, 0, 0.60, 0.066)), hem = xr_flat(xr_body_point(body, 0, low, 0.07));
  if (person->value[XR_ATTR_INNER_COLOUR]) {
    double top_w = 0.030;
    xr_point opening[] = {{neck.x - top_w, neck.y},  {chest.x - w, chest.y},       {waist.x - w * 1.1, waist.y}, {hem.x - w * 1.35, hem.y},
                          {hem.x + w * 1.35, hem.y}, {waist.x + w * 1.1, waist.y}, {chest.x + w, chest.y},       {neck.x + top_w, neck.y}};
    double inner_hem = xr_body_point(body, 0, 0.475, 0.07).y;
    xr_path_polygon(c, opening, 8);
    if (fit->hem < 0.42) { /* below the inner top a long coat shows the legs' clothes */
      xr_set_ink(c, xr_ink_scale(person->value[XR_ATTR_LOWER] ? person->lower : person->inner, 0.8), 1);
      cairo_fill_preserve(c);
      cairo_save(c);
      cairo_clip(c);
      cairo_rectangle(c, hem.x - 1, inner_hem, 2, 1);
    }
    xr_set_ink(c, xr_ink_scale(person->inner, 0.94), 1);
    cairo_fill(c);
    if (fit->hem < 0.42) cairo_restore(c);
    for (int side = -1; side <= 1; side += 2) {
      cairo_move_to(c, neck.x + side * top_w, neck.y);
      cairo_line_to(c, chest.x + side * w, chest.y);
      cairo_line_to(c, waist.x + side * w * 1.1, waist.y);
      cairo_line_to(c, hem.x + side * w * 1.35, hem.y);
      xr_set_ink(c, xr_ink_scale(person->upper, 0.6), 0.9);
      cairo_set_line_width(c, 0.009);
      cairo_stroke(c);
    }
    return;
  }
  cairo_move_to(c, neck.x, neck.y);
  cairo_line_to(c, chest.x, chest.y);
  cairo_line_to(c, waist.x, waist.y);
  if (kind == XR_HOODIE)
    cairo_line_to(c, waist.x, waist.y + 0.04);
  else
    cairo_line_to(c, hem.x, hem.y);
  cairo_set_line_width(c, 0.006);
  xr_set_ink(c, xr_ink_scale(person->upper, 0.5), kind == XR_HOODIE ? 0 : 0.8);
  cairo_stroke(c);
  if (kind == XR_SHIRT || kind == XR_COAT)
    for (int i = 0; i < 5; i++) {
      xr_point at = mix(chest, hem, i * (kind == XR_COAT ? 0.16 : 0.23));
      xr_path_ellipse(c, (xr_point){at.x + (kind == XR_COAT ? 0.016 * body->fz : 0), at.y}, 0.0055, 0.0055);
      xr_set_ink(c, kind == XR_COAT ? (xr_ink){0.1, 0.1, 0.1} : xr_ink_mix(person->upper, (xr_ink){1, 1, 1}, 0.6), 0.9);
      cairo_fill(c);
    }
  if (kind == XR_HOODIE) { /* pouch and strings */
    xr_point pouch[] = {{waist.x - w * 0.9, waist.y + 0.015},
                        {waist.x + w * 0.9, waist.y + 0.015},
                        {waist.x + w * 1.4, waist.y - 0.07},
                        {waist.x - w * 1.4, waist.y - 0.07}};
    xr_path_polygon(c, pouch, 4);
    xr_pen_outline(pen, 0.45);
    for (int side = -1; side <= 1; side += 2) {
      cairo_move_to(c, neck.x + side * 0.016 * body->fz, neck.y - 0.03);
      cairo_line_to(c, neck.x + side * 0.018 * body->fz, chest.y + 0.02);
      cairo_set_line_width(c, 0.006);
      xr_set_ink(c, (xr_ink){0.92, 0.92, 0.9}, 0.85);
      cairo_stroke(c);
    }
  }
}

/* Neckline, collar or hood, drawn before the head. */
static void draw_collar(const xr_pen *pen, const xr_person *person, const xr_skeleton *body) {
  int kind = person->value[XR_ATTR_UPPER];
  cairo_t *c = pen->ink;
  xr_point neck = xr_flat(xr_body_point(body, 0, 0.848, 0.012));
  if (kind == XR_HOODIE) {
    xr_point hood = xr_flat(xr_body_point(body, 0, 0.838, -0.035));
    double back = fmax(0, -body->fz);
    xr_path_ellipse(c, (xr_point){hood.x, hood.y - 0.02 * back}, 0.062 + 0.012 * back, 0.034 + 0.026 * back);
    xr_pen_fill(pen, xr_ink_scale(person->upper, 0.80), XR_PART_TORSO);
    xr_pen_outline(pen, 0.3);
    return;
  }
  if (body->fz > 0 && (kind == XR_TSHIRT || kind == XR_DRESS || kind == XR_SWEATER)) {
    xr_path_ellipse(c, neck, 0.032, 0.010 + 0.016 * body->fz);
    if (kind != XR_SWEATER) xr_pen_fill(pen, xr_ink_scale(person->skin, 0.92), XR_PART_HEAD);
    xr_set_ink(c, xr_ink_scale(person->upper, 0.7), 0.9);
    cairo_set_line_width(c, 0.008);
    cairo_stroke(c);
  }
}

static void draw_lapels(const xr_pen *pen, const xr_person *person, const xr_skeleton *body) { /* after the neck */
  int kind = person->value[XR_ATTR_UPPER];
  if (kind != XR_SHIRT && kind != XR_COAT && kind != XR_JACKET) return;
  xr_point neck = xr_flat(xr_body_point(body, 0, 0.852, 0)), front = xr_flat(xr_body_point(body, 0, 0.815, 0.045));
  double size = kind == XR_COAT ? 0.052 : 0.030;
  if (body->fz < 0) { /* the back of the collar */
    xr_pen_limb(pen, xr_ink_scale(person->upper, 0.9), XR_PART_TORSO, (xr_point){neck.x - 0.028, neck.y - 0.004}, 0.011,
                (xr_point){neck.x + 0.028, neck.y - 0.004}, 0.011);
    return;
  }
  for (int side = -1; side <= 1; side += 2) {
    xr_point flap[] = {{neck.x + side * 0.038, neck.y},
                       {front.x, front.y},
                       {front.x + side * size * (0.35 + 0.5 * body->fz), front.y - size * 0.8},
                       {neck.x + side * 0.056, neck.y - 0.022}};
    xr_path_polygon(pen->ink, flap, 4);
    xr_pen_fill(pen, xr_ink_scale(person->upper, 0.86), XR_PART_TORSO);
    xr_pen_outline(pen, 0.35);
  }
}

static void draw_trunk(const xr_pen *pen, const xr_person *person, const xr_skeleton *body) {
  const cut *fit = &cuts[person->value[XR_ATTR_UPPER]];
  cairo_t *c = pen->ink;
  xr_point points[2 * MAX_RINGS];
  int count = trunk_outline(points, person, body, 1, fit);
  xr_point top = xr_flat(xr_body_point(body, 0, 0.85, 0)), hem = xr_flat(xr_body_point(body, 0, fit->hem, 0));
  double half = hypot(0.118 * body->fz, 0.075 * body->fx) * person->build + fit->flare;
  xr_path_smooth(c, points, count);
  xr_pen_fill(pen, person->upper, XR_PART_TORSO);
  draw_pattern(pen, person, top, hem, half);
  cairo_path_t *outline = cairo_copy_path(c);
  cairo_save(c);
  cairo_clip(c);
  draw_front(pen, person, body, fit);
  draw_print(pen, person, body);
  xr_point waist = xr_flat(xr_body_point(body, 0, 0.60, 0));
  fold(pen, (xr_point){waist.x - half * 0.8, waist.y + 0.03}, (xr_point){waist.x - half * 0.3, waist.y - 0.01},
       (xr_point){waist.x - half * 0.1, waist.y - 0.005}, 0.18);
  fold(pen, (xr_point){waist.x + half * 0.8, waist.y - 0.02}, (xr_point){waist.x + half * 0.4, waist.y - 0.045},
       (xr_point){waist.x, waist.y - 0.04}, 0.16);
  fold(pen, (xr_point){waist.x + half * 0.7, waist.y + 0.14}, (xr_point){waist.x + half * 0.55, waist.y + 0.10},
       (xr_point){waist.x + half * 0.4, waist.y + 0.09}, 0.14);
  if (person->value[XR_ATTR_UPPER] == XR_SWEATER || person->value[XR_ATTR_UPPER] == XR_HOODIE) { /* the band at the hem */
    cairo_move_to(c, hem.x - 1, hem.y + 0.022);
    cairo_line_to(c, hem.x + 1, hem.y + 0.022);
    xr_pen_outline(pen, 0.4);
  }
  if (person->value[XR_ATTR_UPPER] == XR_DRESS) { /* belt */
    cairo_move_to(c, waist.x - 1, waist.y + 0.012);
    cairo_line_to(c, waist.x + 1, waist.y + 0.012);
    cairo_set_line_width(c, 0.016);
    xr_set_ink(c, xr_ink_scale(person->upper, 0.62), 1);
    cairo_stroke(c);
  }
  cairo_restore(c);
  cairo_new_path(c);
  cairo_append_path(c, outline);
  cairo_path_destroy(outline);
  xr_pen_shade(pen, top, hem, half * 1.02);
  xr_pen_outline(pen, 0.28);
}

/* ---- arms */

static void draw_sleeve(const xr_pen *pen, const xr_person *person, xr_point a, double ra, xr_point b, double rb) {
  xr_path_limb(pen->ink, a, ra, b, rb);
  xr_pen_fill(pen, person->upper, XR_PART_ARMS);
  draw_pattern(pen, person, a, b, fmax(ra, rb));
  xr_pen_shade(pen, a, b, fmax(ra, rb));
  xr_pen_outline(pen, 0.28);
}

static void draw_arm(const xr_pen *pen, const xr_person *person, const xr_skeleton *body, const xr_pose *pose, int side) {
  const cut *fit = &cuts[person->value[XR_ATTR_UPPER]];
  double wide = person->build * (person->value[XR_ATTR_GENDER] == XR_MAN ? 1.0 : 0.86);
  xr_point shoulder = xr_flat(body->shoulder[side]), elbow = xr_flat(body->elbow[side]), wrist = xr_flat(body->wrist[side]),
           hand = xr_flat(body->hand[side]);
  shoulder.x *= 0.93;
  xr_pen_limb(pen, person->skin, XR_PART_ARMS, wrist, 0.016, hand, 0.019);
  if (pose->telephone == side) {
    cairo_rectangle(pen->ink, hand.x - 0.013, hand.y - 0.010, 0.026, 0.045);
    xr_set_ink(pen->ink, (xr_ink){0.08, 0.08, 0.1}, 1);
    cairo_fill(pen->ink);
  }
  if (fit->sleeve < 0.6) {
    xr_pen_limb(pen, person->skin, XR_PART_ARMS, elbow, 0.025 * wide, wrist, 0.018 * wide);
    xr_pen_limb(pen, person->skin, XR_PART_ARMS, shoulder, 0.031 * wide, elbow, 0.026 * wide);
    draw_sleeve(pen, person, shoulder, 0.034 * wide + fit->sleeve_radius * 0.6, mix(shoulder, elbow, fit->sleeve * 2),
                0.030 * wide + fit->sleeve_radius);
    return;
  }
  double more = fit->sleeve_radius;
  draw_sleeve(pen, person, elbow, 0.027 * wide + more, mix(elbow, wrist, 0.97), 0.020 * wide + more * 0.8);
  draw_sleeve(pen, person, shoulder, 0.034 * wide + more * 0.6, elbow, 0.028 * wide + more);
}

void xr_synth_draw_person(const xr_pen *pen, const xr_person *person, const xr_pose *pose) {
  xr_skeleton skeleton, *body = &skeleton;
  xr_synth_pose_body(body, person, pose);
  cairo_set_line_cap(pen->ink, CAIRO_LINE_CAP_ROUND);
  if (pen->mask) cairo_set_line_cap(pen->mask, CAIRO_LINE_CAP_ROUND);
  int far = body->shoulder[0].z < body->shoulder[1].z ? 0 : 1;
  bool arm_hidden = body->shoulder[far].z < -0.045;
  xr_synth_draw_bag_behind(pen, person, body);
  if (arm_hidden) draw_arm(pen, person, body, pose, far);
  int far_leg = body->ankle[0].z < body->ankle[1].z ? 0 : 1;
  draw_leg(pen, person, body, far_leg);
  draw_pelvis(pen, person, body);
  draw_leg(pen, person, body, !far_leg);
  draw_skirt(pen, person, body);
  xr_synth_draw_hair_behind(pen, person, body);
  draw_trunk(pen, person, body);
  draw_collar(pen, person, body);
  xr_synth_draw_head(pen, person, body);
  draw_lapels(pen, person, body);
  if (person->value[XR_ATTR_BAG] == XR_BACKPACK) xr_synth_draw_bag_in_front(pen, person, body); /* on the back, between the arms */
  if (!arm_hidden) draw_arm(pen, person, body, pose, far);
  draw_arm(pen, person, body, pose, !far);
  if (person->value[XR_ATTR_BAG] != XR_BACKPACK) xr_synth_draw_bag_in_front(pen, person, body);
  xr_synth_draw_hair_in_front(pen, person, body);
}
