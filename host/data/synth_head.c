#include <math.h>

#include "host/data/synth_person.h"

static void path_sector(cairo_t *c, xr_point centre, double rx, double ry, double from, double to) { /* a closed cut of an ellipse */
  cairo_new_path(c);
  cairo_save(c);
  cairo_translate(c, centre.x, centre.y);
  cairo_scale(c, fmax(rx, 1e-4), fmax(ry, 1e-4));
  cairo_arc(c, 0, 0, 1, from, to);
  cairo_close_path(c);
  cairo_restore(c);
}

/* Hair that hangs below the head: a rounded sheet, or the tail of a ponytail. */
static void draw_hanging_hair(const xr_pen *pen, const xr_person *person, const xr_skeleton *body) {
  int hair = person->value[XR_ATTR_HAIR];
  if (hair == XR_SHORT_HAIR) return;
  xr_point head = xr_flat(body->head);
  double rx = body->head_rx, back = -body->fx;
  if (hair == XR_PONYTAIL) {
    xr_point knot = xr_flat(xr_body_point(body, 0, 0.935, -0.052)), end = xr_flat(xr_body_point(body, 0, 0.80, -0.075));
    xr_pen_limb(pen, person->hair, XR_PART_HEAD, knot, 0.020, end, 0.012);
    return;
  }
  double bottom = body->base + (hair == XR_LONG_HAIR ? 0.715 : 0.815) * body->rise + 0.02 * body->fz * body->down * 4;
  double x = head.x + back * 0.022, width = rx * (1.10 + 0.16 * fabs(body->fz));
  xr_point sheet[] = {{x - width * 0.92, head.y + 0.02}, {x - width, head.y - 0.05},       {x - width * 0.98, bottom + 0.03},
                      {x - width * 0.5, bottom},         {x + width * 0.5, bottom},        {x + width * 0.98, bottom + 0.03},
                      {x + width, head.y - 0.05},        {x + width * 0.92, head.y + 0.02}};
  xr_path_smooth(pen->ink, sheet, 8);
  xr_pen_fill(pen, person->hair, XR_PART_HEAD);
  xr_pen_shade(pen, (xr_point){x, head.y}, (xr_point){x, bottom}, width);
  xr_pen_outline(pen, 0.15);
  for (int i = -2; i <= 2; i++) { /* strands */
    cairo_move_to(pen->ink, x + i * width * 0.3, head.y - 0.02);
    cairo_line_to(pen->ink, x + i * width * 0.36, bottom + 0.012);
    xr_pen_outline(pen, 0.14);
  }
}

void xr_synth_draw_hair_behind(const xr_pen *pen, const xr_person *person, const xr_skeleton *body) {
  if (body->fz > -0.15) draw_hanging_hair(pen, person, body);
}

void xr_synth_draw_hair_in_front(const xr_pen *pen, const xr_person *person, const xr_skeleton *body) {
  if (body->fz <= -0.15) draw_hanging_hair(pen, person, body);
}

