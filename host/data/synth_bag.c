#include <math.h>

#include "host/data/synth_person.h"

static void draw_box(const xr_pen *pen, xr_ink ink, xr_point centre, double half_width, double half_height, double round) {
  double x0 = centre.x - half_width, x1 = centre.x + half_width, y0 = centre.y - half_height, y1 = centre.y + half_height;
  cairo_t *c = pen->ink;
  round = fmin(round, fmin(half_width, half_height));
  cairo_new_path(c);
  cairo_arc(c, x1 - round, y1 - round, round, 0, M_PI_2);
  cairo_arc(c, x0 + round, y1 - round, round, M_PI_2, M_PI);
  cairo_arc(c, x0 + round, y0 + round, round, M_PI, 3 * M_PI_2);
  cairo_arc(c, x1 - round, y0 + round, round, 3 * M_PI_2, 2 * M_PI);
  cairo_close_path(c);
  xr_pen_fill(pen, ink, XR_PART_BAG);
  xr_pen_shade(pen, (xr_point){centre.x, y0}, (xr_point){centre.x, y1}, half_width);
  xr_pen_outline(pen, 0.35);
}

static void line(cairo_t *c, xr_point a, xr_point b) {
  cairo_move_to(c, a.x, a.y);
  cairo_line_to(c, b.x, b.y);
}

static void draw_pack(const xr_pen *pen, const xr_person *person, const xr_skeleton *body) {
  xr_joint centre = xr_body_point(body, 0, 0.695, -0.115);
  double half = hypot(0.098 * body->fz, 0.055 * body->fx) * fmin(1.1, person->build);
  draw_box(pen, person->bag, xr_flat(centre), half, 0.128, 0.045);
  xr_ink dark = xr_ink_scale(person->bag, 0.7);
  if (body->fz < 0.2) { /* pocket and flap on its far side from the back */
    xr_point pocket = {centre.x - body->fx * half * 0.35, centre.y - 0.055};
    draw_box(pen, xr_ink_scale(person->bag, 0.88), pocket, half * (0.45 + 0.3 * fmax(0, -body->fz)), 0.045, 0.02);
    line(pen->ink, (xr_point){centre.x - half * 0.9, centre.y + 0.045}, (xr_point){centre.x + half * 0.9, centre.y + 0.045});
    xr_pen_stroke(pen, dark, 0.7, 0.007, XR_PART_BAG);
  }
}

static void draw_pack_straps(const xr_pen *pen, const xr_person *person, const xr_skeleton *body) {
  for (int side = -1; side <= 1; side += 2) {
    xr_joint top = xr_body_point(body, side * 0.066, 0.835, 0.0), chest = xr_body_point(body, side * 0.070, 0.74, 0.055),
             end = xr_body_point(body, side * 0.092, 0.65, 0.01);
    if (chest.z < 0.0) continue; /* on the far side */
    cairo_move_to(pen->ink, top.x, top.y);
    cairo_curve_to(pen->ink, top.x + body->fx * 0.03, top.y, chest.x, chest.y + 0.03, chest.x, chest.y);
    cairo_line_to(pen->ink, end.x, end.y);
    xr_pen_stroke(pen, xr_ink_scale(person->bag, 0.85), 1, 0.024, XR_PART_BAG);
  }
}

static void draw_handbag(const xr_pen *pen, const xr_person *person, const xr_skeleton *body) {
  xr_point hand = xr_flat(body->hand[1]);
  double half = hypot(0.030 * body->fz, 0.072 * body->fx) + 0.014, drop = 0.052;
  cairo_new_path(pen->ink);
  cairo_move_to(pen->ink, hand.x - half * 0.6, hand.y - drop);
  cairo_curve_to(pen->ink, hand.x - half * 0.5, hand.y + 0.012, hand.x + half * 0.5, hand.y + 0.012, hand.x + half * 0.6, hand.y - drop);
  xr_pen_stroke(pen, xr_ink_scale(person->bag, 0.7), 1, 0.010, XR_PART_BAG);
  double y = hand.y - drop;
  xr_point shape[] = {
      {hand.x - half * 0.85, y}, {hand.x + half * 0.85, y}, {hand.x + half * 1.1, y - 0.095}, {hand.x - half * 1.1, y - 0.095}};
  xr_path_polygon(pen->ink, shape, 4);
  xr_pen_fill(pen, person->bag, XR_PART_BAG);
  xr_pen_shade(pen, (xr_point){hand.x, y}, (xr_point){hand.x, y - 0.09}, half * 1.1);
  xr_pen_outline(pen, 0.35);
  line(pen->ink, (xr_point){hand.x - half, y - 0.03}, (xr_point){hand.x + half, y - 0.03});
  xr_pen_outline(pen, 0.3);
}

