/* Where scores come from: metrics, embedding sets, storage, readers, blocks of any size, backends. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/common/threads.h"
#include "tests/eval/reference.h"

#ifdef XREID_CUDA
enum { BACKENDS = 2 };
#else
enum { BACKENDS = 1 };
#endif

static const xr_dtype dtypes[] = {XR_F32, XR_BF16, XR_F16};
enum { DTYPES = sizeof dtypes / sizeof *dtypes };

/* The least memory makes many small tiles; on an emulated device each takes long, so there the whole is one. */
static size_t memory_of(int backend) { return backend == XR_CPU; }

/* values[n] in another storage; free() it. */
static void *stored(const float *values, int64_t n, xr_dtype dtype) {
  void *rows = malloc((size_t)n * xr_dtype_bytes(dtype));
  for (int64_t i = 0; i < n; i++) {
    if (dtype == XR_F32) ((float *)rows)[i] = values[i];
    if (dtype == XR_BF16) ((xr_bf16 *)rows)[i] = xr_f32_to_bf16(values[i]);
    if (dtype == XR_F16) ((_Float16 *)rows)[i] = (_Float16)values[i];
  }
  return rows;
}

/* A reader over rows in memory that notes what it was asked for. */
typedef struct {
  const char *rows;
  size_t row_bytes;
  int64_t last, most; /* where the last call ended; the most rows of a call */
  bool ascending;     /* every call went on where the last one ended, or started again */
} reader;

static xr_status read_rows(void *context, int64_t first, int64_t count, void *rows) {
  reader *r = context;
  r->ascending &= first == r->last || first == 0;
  r->last = first + count;
  if (count > r->most) r->most = count;
  memcpy(rows, r->rows + (size_t)first * r->row_bytes, (size_t)count * r->row_bytes);
  return XR_OK;
}

static reader reader_of(xr_row_source *source, int64_t width) {
  const reader r = {.rows = source->data, .row_bytes = (size_t)width * xr_dtype_bytes(source->dtype), .ascending = true};
  source->data = NULL;
  source->read = read_rows;
  return r;
}

static void compare(const xr_evaluation_input *in, const double *exact, xr_evaluation_options how) {
  const ref_question ask = {.protocol = "text-to-image", .ties = how.ties, .max_rank = 20};
  int64_t *first = malloc((size_t)in->queries * sizeof *first), *order = malloc((size_t)(in->queries * in->gallery) * sizeof *order);
  how.max_rank = 20;
  how.top_k = 10;
  const ref_result want = ref_evaluate(in, exact, &ask, first, order);
  xr_evaluation got = ref_run(in, how);
  ref_expect(&got, &want, &ask, first, order, in->gallery);
  for (int64_t q = 0; q < in->queries; q++)
    for (int64_t i = 0; in->rule.metric != XR_EUCLIDEAN && how.ties == XR_TIES_LOWER_INDEX && i < 10; i++)
      cr_expect_eq((double)got.top_score[q * 10 + i], exact[q * in->gallery + order[q * in->gallery + i]]);
  xr_evaluation_free(&got);
  free(first);
  free(order);
}

/* Features of small whole numbers: products are exact, so even ties are the reference's. */
Test(scores, whole_numbers_equal_sorting_for_every_metric_storage_and_backend) {
  enum { Q = 50, G = 233, D = 19 };
  static float query[Q * D], gallery[G * D];
  static double exact[Q * G];
  static int64_t ids[Q + G];
  xr_random random = xr_random_start(3, 1);
  for (int i = 0; i < Q * D; i++) query[i] = (float)xr_random_below(&random, 5) - 2;
  for (int i = 0; i < G * D; i++) gallery[i] = (float)xr_random_below(&random, 5) - 2;
  for (int i = 0; i < Q + G; i++) ids[i] = xr_random_below(&random, 40);
  for (int metric = XR_DOT; metric <= XR_EUCLIDEAN; metric++) {
    for (int q = 0; q < Q; q++)
      for (int g = 0; g < G; g++) {
        double dot = 0, square = 0;
        for (int d = 0; d < D; d++) {
          const double a = (double)query[q * D + d], b = (double)gallery[g * D + d];
          dot += a * b;
          square += (a - b) * (a - b);
        }
        exact[q * G + g] = metric == XR_DOT ? dot : -square;
      }
    for (int c = 0; c < DTYPES * BACKENDS; c++) {
      const xr_dtype dtype = dtypes[c % DTYPES];
      const xr_backend backend = (xr_backend)(c / DTYPES);
      if (backend == XR_CUDA && (metric == XR_DOT) == (dtype == XR_BF16)) continue;
      void *q = stored(query, Q * D, dtype), *g = stored(gallery, G * D, dtype);
      xr_evaluation_input in = {.queries = Q,
                                .gallery = G,
                                .query_features = {.data = q, .dtype = dtype},
                                .gallery_features = {.data = g, .dtype = dtype},
                                .width = D,
                                .rule = {.metric = (xr_metric)metric},
                                .query_ids = ids,
                                .gallery_ids = ids + Q};
      const xr_evaluation_options how = {.ties = (xr_tie_rule)(c % XR_TIE_RULES), .backend = backend, .memory_bytes = memory_of(backend)};
      if (backend == XR_CPU) compare(&in, exact, how);
      reader of_gallery = reader_of(&in.gallery_features, D), of_query = reader_of(&in.query_features, D);
      in.gallery_features.context = &of_gallery;
      in.query_features.context = &of_query;
      compare(&in, exact, how);
      cr_expect(of_gallery.ascending && of_query.ascending);
      cr_expect_eq(of_gallery.most, backend == XR_CPU ? 64 : G, "blocks of %ld items with the least memory", of_gallery.most);
      free(q);
      free(g);
    }
  }
}

