#include "host/data/synth_scene.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const double PI = 3.14159265358979323846;

typedef enum { WALL, WINDOWS, TREES, SHOP, FENCE, TILES } backdrop;

/* What stays the same in one camera's pictures. */
typedef struct {
  backdrop behind;
  xr_ink wall, ground;
  double floor;       /* height of the line where wall and ground meet, in picture heights from the top */
  double light;       /* where light comes from: -1 left .. 1 right */
  double gain;        /* exposure */
  xr_ink cast;        /* colour of the light */
  double pitch;       /* radians by which the camera looks down */
  double blur, noise; /* pixels; levels */
  int quality;
} place;

static const place places[XR_SYNTH_CAMERAS] = {
    {WALL, {.62, .56, .50}, {.55, .55, .54}, .46, -.7, 1.00, {1.00, .99, .96}, .12, .5, 3, 90},
    {WINDOWS, {.50, .54, .60}, {.38, .39, .41}, .38, .6, .92, {.95, .99, 1.05}, .22, .7, 4, 84},
    {TREES, {.46, .55, .42}, {.48, .58, .38}, .34, .2, 1.06, {1.04, 1.01, .93}, .10, .4, 3, 92},
    {SHOP, {.68, .64, .60}, {.66, .64, .62}, .50, -.3, 1.08, {1.03, 1.00, .95}, .08, .6, 3, 88},
    {FENCE, {.60, .62, .63}, {.52, .50, .47}, .42, .8, .90, {.98, 1.00, 1.02}, .28, .9, 5, 80},
    {TILES, {.72, .72, .69}, {.60, .59, .57}, .54, 0, .86, {.97, 1.02, .96}, .18, .8, 6, 78},
};

static double between(xr_random *r, double low, double high) { return low + (high - low) * (double)xr_random_uniform(r); }
static bool happens(xr_random *r, double probability) { return (double)xr_random_uniform(r) < probability; }

static void fill_rectangle(cairo_t *c, double x, double y, double w, double h, xr_ink ink) {
  xr_set_ink(c, ink, 1);
  cairo_rectangle(c, x, y, w, h);
  cairo_fill(c);
}

static void line(cairo_t *c, double x0, double y0, double x1, double y1, double width, xr_ink ink, double alpha) {
  xr_set_ink(c, ink, alpha);
  cairo_set_line_width(c, width);
  cairo_move_to(c, x0, y0);
  cairo_line_to(c, x1, y1);
  cairo_stroke(c);
}

/* ---- the place; pictures are 1 wide per `aspect` and 1 high, y downwards */
static void draw_gradient(cairo_t *c, double width, double top, double bottom, xr_ink ink, double above, double below) {
  cairo_pattern_t *shade = cairo_pattern_create_linear(0, top, 0, bottom);
  xr_ink a = xr_ink_scale(ink, above), b = xr_ink_scale(ink, below);
  cairo_pattern_add_color_stop_rgb(shade, 0, a.r, a.g, a.b);
  cairo_pattern_add_color_stop_rgb(shade, 1, b.r, b.g, b.b);
  cairo_set_source(c, shade);
  cairo_rectangle(c, 0, top, width, bottom - top);
  cairo_fill(c);
  cairo_pattern_destroy(shade);
}

static void draw_bricks(cairo_t *c, double width, double floor, xr_ink wall, double shift) {
  const double course = .035, brick = .09;
  xr_ink joint = xr_ink_scale(wall, .86);
  for (int row = 0; row * course < floor; row++) {
    double y = floor - row * course;
    line(c, 0, y, width, y, .003, joint, .8);
    for (double x = -brick + fmod(shift + (row % 2) * brick / 2, brick); x < width; x += brick)
      line(c, x, y, x, y - course, .003, joint, .7);
  }
}

static void draw_windows(cairo_t *c, double width, double floor, xr_random *r) {
  double step = between(r, .22, .34), shift = between(r, 0, step);
  for (double x = -shift; x < width; x += step) {
    fill_rectangle(c, x + step * .14, floor * .08, step * .72, floor * .66, (xr_ink){.30, .34, .40});
    fill_rectangle(c, x + step * .18, floor * .11, step * .30, floor * .60, (xr_ink){.40, .46, .54});
    line(c, x + step * .5, floor * .08, x + step * .5, floor * .74, .012, (xr_ink){.75, .76, .78}, 1);
  }
}

