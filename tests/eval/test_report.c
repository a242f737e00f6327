#include <criterion/criterion.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/file.h"
#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/data/image.h"
#include "host/data/image_write.h"
#include "host/eval/contact_sheet.h"
#include "host/eval/report.h"
#include "host/eval/thumbnail.h"

static char folder[64], picture[3][128], output[128];

/* Three pictures of one colour each: tall, square, wide. */
static const struct {
  int width, height;
  uint8_t rgb[3];
} pictures[3] = {{40, 100, {200, 30, 60}}, {50, 50, {20, 90, 220}}, {120, 30, {250, 210, 10}}};

static void make_pictures(void) {
  snprintf(folder, sizeof folder, "/tmp/xreid-report-%d", (int)getpid());
  cr_assert_eq(xr_make_folders(folder), XR_OK);
  snprintf(output, sizeof output, "%s/output", folder);
  for (int i = 0; i < 3; i++) {
    const int bytes = pictures[i].width * pictures[i].height * 3;
    uint8_t *pixels = malloc((size_t)bytes);
    for (int b = 0; b < bytes; b++) pixels[b] = pictures[i].rgb[b % 3];
    snprintf(picture[i], sizeof picture[i], "%s/%d<&>.png", folder, i);
    cr_assert_eq(xr_image_write_png(picture[i], pictures[i].width, pictures[i].height, pixels), XR_OK);
    free(pixels);
  }
  xr_log_threshold = XR_LOG_QUIET; /* the warning about the missing picture */
}

static void remove_pictures(void) {
  for (int i = 0; i < 3; i++) unlink(picture[i]);
  unlink(output);
  rmdir(folder);
}

TestSuite(report, .init = make_pictures, .fini = remove_pictures);

static const char long_caption[] =
    "The man wears a grey jacket over a white shirt, dark trousers and brown shoes, and he carries a leather bag on his left shoulder "
    "while he walks beside a woman in a long blue coat who pushes a bicycle with a basket full of flowers through the narrow street.";

typedef struct {
  xr_ranked_image found[4];
  xr_ranked_example examples[3];
} sample;

static void make_sample(sample *s) {
  s->found[0] = (xr_ranked_image){picture[0], XR_MARK_RIGHT, .91234, NULL};
  s->found[1] = (xr_ranked_image){picture[1], XR_MARK_WRONG, .8, "first<2>.jpg"};
  s->found[2] = (xr_ranked_image){"/nowhere/gone.jpg", XR_MARK_WRONG, .7, NULL};
  s->found[3] = (xr_ranked_image){picture[2], XR_MARK_NONE, -.25, NULL};
  s->examples[0] = (xr_ranked_example){"a <b>\"bold\"</b> caption & more", NULL, s->found, 4};
  s->examples[1] = (xr_ranked_example){long_caption, picture[1], s->found, 1};
  s->examples[2] = (xr_ranked_example){"broken \xff\xc3 bytes\n\x01", NULL, s->found, 0};
}

static int count_of(const char *text, const char *word) {
  int n = 0;
  for (const char *p = text; (p = strstr(p, word)); p += strlen(word)) n++;
  return n;
}

/* Every tag is closed by its own end tag, in order, and quotes are paired. */
static void expect_well_formed(const char *text) {
  char open[64][32];
  int depth = 0;
  for (const char *p = strchr(text, '<'); p; p = strchr(p, '<')) {
    const bool closing = p[1] == '/';
    const char *name = p + 1 + closing, *end = name;
    while (isalnum((unsigned char)*end)) end++;
    const int length = (int)(end - name);
    bool quoted = false;
    for (; *end && (quoted || *end != '>'); end++) {
      if (*end == '"') quoted = !quoted;
      cr_assert(*end != '<', "a tag inside a tag at: %.60s", p);
    }
    cr_assert(*end == '>', "a tag without an end at: %.60s", p);
    if (closing) {
      cr_assert(depth > 0 && strlen(open[depth - 1]) == (size_t)length && strncmp(open[depth - 1], name, (size_t)length) == 0,
                "%.*s does not close %s", length + 3, p, depth ? open[depth - 1] : "anything");
      depth--;
    } else if (*name != '!' && end[-1] != '/') {
      cr_assert(depth < 64);
      snprintf(open[depth++], sizeof *open, "%.*s", length, name);
    }
    p = end;
  }
  cr_assert_eq(depth, 0, "%s is not closed", depth ? open[depth - 1] : "");
}

