#include "host/eval/report.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "host/data/image_write.h"
#include "host/eval/report_parts.h"
#include "host/eval/thumbnail.h"

enum { THUMBNAIL_WIDTH = 184, THUMBNAIL_HEIGHT = 368, JPEG_QUALITY = 85 }; /* shown at half this size: sharp on dense screens */

/* Colours pass 4.5 to 1 on their backgrounds; marks and lines differ in shape as well. */
static const char style[] =
    ":root{color-scheme:light dark;--page:#fbfbfa;--card:#fff;--ink:#1c1d21;--quiet:#5c606b;--rule:#dcdde2;--right:#0b7a33;--wrong:#b3261e;"
    "--s0:#1d5fbf;--s1:#b45309;--s2:#0f766e;--s3:#8b3fb8;--s4:#5b6470;--s5:#b3261e}\n"
    "@media(prefers-color-scheme:dark){:root{--page:#16171a;--card:#1f2125;--ink:#e9e9ec;--quiet:#a3a7b3;--rule:#383b43;--right:#5fd08a;"
    "--wrong:#ff8a80;--s0:#82b1ff;--s1:#ffb366;--s2:#5fd3bc;--s3:#d7a6ff;--s4:#b6bdc9;--s5:#ff8a80}}\n"
    "body{margin:0 auto;max-width:72rem;padding:2rem 1.25rem 4rem;background:var(--page);color:var(--ink);font:15px/1.5 "
    "system-ui,sans-serif}\n"
    "h1{font-size:1.6rem;line-height:1.25;margin:0}h2{font-size:1.1rem;margin:2.5rem 0 .75rem}.quiet,.note{color:var(--quiet)}"
    "header p,.note{margin:.25rem 0 0}\n"
    ".scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    "th,td{padding:.35rem 1rem .35rem 0;border-bottom:1px solid var(--rule);text-align:left;font-weight:inherit}"
    "thead th{color:var(--quiet)}.number{text-align:right}.results tbody tr:first-child{font-weight:600}\n"
    ".facts th{color:var(--quiet);white-space:nowrap}.facts td{overflow-wrap:anywhere}\n"
    ".charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:1rem}\n"
    ".chart{margin:0;padding:1rem;background:var(--card);border:1px solid var(--rule);border-radius:6px}"
    ".chart figcaption{font-weight:600}.chart>svg{width:100%;height:auto;display:block}.chart text{fill:var(--quiet);font-size:12px}"
    ".end{text-anchor:end}.middle{text-anchor:middle}.grid{stroke:var(--rule)}\n"
    ".line{fill:none;stroke-width:2;stroke-linejoin:round}.s0{stroke:var(--s0)}.s1{stroke:var(--s1);stroke-dasharray:7 4}"
    ".s2{stroke:var(--s2);stroke-dasharray:2 3}.s3{stroke:var(--s3);stroke-dasharray:10 3 2 3}.s4{stroke:var(--s4);stroke-dasharray:4 4}"
    ".s5{stroke:var(--s5);stroke-dasharray:12 5}.dot{fill:var(--card);stroke-width:2;stroke-dasharray:none}\n"
    ".legend{list-style:none;display:flex;flex-wrap:wrap;gap:.1rem 1.2rem;margin:.25rem 0 .5rem;padding:0;font-size:13px}"
    ".legend svg{width:28px;height:10px;margin-right:.4rem}\n"
    ".example{margin:0 0 1.75rem}.example>p{margin:0 0 .5rem;max-width:60rem}"
    ".ranked{list-style:none;display:flex;gap:.5rem;overflow-x:auto;margin:0;padding:0 0 .25rem}.ranked li{flex:none;width:100px}\n"
    ".frame{height:184px;border:4px solid var(--rule);display:flex;align-items:center;justify-content:center;background:var(--card);"
    "color:var(--quiet);font-size:12px;text-align:center}.frame img{max-width:92px;max-height:184px;display:block}\n"
    ".right .frame{border-color:var(--right)}.wrong .frame{border-color:var(--wrong);border-style:dashed}"
    ".label{font-size:12px;font-variant-numeric:tabular-nums}.right b{color:var(--right)}.wrong b{color:var(--wrong)}"
    ".name{font-size:11px;color:var(--quiet);overflow:hidden;text-overflow:ellipsis;white-space:nowrap}.query{margin-right:1rem}\n";