static void draw_features(const xr_pen *pen, const xr_person *person, const xr_skeleton *body) {
  cairo_t *c = pen->ink;
  xr_point head = xr_flat(body->head);
  double rx = body->head_rx, ry = body->head_ry, eye_y = head.y - 0.06 * ry;
  for (int side = -1; side <= 1; side += 2) { /* at 26 degrees left and right of the nose, on the sphere of the head */
    double azimuth = body->yaw + side * 0.45, towards = cos(azimuth);
    if (towards < 0.12) continue;
    double x = head.x + sin(azimuth) * rx * 0.86;
    if (person->value[XR_ATTR_GLASSES]) {
      xr_path_ellipse(c, (xr_point){x, eye_y}, 0.019 * fmax(towards, 0.35), 0.0135);
      xr_set_ink(c, (xr_ink){0.07, 0.07, 0.08}, 0.92);
    } else {
      xr_path_ellipse(c, (xr_point){x, eye_y}, 0.0075 * fmax(towards, 0.4), 0.0060);
      xr_set_ink(c, (xr_ink){0.10, 0.08, 0.07}, 0.85);
    }
    cairo_fill(c);
    cairo_move_to(c, x - 0.011 * towards, eye_y + 0.0155);
    cairo_line_to(c, x + 0.011 * towards, eye_y + 0.0155);
    cairo_set_line_width(c, 0.005);
    xr_set_ink(c, xr_ink_scale(person->hair, 0.8), 0.7);
    cairo_stroke(c);
  }
  double nose = head.x + body->fx * rx * 0.98, mouth = head.x + body->fx * rx * 0.84, open = 0.015 * fmax(0.35, body->fz);
  if (person->value[XR_ATTR_GLASSES]) { /* the bridge, or the temple seen from the side */
    cairo_move_to(c, head.x + sin(body->yaw - 0.45) * rx * 0.8, eye_y + 0.004);
    cairo_line_to(c, head.x + sin(body->yaw + 0.45) * rx * 0.8, eye_y + 0.004);
    cairo_set_line_width(c, 0.007);
    xr_set_ink(c, (xr_ink){0.07, 0.07, 0.08}, 0.9);
    cairo_stroke(c);
  }
  xr_path_ellipse(c, (xr_point){nose, head.y - 0.32 * ry}, 0.008, 0.011);
  xr_set_ink(c, xr_ink_scale(person->skin, 0.82), 0.6);
  cairo_fill(c);
  cairo_move_to(c, mouth - open, head.y - 0.60 * ry);
  cairo_line_to(c, mouth + open, head.y - 0.60 * ry);
  cairo_set_line_width(c, 0.006);
  xr_set_ink(c, xr_ink_mix(xr_ink_scale(person->skin, 0.6), (xr_ink){0.6, 0.15, 0.15}, 0.4), 0.8);
  cairo_stroke(c);
}

static void draw_hat(const xr_pen *pen, const xr_person *person, const xr_skeleton *body) {
  int hat = person->value[XR_ATTR_HAT];
  xr_point head = xr_flat(body->head);
  double rx = body->head_rx * 1.16, ry = body->head_ry * 1.06;
  xr_point brow = {head.x, head.y + 0.20 * ry}, top = {head.x, head.y + ry};
  if (hat == XR_SUN_HAT) {
    xr_path_ellipse(pen->ink, brow, rx * 1.95, 0.021 + 0.05 * body->down);
    xr_pen_fill(pen, xr_ink_scale(person->hat, 0.9), XR_PART_HEAD);
    xr_pen_outline(pen, 0.3);
  }
  path_sector(pen->ink, brow, rx, ry * (hat == XR_BEANIE ? 1.0 : 0.88), 0, M_PI);
  xr_pen_fill(pen, person->hat, XR_PART_HEAD);
  xr_pen_shade(pen, brow, top, rx);
  xr_pen_outline(pen, 0.25);
  xr_point left = {head.x - rx, brow.y}, right = {head.x + rx, brow.y};
  if (hat == XR_BEANIE) {
    xr_pen_limb(pen, xr_ink_scale(person->hat, 0.84), XR_PART_HEAD, (xr_point){left.x + 0.006, left.y}, 0.015,
                (xr_point){right.x - 0.006, right.y}, 0.015);
    xr_path_ellipse(pen->ink, (xr_point){head.x, head.y + ry * 1.22}, 0.013, 0.012);
    xr_pen_fill(pen, person->hat, XR_PART_HEAD);
    cairo_new_path(pen->ink);
  }
  if (hat == XR_SUN_HAT) {
    cairo_move_to(pen->ink, left.x, left.y + 0.010);
    cairo_line_to(pen->ink, right.x, right.y + 0.010);
    xr_pen_stroke(pen, xr_ink_scale(person->hat, 0.5), 0.8, 0.013, XR_PART_HEAD);
  }
  if (hat == XR_CAP && body->fz > -0.75) { /* the peak */
    xr_point root = {head.x + body->fx * rx * 0.55, brow.y}, tip = {head.x + body->fx * rx * 1.65, brow.y - 0.012 * (1 + body->fz)};
    double half = 0.012 + 0.030 * fmax(0, body->fz);
    xr_point peak[] = {{root.x - half * 1.3, root.y + 0.004},
                       {tip.x - half * 1.1, tip.y},
                       {tip.x + half * 1.1, tip.y},
                       {root.x + half * 1.3, root.y + 0.004}};
    xr_path_smooth(pen->ink, peak, 4);
    xr_pen_fill(pen, xr_ink_scale(person->hat, 0.78), XR_PART_HEAD);
    xr_pen_outline(pen, 0.3);
  }
  cairo_new_path(pen->ink);
}