static char *written_report(const xr_report *report) {
  cr_assert_eq(xr_report_write(output, report), XR_OK, "%s", xr_message());
  char *text;
  size_t size;
  cr_assert_eq(xr_read_file(output, &text, &size), XR_OK);
  cr_assert_eq(strlen(text), size);
  expect_well_formed(text);
  cr_expect_eq(count_of(text, "<script"), 0);
  cr_expect_eq(count_of(text, "http"), 0, "everything is in the file");
  return text;
}

Test(report, page_holds_results_curves_and_marked_examples) {
  sample s;
  make_sample(&s);
  double x[1000], y[1000];
  for (int i = 0; i < 1000; i++) {
    x[i] = i;
    y[i] = i >= 500 && i < 510 ? NAN : 3 - i * .001;
  }
  const double epoch[] = {1, 2, 3}, rank1[] = {40, 55.5, 60.25};
  const xr_report_series loss = {"sdm + id", x, y, 1000}, metric = {"R-1", epoch, rank1, 3}, single = {"one", epoch, rank1, 1},
                         none = {"no", x, y, 0};
  const xr_report_chart charts[] = {
      {"Loss", "step", &loss, 1}, {"Validation", "epoch", &metric, 1}, {"A point", "epoch", &single, 1}, {"Empty", "epoch", &none, 1}};
  const xr_report_fact facts[] = {{"data.root", "/data/<sets>"}, {"seed", "7"}};
  const xr_report_result results[] = {{"epoch 3", .73375, .9, .95, .66125, .5}, {"paper", .7338, .8993, .9371, .6613, -1}};
  char *text = written_report(&(xr_report){.title = "cmsn & friends",
                                           .subtitle = "three epochs",
                                           .facts = facts,
                                           .fact_count = 2,
                                           .results = results,
                                           .result_count = 2,
                                           .results_note = "Ties: lower index.",
                                           .charts = charts,
                                           .chart_count = 4,
                                           .examples = s.examples,
                                           .example_count = 3});
  cr_expect_eq(count_of(text, "<title>cmsn &amp; friends</title>"), 1);
  cr_expect_eq(count_of(text, "/data/&lt;sets&gt;"), 1);
  cr_expect_eq(count_of(text, "a &lt;b&gt;&quot;bold&quot;&lt;/b&gt; caption &amp; more"), 1);
  cr_expect_eq(count_of(text, "<div class=\"name\" title="), 1);
  cr_expect_eq(count_of(text, ">first&lt;2&gt;.jpg</div>"), 1);
  cr_expect_eq(count_of(text, "<h2>Ranked examples</h2>"), 1);
  cr_expect_eq(count_of(text, "broken \xef\xbf\xbd\xef\xbf\xbd bytes  "), 1, "bytes that are no UTF-8 are replaced");
  cr_expect_eq(count_of(text, ">73.38<"), 2, "fractions become percent with two decimals");
  cr_expect_eq(count_of(text, "\xe2\x80\x93</td>"), 1, "a value that is not known is a dash");
  cr_expect_eq(count_of(text, "<figure class=\"chart\""), 3, "a chart without points is left out");
  cr_expect_eq(count_of(text, "<circle"), 4, "short series have a dot for every point");
  const char *line = strstr(text, "class=\"line s0\" d=\"M58"), *end = line ? strstr(line, "/>") : NULL; /* the plot starts at 58 */
  cr_assert_not_null(end);
  int strokes = 0;
  for (const char *p = line; p < end; p++) strokes += *p == 'M' && isdigit((unsigned char)p[1]);
  cr_expect_eq(strokes, 2, "the missing values interrupt the line");
  cr_expect_lt(end - line, 400 * 14, "a long series is drawn with few points");
  cr_expect_eq(count_of(text, "<li class=\"right\">"), 2);
  cr_expect_eq(count_of(text, "<li class=\"wrong\">"), 2);
  cr_expect_eq(count_of(text, "<b>\xe2\x9c\x93</b>"), 2, "a tick beside the colour");
  cr_expect_eq(count_of(text, "<b>\xe2\x9c\x97</b>"), 2, "a cross beside the colour");
  cr_expect_eq(count_of(text, "data:image/jpeg;base64,"), 5);
  cr_expect_eq(count_of(text, "cannot be read: gone.jpg"), 1);
  cr_expect_eq(count_of(text, ">0.912<"), 2);
  free(text);
}