/* Rows of powers of two times one-hot vectors: normalised, they are exact. A row of zeros scores 0 with everything. */
Test(scores, cosine_does_not_depend_on_lengths) {
  const float query[] = {4, 0, 0, 0, .5f, 0}, gallery[] = {0, 1024, 0, .25f, 0, 0, 0, 0, 0, -8, 0, 0};
  const xr_evaluation_input in = {.queries = 2,
                                  .gallery = 4,
                                  .query_features = {.data = query},
                                  .gallery_features = {.data = gallery},
                                  .width = 3,
                                  .query_ids = (int64_t[]){1, 2},
                                  .gallery_ids = (int64_t[]){2, 1, 3, 1}};
  for (int backend = 0; backend < BACKENDS; backend++) {
    xr_evaluation r = ref_run(&in, (xr_evaluation_options){.top_k = 4, .backend = (xr_backend)backend});
    cr_expect_arr_eq(r.top_index, ((int64_t[]){1, 0, 2, 3, 0, 1, 2, 3}), 8 * sizeof(int64_t));
    cr_expect_arr_eq(r.top_score, ((float[]){1, 0, 0, -1, 1, 0, 0, 0}), 8 * sizeof(float));
    xr_evaluation_free(&r);
  }
}

/* ---- embedding sets */

enum { Q = 37, G = 150, K = 4, D = 12 };

typedef struct {
  float query[Q * D], gallery[G * D], query_sets[Q * K * D], gallery_sets[G * K * D];
  double exact[Q * G];
  int64_t ids[Q + G];
  xr_evaluation_input in;
} set_problem;

/* Set vectors are one-hot times a power of two, so every cosine is 0 or 1; features are small whole numbers. */
static set_problem *make_sets(void) {
  set_problem *p = calloc(1, sizeof *p);
  xr_random random = xr_random_start(8, 1);
  for (int i = 0; i < Q * D; i++) p->query[i] = (float)xr_random_below(&random, 3) - 1;
  for (int i = 0; i < G * D; i++) p->gallery[i] = (float)xr_random_below(&random, 3) - 1;
  for (int i = 0; i < Q * K; i++) p->query_sets[i * D + (int)xr_random_below(&random, D)] = .25f;
  for (int i = 0; i < G * K; i++) p->gallery_sets[i * D + (int)xr_random_below(&random, D)] = 8;
  for (int i = 0; i < Q + G; i++) p->ids[i] = xr_random_below(&random, 20);
  p->in = (xr_evaluation_input){.queries = Q,
                                .gallery = G,
                                .query_features = {.data = p->query},
                                .gallery_features = {.data = p->gallery},
                                .width = D,
                                .query_sets = {.data = p->query_sets},
                                .gallery_sets = {.data = p->gallery_sets},
                                .set_width = D,
                                .query_set_size = K,
                                .gallery_set_size = K,
                                .query_ids = p->ids,
                                .gallery_ids = p->ids + Q};
  return p;
}

static double cosine_of(const set_problem *p, int q, int x, int g, int y) {
  double dot = 0;
  for (int d = 0; d < D; d++) dot += (double)p->query_sets[(q * K + x) * D + d] * (double)p->gallery_sets[(g * K + y) * D + d];
  return dot / 2;
}