const char *const xr_figure_keys[XR_FIGURES] = {"R1", "R5", "R10", "mAP", "mINP"};

void xr_figures_of(const xr_report_result *row, double figures[XR_FIGURES]) {
  memcpy(figures, (const double[XR_FIGURES]){row->rank1, row->rank5, row->rank10, row->mAP, row->mINP}, XR_FIGURES * sizeof *figures);
}

xr_report_result xr_report_row(const char *name, const double f[XR_FIGURES]) {
  return (xr_report_result){.name = name, .rank1 = f[0], .rank5 = f[1], .rank10 = f[2], .mAP = f[3], .mINP = f[4]};
}

const char *xr_percent(char *text, double fraction) {
  if (fraction >= 0)
    snprintf(text, XR_PERCENT_TEXT, "%.2f", 100 * fraction);
  else
    strcpy(text, "-");
  return text;
}

void xr_html_text(FILE *out, const char *text) {
  char *clean = text ? xr_display_text(text) : NULL;
  for (const char *p = clean ? clean : ""; *p; p++) switch (*p) {
    case '&':
      fputs("&amp;", out);
      break;
    case '<':
      fputs("&lt;", out);
      break;
    case '>':
      fputs("&gt;", out);
      break;
    case '"':
      fputs("&quot;", out);
      break;
    default:
      putc(*p, out);
    }
  free(clean);
}

static void write_base64(FILE *out, const unsigned char *bytes, size_t size) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < size; i += 3) {
    const size_t left = size - i;
    const unsigned group = (unsigned)bytes[i] << 16 | (left > 1 ? (unsigned)bytes[i + 1] << 8 : 0) | (left > 2 ? bytes[i + 2] : 0);
    putc(digits[group >> 18], out);
    putc(digits[group >> 12 & 63], out);
    putc(left > 1 ? digits[group >> 6 & 63] : '=', out);
    putc(left > 2 ? digits[group & 63] : '=', out);
  }
}

static xr_status write_thumbnail(FILE *out, const char *path, const char *what) {
  xr_image image;
  XR_TRY(xr_thumbnail_load(&image, path, THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT));
  fputs("<div class=\"frame\">", out);
  xr_status status = XR_OK;
  if (image.pixels) {
    unsigned char *jpeg;
    size_t size;
    status = xr_image_encode_jpeg(image.width, image.height, image.pixels, JPEG_QUALITY, &jpeg, &size);
    fprintf(out, "<img width=\"%d\" height=\"%d\" alt=\"%s: ", (image.width + 1) / 2, (image.height + 1) / 2, what);
    xr_html_text(out, path);
    fputs("\" title=\"", out);
    xr_html_text(out, path);
    fputs("\" src=\"data:image/jpeg;base64,", out);
    if (status == XR_OK) write_base64(out, jpeg, size);
    fputs("\"/>", out);
    free(jpeg);
    xr_image_free(&image);
  } else {
    fputs("cannot be read: ", out);
    xr_html_text(out, xr_path_name(path));
  }
  fputs("</div>", out);
  return status;
}

static xr_status write_example(FILE *out, const xr_ranked_example *e) {
  static const struct {
    const char *class, *symbol, *words;
  } marks[] = {[XR_MARK_NONE] = {"", "", "found image"},
               [XR_MARK_RIGHT] = {"right", "<b>\xe2\x9c\x93</b> ", "right"},
               [XR_MARK_WRONG] = {"wrong", "<b>\xe2\x9c\x97</b> ", "wrong"}};
  fputs("<section class=\"example\"><p>", out);
  xr_html_text(out, e->caption);
  fputs("</p><ol class=\"ranked\">\n", out);
  if (e->query_image) {
    fputs("<li class=\"query\">", out);
    XR_TRY(write_thumbnail(out, e->query_image, "query"));
    fputs("<div class=\"label\">query</div></li>\n", out);
  }
  for (size_t i = 0; i < e->count; i++) {
    const xr_ranked_image *r = &e->ranked[i];
    fprintf(out, "<li class=\"%s\">", marks[r->mark].class);
    XR_TRY(write_thumbnail(out, r->path, marks[r->mark].words));
    fprintf(out, "<div class=\"label\">%zu %s", i + 1, marks[r->mark].symbol);
    if (isfinite(r->score)) fprintf(out, "<span class=\"quiet\">%.3f</span>", r->score);
    fputs("</div>", out);
    if (r->name) {
      fputs("<div class=\"name\" title=\"", out);
      xr_html_text(out, r->path);
      fputs("\">", out);
      xr_html_text(out, r->name);
      fputs("</div>", out);
    }
    fputs("</li>\n", out);
  }
  fputs("</ol></section>\n", out);
  return XR_OK;
}