Test(report, parts_without_content_are_left_out) {
  char *text = written_report(&(xr_report){.title = "search"});
  cr_expect_eq(count_of(text, "<h2>"), 0);
  cr_expect_eq(count_of(text, "<table"), 0);
  free(text);
}

static int digit_of(char c) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const char *found = c ? strchr(digits, c) : NULL;
  return found ? (int)(found - digits) : -1;
}

/* The pictures in the page are the ranked ones: decoded, they have the right shape and colour. Lengths 0, 1, 2 modulo 3 occur. */
Test(report, thumbnails_decode_to_the_pictures) {
  sample s;
  make_sample(&s);
  s.found[2].path = picture[0];
  char *text = written_report(&(xr_report){.title = "t", .examples = s.examples, .example_count = 1});
  static const int shape[4][2] = {{147, 368}, {184, 184}, {147, 368}, {184, 46}};
  static const int which[4] = {0, 1, 0, 2};
  const char *p = text;
  for (int i = 0; i < 4; i++) {
    p = strstr(p, "base64,");
    cr_assert_not_null(p);
    p += strlen("base64,");
    uint8_t *bytes = malloc(strcspn(p, "\""));
    size_t size = 0;
    for (; *p != '"'; p += 4) {
      const int d[4] = {digit_of(p[0]), digit_of(p[1]), digit_of(p[2]), digit_of(p[3])};
      cr_assert(d[0] >= 0 && d[1] >= 0);
      bytes[size++] = (uint8_t)(d[0] << 2 | d[1] >> 4);
      if (d[2] >= 0) bytes[size++] = (uint8_t)(d[1] << 4 | d[2] >> 2);
      if (d[3] >= 0) bytes[size++] = (uint8_t)(d[2] << 6 | d[3]);
    }
    xr_image image;
    cr_assert_eq(xr_image_decode(&image, bytes, size, "data", (xr_image_options){0}, NULL), XR_OK, "%s", xr_message());
    cr_expect(image.width == shape[i][0] && image.height == shape[i][1], "picture %d: %d x %d", i, image.width, image.height);
    for (int c = 0; c < 3; c++) cr_expect_lt(abs(image.pixels[c] - pictures[which[i]].rgb[c]), 6);
    xr_image_free(&image);
    free(bytes);
  }
  free(text);
}

static const uint8_t *pixel(const xr_image *image, int x, int y) {
  cr_assert(x >= 0 && y >= 0 && x < image->width && y < image->height);
  return image->pixels + ((size_t)y * (size_t)image->width + (size_t)x) * 3;
}

static void expect_color(const xr_image *image, int x, int y, int red, int green, int blue) {
  const uint8_t *p = pixel(image, x, y);
  cr_expect(abs(p[0] - red) < 4 && abs(p[1] - green) < 4 && abs(p[2] - blue) < 4, "(%d, %d) is %d %d %d, expected %d %d %d", x, y, p[0],
            p[1], p[2], red, green, blue);
}

static int dark_pixels(const xr_image *image, int left, int top, int right, int bottom) {
  int n = 0;
  for (int y = top; y < bottom; y++)
    for (int x = left; x < right; x++) n += pixel(image, x, y)[0] < 100 && pixel(image, x, y)[1] < 100;
  return n;
}

static int coloured_pixels(const xr_image *image, int left, int top, int right, int bottom) {
  int n = 0;
  for (int y = top; y < bottom; y++)
    for (int x = left; x < right; x++) n += pixel(image, x, y)[0] < 250;
  return n;
}