static void draw_trees(cairo_t *c, double width, double floor, xr_random *r) {
  for (int i = 0; i < 7; i++) {
    double x = between(r, -.1, width + .1), radius = between(r, .07, .16), y = between(r, 0, floor * .8), shade = between(r, .55, .95);
    fill_rectangle(c, x - .012, y, .024, floor - y, (xr_ink){.33, .27, .21});
    for (int k = 0; k < 9; k++) {
      xr_path_ellipse(c, (xr_point){x + between(r, -radius, radius), y + between(r, -radius, radius) * .8}, radius * .5, radius * .45);
      xr_set_ink(c, (xr_ink){.30 * shade, .47 * shade, .24 * shade}, .75);
      cairo_fill(c);
    }
  }
}

static void draw_shop(cairo_t *c, double width, double floor, xr_random *r) {
  xr_ink sign = {between(r, .3, .6), between(r, .3, .6), between(r, .3, .6)};
  fill_rectangle(c, 0, floor * .18, width, floor * .74, (xr_ink){.36, .38, .40});
  for (double x = between(r, -.2, 0); x < width; x += .26) {
    fill_rectangle(c, x + .012, floor * .22, .236, floor * .66, (xr_ink){.56, .57, .56});
    fill_rectangle(c, x + .04, floor * between(r, .5, .66), .18, floor * .22,
                   (xr_ink){between(r, .35, .6), between(r, .35, .6), between(r, .35, .6)});
  }
  fill_rectangle(c, 0, floor * .04, width, floor * .13, sign);
}

static void draw_fence(cairo_t *c, double width, double floor, xr_random *r) {
  double step = between(r, .035, .06);
  for (double x = between(r, -step, 0); x < width; x += step) line(c, x, floor * .2, x, floor, .007, (xr_ink){.36, .37, .38}, 1);
  line(c, 0, floor * .26, width, floor * .26, .012, (xr_ink){.34, .35, .36}, 1);
  line(c, 0, floor * .9, width, floor * .9, .012, (xr_ink){.34, .35, .36}, 1);
}

static void draw_ground(cairo_t *c, double width, const place *p, double floor, xr_random *r) {
  draw_gradient(c, width, floor, 1, p->ground, .92, 1.08);
  double vanishing = between(r, 0, width), horizon = floor - between(r, .15, .5), count = between(r, 5, 10);
  xr_ink joint = xr_ink_scale(p->ground, .84);
  for (double k = -count; k <= count; k++) { /* joints that run away from the camera meet at one point */
    double x = vanishing + k * between(r, .16, .18), t = (floor - horizon) / (1 - horizon);
    line(c, vanishing + (x - vanishing) * t * 1.0, floor, x * 1.0, 1, .004, joint, .7);
  }
  for (double depth = 1; depth > .04; depth *= .72)
    line(c, 0, floor + (1 - floor) * depth, width, floor + (1 - floor) * depth, .004 * (.4 + depth), joint, .7);
  if (happens(r, .35)) { /* kerb or painted line */
    double y = floor + (1 - floor) * between(r, .03, .25);
    line(c, 0, y, width, y + between(r, -.02, .02), .018, (xr_ink){.78, .77, .72}, .8);
  }
}

static void draw_backdrop(cairo_t *c, double width, const place *p, double floor, xr_random *r) {
  draw_gradient(c, width, 0, floor, p->wall, between(r, .95, 1.12), between(r, .82, .95));
  switch (p->behind) {
  case WALL:
    draw_bricks(c, width, floor, p->wall, between(r, 0, .09));
    break;
  case WINDOWS:
    draw_windows(c, width, floor, r);
    break;
  case TREES:
    draw_trees(c, width, floor, r);
    break;
  case SHOP:
    draw_shop(c, width, floor, r);
    break;
  case FENCE:
    draw_fence(c, width, floor, r);
    break;
  case TILES:
    for (double x = between(r, -.11, 0); x < width; x += .11) line(c, x, 0, x, floor, .003, xr_ink_scale(p->wall, .88), 1);
    for (double y = floor; y > 0; y -= .075) line(c, 0, y, width, y, .003, xr_ink_scale(p->wall, .88), 1);
    break;
  }
}

/* ---- things and people around */
static void place_person(cairo_t *c, double x, double feet, double height, double tilt) {
  cairo_translate(c, x, feet);
  cairo_rotate(c, tilt);
  cairo_scale(c, height, -height);
}

static xr_pose random_pose(xr_random *r, double pitch, double yaw) {
  double walk = happens(r, .8) ? between(r, .35, 1) : between(r, 0, .15);
  return (xr_pose){.yaw = yaw,
                   .pitch = pitch,
                   .stride = walk,
                   .phase = between(r, 0, 2 * PI),
                   .lean = between(r, -.02, .07),
                   .elbow = between(r, .1, .8),
                   .telephone = happens(r, .08) ? (int)xr_random_below(r, 2) : -1};
}

