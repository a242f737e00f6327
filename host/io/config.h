/* The configuration of a run: YAML, checked against a schema, in one nested structure.
 *
 * A configuration is what configs/defaults.yaml says (built into the library), replaced key by key by the model preset, by the file
 * that `base:` names (relative to the file that names it), by the file itself and by overrides "key.sub=value", in this order.
 * Mappings merge, scalars and sequences replace. What every key means stands in configs/defaults.yaml, and there only.
 *
 * Whatever cannot be used is an error that says where it stands ("irra.yaml:12:3: unknown key 'train.epoch'; did you mean
 * 'train.epochs'?", "override 'train.epochs=x': ..."): unknown and repeated keys, wrong types, numbers out of range, values that do
 * not fit each other, broken YAML. true and false are the only truth values; whole numbers are decimal. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/status.h"

typedef enum { XR_CONFIG_IRRA, XR_CONFIG_CMSN, XR_CONFIG_ESA } xr_config_method;
typedef enum { XR_CONFIG_TOKENIZER_CLIP, XR_CONFIG_TOKENIZER_IRRA } xr_config_tokenizer;
typedef enum { XR_CONFIG_NEAREST, XR_CONFIG_BILINEAR, XR_CONFIG_BICUBIC, XR_CONFIG_LANCZOS } xr_config_resize;
typedef enum { XR_CONFIG_MASK_OFF, XR_CONFIG_MASK_SHARED, XR_CONFIG_MASK_INDEPENDENT } xr_config_mask_aug;
typedef enum { XR_CONFIG_PRESET_CUSTOM, XR_CONFIG_PRESET_VIT_B_16, XR_CONFIG_PRESET_TINY } xr_config_preset;
typedef enum { XR_CONFIG_QUICK_GELU, XR_CONFIG_GELU } xr_config_activation;
typedef enum { XR_CONFIG_F32, XR_CONFIG_BF16 } xr_config_precision;
typedef enum { XR_CONFIG_RECOMPUTE_NONE, XR_CONFIG_RECOMPUTE_BLOCKS } xr_config_recompute;
typedef enum {
  XR_CONFIG_IMFI_OFF,
  XR_CONFIG_IMFI_SHARED_QUERY,
  XR_CONFIG_IMFI_CROSS_MLM,
  XR_CONFIG_IMFI_SHARED_QUERY_CROSS_MLM,
  XR_CONFIG_IMFI_SPATIAL,
  XR_CONFIG_IMFI_CONCAT,
  XR_CONFIG_IMFI_CROSS_ATTN
} xr_config_imfi;
typedef enum {
  XR_CONFIG_CRL_OFF,
  XR_CONFIG_CRL_MLP,
  XR_CONFIG_CRL_GATED,
  XR_CONFIG_CRL_SUM,
  XR_CONFIG_CRL_TRANSFORMER,
  XR_CONFIG_CRL_CROSS_ATTN
} xr_config_crl;
typedef enum {
  XR_CONFIG_CRIA_L2,
  XR_CONFIG_CRIA_COSINE,
  XR_CONFIG_CRIA_HETERO_HINGE,
  XR_CONFIG_CRIA_SDM,
  XR_CONFIG_CRIA_CENTRE_TRIPLET,
  XR_CONFIG_CRIA_MEMORY
} xr_config_cria;
typedef enum { XR_CONFIG_SPT_THREE_TIER, XR_CONFIG_SPT_SSAN_CR, XR_CONFIG_SPT_SOFT } xr_config_spt;
typedef enum { XR_CONFIG_SEMI_MEAN, XR_CONFIG_SEMI_HARD, XR_CONFIG_SEMI_RANDOM } xr_config_semi;
typedef enum { XR_CONFIG_NEGATIVE_HARD, XR_CONFIG_NEGATIVE_SEMI_HARD, XR_CONFIG_NEGATIVE_RANDOM } xr_config_negative;
typedef enum { XR_CONFIG_MATCH_HARD, XR_CONFIG_MATCH_DRAWN } xr_config_match; /* as xr_match_negative */
typedef enum {
  XR_CONFIG_ESA_SLOT,
  XR_CONFIG_ESA_QUERY,
  XR_CONFIG_ESA_PIE,
  XR_CONFIG_ESA_TOPK,
  XR_CONFIG_ESA_CLUSTER,
  XR_CONFIG_ESA_DECODER
} xr_config_esa;
typedef enum { XR_CONFIG_TOKENS_INNER, XR_CONFIG_TOKENS_WITH_END } xr_config_text_tokens;
typedef enum {
  XR_CONFIG_SET_SMOOTH_CHAMFER,
  XR_CONFIG_SET_CHAMFER,
  XR_CONFIG_SET_MIL,
  XR_CONFIG_SET_AVERAGE,
  XR_CONFIG_SET_OPTIMAL,
  XR_CONFIG_SET_ALIGNED
} xr_config_set_similarity;
typedef enum {
  XR_CONFIG_ASM_NEG_SEM,
  XR_CONFIG_ASM_FIXED,
  XR_CONFIG_ASM_POS_RATIO,
  XR_CONFIG_ASM_QUALITY,
  XR_CONFIG_ASM_COMMONALITY,
  XR_CONFIG_ASM_ASMR
} xr_config_asm;
typedef enum { XR_CONFIG_SEMANTIC_TEXT, XR_CONFIG_SEMANTIC_IMAGE, XR_CONFIG_SEMANTIC_BOTH, XR_CONFIG_SEMANTIC_EMA } xr_config_semantic;
typedef enum { XR_CONFIG_REDUCE_HARDEST, XR_CONFIG_REDUCE_SUM, XR_CONFIG_REDUCE_LSE } xr_config_reduction;
typedef enum { XR_CONFIG_POSITIVES_PAIRED, XR_CONFIG_POSITIVES_ALL, XR_CONFIG_POSITIVES_SOFT } xr_config_positives;
typedef enum { XR_CONFIG_MMD_LAPLACE, XR_CONFIG_MMD_GAUSS } xr_config_mmd;
typedef enum { XR_CONFIG_WRT_STABLE, XR_CONFIG_WRT_AGW } xr_config_wrt;
typedef enum {
  XR_CONFIG_ICM_CENTRES,
  XR_CONFIG_ICM_HC,
  XR_CONFIG_ICM_CENTRE_CLUSTER,
  XR_CONFIG_ICM_MSEL,
  XR_CONFIG_ICM_DCL,
  XR_CONFIG_ICM_MEMORY,
  XR_CONFIG_ICM_MMD
} xr_config_icm;
typedef enum { XR_CONFIG_SAMPLER_RANDOM, XR_CONFIG_SAMPLER_IDENTITY } xr_config_sampler;
typedef enum { XR_CONFIG_ADAM, XR_CONFIG_ADAMW, XR_CONFIG_SGD } xr_config_optimizer;
typedef enum { XR_CONFIG_COSINE, XR_CONFIG_MULTISTEP, XR_CONFIG_CONSTANT } xr_config_schedule;
typedef enum { XR_CONFIG_PER_EPOCH, XR_CONFIG_PER_STEP } xr_config_update;