static double set_similarity(const set_problem *p, xr_set_kind kind, int q, int g) {
  double row_best = 0, column_best = 0, best = 0, sum = 0, diagonal = 0;
  for (int x = 0; x < K; x++) {
    double row = 0, column = 0;
    for (int y = 0; y < K; y++) {
      row = fmax(row, cosine_of(p, q, x, g, y));
      column = fmax(column, cosine_of(p, q, y, g, x));
      sum += cosine_of(p, q, x, g, y);
    }
    row_best += row;
    column_best += column;
    best = fmax(best, row);
    diagonal += cosine_of(p, q, x, g, x);
  }
  switch (kind) {
  case XR_SET_CHAMFER:
    return (row_best + column_best) / (2 * K);
  case XR_SET_MIL:
    return best;
  case XR_SET_AVERAGE:
    return sum / (K * K);
  default:
    return diagonal / K;
  }
}

Test(scores, sets_alone_and_mixed_with_features_equal_sorting) {
  static const xr_set_kind kinds[] = {XR_SET_CHAMFER, XR_SET_MIL, XR_SET_AVERAGE, XR_SET_ALIGNED};
  set_problem *p = make_sets();
  for (int c = 0; c < 4 * 2 * BACKENDS; c++) {
    const float weight = c / 4 % 2 ? .25f : 1;
    p->in.rule = (xr_score_rule){.metric = XR_DOT, .set_weight = weight, .set_kind = kinds[c % 4]};
    for (int q = 0; q < Q; q++)
      for (int g = 0; g < G; g++) {
        double dot = 0;
        for (int d = 0; d < D; d++) dot += (double)p->query[q * D + d] * (double)p->gallery[g * D + d];
        p->exact[q * G + g] = (1 - (double)weight) * dot + (double)weight * set_similarity(p, kinds[c % 4], q, g);
      }
    const xr_backend backend = (xr_backend)(c / 8);
    if (backend == XR_CPU) compare(&p->in, p->exact, (xr_evaluation_options){0});
    if (backend == XR_CPU || c % 2 == c / 4 % 2)
      compare(&p->in, p->exact, (xr_evaluation_options){.backend = backend, .memory_bytes = memory_of(backend)});
  }
  free(p);
}

/* Smooth-chamfer as models.md 3.3 writes it, and optimal matching of one-hot sets by trying all 24. */
Test(scores, smooth_chamfer_and_optimal_are_their_formulas) {
  set_problem *p = make_sets();
  for (int c = 0; c < 2 * BACKENDS; c++) {
    const bool smooth = c % 2 == 0;
    const double a = 16;
    p->in.rule = (xr_score_rule){.set_weight = 1, .set_kind = smooth ? XR_SET_SMOOTH_CHAMFER : XR_SET_OPTIMAL, .set_sharpness = (float)a};
    xr_evaluation r;
    cr_assert_eq(xr_find_best(&p->in, &(xr_evaluation_options){.top_k = G, .backend = (xr_backend)(c / 2)}, &r), XR_OK, "%s", xr_message());
    for (int q = 0; q < Q; q++)
      for (int i = 0; i < G; i++) {
        const int g = (int)r.top_index[q * G + i];
        double want = -log(K) / a;
        for (int x = 0; smooth && x < K; x++) {
          double row = 0, column = 0;
          for (int y = 0; y < K; y++) {
            row += exp(a * cosine_of(p, q, x, g, y));
            column += exp(a * cosine_of(p, q, y, g, x));
          }
          want += (log(row) + log(column)) / (2 * a * K);
        }
        if (!smooth) {
          want = 0;
          for (int code = 0; code < K * K * K * K; code++) {
            const int to[K] = {code % K, code / K % K, code / K / K % K, code / K / K / K};
            int used = 0;
            double sum = 0;
            for (int x = 0; x < K; x++) {
              used |= 1 << to[x];
              sum += cosine_of(p, q, x, g, to[x]) / K;
            }
            if (used == (1 << K) - 1) want = fmax(want, sum);
          }
        }
        cr_assert(fabs((double)r.top_score[q * G + i] - want) < 1e-6, "%d, %d: %g, expected %g", q, g, (double)r.top_score[q * G + i],
                  want);
        cr_assert(i == 0 || r.top_score[q * G + i] <= r.top_score[q * G + i - 1]);
      }
    xr_evaluation_free(&r);
  }
  free(p);
}

/* ---- invariance */

