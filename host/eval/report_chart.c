#include <math.h>
#include <stdbool.h>

#include "host/eval/report_parts.h"

/* In units of the SVG's view box. */
enum { WIDTH = 640, HEIGHT = 280, LEFT = 58, RIGHT = 18, TOP = 14, BOTTOM = 42, STYLES = 6, MAX_POINTS = 400, MAX_DOTS = 40 };

typedef struct {
  double low, high, step;
} axis;

/* 1, 2 or 5 times a power of ten: about `count` steps from low to high. */
static double nice_step(double span, double count) {
  const double raw = span / count, power = pow(10, floor(log10(raw))), lead = raw / power;
  return power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
}

static axis make_axis(double low, double high, double count, bool widen) {
  if (!(high > low)) {
    const double pad = low != 0 ? fabs(low) / 2 : 1;
    low -= pad;
    high += pad;
  }
  axis a = {low, high, nice_step(high - low, count)};
  if (widen) {
    a.low = floor(low / a.step) * a.step;
    a.high = ceil(high / a.step) * a.step;
  }
  return a;
}

static double place(axis a, double value, double from, double to) { return from + (value - a.low) / (a.high - a.low) * (to - from); }

static bool drawable(const xr_report_series *s, size_t i) { return isfinite(s->x[i]) && isfinite(s->y[i]); }

static void draw_axes(FILE *out, axis x, axis y, const char *x_label) {
  for (double i = ceil(y.low / y.step); i * y.step <= y.high + y.step * 1e-9; i++) {
    const double at = place(y, i * y.step, HEIGHT - BOTTOM, TOP);
    fprintf(out, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>", LEFT, WIDTH - RIGHT, at, at);
    fprintf(out, "<text class=\"end\" x=\"%d\" y=\"%.1f\">%.6g</text>\n", LEFT - 8, at + 4, i * y.step + 0.0);
  }
  for (double i = ceil(x.low / x.step - 1e-9); i * x.step <= x.high + x.step * 1e-9; i++)
    fprintf(out, "<text class=\"middle\" x=\"%.1f\" y=\"%d\">%.6g</text>\n", place(x, i * x.step, LEFT, WIDTH - RIGHT),
            HEIGHT - BOTTOM + 18, i * x.step + 0.0);
  fprintf(out, "<text class=\"middle\" x=\"%d\" y=\"%d\">", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6);
  xr_html_text(out, x_label);
  fputs("</text>\n", out);
}

/* One line; a long series is drawn as means of equal runs of points, and short ones get a dot, with its values, for every point. */
static void draw_series(FILE *out, const xr_report_series *s, int style, axis x, axis y) {
  const size_t run = (s->count + MAX_POINTS - 1) / MAX_POINTS;
  bool pen_down = false;
  fprintf(out, "<path class=\"line s%d\" d=\"", style);
  for (size_t i = 0; i < s->count; i += run) {
    double sum_x = 0, sum_y = 0, n = 0;
    for (size_t j = i; j < i + run && j < s->count; j++) {
      if (!drawable(s, j)) continue;
      sum_x += s->x[j];
      sum_y += s->y[j];
      n++;
    }
    if (n > 0)
      fprintf(out, "%c%.1f %.1f", pen_down ? 'L' : 'M', place(x, sum_x / n, LEFT, WIDTH - RIGHT),
              place(y, sum_y / n, HEIGHT - BOTTOM, TOP));
    pen_down = n > 0;
  }
  fputs("\"/>\n", out);
  for (size_t i = 0; i < s->count && s->count <= MAX_DOTS; i++) {
    if (!drawable(s, i)) continue;
    fprintf(out, "<circle class=\"dot s%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"><title>", style, place(x, s->x[i], LEFT, WIDTH - RIGHT),
            place(y, s->y[i], HEIGHT - BOTTOM, TOP));
    xr_html_text(out, s->name);
    fprintf(out, ": %.6g at %.6g</title></circle>\n", s->y[i], s->x[i]);
  }
}

static void draw_legend(FILE *out, const xr_report_chart *chart) {
  fputs("<ul class=\"legend\">", out);
  for (size_t i = 0; i < chart->count; i++) {
    const xr_report_series *s = &chart->series[i];
    fprintf(out, "<li><svg viewBox=\"0 0 28 10\" aria-hidden=\"true\"><path class=\"line s%d\" d=\"M0 5L28 5\"/></svg>", (int)(i % STYLES));
    xr_html_text(out, s->name);
    size_t last = s->count;
    while (last && !drawable(s, last - 1)) last--;
    if (last) fprintf(out, " <span class=\"quiet\">last %.4g</span>", s->y[last - 1]);
    fputs("</li>", out);
  }
  fputs("</ul>\n", out);
}

void xr_html_chart(FILE *out, const xr_report_chart *chart) {
  double low_x = INFINITY, high_x = -INFINITY, low_y = INFINITY, high_y = -INFINITY;
  for (size_t i = 0; i < chart->count; i++)
    for (size_t j = 0; j < chart->series[i].count; j++) {
      const xr_report_series *s = &chart->series[i];
      if (!drawable(s, j)) continue;
      low_x = fmin(low_x, s->x[j]);
      high_x = fmax(high_x, s->x[j]);
      low_y = fmin(low_y, s->y[j]);
      high_y = fmax(high_y, s->y[j]);
    }
  if (low_x > high_x) return;
  const axis x = make_axis(low_x, high_x, 8, false), y = make_axis(low_y, high_y, 5, true);
  fputs("<figure class=\"chart\"><figcaption>", out);
  xr_html_text(out, chart->title);
  fputs("</figcaption>\n", out);
  draw_legend(out, chart);
  fprintf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH, HEIGHT);
  xr_html_text(out, chart->title);
  fputs("\">\n", out);
  draw_axes(out, x, y, chart->x_label);
  for (size_t i = 0; i < chart->count; i++) draw_series(out, &chart->series[i], (int)(i % STYLES), x, y);
  fputs("</svg></figure>\n", out);
}
