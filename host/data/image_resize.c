/* Resizing. The weights are computed in double precision without fused multiply-add (CMakeLists.txt compiles this file so): that is
 * what Pillow's wheels do, and one more or less exact bit may move a rounded weight.
 *
 * Both passes multiply bytes by 32-bit weights, eight at a time. Horizontal: a row is spread to 4 bytes a pixel, so that eight lanes hold
 * 2 pixels and meet 2 weights, each four times; the lanes of a channel are added at the end. Vertical: the bytes of a row share their
 * weight. Sums stay below 2^31 as in Pillow: the weights add up to 1 with overshoots of less than 1 in all. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "host/base/memory.h"
#include "host/data/image.h"

enum {
  PRECISION_BITS = 22,
  HALF = 1 << (PRECISION_BITS - 1),
  LANES = 8,
  GROUP = LANES / 4, /* pixels in one vector of the horizontal pass */
  CHUNK = 4 * LANES, /* bytes at a time in the vertical pass */
  TABLES = 64        /* kept for each direction */
};

typedef int32_t lanes __attribute__((vector_size(LANES * sizeof(int32_t)))); /* GCC's vector: + and * in any instruction set */

static inline uint8_t to_byte(int32_t sum) {
  sum >>= PRECISION_BITS;
  return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* Between bytes and lanes compilers do not find the instructions by themselves. */
#ifdef __AVX2__
static inline void widen(const uint8_t *bytes, lanes *out) { *out = (lanes)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)bytes)); }

/* The two pixels of `sum` together, as 3 bytes. */
static inline void store_pixel(const lanes *sum, uint8_t *out) {
  __m128i both = _mm_add_epi32(_mm256_castsi256_si128((__m256i)*sum), _mm256_extracti128_si256((__m256i)*sum, 1));
  __m128i words = _mm_packs_epi32(_mm_srai_epi32(both, PRECISION_BITS), _mm_setzero_si128());
  int pixel = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
  memcpy(out, &pixel, 3);
}

static inline void store_chunk(const lanes sum[4], uint8_t *out) {
  __m256i shifted[4];
  for (int v = 0; v < 4; v++) shifted[v] = _mm256_srai_epi32((__m256i)sum[v], PRECISION_BITS);
  __m256i low = _mm256_packs_epi32(shifted[0], shifted[1]), high = _mm256_packs_epi32(shifted[2], shifted[3]);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7); /* packing works in halves */
  _mm256_storeu_si256((__m256i *)out, _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), order));
}
#else
static inline void widen(const uint8_t *bytes, lanes *out) {
  for (int i = 0; i < LANES; i++) (*out)[i] = bytes[i];
}

static inline void store_pixel(const lanes *sum, uint8_t *out) {
  for (int c = 0; c < 3; c++) out[c] = to_byte((*sum)[c] + (*sum)[c + 4]);
}

static inline void store_chunk(const lanes sum[4], uint8_t *out) {
  for (int i = 0; i < CHUNK; i++) out[i] = to_byte(sum[i / LANES][i % LANES]);
}
#endif

/* What one direction of a resize needs: position i of the result is the weighted sum of taps[i] inputs from first[i] on. */
typedef struct {
  int in, out, stride; /* stride: weights for each position, the rest of them 0 */
  xr_resize_filter filter;
  size_t room; /* bytes of memory */
  int32_t *memory, *first, *taps, *weight;
} axis_table;

struct xr_resizer {
  xr_resize_order order;
  axis_table horizontal[TABLES], vertical[TABLES];
  uint8_t *between, *row; /* what lies between the passes; one row of 4 bytes a pixel */
  size_t between_room, row_room;
};

static double bilinear(double x) {
  x = fabs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

/* Keys, "Cubic convolution interpolation for digital image processing", 1981, with a = -1/2 */
static double bicubic(double x) {
  const double a = -0.5;
  x = fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * a : 0.0;
}

static double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= M_PI;
  return sin(x) / x;
}