static void write_results(FILE *out, const xr_report *r) {
  fputs(
      "<h2>Results</h2>\n<div class=\"scroll\"><table class=\"results\"><thead><tr><th></th><th class=\"number\">R-1</th>"
      "<th class=\"number\">R-5</th><th class=\"number\">R-10</th><th class=\"number\">mAP</th><th class=\"number\">mINP</th></tr></thead>"
      "<tbody>\n",
      out);
  for (size_t i = 0; i < r->result_count; i++) {
    const xr_report_result *row = &r->results[i];
    double values[XR_FIGURES];
    xr_figures_of(row, values);
    fputs("<tr><th scope=\"row\">", out);
    xr_html_text(out, row->name);
    fputs("</th>", out);
    for (int v = 0; v < XR_FIGURES; v++)
      if (values[v] >= 0)
        fprintf(out, "<td class=\"number\">%.2f</td>", 100 * values[v]);
      else
        fputs("<td class=\"number\">\xe2\x80\x93</td>", out);
    fputs("</tr>\n", out);
  }
  fputs("</tbody></table></div>\n<p class=\"note\">Percent. ", out);
  xr_html_text(out, r->results_note);
  fputs("</p>\n", out);
}

static void write_heading(FILE *out, const char *text) {
  fputs("<h2>", out);
  xr_html_text(out, text);
  fputs("</h2>\n", out);
}

static void write_facts(FILE *out, const xr_report *r) {
  write_heading(out, r->facts_title ? r->facts_title : "Configuration");
  fputs("<div class=\"scroll\"><table class=\"facts\"><tbody>\n", out);
  for (size_t i = 0; i < r->fact_count; i++) {
    fputs("<tr><th scope=\"row\">", out);
    xr_html_text(out, r->facts[i].name);
    fputs("</th><td>", out);
    xr_html_text(out, r->facts[i].value);
    fputs("</td></tr>\n", out);
  }
  fputs("</tbody></table></div>\n", out);
}

static xr_status write_page(FILE *out, const xr_report *r) {
  fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"
        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"/>\n<title>",
        out);
  xr_html_text(out, r->title);
  fprintf(out, "</title>\n<style>\n%s</style></head>\n<body><header><h1>", style);
  xr_html_text(out, r->title);
  fputs("</h1>", out);
  if (r->subtitle) {
    fputs("<p class=\"quiet\">", out);
    xr_html_text(out, r->subtitle);
    fputs("</p>", out);
  }
  fputs("</header>\n", out);
  if (r->result_count) write_results(out, r);
  if (r->chart_count) {
    fputs("<h2>Training</h2>\n<div class=\"charts\">\n", out);
    for (size_t i = 0; i < r->chart_count; i++) xr_html_chart(out, &r->charts[i]);
    fputs("</div>\n", out);
  }
  if (r->example_count) write_heading(out, r->examples_title ? r->examples_title : "Ranked examples");
  for (size_t i = 0; i < r->example_count; i++) XR_TRY(write_example(out, &r->examples[i]));
  if (r->fact_count) write_facts(out, r);
  fputs("</body></html>\n", out);
  return XR_OK;
}

xr_status xr_report_write(const char *path, const xr_report *report) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  if (!out) return xr_fail(XR_NO_MEMORY, "%s: out of memory", path);
  xr_status status = write_page(out, report);
  const int failed = ferror(out);
  if ((fclose(out) || failed) && status == XR_OK) status = xr_fail(XR_NO_MEMORY, "%s: out of memory for the report", path);
  if (status == XR_OK) status = xr_write_file(path, text, size);
  free(text);
  return status;
}