/* Real-valued features and sets under every rule: the same bytes from one thread in one tile and from many small tiles, from memory and
 * from a reader, on every backend. */
Test(scores, bytes_do_not_depend_on_memory_threads_or_backend) {
  enum { QUERIES = 100, ITEMS = 450, WIDTH = 67, SET = 3 };
  static float features[(QUERIES + ITEMS) * WIDTH], sets[(QUERIES + ITEMS) * SET * WIDTH];
  static int64_t ids[QUERIES + ITEMS];
  xr_random random = xr_random_start(5, 1);
  for (size_t i = 0; i < sizeof features / sizeof *features; i++) features[i] = xr_random_normal(&random);
  for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) sets[i] = xr_random_normal(&random);
  for (int i = 0; i < QUERIES + ITEMS; i++) ids[i] = xr_random_below(&random, 60);
  memcpy(features + (QUERIES + 1) * WIDTH, features + (QUERIES + 400) * WIDTH, WIDTH * sizeof *features); /* twins far apart tie exactly */
  static const struct {
    xr_score_rule rule;
    xr_dtype dtype;
  } cases[] = {{{XR_COSINE, 0, 0, 0}, XR_F32},
               {{XR_DOT, 0, 0, 0}, XR_F16},
               {{XR_EUCLIDEAN, 0, 0, 0}, XR_BF16},
               {{XR_COSINE, .5f, XR_SET_SMOOTH_CHAMFER, 16}, XR_F16},
               {{XR_DOT, .3f, XR_SET_OPTIMAL, 0}, XR_F32},
               {{XR_COSINE, 1, XR_SET_CHAMFER, 0}, XR_BF16}};
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    const xr_dtype dtype = cases[c].dtype;
    void *f = stored(features, (QUERIES + ITEMS) * WIDTH, dtype), *s = stored(sets, (QUERIES + ITEMS) * SET * WIDTH, dtype);
    const char *gallery = (const char *)f + QUERIES * WIDTH * xr_dtype_bytes(dtype);
    const char *gallery_sets = (const char *)s + QUERIES * SET * WIDTH * xr_dtype_bytes(dtype);
    xr_evaluation_input in = {.queries = QUERIES,
                              .gallery = ITEMS,
                              .rule = cases[c].rule,
                              .query_features = {.data = f, .dtype = dtype},
                              .gallery_features = {.data = gallery, .dtype = dtype},
                              .width = WIDTH,
                              .query_sets = {.data = s, .dtype = dtype},
                              .gallery_sets = {.data = gallery_sets, .dtype = dtype},
                              .set_width = WIDTH,
                              .query_set_size = SET,
                              .gallery_set_size = SET,
                              .query_ids = ids,
                              .gallery_ids = ids + QUERIES};
    xr_threads_set(1);
    xr_evaluation base = ref_run(&in, (xr_evaluation_options){.top_k = 25, .memory_bytes = (size_t)1 << 30});
    reader of_gallery = reader_of(&in.gallery_features, WIDTH), of_sets = reader_of(&in.gallery_sets, SET * WIDTH);
    in.gallery_features.context = &of_gallery;
    in.gallery_sets.context = &of_sets;
    static const size_t memory[] = {1, 200000, 0};
    enum { A_FEW_TILES = 2000000 }; /* on a device, which may be emulated */
    for (int v = 0; v < 2 + BACKENDS; v++) {
      const bool cpu = v < 3;
      const xr_evaluation_options how = {.top_k = 25, .memory_bytes = cpu ? memory[v] : A_FEW_TILES, .backend = cpu ? XR_CPU : XR_CUDA};
      xr_threads_set(1 + v % 3 * 2);
      xr_evaluation other = ref_run(&in, how);
      ref_expect_same(&base, &other);
      cr_expect_arr_eq(base.top_score, other.top_score, QUERIES * 25 * sizeof(float));
      xr_evaluation_free(&other);
    }
    xr_evaluation_free(&base);
    free(f);
    free(s);
  }
}

/* ---- files and refusals */