Test(report, contact_sheet_shows_frames_pictures_and_captions) {
  sample s;
  make_sample(&s);
  cr_assert_eq(xr_contact_sheet_write(output, s.examples, 1), XR_OK, "%s", xr_message());
  xr_image sheet;
  cr_assert_eq(xr_image_load(&sheet, output, (xr_image_options){0}, NULL), XR_OK, "%s", xr_message());
  cr_expect_eq(sheet.width, 2 * 16 + 4 * 104 + 3 * 8);
  cr_expect_eq(sheet.height, 2 * 16 + 26 + 216 + 20 + 14, "one of the pictures has a name");
  const int top = 16 + 26; /* of the frames: margin, one line of caption */
  static const int frame[4][3] = {{13, 140, 51}, {204, 31, 31}, {204, 31, 31}, {140, 145, 153}};
  for (int i = 0; i < 4; i++) {
    const int left = 16 + i * 112;
    expect_color(&sheet, left + 1, top + 1, frame[i][0], frame[i][1], frame[i][2]);
    expect_color(&sheet, left + 102, top + 214, frame[i][0], frame[i][1], frame[i][2]);
    const uint8_t *rgb = pictures[i == 3 ? 2 : i].rgb;
    if (i == 2) /* the picture that is not there */
      expect_color(&sheet, left + 52, top + 108, 237, 237, 240);
    else
      expect_color(&sheet, left + 52, top + 108, rgb[0], rgb[1], rgb[2]);
  }
  expect_color(&sheet, 16 + 4 + 5, top + 108, 237, 237, 240); /* the tall picture is 83 pixels wide, in the middle of 96 */
  expect_color(&sheet, 16 + 4 + 8, top + 108, 200, 30, 60);
  cr_expect_gt(dark_pixels(&sheet, 16, 16, 300, top - 6), 100, "the caption is written above the row");
  cr_expect_gt(coloured_pixels(&sheet, 128, top + 237, 230, top + 250), 20, "the name is written below that");
  cr_expect_eq(coloured_pixels(&sheet, 16, top + 237, 120, top + 250), 0, "and only there");
  cr_expect_gt(dark_pixels(&sheet, 31, top + 218, 100, top + 236), 20, "rank and score are written below");
  xr_image_free(&sheet);
}

Test(report, contact_sheet_breaks_long_captions_and_sets_the_query_apart) {
  sample s;
  make_sample(&s);
  cr_assert_eq(xr_contact_sheet_write(output, s.examples + 1, 2), XR_OK, "%s", xr_message());
  xr_image sheet;
  cr_assert_eq(xr_image_load(&sheet, output, (xr_image_options){0}, NULL), XR_OK);
  cr_expect_eq(sheet.width, 2 * 16 + 4 * 104 + 3 * 8, "room for a caption beside few images");
  cr_expect_eq(sheet.height, 2 * 16 + (66 + 216 + 20) + 18 + (26 + 216 + 20), "three lines and one line of caption");
  const int top = 16 + 66;
  expect_color(&sheet, 17, top + 1, 140, 145, 153);              /* the query's frame */
  expect_color(&sheet, 16 + 104 + 16 + 1, top + 1, 13, 140, 51); /* the first image found */
  for (int line = 0; line < 3; line++) cr_expect_gt(dark_pixels(&sheet, 16, 16 + 20 * line, 456, 36 + 20 * line), 300);
  cr_expect_eq(dark_pixels(&sheet, 457, 0, sheet.width, sheet.height), 0, "nothing runs into the margin");
  xr_image_free(&sheet);
}

Test(report, contact_sheet_refuses_what_no_picture_can_hold) {
  cr_expect_eq(xr_contact_sheet_write(output, NULL, 0), XR_BAD_ARGUMENT);
  xr_ranked_example many[200] = {0};
  cr_expect_eq(xr_contact_sheet_write(output, many, 200), XR_BAD_ARGUMENT);
  cr_expect(strstr(xr_message(), "show fewer"), "%s", xr_message());
  cr_expect_not(xr_is_file(output));
}

Test(report, text_is_cleaned_to_utf8) {
  static const char *const cases[][2] = {{"", ""},
                                         {"plain", "plain"},
                                         {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x91\x95", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x91\x95"},
                                         {"\x80x\xe2\x82", "\xef\xbf\xbdx\xef\xbf\xbd"},
                                         {"a\tb\x7f", "a b "}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char *clean = xr_display_text(cases[i][0]);
    cr_expect_str_eq(clean, cases[i][1]);
    free(clean);
  }
}