static void draw_shoulder_bag(const xr_pen *pen, const xr_person *person,
                              const xr_skeleton *body) { /* strap from the left shoulder to the right hip */
  xr_joint hip = xr_body_point(body, -0.115 * person->build, 0.50, 0.01);
  double half = hypot(0.045 * body->fz, 0.090 * body->fx) + 0.012;
  draw_box(pen, person->bag, xr_flat(hip), half, 0.058, 0.014);
  xr_point flap = {hip.x, hip.y + 0.018};
  draw_box(pen, xr_ink_scale(person->bag, 0.85), flap, half * 0.98, 0.040, 0.014);
}

static void draw_shoulder_strap(const xr_pen *pen, const xr_person *person, const xr_skeleton *body) {
  double depth = body->fz >= 0 ? 0.06 : -0.06; /* the half of the strap that is seen */
  xr_point top = xr_flat(xr_body_point(body, 0.062, 0.835, 0)), middle = xr_flat(xr_body_point(body, -0.02, 0.68, depth)),
           end = xr_flat(xr_body_point(body, -0.105 * person->build, 0.545, 0));
  cairo_move_to(pen->ink, top.x, top.y);
  cairo_curve_to(pen->ink, top.x, top.y - 0.02, middle.x + (top.x - middle.x) * 0.3, middle.y + 0.05, middle.x, middle.y);
  cairo_line_to(pen->ink, end.x, end.y);
  xr_pen_stroke(pen, xr_ink_scale(person->bag, 0.8), 1, 0.016, XR_PART_BAG);
}

static void draw_suitcase(const xr_pen *pen, const xr_person *person,
                          const xr_skeleton *body) { /* pulled on two wheels, leaning after the hand */
  xr_point hand = xr_flat(body->hand[1]);
  xr_joint foot = xr_body_point(body, -0.135, 0.02, -0.34);
  xr_point wheel = {foot.x, fmin(foot.y, 0.06)}, along = {hand.x - wheel.x, hand.y - wheel.y};
  double half = hypot(0.070 * body->fz, 0.050 * body->fx);
  xr_point low = {wheel.x + along.x * 0.04, wheel.y + along.y * 0.04}, high = {wheel.x + along.x * 0.66, wheel.y + along.y * 0.66};
  line(pen->ink, high, hand);
  xr_pen_stroke(pen, (xr_ink){0.25, 0.25, 0.27}, 1, 0.012, XR_PART_BAG);
  double length = hypot(along.x, along.y), nx = -along.y / length * half, ny = along.x / length * half;
  xr_point shell[] = {{low.x - nx, low.y - ny}, {low.x + nx, low.y + ny}, {high.x + nx, high.y + ny}, {high.x - nx, high.y - ny}};
  cairo_set_line_join(pen->ink, CAIRO_LINE_JOIN_ROUND);
  xr_path_polygon(pen->ink, shell, 4);
  xr_pen_fill(pen, person->bag, XR_PART_BAG);
  xr_pen_shade(pen, low, high, half);
  xr_pen_outline(pen, 0.35);
  for (int i = -1; i <= 1; i++) { /* ribs */
    line(pen->ink, (xr_point){low.x + nx * i * 0.5, low.y + ny * i * 0.5}, (xr_point){high.x + nx * i * 0.5, high.y + ny * i * 0.5});
    xr_pen_outline(pen, 0.28);
  }
  for (int i = -1; i <= 1; i += 2) {
    xr_path_ellipse(pen->ink, (xr_point){wheel.x + nx * i * 0.8, wheel.y}, 0.013, 0.013);
    xr_pen_fill(pen, (xr_ink){0.1, 0.1, 0.1}, XR_PART_BAG);
    cairo_new_path(pen->ink);
  }
}

/* Whether the bag stands nearer to the camera than the body. */
static bool is_in_front(const xr_person *person, const xr_skeleton *body) {
  switch (person->value[XR_ATTR_BAG]) {
  case XR_BACKPACK:
    return body->fz < 0.1;
  case XR_SUITCASE:
    return xr_body_point(body, -0.135, 0.2, -0.34).z > 0;
  default:
    return body->shoulder[1].z > -0.06; /* carried on the right */
  }
}

static void draw_bag(const xr_pen *pen, const xr_person *person, const xr_skeleton *body) {
  static void (*const draw[XR_BAGS])(const xr_pen *, const xr_person *, const xr_skeleton *) = {
      [XR_BACKPACK] = draw_pack, [XR_HANDBAG] = draw_handbag, [XR_SHOULDER_BAG] = draw_shoulder_bag, [XR_SUITCASE] = draw_suitcase};
  draw[person->value[XR_ATTR_BAG]](pen, person, body);
}

void xr_synth_draw_bag_behind(const xr_pen *pen, const xr_person *person, const xr_skeleton *body) {
  if (person->value[XR_ATTR_BAG] && !is_in_front(person, body)) draw_bag(pen, person, body);
}

void xr_synth_draw_bag_in_front(const xr_pen *pen, const xr_person *person, const xr_skeleton *body) {
  int bag = person->value[XR_ATTR_BAG];
  if (bag == XR_BACKPACK) draw_pack_straps(pen, person, body);
  if (bag == XR_SHOULDER_BAG) draw_shoulder_strap(pen, person, body);
  if (bag && is_in_front(person, body)) draw_bag(pen, person, body);
}