/* A mapped file above the limit passes through memory and gives the same result. */
Test(scores, large_files_pass_through_memory) {
  enum { ITEMS = 4000, WIDTH = 64 };
  float *rows = malloc((size_t)ITEMS * WIDTH * sizeof *rows);
  int64_t *ids = malloc(ITEMS * sizeof *ids);
  xr_random random = xr_random_start(6, 1);
  for (int i = 0; i < ITEMS * WIDTH; i++) rows[i] = xr_random_normal(&random);
  for (int i = 0; i < ITEMS; i++) ids[i] = i % 50;
  char path[] = "/tmp/xreid-rows-XXXXXX";
  close(mkstemp(path));
  cr_assert_eq(xr_npy_write(path, XR_F32, 2, (int64_t[]){ITEMS, WIDTH}, rows), XR_OK);
  xr_npy *file;
  cr_assert_eq(xr_npy_open(&file, path), XR_OK);
  xr_row_source mapped = xr_row_source_of_npy(file, 0), streamed = xr_row_source_of_npy(file, 1 << 19);
  cr_expect(mapped.data && !streamed.data && streamed.read);
  xr_evaluation_input in = {
      .queries = 40, .gallery = ITEMS, .query_features = {.data = rows}, .width = WIDTH, .query_ids = ids, .gallery_ids = ids};
  in.gallery_features = mapped;
  xr_evaluation a = ref_run(&in, (xr_evaluation_options){.top_k = 5});
  in.gallery_features = streamed;
  xr_evaluation b = ref_run(&in, (xr_evaluation_options){.top_k = 5, .memory_bytes = 1 << 19});
  ref_expect_same(&a, &b);
  for (int q = 0; q < 40; q++) cr_expect_eq(a.top_index[q * 5], q, "every query is in the gallery itself");
  xr_evaluation_free(&a);
  xr_evaluation_free(&b);
  xr_npy_close(file);
  unlink(path);
  free(rows);
  free(ids);
}

static xr_status broken_reader(void *context, int64_t first, int64_t count, void *rows) {
  (void)context, (void)count, (void)rows;
  return first < 64 ? XR_OK : xr_fail(XR_IO, "row %ld cannot be read", (long)first);
}

static void expect_refusal(const xr_evaluation_input *in, xr_status expected, const char *words) {
  xr_evaluation r;
  const xr_status status = xr_evaluate(in, &(xr_evaluation_options){.memory_bytes = 1}, &r);
  cr_expect_eq(status, expected, "%s: status %d: %s", words, status, xr_message());
  cr_expect(strstr(xr_message(), words), "'%s' is not in: %s", words, xr_message());
}

Test(scores, rules_and_rows_that_do_not_fit_are_refused) {
  set_problem *p = make_sets();
  const xr_score_rule good = {.set_weight = .5f, .set_kind = XR_SET_SMOOTH_CHAMFER, .set_sharpness = 16};
  xr_evaluation_input in = p->in;
  in.rule = good;
  in.rule.set_weight = 1.5f;
  expect_refusal(&in, XR_BAD_ARGUMENT, "weight of the sets is 1.5");
  in.rule.set_weight = NAN;
  expect_refusal(&in, XR_BAD_ARGUMENT, "weight of the sets is nan");
  in.rule = good;
  in.rule.set_sharpness = 0;
  expect_refusal(&in, XR_BAD_ARGUMENT, "sharpness is 0");
  in.rule = good;
  in.rule.metric = XR_EUCLIDEAN;
  expect_refusal(&in, XR_BAD_ARGUMENT, "euclidean gives an order");
  in.rule = good;
  in.rule.set_kind = XR_SET_ALIGNED;
  in.gallery_set_size = 2;
  expect_refusal(&in, XR_BAD_SHAPE, "have 4 and 2 vectors");
  in.gallery_set_size = 17;
  expect_refusal(&in, XR_BAD_SHAPE, "sets of 4 and 17 vectors");
  in = p->in;
  in.rule = good;
  in.gallery_sets.data = NULL;
  expect_refusal(&in, XR_BAD_ARGUMENT, "the sets of one side are missing");
  in = p->in;
  in.query_features.dtype = XR_F64;
  expect_refusal(&in, XR_UNSUPPORTED, "features of f64");
  in = p->in;
  in.gallery_features = (xr_row_source){.read = broken_reader};
  expect_refusal(&in, XR_IO, "row 64 cannot be read");
  p->gallery[100 * D + 3] = NAN;
  expect_refusal(&p->in, XR_NOT_FINITE, "query 0, gallery item 100: the score is not a number");
  p->query[7 * D] = INFINITY;
  p->gallery[100 * D + 3] = 0;
  expect_refusal(&p->in, XR_NOT_FINITE, "query 7, gallery item 0: the score is not a number");
  xr_evaluation r;
  cr_expect_eq(xr_find_best(&p->in, &(xr_evaluation_options){0}, &r), XR_BAD_ARGUMENT);
  free(p);
}