static void draw_passer_by(cairo_t *c, double width, const place *p, double floor, xr_random *r) {
  xr_person stranger;
  xr_synth_draw_identity(&stranger, 0, r);
  double height = between(r, .16, .36), x = happens(r, .5) ? between(r, -.02, width * .2) : between(r, width * .8, width + .02);
  xr_pose pose = random_pose(r, p->pitch, between(r, 0, 2 * PI));
  cairo_push_group(c);
  place_person(c, x, floor + height * .22, height, 0);
  xr_synth_draw_person(&(xr_pen){.ink = c, .mask = NULL, .light = p->light}, &stranger, &pose);
  cairo_identity_matrix(c);
  cairo_pop_group_to_source(c);
  cairo_paint_with_alpha(c, .75); /* far away and out of focus */
}

static void draw_clutter(cairo_t *c, double width, double floor, xr_random *r) {
  if (happens(r, .25)) { /* lamp post */
    double x = between(r, 0, width);
    fill_rectangle(c, x, 0, .022, floor + .12, (xr_ink){.30, .31, .32});
  }
  if (happens(r, .2)) { /* bin */
    double x = happens(r, .5) ? between(r, -.04, .05) : between(r, width - .13, width - .02);
    fill_rectangle(c, x, floor - .06, .09, .17, (xr_ink){.28, .34, .30});
    fill_rectangle(c, x - .006, floor - .07, .102, .02, (xr_ink){.20, .24, .22});
  }
}

static void draw_shadow(cairo_t *c, double x, double feet, double height, double light, xr_random *r) {
  double length = between(r, .08, .2) * height;
  cairo_pattern_t *soft = cairo_pattern_create_radial(0, 0, 0, 0, 0, 1);
  cairo_pattern_add_color_stop_rgba(soft, 0, 0, 0, 0, .42);
  cairo_pattern_add_color_stop_rgba(soft, .6, 0, 0, 0, .25);
  cairo_pattern_add_color_stop_rgba(soft, 1, 0, 0, 0, 0);
  cairo_save(c);
  cairo_translate(c, x - light * length * .6, feet - .004);
  cairo_scale(c, .10 * height + length * fabs(light), .035 * height);
  cairo_set_source(c, soft);
  cairo_arc(c, 0, 0, 1, 0, 2 * PI);
  cairo_fill(c);
  cairo_restore(c);
  cairo_pattern_destroy(soft);
}

/* Something between the camera and the person, which hides a part of both. */
static void draw_occluder(const xr_pen *pen, double width, xr_random *r) {
  xr_ink ink = {between(r, .2, .5), between(r, .2, .5), between(r, .2, .5)};
  if (happens(r, .5)) {
    double x = happens(r, .5) ? between(r, width * .05, width * .25) : between(r, width * .72, width * .9);
    cairo_rectangle(pen->ink, x, -.1, between(r, .03, .07), 1.2);
  } else {
    double y = between(r, .84, .93);
    cairo_rectangle(pen->ink, -.1, y, width + .2, 1.1 - y);
  }
  xr_pen_fill(pen, ink, XR_PART_BACKGROUND);
  cairo_new_path(pen->ink);
}

/* ---- the lens: blur by three box passes, exposure, colour of the light, noise */
static void box_blur(float *values, int count, ptrdiff_t stride, double radius, float *line_in) {
  const int r = (int)radius;
  const float edge = (float)(radius - r), norm = 1.0f / (float)(2 * radius + 1);
  for (int i = 0; i < count; i++) line_in[i] = values[i * stride];
  for (int i = 0; i < count; i++) {
    float sum = 0;
    for (int k = -r - 1; k <= r + 1; k++) {
      int at = i + k < 0 ? 0 : i + k >= count ? count - 1 : i + k;
      sum += (k == -r - 1 || k == r + 1 ? edge : 1.0f) * line_in[at];
    }
    values[i * stride] = sum * norm;
  }
}

static void blur(float *pixels, int width, int height, double radius, float *scratch) {
  for (int channel = 0; channel < 3; channel++) {
    for (int y = 0; y < height; y++) box_blur(pixels + (ptrdiff_t)y * width * 3 + channel, width, 3, radius, scratch);
    for (int x = 0; x < width; x++) box_blur(pixels + x * 3 + channel, height, (ptrdiff_t)width * 3, radius, scratch);
  }
}

