/* libxreid: features of pictures and sentences, indices of them on disk, exact search and exact evaluation.
 *
 *   cc program.c $(pkg-config --cflags --libs xreid)        or, with CMake:  find_package(xreid)  target_link_libraries(p xreid::xreid)
 *
 * Handles are opaque. Structures that a caller fills begin with `size`, which is sizeof of the structure: a later version can add members
 * without breaking programs that were built with this one; members that are not set are 0, which is the default. Arrays belong to the
 * caller and are row-major.
 *
 * Functions that can fail return an xreid_status; xreid_message() then says what is wrong, in words. Nothing exits, aborts or prints, but
 * for warnings on standard error (xreid_set_log_level). A handle serves one thread at a time; different handles may be used by different
 * threads at once. Work inside a call is spread over OpenMP's threads (OMP_NUM_THREADS). */
#ifndef XREID_H
#define XREID_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define XREID_API __attribute__((visibility("default")))
#else
#define XREID_API
#endif

typedef enum {
  XREID_OK = 0,
  XREID_BAD_ARGUMENT = 1, /* a call that breaks what this file says */
  XREID_BAD_SHAPE = 2,    /* arrays that do not fit together */
  XREID_BAD_INPUT = 3,    /* a file, a configuration or a value that cannot be used */
  XREID_NO_MEMORY = 4,
  XREID_IO = 5,
  XREID_NOT_FOUND = 6,
  XREID_UNSUPPORTED = 7,
  XREID_NOT_FINITE = 8, /* a NaN or an infinity, with its place */
  XREID_INTERRUPTED = 9,
  XREID_DEVICE = 10 /* CUDA reported an error */
} xreid_status;

XREID_API const char *xreid_version(void); /* "0.1.0" */
/* What went wrong in this thread's last failed call; "" when nothing has. Valid until its next failure. */
XREID_API const char *xreid_message(void);

typedef enum { XREID_LOG_NOTHING = 0, XREID_LOG_WARNINGS = 1, XREID_LOG_PROGRESS = 2 } xreid_log_level;
XREID_API void xreid_set_log_level(xreid_log_level level); /* for the whole process; at first warnings */

/* ---- models: weights that are ready to make features */
typedef struct xreid_model xreid_model;

typedef struct {
  size_t size;
  const char *config;           /* a YAML file; NULL: what the weights hold, or what their tensors imply */
  const char *vocabulary;       /* the tokenizer's merges file, for sentences; NULL: the configuration's data.vocabulary */
  const char *device;           /* "cpu", "cuda", "cuda:1", "auto"; NULL: "auto" */
  const char *const *overrides; /* "key=value" of the configuration, [override_count] */
  size_t override_count;
} xreid_model_options;

/* weights: a run folder of `xreid train` (its best checkpoint), a checkpoint, CLIP's weights in OpenAI's or Hugging Face's naming.
 * options NULL: the defaults. */
XREID_API xreid_status xreid_model_open(xreid_model **model, const char *weights, const xreid_model_options *options);
XREID_API void xreid_model_close(xreid_model *model); /* NULL is allowed, as in every function that closes something */

XREID_API int64_t xreid_model_width(const xreid_model *model);    /* D: numbers of a feature */
XREID_API int64_t xreid_model_set_size(const xreid_model *model); /* K: members of an embedding set; 0: the model has none */
XREID_API int64_t xreid_model_height(const xreid_model *model);   /* pixels of a picture when it enters the model */
XREID_API int64_t xreid_model_image_width(const xreid_model *model);

/* features [count, D] and, when the model has sets, sets [count, K, D] (else NULL); features are not normalised, members of sets have
 * length 1. readable [count] becomes 1, or 0 with a warning for a picture that cannot be read (its rows mean nothing); NULL: the first
 * such picture fails. */
XREID_API xreid_status xreid_embed_images(xreid_model *model, const char *const *paths, int64_t count, float *features, float *sets,
                                          uint8_t *readable);
/* pixels: RGB, [count, height, image_width, 3]. */
XREID_API xreid_status xreid_embed_pixels(xreid_model *model, const uint8_t *pixels, int64_t count, float *features, float *sets);
/* UTF-8. */
XREID_API xreid_status xreid_embed_texts(xreid_model *model, const char *const *texts, int64_t count, float *features, float *sets);

/* ---- indices: features in a folder, in shards with checksums, larger than memory if need be */
typedef struct xreid_writer xreid_writer;

typedef struct {
  size_t size;
  const xreid_model *model; /* whose features these will be: sets what follows, and search refuses another model's; NULL: anyone's */
  int64_t width, set_size;  /* without a model: D, and K or 0 */
  int64_t shard_rows;       /* in a file; 0: 4096 */
  int bf16;                 /* not 0: half the size, numbers rounded to 8 bits */
} xreid_writer_options;