enum { XR_CONFIG_MAX_TAPS = 4 };

/* One rule for parameters: a parameter belongs to the first group one of whose patterns fits its whole name. */
typedef struct {
  char **match; /* patterns as of file names: * any text, ? any character, [abc] one of these */
  uint32_t match_count;
  double lr_factor, weight_decay_factor;
  double eps; /* 0: the optimiser's */
} xr_config_group;

/* What somebody reports: numbers in percent, or words such as "not published". */
typedef struct {
  char *R1, *R5, *R10, *R20, *mAP, *mINP;
} xr_config_figures;

/* A published method beside ours. */
typedef struct {
  char *name, *R1, *R5, *R10, *mAP, *mINP;
} xr_config_peer;

/* A row of an ablation: the configuration with these overrides, "key.sub=value". */
typedef struct {
  char *name, **set;
  uint32_t set_count;
} xr_config_variant;

typedef struct {
  char *name;
  xr_config_method method;
  struct {
    char *dataset; /* a name that `xreid data` knows */
    char *root, *vocabulary;
    xr_config_tokenizer tokenizer;
    bool allow_gaps;
    double val_holdout;
    int64_t cache_mib, workers;
  } data;
  struct {
    int64_t height, width, patch, stride;
    double mean[3], std[3];
    xr_config_resize resize;
  } image;
  struct {
    int64_t width, layers, heads, mlp_ratio;
    xr_config_resize position_resize; /* bilinear or bicubic */
  } vision;
  struct {
    int64_t context, width, layers, heads, vocabulary_size;
    xr_config_mask_aug mask_aug;
    bool mask_pad;
  } text;
  struct {
    xr_config_preset preset;
    char *weights;
    int64_t embed, classes;
    xr_config_activation activation;
    xr_config_precision precision;
    xr_config_recompute recompute;
    bool tf32;
  } model;
  struct {
    xr_config_imfi mode;
    int64_t *taps, *text_taps;
    uint32_t taps_count, text_taps_count;
    int64_t queries, heads;
    double gamma0;
    int64_t rerank;
  } imfi;
  struct {
    xr_config_crl kind;
    bool stop_gradient;
  } crl;
  struct {
    xr_config_esa kind;
    int64_t set_size, depth, heads, head_width;
    double dropout;
    bool post_norm, shared_queries;
    xr_config_text_tokens text_tokens;
    double image_ratio, text_ratio;
    xr_config_set_similarity similarity;
    double sharpness, score_weight;
  } esa;
  struct {
    struct {
      double weight, temperature, semi_weight;
    } sdm;
    struct {
      double weight, smoothing;
    } id;
    struct {
      double weight, probability, mask_share, random_share;
      int64_t layers;
    } mlm;
    struct {
      double weight;
      xr_config_match negative;
      double temperature;
      int64_t layers;
    } match;
    struct {
      double weight;
      xr_config_cria kind;
      double separation, separation_margin, classify, hinge_margin, temperature, momentum;
      bool stop_gradient;
    } cria;
    struct {
      double weight;
      xr_config_spt kind;
      xr_config_semi semi;
      xr_config_negative negative;
      double m1, beta, gamma, m3;
      bool adaptive;
      int64_t adapt_from_step;
      double temperature;
      bool intra;
    } spt;
    struct {
      double weight;
      xr_config_asm kind;
      double margin, margin_min, margin_max, distance_scale;
      xr_config_semantic semantic_source;
      double momentum;
      bool stretch;
      xr_config_reduction reduction;
      double temperature;
      xr_config_positives positives;
    } asm_; /* key "asm", which is a word of C */
    struct {
      double weight;
      xr_config_mmd kernel;
      double gamma;
    } mmd;
    struct {
      double weight;
    } uniformity, diversity;
    struct {
      xr_config_wrt compat;
      bool square;
      double gamma, clamp;
    } wrt;
    struct {
      xr_config_icm kind;
      bool normalize;
      double pull, mine, push, rho, hinge_margin, sample_margin, centre_margin, momentum;
      xr_config_mmd kernel;
      double gamma;
    } icm;
  } loss;
  struct {
    double flip, erase;
    bool flip_swaps_words;
    int64_t pad;
    double erase_area[2], erase_aspect[2], erase_fill[3];
  } augment;
  struct {
    xr_config_sampler kind;
    int64_t batch, instances;
    bool drop_last;
  } sampler;
  struct {
    xr_config_optimizer kind;
    double lr, beta1, beta2, eps, weight_decay, momentum, clip_norm;
    bool nesterov;
    xr_config_group *groups;
    uint32_t groups_count;
  } optimizer;
  struct {
    xr_config_schedule kind;
    xr_config_update update;
    double warmup_epochs, warmup_factor, gamma, final_factor;
    int64_t *milestones;
    uint32_t milestones_count;
  } schedule;
  struct {
    int64_t seed, epochs, max_steps, log_every, checkpoint_every_epochs, keep, nonfinite_limit;
    double peak_tflop_per_second, peak_gb_per_second;
  } train;
  struct {
    int64_t every, batch, max_rank, examples;
    char *split, *ties;
    bool untrained;
  } eval;
  struct {
    xr_config_figures figures;
    xr_config_peer *peers;
    uint32_t peers_count;
    char *note;
  } paper;
  xr_config_variant *ablation;
  uint32_t ablation_count;
} xr_config;

/* path: the file, or NULL for the defaults alone. overrides: `count` texts "key.sub=value". XR_BAD_INPUT or XR_NOT_FOUND with the
 * place; *config is NULL then. */
xr_status xr_config_load(xr_config **config, const char *path, const char *const *overrides, size_t count);
/* The same from YAML text, a checkpoint's for example; `name` is for messages. */
xr_status xr_config_parse(xr_config **config, const char *yaml, const char *name, const char *const *overrides, size_t count);
void xr_config_free(xr_config *config); /* NULL is allowed */

/* The whole configuration as YAML that loads to the same values, bit for bit. The caller frees the text. */
xr_status xr_config_to_yaml(const xr_config *config, char **text);

/* A number that two configurations share when all their values are equal (FNV-1a of the text above). */
xr_status xr_config_hash(const xr_config *config, uint64_t *hash);

/* The group of a parameter, or NULL: factors of 1. */
const xr_config_group *xr_config_group_of(const xr_config *config, const char *parameter);
