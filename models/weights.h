/* Pre-trained weights from safetensors files: CLIP in OpenAI's and Hugging Face's naming, IRRA's checkpoints, our own; f64, f32, f16 or
 * bf16. Whatever the file, tensors are asked for by our names (weight_names.h) and given as f32.
 *
 * What a file says about itself, in its metadata; xreid writes all of it, files from elsewhere rarely hold any:
 *   activation        "quick_gelu" or "gelu"
 *   image_statistics  {"mean": [R, G, B], "std": [R, G, B]} that images were normalised with
 *   position_grid     [height, width] of the image tower's table of positions, in patches
 *   config            the whole configuration as YAML */
#pragma once

#include "host/graph/parameters.h"
#include "host/io/config.h"
#include "host/io/safetensors.h"
#include "models/position_table.h"
#include "models/weight_names.h"

typedef struct {
  const char *name; /* ours */
  xr_dtype dtype;
  int rank; /* of ours: transposed, joined */
  int64_t dim[XR_MAX_STORED_RANK];
  xr_weight_transform transform;
  const xr_stored_tensor *part[XR_WEIGHT_PARTS]; /* as stored; one, or three that are joined */
} xr_weight;

typedef struct xr_weights xr_weights;

/* Beside what safetensors.h refuses: two tensors that have the same name in our naming, a query without its key or value, parts of
 * different shapes. */
xr_status xr_weights_open(xr_weights **weights, const char *path);
void xr_weights_close(xr_weights *weights); /* NULL is allowed */

const char *xr_weights_path(const xr_weights *weights);
int xr_weights_count(const xr_weights *weights);
const xr_weight *xr_weights_at(const xr_weights *weights, int index); /* sorted by name */
const xr_weight *xr_weights_find(const xr_weights *weights, const char *name);
const char *xr_weights_metadata(const xr_weights *weights, const char *key); /* NULL: nothing said */

int64_t xr_weight_elements(const xr_weight *weight);
/* The values in the stored dtype, in the order of our shape: out[elements]. */
void xr_weight_copy(const xr_weight *weight, void *out);
/* The same as f32. */
xr_status xr_weight_values(const xr_weight *weight, float *out);
/* Gives back the memory that reading took; the values stay readable. */
void xr_weights_forget(const xr_weights *weights, const xr_weight *weight);

/* The grid of `rows` - 1 positions: the one that the metadata state, else a square. {0, 0}: neither. */
xr_grid xr_weights_grid(const xr_weights *weights, int64_t rows);

/* The statistics that the metadata state; false: none. */
bool xr_weights_statistics(const xr_weights *weights, double mean[3], double std[3]);

/* The configuration that a file stands for: the one it holds, or the defaults with the sizes of its tensors (heads of width 64, patches
 * that do not overlap) and its activation and statistics. A table of positions that is neither square nor described is taken as three
 * times, else twice as high as wide. overrides: `count` texts "key.sub=value" that win over all of it. */
xr_status xr_weights_config(const xr_weights *weights, const char *const *overrides, size_t count, xr_config **config);

typedef enum {
  XR_WEIGHTS_TO_TRAIN, /* what is no part of the towers may be absent or of another shape: it keeps its initial values */
  XR_WEIGHTS_TO_ENCODE /* every parameter must be there */
} xr_weights_purpose;

/* Writes the values of all parameters, which must be allocated. Tables of positions are fitted: the image tower's is resized to the
 * configuration's grid (vision.position_resize) where its own is another; where neither is known a table of the right length is taken as
 * it is. The text tower's first rows serve a shorter context. Before anything is written everything is compared: the error lists the
 * tensors that are missing or of another shape. An activation that is not the configuration's is an error, other image statistics a
 * warning. Tensors that the file lacks (training) or that no parameter asks for are listed as messages. */
xr_status xr_weights_load(const xr_weights *weights, const xr_config *config, xr_parameters *parameters, xr_weights_purpose purpose);

/* The comparison alone; the parameters need not be allocated. Nothing is said. */
xr_status xr_weights_check(const xr_weights *weights, const xr_config *config, const xr_parameters *parameters, xr_weights_purpose purpose);

/* Opens, loads, closes. */
xr_status xr_weights_load_file(const char *path, const xr_config *config, xr_parameters *parameters, xr_weights_purpose purpose);

/* The grid of patches that a configuration asks for. */
xr_grid xr_weights_grid_of(const xr_config *config);

/* The metadata of weights that are trained under a configuration, as written. */
typedef struct {
  char activation[16], image_statistics[200], position_grid[64];
} xr_weights_about;
void xr_weights_describe(const xr_config *config, xr_weights_about *about);

typedef enum { XR_NAMING_OPENAI, XR_NAMING_HUGGINGFACE, XR_NAMING_XREID, XR_NAMINGS } xr_naming;
extern const char *const xr_naming_names[XR_NAMINGS]; /* "openai", "huggingface", "xreid" */

/* Writes the tensors under another naming, bits unchanged. OpenAI's and Hugging Face's take the towers and logit_scale (ln 100
 * where there is none), and the heads left out are counted in *left_out; ours takes everything but an optimiser's state. The metadata go
 * along; activation (NULL: as it is) replaces theirs, which a file that holds its configuration does not allow. Tensors are ordered as the
 * safetensors library of Python orders them. */
xr_status xr_weights_convert(const xr_weights *weights, const char *path, xr_naming naming, const char *activation, int *left_out);