/* Makes an index in `folder`, or opens one of the same kind to add rows. One writer at a time. */
XREID_API xreid_status xreid_writer_open(xreid_writer **writer, const char *folder, const xreid_writer_options *options);
/* features [count, D], sets [count, K, D] (NULL: set_size is 0), paths [count] or NULL, ids [count] or NULL: not known. Rows are on disk
 * when their shard is full or the writer has finished. */
XREID_API xreid_status xreid_writer_add(xreid_writer *writer, int64_t count, const float *features, const float *sets,
                                        const char *const *paths, const int64_t *ids);
/* Writes what is left. Only closing is allowed then. */
XREID_API xreid_status xreid_writer_finish(xreid_writer *writer);
XREID_API void xreid_writer_close(xreid_writer *writer); /* rows of a shard that is not full are lost without xreid_writer_finish() */

/* Embeds the pictures into an index, or goes on where a call with the same ones was broken off. Pictures that cannot be read are left out
 * with a warning. */
XREID_API xreid_status xreid_index_images(xreid_model *model, const char *folder, const char *const *paths, int64_t count,
                                          int64_t shard_rows, int bf16);

typedef struct xreid_index xreid_index;

/* model: refuse features of another one; NULL: no matter whose they are. */
XREID_API xreid_status xreid_index_open(xreid_index **index, const char *folder, const xreid_model *model);
XREID_API void xreid_index_close(xreid_index *index);

XREID_API int64_t xreid_index_rows(const xreid_index *index);
XREID_API int64_t xreid_index_width(const xreid_index *index);
XREID_API int64_t xreid_index_set_size(const xreid_index *index);
XREID_API int64_t xreid_index_skipped(const xreid_index *index); /* pictures that could not be read */
/* The row's path ("": not known), valid until the index is closed, and its id (-1: not known). Either may be NULL. */
XREID_API xreid_status xreid_index_item(xreid_index *index, int64_t row, const char **path, int64_t *id);

/* The best rows for each query: rows [queries, top], best first (higher score, then lower row), -1 behind the last; scores [queries, top].
 * Exact. features [queries, D]; sets [queries, K, D] or NULL. model: its score of a pair, which may need sets; NULL: the cosine. */
XREID_API xreid_status xreid_index_search(xreid_index *index, const xreid_model *model, int64_t queries, const float *features,
                                          const float *sets, int64_t top, int64_t *rows, float *scores);

/* ---- evaluation: CMC, mAP and mINP of features, sets or scores made anywhere */
typedef struct xreid_ranking xreid_ranking;

typedef struct {
  size_t size;
  int64_t queries, gallery;                       /* Q, G */
  const float *query_features, *gallery_features; /* [Q, D], [G, D]; or, instead of features and sets, */
  int64_t width;                                  /* D */
  const float *scores;                            /* [Q, G] */
  int distances;                                  /* not 0: `scores` are distances, lower is better */
  const int64_t *query_ids, *gallery_ids;         /* [Q], [G] */
  const int64_t *query_cameras, *gallery_cameras; /* [Q], [G]; NULL where the protocol needs none */
  const char *protocol;                           /* "text-to-image" (NULL), "sysu-mm01", "regdb", "llcm", "market" */
  const char *metric;                             /* "cosine" (NULL), "dot", "euclidean" */
  const char *ties;                               /* "lower-index" (NULL), "best", "worst" */
  int64_t max_rank;                               /* length of the CMC; 0: 50 */
  int64_t top;                                    /* > 0: also each query's best items */
  const float *query_sets, *gallery_sets;         /* [Q, set_size, D], [G, set_size, D], or NULL */
  int64_t set_size;
  float set_weight;           /* score = (1 - set_weight) metric + set_weight similarity of the sets */
  const char *set_similarity; /* "smooth_chamfer" (NULL), "chamfer", "mil", "avg", "optimal", "aligned" */
  float set_sharpness;        /* of smooth_chamfer; 0: 16 */
} xreid_rank_input;

typedef struct {
  size_t size;
  int64_t queries, gallery;
  int64_t valid, unmatched; /* queries with and without an item of their identity */
  int64_t ties_at_positives;
  double mAP, mINP; /* fractions */
  const double *cmc;
  int64_t cmc_length;
  const double *id_cmc; /* over distinct identities; NULL: the protocol has none */
  int64_t id_cmc_length;
  const int64_t *top; /* [Q, top], -1 behind the last; NULL: not asked for */
  const float *top_scores;
} xreid_measures;

XREID_API xreid_status xreid_rank(xreid_ranking **ranking, const xreid_rank_input *input);
/* Fills as much of the structure as its size allows. What it points to is valid until the ranking is closed. */
XREID_API xreid_status xreid_ranking_measures(const xreid_ranking *ranking, xreid_measures *measures);
XREID_API void xreid_ranking_close(xreid_ranking *ranking);

#ifdef __cplusplus
}
#endif
#endif