static xr_status develop(cairo_surface_t *surface, const place *p, xr_random *r, xr_synth_picture *out) {
  const int width = out->width, height = out->height, stride = cairo_image_surface_get_stride(surface);
  const unsigned char *data = cairo_image_surface_get_data(surface);
  float *pixels = malloc((size_t)width * (size_t)height * 3 * sizeof *pixels + (size_t)(width + height) * sizeof *pixels);
  if (!pixels) return xr_fail(XR_NO_MEMORY, "out of memory");
  float *scratch = pixels + (size_t)width * (size_t)height * 3;
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      uint32_t word;
      memcpy(&word, data + (ptrdiff_t)y * stride + x * 4, 4);
      float *pixel = pixels + ((ptrdiff_t)y * width + x) * 3;
      for (int k = 0; k < 3; k++) pixel[k] = (float)(word >> (16 - 8 * k) & 255u);
    }
  blur(pixels, width, height, p->blur * between(r, .3, 1.3) * height / 240.0, scratch);
  const double gain = p->gain * between(r, .9, 1.1), tone[3] = {p->cast.r * gain, p->cast.g * gain, p->cast.b * gain},
               noise = p->noise * between(r, .5, 1.2);
  for (ptrdiff_t i = 0; i < (ptrdiff_t)width * height * 3; i++) {
    double value = (double)pixels[i] * tone[i % 3] + noise * (double)xr_random_normal(r);
    out->rgb[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value + .5);
  }
  free(pixels);
  return XR_OK;
}

static void draw_all(const xr_pen *pen, const xr_person *person, const place *p, double width, xr_random *r, xr_synth_picture *out) {
  cairo_t *c = pen->ink;
  const double floor = p->floor + between(r, -.07, .07), yaw = between(r, 0, 2 * PI), height = between(r, .84, .92);
  const double x = width / 2 + between(r, -.04, .04), feet = between(r, .945, .985), tilt = between(r, -.04, .04);
  xr_pose pose = random_pose(r, p->pitch, yaw);
  draw_backdrop(c, width, p, floor, r);
  draw_ground(c, width, p, floor, r);
  draw_clutter(c, width, floor, r);
  cairo_matrix_t picture;
  cairo_get_matrix(c, &picture);
  if (happens(r, .3)) draw_passer_by(c, width, p, floor, r);
  cairo_set_matrix(c, &picture);
  draw_shadow(c, x, feet, height, p->light, r);
  cairo_save(c);
  place_person(c, x, feet, height, tilt);
  cairo_save(pen->mask);
  place_person(pen->mask, x, feet, height, tilt);
  xr_synth_draw_person(pen, person, &pose);
  cairo_restore(pen->mask);
  cairo_restore(c);
  if (happens(r, .06)) draw_occluder(pen, width, r);
  out->view = xr_synth_view(yaw);
}

xr_status xr_synth_render(const xr_person *person, int camera, xr_random *r, xr_synth_picture *out) {
  const place *p = &places[camera];
  *out = (xr_synth_picture){.height = (int)between(r, 150, 330), .quality = p->quality};
  out->width = (int)(out->height * between(r, .37, .44));
  const size_t pixels = (size_t)out->width * (size_t)out->height;
  out->rgb = malloc(pixels * 3);
  out->mask = malloc(pixels);
  cairo_surface_t *ink = cairo_image_surface_create(CAIRO_FORMAT_RGB24, out->width, out->height);
  cairo_surface_t *mask = cairo_image_surface_create(CAIRO_FORMAT_A8, out->width, out->height);
  xr_pen pen = {.ink = cairo_create(ink), .mask = cairo_create(mask), .light = p->light};
  cairo_scale(pen.ink, out->height, out->height);
  cairo_scale(pen.mask, out->height, out->height);
  cairo_set_antialias(pen.mask, CAIRO_ANTIALIAS_NONE);
  cairo_set_operator(pen.mask, CAIRO_OPERATOR_SOURCE); /* parts replace each other, they do not blend */
  xr_status status = out->rgb && out->mask ? XR_OK : xr_fail(XR_NO_MEMORY, "out of memory");
  if (status == XR_OK) draw_all(&pen, person, p, (double)out->width / out->height, r, out);
  if (status == XR_OK && (cairo_status(pen.ink) || cairo_status(pen.mask)))
    status = xr_fail(XR_NO_MEMORY, "drawing failed: %s", cairo_status_to_string(cairo_status(pen.ink)));
  cairo_surface_flush(ink);
  cairo_surface_flush(mask);
  if (status == XR_OK) status = develop(ink, p, r, out);
  for (int y = 0; y < out->height && status == XR_OK; y++)
    memcpy(out->mask + (ptrdiff_t)y * out->width, cairo_image_surface_get_data(mask) + (ptrdiff_t)y * cairo_image_surface_get_stride(mask),
           (size_t)out->width);
  cairo_destroy(pen.ink);
  cairo_destroy(pen.mask);
  cairo_surface_destroy(ink);
  cairo_surface_destroy(mask);
  return status;
}
