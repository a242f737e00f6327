/* Draws every shape twice: in colour, and as a flat part number into the mask. */
#pragma once

#include <cairo.h>

#include "host/data/synth_attributes.h"

typedef struct {
  double x, y;
} xr_point;

/* Both contexts share one transformation. The person's is: 1 = body height, y upwards, origin on the ground between the feet. */
typedef struct {
  cairo_t *ink;
  cairo_t *mask; /* on an A8 surface; NULL for figures that are not the subject */
  double light;  /* where light comes from: -1 left .. 1 right */
} xr_pen;

xr_ink xr_ink_scale(xr_ink ink, double gain);
xr_ink xr_ink_mix(xr_ink a, xr_ink b, double share_of_b);
void xr_set_ink(cairo_t *c, xr_ink ink, double alpha);

/* Paths are built in pen->ink. */
void xr_path_limb(cairo_t *c, xr_point a, double radius_a, xr_point b, double radius_b); /* two discs and what lies between them */
void xr_path_smooth(cairo_t *c, const xr_point *points, int count);                      /* closed, through all points */
void xr_path_polygon(cairo_t *c, const xr_point *points, int count);
void xr_path_ellipse(cairo_t *c, xr_point centre, double rx, double ry);

/* Fills the current path in colour and in the mask; keeps the path for shading. */
void xr_pen_fill(const xr_pen *pen, xr_ink ink, xr_part part);
/* Strokes the current path; clears it. */
void xr_pen_stroke(const xr_pen *pen, xr_ink ink, double alpha, double width, xr_part part);
/* Light and shadow of a rounded body along a..b over the current path, which is kept. */
void xr_pen_shade(const xr_pen *pen, xr_point a, xr_point b, double radius);
/* fill, shade and a faint outline of one limb; clears the path. */
void xr_pen_limb(const xr_pen *pen, xr_ink ink, xr_part part, xr_point a, double radius_a, xr_point b, double radius_b);
/* A dark line of `alpha` along the current path, colour only; clears it. */
void xr_pen_outline(const xr_pen *pen, double alpha);