void xr_synth_draw_head(const xr_pen *pen, const xr_person *person, const xr_skeleton *body) {
  cairo_t *c = pen->ink;
  xr_point head = xr_flat(body->head), neck = xr_flat(xr_body_point(body, 0, 0.842, 0));
  double rx = body->head_rx, ry = body->head_ry;
  xr_pen_limb(pen, xr_ink_scale(person->skin, 0.86), XR_PART_HEAD, neck, 0.032, (xr_point){head.x, head.y - 0.02}, 0.029);
  xr_path_ellipse(c, head, rx, ry); /* skull and jaw */
  xr_pen_fill(pen, person->skin, XR_PART_HEAD);
  xr_pen_shade(pen, (xr_point){head.x, head.y - ry}, (xr_point){head.x, head.y + ry}, rx);
  cairo_new_path(c);
  for (int side = -1; side <= 1; side += 2) { /* ears */
    double azimuth = body->yaw + side * M_PI_2;
    if (cos(azimuth) < -0.35) continue;
    xr_path_ellipse(c, (xr_point){head.x + sin(azimuth) * rx, head.y - 0.1 * ry}, 0.009 + 0.004 * fmax(0, cos(azimuth)), 0.016);
    xr_pen_fill(pen, xr_ink_scale(person->skin, 0.9), XR_PART_HEAD);
    cairo_new_path(c);
  }
  /* Hair is the whole head but for the face, which turns with the view; short hair also ends above the neck. */
  bool is_short = person->value[XR_ATTR_HAIR] == XR_SHORT_HAIR || person->value[XR_ATTR_HAIR] == XR_PONYTAIL;
  cairo_path_t *cap;
  double back = -body->fx * 0.006;
  path_sector(c, (xr_point){head.x + back, head.y + 0.05 * ry}, rx * 1.10, ry * 1.05, is_short ? -0.30 : -0.75,
              M_PI + (is_short ? 0.30 : 0.75));
  cap = cairo_copy_path(c);
  cairo_new_path(c);
  double face_rx = rx * (body->fz > 0 ? 0.62 + 0.28 * body->fz : 0.62 + 0.55 * body->fz);
  bool face_seen = face_rx > 0.1 * rx;
  xr_point face = {head.x + body->fx * (rx * 1.12 - face_rx), head.y - 0.24 * ry};
  if (face_seen) { /* everything outside the face */
    for (int k = 0; k < (pen->mask ? 2 : 1); k++) {
      cairo_t *on = k ? pen->mask : c;
      cairo_save(on);
      cairo_rectangle(on, head.x - 1, head.y - 1, 2, 2);
      cairo_new_sub_path(on);
      cairo_save(on);
      cairo_translate(on, face.x, face.y);
      cairo_scale(on, face_rx, ry * 0.80);
      cairo_arc(on, 0, 0, 1, 0, 2 * M_PI);
      cairo_restore(on);
      cairo_set_fill_rule(on, CAIRO_FILL_RULE_EVEN_ODD);
      cairo_clip(on);
      cairo_set_fill_rule(on, CAIRO_FILL_RULE_WINDING);
    }
  }
  cairo_append_path(c, cap);
  cairo_path_destroy(cap);
  xr_pen_fill(pen, person->hair, XR_PART_HEAD);
  xr_pen_shade(pen, (xr_point){head.x, head.y - ry}, (xr_point){head.x, head.y + ry}, rx * 1.1);
  cairo_new_path(c);
  if (face_seen) {
    cairo_restore(c);
    if (pen->mask) cairo_restore(pen->mask);
    draw_features(pen, person, body);
  }
  if (person->value[XR_ATTR_HAT]) draw_hat(pen, person, body);
}