static double lanczos(double x) { return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

static const struct {
  double support;
  double (*weight)(double x);
} filters[XR_RESIZE_FILTERS] = {
    [XR_RESIZE_BILINEAR] = {1.0, bilinear}, [XR_RESIZE_BICUBIC] = {2.0, bicubic}, [XR_RESIZE_LANCZOS] = {3.0, lanczos}};

static int32_t fixed_point(double weight) {
  return (int32_t)(weight * (1 << PRECISION_BITS) + (weight < 0 ? -0.5 : 0.5)); /* the cast cuts towards zero */
}

static xr_status reserve(void **memory, size_t *room, size_t bytes) {
  if (*room >= bytes) return XR_OK;
  xr_block_free(*memory);
  *room = 0;
  *memory = xr_block_alloc(bytes);
  if (!*memory) return XR_NO_MEMORY;
  *room = bytes;
  return XR_OK;
}

/* `copies`: how often each weight stands in the table (4 for the horizontal pass); `multiple`: of which number of taps the stride is. */
static xr_status build_table(axis_table *t, int in, int out, xr_resize_filter filter, int copies, int multiple) {
  double scale = (double)in / out, filter_scale = scale < 1.0 ? 1.0 : scale, inverse = 1.0 / filter_scale;
  double support = filters[filter].support * filter_scale;
  int most = (int)ceil(support) * 2 + 1;
  if (most > in) most = in;
  int stride = (most + multiple - 1) / multiple * multiple * copies;
  size_t weights = (size_t)out * (size_t)stride, integers = weights + 2 * (size_t)out;
  double *exact = xr_block_alloc((size_t)most * sizeof *exact);
  t->out = 0; /* no valid table until the end */
  xr_status status = exact ? reserve((void **)&t->memory, &t->room, integers * sizeof *t->memory) : XR_NO_MEMORY;
  if (status == XR_OK) {
    t->weight = t->memory; /* first, for its alignment */
    t->first = t->weight + weights;
    t->taps = t->first + out;
    memset(t->weight, 0, weights * sizeof *t->weight);
    for (int i = 0; i < out; i++) {
      double center = (i + 0.5) * scale, sum = 0.0;
      int from = (int)(center - support + 0.5), to = (int)(center + support + 0.5);
      if (from < 0) from = 0;
      if (to > in) to = in;
      for (int k = 0; k < to - from; k++) {
        exact[k] = filters[filter].weight((k + from - center + 0.5) * inverse);
        sum += exact[k];
      }
      for (int k = 0; k < to - from; k++)
        for (int c = 0; c < copies; c++)
          t->weight[(size_t)i * (size_t)stride + (size_t)(k * copies + c)] = fixed_point(sum != 0.0 ? exact[k] / sum : exact[k]);
      t->first[i] = from;
      t->taps[i] = to - from;
    }
    t->in = in;
    t->out = out;
    t->stride = stride;
    t->filter = filter;
  }
  xr_block_free(exact);
  return status;
}

static xr_status find_table(axis_table *tables, axis_table **found, int in, int out, xr_resize_filter filter, int copies, int multiple) {
  axis_table *t = *found = &tables[((unsigned)in * 31u + (unsigned)out * 7u + (unsigned)filter) % TABLES];
  return t->in == in && t->out == out && t->filter == filter ? XR_OK : build_table(t, in, out, filter, copies, multiple);
}

static void resize_row(const axis_table *t, const uint8_t *restrict spread, uint8_t *restrict out) {
  const int32_t *weight = t->weight;
  for (int x = 0; x < t->out; x++, weight += t->stride) {
    const uint8_t *from = spread + 4 * (size_t)t->first[x];
    lanes sum = {HALF, HALF, HALF}; /* once for each channel */
    for (int k = 0; k < t->taps[x]; k += GROUP) {
      lanes pixels, weights;
      widen(from + 4 * (size_t)k, &pixels);
      memcpy(&weights, weight + 4 * (size_t)k, sizeof weights);
      sum += pixels * weights;
    }
    store_pixel(&sum, out + 3 * (size_t)x);
  }
}

static void horizontal_pass(const axis_table *t, const xr_image *in, uint8_t *spread, uint8_t *out) {
  size_t width = (size_t)in->width;
  for (int y = 0; y < in->height; y++) {
    const uint8_t *row = in->pixels + (size_t)y * width * 3;
    for (size_t x = 0; x + 1 < width; x++) memcpy(spread + 4 * x, row + 3 * x, 4); /* the fourth byte counts for nothing */
    memcpy(spread + 4 * (width - 1), row + 3 * (width - 1), 3);
    resize_row(t, spread, out + (size_t)y * (size_t)t->out * 3);
  }
}

/* out[0 .. CHUNK-1] = weighted sum of the same bytes of `taps` rows */
static void resize_chunk(const uint8_t *restrict in, size_t row_bytes, const int32_t *restrict weight, int taps, uint8_t *restrict out) {
  lanes sum[4];
  for (int v = 0; v < 4; v++) sum[v] = (lanes){0} + HALF;
  for (int k = 0; k < taps; k++, in += row_bytes)
    for (int v = 0; v < 4; v++) {
      lanes bytes;
      widen(in + v * LANES, &bytes);
      sum[v] += bytes * weight[k];
    }
  store_chunk(sum, out);
}

static void vertical_pass(const axis_table *t, const uint8_t *restrict in, size_t row_bytes, uint8_t *restrict out) {
  for (int y = 0; y < t->out; y++, out += row_bytes) {
    const uint8_t *from = in + (size_t)t->first[y] * row_bytes;
    const int32_t *weight = t->weight + (size_t)y * (size_t)t->stride;
    for (size_t i = 0; i < row_bytes && row_bytes >= CHUNK; i += CHUNK) {
      size_t start = i + CHUNK <= row_bytes ? i : row_bytes - CHUNK; /* the last chunk may overlap the one before */
      resize_chunk(from + start, row_bytes, weight, t->taps[y], out + start);
    }
    for (size_t i = 0; i < row_bytes && row_bytes < CHUNK; i++) {
      int32_t sum = HALF;
      for (int k = 0; k < t->taps[y]; k++) sum += from[(size_t)k * row_bytes + i] * weight[k];
      out[i] = to_byte(sum);
    }
  }
}

/* The positions are summed up step by step, as Pillow does it: a product would round otherwise. */
static xr_status nearest(const xr_image *in, int width, int height, uint8_t *out) {
  int32_t *column = xr_block_alloc((size_t)width * sizeof *column);
  if (!column) return XR_NO_MEMORY;
  double step_x = (double)in->width / width, step_y = (double)in->height / height, at_x = step_x * 0.5, at_y = step_y * 0.5;
  for (int x = 0; x < width; x++, at_x += step_x) column[x] = at_x < in->width ? (int32_t)at_x : -1;
  for (int y = 0; y < height; y++, at_y += step_y) {
    int row = at_y < in->height ? (int)at_y : -1;
    for (int x = 0; x < width; x++, out += 3)
      if (row < 0 || column[x] < 0)
        memset(out, 0, 3); /* the sum has run over the edge: Pillow leaves such pixels black */
      else
        memcpy(out, in->pixels + 3 * ((size_t)row * (size_t)in->width + (size_t)column[x]), 3);
  }
  xr_block_free(column);
  return XR_OK;
}

/* One direction each: `in` becomes [in->height, size, 3] or [size, in->width, 3]. */
typedef xr_status resize_pass(xr_resizer *resizer, const xr_image *in, int size, xr_resize_filter filter, uint8_t *out);

static xr_status across(xr_resizer *resizer, const xr_image *in, int width, xr_resize_filter filter, uint8_t *out) {
  axis_table *t;
  size_t spread_bytes = 4 * ((size_t)in->width + GROUP); /* a vector may begin at the last pixel */
  XR_TRY(find_table(resizer->horizontal, &t, in->width, width, filter, 4, GROUP));
  XR_TRY(reserve((void **)&resizer->row, &resizer->row_room, spread_bytes));
  memset(resizer->row, 0, spread_bytes); /* what is not pixels is read too, for nothing */
  horizontal_pass(t, in, resizer->row, out);
  return XR_OK;
}

static xr_status down(xr_resizer *resizer, const xr_image *in, int height, xr_resize_filter filter, uint8_t *out) {
  axis_table *t;
  XR_TRY(find_table(resizer->vertical, &t, in->height, height, filter, 1, 1));
  vertical_pass(t, in->pixels, (size_t)in->width * 3, out);
  return XR_OK;
}

static bool vertical_first(const xr_resizer *resizer, const xr_image *in, int width, int height) {
  return resizer->order == XR_RESIZE_AS_PILLOW_13 && height < in->height && in->height - height > 2 * (in->width - width);
}

xr_status xr_resizer_run(xr_resizer *resizer, const xr_image *in, int width, int height, xr_resize_filter filter, uint8_t *out) {
  if ((unsigned)filter >= XR_RESIZE_FILTERS) return xr_fail(XR_BAD_ARGUMENT, "resize: there is no filter %d", (int)filter);
  if (in->width < 1 || in->height < 1 || width < 1 || height < 1 || width > XR_IMAGE_MAX_SIDE || height > XR_IMAGE_MAX_SIDE)
    return xr_fail(XR_BAD_ARGUMENT, "resize: from %d x %d to %d x %d pixels (sides are 1 to %d)", in->width, in->height, width, height,
                   XR_IMAGE_MAX_SIDE);
  if (width == in->width && height == in->height) {
    memcpy(out, in->pixels, (size_t)width * (size_t)height * 3);
    return XR_OK;
  }
  if (filter == XR_RESIZE_NEAREST) return nearest(in, width, height, out);
  if (height == in->height) return across(resizer, in, width, filter, out);
  if (width == in->width) return down(resizer, in, height, filter, out);
  bool down_first = vertical_first(resizer, in, width, height);
  xr_image between = {.width = down_first ? in->width : width, .height = down_first ? height : in->height};
  XR_TRY(reserve((void **)&resizer->between, &resizer->between_room, (size_t)between.width * (size_t)between.height * 3));
  between.pixels = resizer->between;
  resize_pass *first = down_first ? down : across, *second = down_first ? across : down;
  XR_TRY(first(resizer, in, down_first ? height : width, filter, between.pixels));
  return second(resizer, &between, down_first ? width : height, filter, out);
}

xr_resizer *xr_resizer_new(xr_resize_order order) {
  xr_resizer *resizer = calloc(1, sizeof *resizer);
  if (!resizer)
    xr_fail(XR_NO_MEMORY, "out of memory");
  else
    resizer->order = order;
  return resizer;
}

void xr_resizer_free(xr_resizer *resizer) {
  if (!resizer) return;
  for (int i = 0; i < TABLES; i++) {
    xr_block_free(resizer->horizontal[i].memory);
    xr_block_free(resizer->vertical[i].memory);
  }
  xr_block_free(resizer->between);
  xr_block_free(resizer->row);
  free(resizer);
}

xr_status xr_image_resize(const xr_image *in, int width, int height, xr_resize_filter filter, uint8_t *out) {
  xr_resizer *resizer = xr_resizer_new(XR_RESIZE_AS_PILLOW_13);
  if (!resizer) return XR_NO_MEMORY;
  xr_status status = xr_resizer_run(resizer, in, width, height, filter, out);
  xr_resizer_free(resizer);
  return status;
}
