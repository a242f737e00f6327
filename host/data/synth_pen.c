#include "host/data/synth_pen.h"

#include <math.h>

xr_ink xr_ink_scale(xr_ink ink, double gain) { return (xr_ink){fmin(1, ink.r * gain), fmin(1, ink.g * gain), fmin(1, ink.b * gain)}; }

xr_ink xr_ink_mix(xr_ink a, xr_ink b, double share_of_b) {
  double s = share_of_b, t = 1 - s;
  return (xr_ink){a.r * t + b.r * s, a.g * t + b.g * s, a.b * t + b.b * s};
}

void xr_set_ink(cairo_t *c, xr_ink ink, double alpha) { cairo_set_source_rgba(c, ink.r, ink.g, ink.b, alpha); }

void xr_path_limb(cairo_t *c, xr_point a, double radius_a, xr_point b, double radius_b) {
  double along = atan2(b.y - a.y, b.x - a.x);
  cairo_new_path(c);
  cairo_arc(c, a.x, a.y, radius_a, along + M_PI_2, along + 3 * M_PI_2);
  cairo_arc(c, b.x, b.y, radius_b, along - M_PI_2, along + M_PI_2);
  cairo_close_path(c);
}

/* Catmull-Rom: each piece is a Bezier curve whose handles are a sixth of the chord between the neighbours. */
void xr_path_smooth(cairo_t *c, const xr_point *points, int count) {
  cairo_new_path(c);
  cairo_move_to(c, points[0].x, points[0].y);
  for (int i = 0; i < count; i++) {
    xr_point before = points[(i + count - 1) % count], from = points[i], to = points[(i + 1) % count], after = points[(i + 2) % count];
    cairo_curve_to(c, from.x + (to.x - before.x) / 6, from.y + (to.y - before.y) / 6, to.x - (after.x - from.x) / 6,
                   to.y - (after.y - from.y) / 6, to.x, to.y);
  }
  cairo_close_path(c);
}

void xr_path_polygon(cairo_t *c, const xr_point *points, int count) {
  cairo_new_path(c);
  for (int i = 0; i < count; i++) cairo_line_to(c, points[i].x, points[i].y);
  cairo_close_path(c);
}

void xr_path_ellipse(cairo_t *c, xr_point centre, double rx, double ry) {
  cairo_new_path(c);
  cairo_save(c);
  cairo_translate(c, centre.x, centre.y);
  cairo_scale(c, fmax(rx, 1e-4), fmax(ry, 1e-4));
  cairo_arc(c, 0, 0, 1, 0, 2 * M_PI);
  cairo_close_path(c);
  cairo_restore(c);
}

static void copy_path_to_mask(const xr_pen *pen, xr_part part) {
  cairo_path_t *path = cairo_copy_path(pen->ink);
  cairo_new_path(pen->mask);
  cairo_append_path(pen->mask, path);
  cairo_path_destroy(path);
  cairo_set_source_rgba(pen->mask, 0, 0, 0, part / 255.0);
}

void xr_pen_fill(const xr_pen *pen, xr_ink ink, xr_part part) {
  xr_set_ink(pen->ink, ink, 1);
  cairo_fill_preserve(pen->ink);
  if (!pen->mask) return;
  copy_path_to_mask(pen, part);
  cairo_fill(pen->mask);
}

void xr_pen_stroke(const xr_pen *pen, xr_ink ink, double alpha, double width, xr_part part) {
  cairo_set_line_width(pen->ink, width);
  xr_set_ink(pen->ink, ink, alpha);
  if (pen->mask) {
    copy_path_to_mask(pen, part);
    cairo_set_line_width(pen->mask, width);
    cairo_stroke(pen->mask);
  }
  cairo_stroke(pen->ink);
}

void xr_pen_shade(const xr_pen *pen, xr_point a, xr_point b, double radius) {
  double nx = -(b.y - a.y), ny = b.x - a.x, length = hypot(nx, ny);
  if (length < 1e-6) nx = 1, ny = 0, length = 1;
  double towards = (nx * pen->light + ny * 0.5) < 0 ? -1 : 1, k = towards * radius / length;
  double cx = (a.x + b.x) / 2, cy = (a.y + b.y) / 2;
  cairo_pattern_t *shading = cairo_pattern_create_linear(cx + nx * k, cy + ny * k, cx - nx * k, cy - ny * k);
  double strength = 0.6 + 0.4 * fabs(pen->light);
  cairo_pattern_add_color_stop_rgba(shading, 0.0, 1, 1, 1, 0.04 * strength);
  cairo_pattern_add_color_stop_rgba(shading, 0.28, 1, 1, 1, 0.16 * strength);
  cairo_pattern_add_color_stop_rgba(shading, 0.5, 0, 0, 0, 0.02);
  cairo_pattern_add_color_stop_rgba(shading, 0.8, 0, 0, 0, 0.22 * strength);
  cairo_pattern_add_color_stop_rgba(shading, 1.0, 0, 0, 0, 0.36 * strength);
  cairo_set_source(pen->ink, shading);
  cairo_fill_preserve(pen->ink);
  cairo_pattern_destroy(shading);
}

void xr_pen_outline(const xr_pen *pen, double alpha) {
  cairo_set_line_width(pen->ink, 0.004);
  cairo_set_source_rgba(pen->ink, 0, 0, 0, alpha);
  cairo_stroke(pen->ink);
}

void xr_pen_limb(const xr_pen *pen, xr_ink ink, xr_part part, xr_point a, double radius_a, xr_point b, double radius_b) {
  xr_path_limb(pen->ink, a, radius_a, b, radius_b);
  xr_pen_fill(pen, ink, part);
  xr_pen_shade(pen, a, b, fmax(radius_a, radius_b));
  xr_pen_outline(pen, 0.22);
}
