#include "host/io/config_schema.h"

#include <string.h>

#include "host/io/config.h"

/* ---- words */

static const cyaml_strval_t methods[] = {{"irra", XR_CONFIG_IRRA}, {"cmsn", XR_CONFIG_CMSN}, {"esa", XR_CONFIG_ESA}};
static const cyaml_strval_t tokenizers[] = {{"clip", XR_CONFIG_TOKENIZER_CLIP}, {"irra", XR_CONFIG_TOKENIZER_IRRA}};
static const cyaml_strval_t resizes[] = {
    {"nearest", XR_CONFIG_NEAREST}, {"bilinear", XR_CONFIG_BILINEAR}, {"bicubic", XR_CONFIG_BICUBIC}, {"lanczos", XR_CONFIG_LANCZOS}};
static const cyaml_strval_t position_resizes[] = {{"bilinear", XR_CONFIG_BILINEAR}, {"bicubic", XR_CONFIG_BICUBIC}};
static const cyaml_strval_t mask_augs[] = {
    {"off", XR_CONFIG_MASK_OFF}, {"shared", XR_CONFIG_MASK_SHARED}, {"independent", XR_CONFIG_MASK_INDEPENDENT}};
static const cyaml_strval_t presets[] = {
    {"vit-b-16", XR_CONFIG_PRESET_VIT_B_16}, {"tiny", XR_CONFIG_PRESET_TINY}, {"custom", XR_CONFIG_PRESET_CUSTOM}};
static const cyaml_strval_t activations[] = {{"quick_gelu", XR_CONFIG_QUICK_GELU}, {"gelu", XR_CONFIG_GELU}};
static const cyaml_strval_t precisions[] = {{"f32", XR_CONFIG_F32}, {"bf16", XR_CONFIG_BF16}};
static const cyaml_strval_t recomputes[] = {{"none", XR_CONFIG_RECOMPUTE_NONE}, {"blocks", XR_CONFIG_RECOMPUTE_BLOCKS}};
static const cyaml_strval_t imfi_modes[] = {{"off", XR_CONFIG_IMFI_OFF},
                                            {"shared_query", XR_CONFIG_IMFI_SHARED_QUERY},
                                            {"cross_mlm", XR_CONFIG_IMFI_CROSS_MLM},
                                            {"shared_query+cross_mlm", XR_CONFIG_IMFI_SHARED_QUERY_CROSS_MLM},
                                            {"spatial", XR_CONFIG_IMFI_SPATIAL},
                                            {"concat", XR_CONFIG_IMFI_CONCAT},
                                            {"cross_attn", XR_CONFIG_IMFI_CROSS_ATTN}};
static const cyaml_strval_t crl_kinds[] = {{"off", XR_CONFIG_CRL_OFF},
                                           {"mlp", XR_CONFIG_CRL_MLP},
                                           {"gated", XR_CONFIG_CRL_GATED},
                                           {"sum", XR_CONFIG_CRL_SUM},
                                           {"transformer", XR_CONFIG_CRL_TRANSFORMER},
                                           {"cross_attn", XR_CONFIG_CRL_CROSS_ATTN}};
static const cyaml_strval_t cria_kinds[] = {{"l2", XR_CONFIG_CRIA_L2},
                                            {"cosine", XR_CONFIG_CRIA_COSINE},
                                            {"hetero_hinge", XR_CONFIG_CRIA_HETERO_HINGE},
                                            {"sdm", XR_CONFIG_CRIA_SDM},
                                            {"centre_triplet", XR_CONFIG_CRIA_CENTRE_TRIPLET},
                                            {"memory", XR_CONFIG_CRIA_MEMORY}};
static const cyaml_strval_t spt_kinds[] = {
    {"three_tier", XR_CONFIG_SPT_THREE_TIER}, {"ssan_cr", XR_CONFIG_SPT_SSAN_CR}, {"soft", XR_CONFIG_SPT_SOFT}};
static const cyaml_strval_t semis[] = {{"mean", XR_CONFIG_SEMI_MEAN}, {"hard", XR_CONFIG_SEMI_HARD}, {"random", XR_CONFIG_SEMI_RANDOM}};
static const cyaml_strval_t negatives[] = {
    {"hard", XR_CONFIG_NEGATIVE_HARD}, {"semi_hard", XR_CONFIG_NEGATIVE_SEMI_HARD}, {"random", XR_CONFIG_NEGATIVE_RANDOM}};
static const cyaml_strval_t match_negatives[] = {{"hard", XR_CONFIG_MATCH_HARD}, {"drawn", XR_CONFIG_MATCH_DRAWN}};
static const cyaml_strval_t esa_kinds[] = {{"slot", XR_CONFIG_ESA_SLOT},       {"query", XR_CONFIG_ESA_QUERY},
                                           {"pie", XR_CONFIG_ESA_PIE},         {"topk", XR_CONFIG_ESA_TOPK},
                                           {"cluster", XR_CONFIG_ESA_CLUSTER}, {"decoder", XR_CONFIG_ESA_DECODER}};
static const cyaml_strval_t text_tokens[] = {{"inner", XR_CONFIG_TOKENS_INNER}, {"with_end", XR_CONFIG_TOKENS_WITH_END}};
static const cyaml_strval_t set_similarities[] = {{"smooth_chamfer", XR_CONFIG_SET_SMOOTH_CHAMFER},
                                                  {"chamfer", XR_CONFIG_SET_CHAMFER},
                                                  {"mil", XR_CONFIG_SET_MIL},
                                                  {"avg", XR_CONFIG_SET_AVERAGE},
                                                  {"optimal", XR_CONFIG_SET_OPTIMAL},
                                                  {"aligned", XR_CONFIG_SET_ALIGNED}};
static const cyaml_strval_t asm_kinds[] = {{"neg_sem", XR_CONFIG_ASM_NEG_SEM},         {"fixed", XR_CONFIG_ASM_FIXED},
                                           {"pos_ratio", XR_CONFIG_ASM_POS_RATIO},     {"quality", XR_CONFIG_ASM_QUALITY},
                                           {"commonality", XR_CONFIG_ASM_COMMONALITY}, {"asmr", XR_CONFIG_ASM_ASMR}};
static const cyaml_strval_t semantics[] = {{"text", XR_CONFIG_SEMANTIC_TEXT},
                                           {"image", XR_CONFIG_SEMANTIC_IMAGE},
                                           {"both", XR_CONFIG_SEMANTIC_BOTH},
                                           {"ema", XR_CONFIG_SEMANTIC_EMA}};
static const cyaml_strval_t reductions[] = {
    {"hardest", XR_CONFIG_REDUCE_HARDEST}, {"sum", XR_CONFIG_REDUCE_SUM}, {"lse", XR_CONFIG_REDUCE_LSE}};
static const cyaml_strval_t positives[] = {
    {"paired", XR_CONFIG_POSITIVES_PAIRED}, {"all_same_pid", XR_CONFIG_POSITIVES_ALL}, {"all_same_pid_soft", XR_CONFIG_POSITIVES_SOFT}};
static const cyaml_strval_t wrt_forms[] = {{"none", XR_CONFIG_WRT_STABLE}, {"agw", XR_CONFIG_WRT_AGW}};
static const cyaml_strval_t icm_kinds[] = {
    {"icm", XR_CONFIG_ICM_CENTRES}, {"hc", XR_CONFIG_ICM_HC},   {"centre_cluster", XR_CONFIG_ICM_CENTRE_CLUSTER},
    {"msel", XR_CONFIG_ICM_MSEL},   {"dcl", XR_CONFIG_ICM_DCL}, {"memory", XR_CONFIG_ICM_MEMORY},
    {"mmd", XR_CONFIG_ICM_MMD}};
static const cyaml_strval_t mmd_kernels[] = {{"laplace", XR_CONFIG_MMD_LAPLACE}, {"gauss", XR_CONFIG_MMD_GAUSS}};
static const cyaml_strval_t samplers[] = {{"random", XR_CONFIG_SAMPLER_RANDOM}, {"identity", XR_CONFIG_SAMPLER_IDENTITY}};
static const cyaml_strval_t optimizers[] = {{"adam", XR_CONFIG_ADAM}, {"adamw", XR_CONFIG_ADAMW}, {"sgd", XR_CONFIG_SGD}};
static const cyaml_strval_t schedules[] = {
    {"cosine", XR_CONFIG_COSINE}, {"multistep", XR_CONFIG_MULTISTEP}, {"constant", XR_CONFIG_CONSTANT}};
static const cyaml_strval_t updates[] = {{"epoch", XR_CONFIG_PER_EPOCH}, {"step", XR_CONFIG_PER_STEP}};

/* Words that floors above give a meaning to. */
static const char *const datasets[] = {"cuhk-pedes", "icfg-pedes", "rstpreid", "sysu-mm01", "regdb", "llcm", "folder", NULL};
static const char *const splits[] = {"val", "test", NULL};
static const char *const ties[] = {"lower-index", "best", "worst", NULL};

/* ---- keys: each table lists a section's fields in the order of configs/defaults.yaml */

#define INT(s, m) CYAML_FIELD_INT(#m, CYAML_FLAG_DEFAULT, s, m)
#define FLOAT(s, m) CYAML_FIELD_FLOAT(#m, CYAML_FLAG_STRICT, s, m)
#define BOOL(s, m) CYAML_FIELD_BOOL(#m, CYAML_FLAG_DEFAULT, s, m)
#define TEXT(s, m) CYAML_FIELD_STRING_PTR(#m, CYAML_FLAG_POINTER, s, m, 0, CYAML_UNLIMITED)
#define WORD(s, m, list) CYAML_FIELD_ENUM(#m, CYAML_FLAG_STRICT, s, m, list, sizeof list / sizeof *list)
#define FLOATS(s, m) CYAML_FIELD_SEQUENCE_FIXED(#m, CYAML_FLAG_DEFAULT, s, m, &one_float, sizeof(((s *)NULL)->m) / sizeof(double))
#define LIST(s, m, entry) CYAML_FIELD_SEQUENCE(#m, CYAML_FLAG_POINTER, s, m, entry, 0, CYAML_UNLIMITED)
#define SECTION(s, m) CYAML_FIELD_MAPPING(#m, CYAML_FLAG_DEFAULT, s, m, m##_fields)
#define SECTION_TYPE(name) typedef __typeof__(((xr_config *)NULL)->name)

static const cyaml_schema_value_t one_float = {CYAML_VALUE_FLOAT(CYAML_FLAG_STRICT, double)};
static const cyaml_schema_value_t one_int = {CYAML_VALUE_INT(CYAML_FLAG_DEFAULT, int64_t)};
static const cyaml_schema_value_t one_text = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 0, CYAML_UNLIMITED)};

SECTION_TYPE(data) data_type;
static const cyaml_schema_field_t data_fields[] = {TEXT(data_type, dataset),
                                                   TEXT(data_type, root),
                                                   TEXT(data_type, vocabulary),
                                                   WORD(data_type, tokenizer, tokenizers),
                                                   BOOL(data_type, allow_gaps),
                                                   FLOAT(data_type, val_holdout),
                                                   INT(data_type, cache_mib),
                                                   INT(data_type, workers),
                                                   CYAML_FIELD_END};

SECTION_TYPE(image) image_type;
static const cyaml_schema_field_t image_fields[] = {INT(image_type, height),           INT(image_type, width),   INT(image_type, patch),
                                                    INT(image_type, stride),           FLOATS(image_type, mean), FLOATS(image_type, std),
                                                    WORD(image_type, resize, resizes), CYAML_FIELD_END};

SECTION_TYPE(vision) vision_type;
static const cyaml_schema_field_t vision_fields[] = {INT(vision_type, width),
                                                     INT(vision_type, layers),
                                                     INT(vision_type, heads),
                                                     INT(vision_type, mlp_ratio),
                                                     WORD(vision_type, position_resize, position_resizes),
                                                     CYAML_FIELD_END};

SECTION_TYPE(text) text_type;
static const cyaml_schema_field_t text_fields[] = {INT(text_type, context),         INT(text_type, width),
                                                   INT(text_type, layers),          INT(text_type, heads),
                                                   INT(text_type, vocabulary_size), WORD(text_type, mask_aug, mask_augs),
                                                   BOOL(text_type, mask_pad),       CYAML_FIELD_END};

SECTION_TYPE(model) model_type;
static const cyaml_schema_field_t model_fields[] = {WORD(model_type, preset, presets),
                                                    TEXT(model_type, weights),
                                                    INT(model_type, embed),
                                                    INT(model_type, classes),
                                                    WORD(model_type, activation, activations),
                                                    WORD(model_type, precision, precisions),
                                                    WORD(model_type, recompute, recomputes),
                                                    BOOL(model_type, tf32),
                                                    CYAML_FIELD_END};

SECTION_TYPE(imfi) imfi_type;
static const cyaml_schema_field_t imfi_fields[] = {WORD(imfi_type, mode, imfi_modes),
                                                   LIST(imfi_type, taps, &one_int),
                                                   LIST(imfi_type, text_taps, &one_int),
                                                   INT(imfi_type, queries),
                                                   INT(imfi_type, heads),
                                                   FLOAT(imfi_type, gamma0),
                                                   INT(imfi_type, rerank),
                                                   CYAML_FIELD_END};

SECTION_TYPE(crl) crl_type;
static const cyaml_schema_field_t crl_fields[] = {WORD(crl_type, kind, crl_kinds), BOOL(crl_type, stop_gradient), CYAML_FIELD_END};

SECTION_TYPE(esa) esa_type;
static const cyaml_schema_field_t esa_fields[] = {WORD(esa_type, kind, esa_kinds),
                                                  INT(esa_type, set_size),
                                                  INT(esa_type, depth),
                                                  INT(esa_type, heads),
                                                  INT(esa_type, head_width),
                                                  FLOAT(esa_type, dropout),
                                                  BOOL(esa_type, post_norm),
                                                  BOOL(esa_type, shared_queries),
                                                  WORD(esa_type, text_tokens, text_tokens),
                                                  FLOAT(esa_type, image_ratio),
                                                  FLOAT(esa_type, text_ratio),
                                                  WORD(esa_type, similarity, set_similarities),
                                                  FLOAT(esa_type, sharpness),
                                                  FLOAT(esa_type, score_weight),
                                                  CYAML_FIELD_END};

SECTION_TYPE(loss) loss_type;
SECTION_TYPE(loss.sdm) sdm_type;
SECTION_TYPE(loss.id) id_type;
SECTION_TYPE(loss.mlm) mlm_type;
SECTION_TYPE(loss.match) match_type;
SECTION_TYPE(loss.cria) cria_type;
SECTION_TYPE(loss.spt) spt_type;
SECTION_TYPE(loss.asm_) asm_type;
SECTION_TYPE(loss.mmd) mmd_type;
SECTION_TYPE(loss.uniformity) weight_type;
SECTION_TYPE(loss.wrt) wrt_type;
SECTION_TYPE(loss.icm) icm_type;
static const cyaml_schema_field_t sdm_fields[] = {FLOAT(sdm_type, weight), FLOAT(sdm_type, temperature), FLOAT(sdm_type, semi_weight),
                                                  CYAML_FIELD_END};
static const cyaml_schema_field_t id_fields[] = {FLOAT(id_type, weight), FLOAT(id_type, smoothing), CYAML_FIELD_END};
static const cyaml_schema_field_t mlm_fields[] = {FLOAT(mlm_type, weight),     INT(mlm_type, layers),         FLOAT(mlm_type, probability),
                                                  FLOAT(mlm_type, mask_share), FLOAT(mlm_type, random_share), CYAML_FIELD_END};
static const cyaml_schema_field_t match_fields[] = {FLOAT(match_type, weight), WORD(match_type, negative, match_negatives),
                                                    FLOAT(match_type, temperature), INT(match_type, layers), CYAML_FIELD_END};
static const cyaml_schema_field_t cria_fields[] = {FLOAT(cria_type, weight),       WORD(cria_type, kind, cria_kinds),
                                                   FLOAT(cria_type, separation),   FLOAT(cria_type, separation_margin),
                                                   FLOAT(cria_type, classify),     FLOAT(cria_type, hinge_margin),
                                                   FLOAT(cria_type, temperature),  FLOAT(cria_type, momentum),
                                                   BOOL(cria_type, stop_gradient), CYAML_FIELD_END};
static const cyaml_schema_field_t spt_fields[] = {
    FLOAT(spt_type, weight),  WORD(spt_type, kind, spt_kinds), WORD(spt_type, semi, semis),  WORD(spt_type, negative, negatives),
    FLOAT(spt_type, m1),      FLOAT(spt_type, beta),           FLOAT(spt_type, gamma),       FLOAT(spt_type, m3),
    BOOL(spt_type, adaptive), INT(spt_type, adapt_from_step),  FLOAT(spt_type, temperature), BOOL(spt_type, intra),
    CYAML_FIELD_END};
static const cyaml_schema_field_t asm_fields[] = {FLOAT(asm_type, weight),
                                                  WORD(asm_type, kind, asm_kinds),
                                                  FLOAT(asm_type, margin),
                                                  FLOAT(asm_type, margin_min),
                                                  FLOAT(asm_type, margin_max),
                                                  FLOAT(asm_type, distance_scale),
                                                  WORD(asm_type, semantic_source, semantics),
                                                  FLOAT(asm_type, momentum),
                                                  BOOL(asm_type, stretch),
                                                  WORD(asm_type, reduction, reductions),
                                                  FLOAT(asm_type, temperature),
                                                  WORD(asm_type, positives, positives),
                                                  CYAML_FIELD_END};
static const cyaml_schema_field_t mmd_fields[] = {FLOAT(mmd_type, weight), WORD(mmd_type, kernel, mmd_kernels), FLOAT(mmd_type, gamma),
                                                  CYAML_FIELD_END};
static const cyaml_schema_field_t uniformity_fields[] = {FLOAT(weight_type, weight), CYAML_FIELD_END};
#define diversity_fields uniformity_fields
static const cyaml_schema_field_t wrt_fields[] = {WORD(wrt_type, compat, wrt_forms), BOOL(wrt_type, square), FLOAT(wrt_type, gamma),
                                                  FLOAT(wrt_type, clamp), CYAML_FIELD_END};
static const cyaml_schema_field_t icm_fields[] = {WORD(icm_type, kind, icm_kinds),
                                                  BOOL(icm_type, normalize),
                                                  FLOAT(icm_type, pull),
                                                  FLOAT(icm_type, mine),
                                                  FLOAT(icm_type, push),
                                                  FLOAT(icm_type, rho),
                                                  FLOAT(icm_type, hinge_margin),
                                                  FLOAT(icm_type, sample_margin),
                                                  FLOAT(icm_type, centre_margin),
                                                  FLOAT(icm_type, momentum),
                                                  WORD(icm_type, kernel, mmd_kernels),
                                                  FLOAT(icm_type, gamma),
                                                  CYAML_FIELD_END};
static const cyaml_schema_field_t loss_fields[] = {SECTION(loss_type, sdm),
                                                   SECTION(loss_type, id),
                                                   SECTION(loss_type, mlm),
                                                   SECTION(loss_type, match),
                                                   SECTION(loss_type, cria),
                                                   SECTION(loss_type, spt),
                                                   CYAML_FIELD_MAPPING("asm", CYAML_FLAG_DEFAULT, loss_type, asm_, asm_fields),
                                                   SECTION(loss_type, mmd),
                                                   SECTION(loss_type, uniformity),
                                                   SECTION(loss_type, diversity),
                                                   SECTION(loss_type, wrt),
                                                   SECTION(loss_type, icm),
                                                   CYAML_FIELD_END};

SECTION_TYPE(augment) augment_type;
static const cyaml_schema_field_t augment_fields[] = {
    FLOAT(augment_type, flip),        BOOL(augment_type, flip_swaps_words), INT(augment_type, pad),           FLOAT(augment_type, erase),
    FLOATS(augment_type, erase_area), FLOATS(augment_type, erase_aspect),   FLOATS(augment_type, erase_fill), CYAML_FIELD_END};

SECTION_TYPE(sampler) sampler_type;
static const cyaml_schema_field_t sampler_fields[] = {WORD(sampler_type, kind, samplers), INT(sampler_type, batch),
                                                      INT(sampler_type, instances), BOOL(sampler_type, drop_last), CYAML_FIELD_END};

static const cyaml_schema_field_t group_fields[] = {LIST(xr_config_group, match, &one_text), FLOAT(xr_config_group, lr_factor),
                                                    FLOAT(xr_config_group, weight_decay_factor), FLOAT(xr_config_group, eps),
                                                    CYAML_FIELD_END};
static const cyaml_schema_value_t one_group = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, xr_config_group, group_fields)};

SECTION_TYPE(optimizer) optimizer_type;
static const cyaml_schema_field_t optimizer_fields[] = {WORD(optimizer_type, kind, optimizers),
                                                        FLOAT(optimizer_type, lr),
                                                        FLOAT(optimizer_type, beta1),
                                                        FLOAT(optimizer_type, beta2),
                                                        FLOAT(optimizer_type, eps),
                                                        FLOAT(optimizer_type, weight_decay),
                                                        FLOAT(optimizer_type, momentum),
                                                        BOOL(optimizer_type, nesterov),
                                                        FLOAT(optimizer_type, clip_norm),
                                                        LIST(optimizer_type, groups, &one_group),
                                                        CYAML_FIELD_END};

SECTION_TYPE(schedule) schedule_type;
static const cyaml_schema_field_t schedule_fields[] = {WORD(schedule_type, kind, schedules),      WORD(schedule_type, update, updates),
                                                       FLOAT(schedule_type, warmup_epochs),       FLOAT(schedule_type, warmup_factor),
                                                       LIST(schedule_type, milestones, &one_int), FLOAT(schedule_type, gamma),
                                                       FLOAT(schedule_type, final_factor),        CYAML_FIELD_END};

SECTION_TYPE(train) train_type;
static const cyaml_schema_field_t train_fields[] = {INT(train_type, seed),
                                                    INT(train_type, epochs),
                                                    INT(train_type, max_steps),
                                                    INT(train_type, log_every),
                                                    INT(train_type, checkpoint_every_epochs),
                                                    INT(train_type, keep),
                                                    INT(train_type, nonfinite_limit),
                                                    FLOAT(train_type, peak_tflop_per_second),
                                                    FLOAT(train_type, peak_gb_per_second),
                                                    CYAML_FIELD_END};

SECTION_TYPE(eval) eval_type;
static const cyaml_schema_field_t eval_fields[] = {INT(eval_type, every),    TEXT(eval_type, split), INT(eval_type, batch),
                                                   INT(eval_type, max_rank), TEXT(eval_type, ties),  BOOL(eval_type, untrained),
                                                   INT(eval_type, examples), CYAML_FIELD_END};

SECTION_TYPE(paper) paper_type;
static const cyaml_schema_field_t figures_fields[] = {TEXT(xr_config_figures, R1),
                                                      TEXT(xr_config_figures, R5),
                                                      TEXT(xr_config_figures, R10),
                                                      TEXT(xr_config_figures, R20),
                                                      TEXT(xr_config_figures, mAP),
                                                      TEXT(xr_config_figures, mINP),
                                                      CYAML_FIELD_END};
static const cyaml_schema_field_t peer_fields[] = {
    TEXT(xr_config_peer, name), TEXT(xr_config_peer, R1),   TEXT(xr_config_peer, R5), TEXT(xr_config_peer, R10),
    TEXT(xr_config_peer, mAP),  TEXT(xr_config_peer, mINP), CYAML_FIELD_END};
static const cyaml_schema_value_t one_peer = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, xr_config_peer, peer_fields)};
static const cyaml_schema_field_t paper_fields[] = {SECTION(paper_type, figures), LIST(paper_type, peers, &one_peer),
                                                    TEXT(paper_type, note), CYAML_FIELD_END};

static const cyaml_schema_field_t variant_fields[] = {TEXT(xr_config_variant, name), LIST(xr_config_variant, set, &one_text),
                                                      CYAML_FIELD_END};
static const cyaml_schema_value_t one_variant = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, xr_config_variant, variant_fields)};

static const cyaml_schema_field_t config_fields[] = {TEXT(xr_config, name),
                                                     WORD(xr_config, method, methods),
                                                     SECTION(xr_config, data),
                                                     SECTION(xr_config, image),
                                                     SECTION(xr_config, vision),
                                                     SECTION(xr_config, text),
                                                     SECTION(xr_config, model),
                                                     SECTION(xr_config, imfi),
                                                     SECTION(xr_config, crl),
                                                     SECTION(xr_config, esa),
                                                     SECTION(xr_config, loss),
                                                     SECTION(xr_config, augment),
                                                     SECTION(xr_config, sampler),
                                                     SECTION(xr_config, optimizer),
                                                     SECTION(xr_config, schedule),
                                                     SECTION(xr_config, train),
                                                     SECTION(xr_config, eval),
                                                     SECTION(xr_config, paper),
                                                     LIST(xr_config, ablation, &one_variant),
                                                     CYAML_FIELD_END};

const cyaml_schema_value_t xr_config_schema = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, xr_config, config_fields)};

/* ---- ranges */

#define MANY 1e9 /* no limit worth a name; every whole number up to it is exact in a double */

const xr_config_rule xr_config_rules[] = {
    {.path = "data.dataset", .words = datasets},
    {.path = "data.val_holdout", .minimum = 0, .maximum = 0.5},
    {.path = "data.cache_mib", .minimum = 0, .maximum = MANY},
    {.path = "data.workers", .minimum = 0, .maximum = 256},
    {.path = "image.height", .minimum = 8, .maximum = 4096},
    {.path = "image.width", .minimum = 8, .maximum = 4096},
    {.path = "image.patch", .minimum = 1, .maximum = 256},
    {.path = "image.stride", .minimum = 1, .maximum = 256},
    {.path = "image.mean", .minimum = -10, .maximum = 10},
    {.path = "image.std", .minimum = 1e-6, .maximum = 10},
    {.path = "vision.width", .minimum = 8, .maximum = 16384},
    {.path = "vision.layers", .minimum = 1, .maximum = 256},
    {.path = "vision.heads", .minimum = 1, .maximum = 256},
    {.path = "vision.mlp_ratio", .minimum = 1, .maximum = 16},
    {.path = "text.context", .minimum = 3, .maximum = 4096},
    {.path = "text.width", .minimum = 8, .maximum = 16384},
    {.path = "text.layers", .minimum = 1, .maximum = 256},
    {.path = "text.heads", .minimum = 1, .maximum = 256},
    {.path = "text.vocabulary_size", .minimum = 0, .maximum = 1e7},
    {.path = "model.embed", .minimum = 8, .maximum = 16384},
    {.path = "model.classes", .minimum = 0, .maximum = 1e7},
    {.path = "loss.sdm.weight", .minimum = 0, .maximum = 1e6},
    {.path = "loss.sdm.temperature", .minimum = 1e-4, .maximum = 100},
    {.path = "loss.sdm.semi_weight", .minimum = 0, .maximum = 1},
    {.path = "loss.id.weight", .minimum = 0, .maximum = 1e6},
    {.path = "loss.id.smoothing", .minimum = 0, .maximum = 0.999},
    {.path = "loss.mlm.weight", .minimum = 0, .maximum = 1e6},
    {.path = "loss.mlm.layers", .minimum = 1, .maximum = 64},
    {.path = "loss.mlm.probability", .minimum = 1e-3, .maximum = 1},
    {.path = "loss.mlm.mask_share", .minimum = 0, .maximum = 1},
    {.path = "loss.mlm.random_share", .minimum = 0, .maximum = 1},
    {.path = "imfi.taps", .minimum = 1, .maximum = 256},
    {.path = "imfi.text_taps", .minimum = 1, .maximum = 256},
    {.path = "imfi.queries", .minimum = 1, .maximum = 16},
    {.path = "imfi.heads", .minimum = 1, .maximum = 256},
    {.path = "imfi.gamma0", .minimum = -10, .maximum = 10},
    {.path = "imfi.rerank", .minimum = 0, .maximum = 1e6},
    {.path = "loss.match.weight", .minimum = 0, .maximum = 1e6},
    {.path = "loss.match.temperature", .minimum = 1e-4, .maximum = 100},
    {.path = "loss.match.layers", .minimum = 1, .maximum = 64},
    {.path = "loss.cria.weight", .minimum = 0, .maximum = 1e6},
    {.path = "loss.cria.separation", .minimum = 0, .maximum = 1e6},
    {.path = "loss.cria.separation_margin", .minimum = 0, .maximum = 2},
    {.path = "loss.cria.classify", .minimum = 0, .maximum = 1e6},
    {.path = "loss.cria.hinge_margin", .minimum = 0, .maximum = 4},
    {.path = "loss.cria.temperature", .minimum = 1e-4, .maximum = 100},
    {.path = "loss.cria.momentum", .minimum = 0, .maximum = 0.999999},
    {.path = "loss.spt.weight", .minimum = 0, .maximum = 1e6},
    {.path = "loss.spt.m1", .minimum = 0, .maximum = 2},
    {.path = "loss.spt.beta", .minimum = 0, .maximum = 1e6},
    {.path = "loss.spt.gamma", .minimum = 0, .maximum = 1e6},
    {.path = "loss.spt.m3", .minimum = 0, .maximum = 2},
    {.path = "loss.spt.adapt_from_step", .minimum = 0, .maximum = 1e12},
    {.path = "loss.spt.temperature", .minimum = 1e-4, .maximum = 100},
    {.path = "esa.set_size", .minimum = 1, .maximum = 16},
    {.path = "esa.depth", .minimum = 1, .maximum = 16},
    {.path = "esa.heads", .minimum = 1, .maximum = 64},
    {.path = "esa.head_width", .minimum = 8, .maximum = 1024},
    {.path = "esa.dropout", .minimum = 0, .maximum = 0.95},
    {.path = "esa.image_ratio", .minimum = 0, .maximum = 1},
    {.path = "esa.text_ratio", .minimum = 0, .maximum = 1},
    {.path = "esa.sharpness", .minimum = 0.01, .maximum = 1000},
    {.path = "esa.score_weight", .minimum = 0, .maximum = 1},
    {.path = "loss.asm.weight", .minimum = 0, .maximum = 1e6},
    {.path = "loss.asm.margin", .minimum = 0, .maximum = 2},
    {.path = "loss.asm.margin_min", .minimum = 0, .maximum = 2},
    {.path = "loss.asm.margin_max", .minimum = 0, .maximum = 2},
    {.path = "loss.asm.distance_scale", .minimum = 1e-4, .maximum = 1e4},
    {.path = "loss.asm.momentum", .minimum = 0, .maximum = 0.999999},
    {.path = "loss.asm.temperature", .minimum = 1e-4, .maximum = 100},
    {.path = "loss.mmd.weight", .minimum = 0, .maximum = 1e6},
    {.path = "loss.mmd.gamma", .minimum = 1e-4, .maximum = 1e4},
    {.path = "loss.uniformity.weight", .minimum = 0, .maximum = 1e6},
    {.path = "loss.diversity.weight", .minimum = 0, .maximum = 1e6},
    {.path = "loss.wrt.gamma", .minimum = 1e-4, .maximum = 1e4},
    {.path = "loss.wrt.clamp", .minimum = 1e-2, .maximum = 1e4},
    {.path = "loss.icm.pull", .minimum = 0, .maximum = 1e6},
    {.path = "loss.icm.mine", .minimum = 0, .maximum = 1e6},
    {.path = "loss.icm.push", .minimum = 0, .maximum = 1e6},
    {.path = "loss.icm.rho", .minimum = 0, .maximum = 1e4},
    {.path = "loss.icm.hinge_margin", .minimum = 0, .maximum = 1e4},
    {.path = "loss.icm.sample_margin", .minimum = 0, .maximum = 1e4},
    {.path = "loss.icm.centre_margin", .minimum = 0, .maximum = 1e4},
    {.path = "loss.icm.momentum", .minimum = 0, .maximum = 0.999999},
    {.path = "loss.icm.gamma", .minimum = 1e-4, .maximum = 1e4},
    {.path = "augment.flip", .minimum = 0, .maximum = 1},
    {.path = "augment.pad", .minimum = 0, .maximum = 1024},
    {.path = "augment.erase", .minimum = 0, .maximum = 1},
    {.path = "augment.erase_area", .minimum = 0, .maximum = 1},
    {.path = "augment.erase_aspect", .minimum = 0.01, .maximum = 100},
    {.path = "augment.erase_fill", .minimum = -100, .maximum = 100},
    {.path = "sampler.batch", .minimum = 1, .maximum = 1e6},
    {.path = "sampler.instances", .minimum = 1, .maximum = 1e6},
    {.path = "optimizer.lr", .minimum = 0, .maximum = 100},
    {.path = "optimizer.beta1", .minimum = 0, .maximum = 0.999999},
    {.path = "optimizer.beta2", .minimum = 0, .maximum = 0.9999999},
    {.path = "optimizer.eps", .minimum = 1e-16, .maximum = 1},
    {.path = "optimizer.weight_decay", .minimum = 0, .maximum = 100},
    {.path = "optimizer.momentum", .minimum = 0, .maximum = 0.999999},
    {.path = "optimizer.clip_norm", .minimum = 0, .maximum = MANY},
    {.path = "optimizer.groups.lr_factor", .minimum = 0, .maximum = 1e6, .fallback = "1"},
    {.path = "optimizer.groups.weight_decay_factor", .minimum = 0, .maximum = 1e6, .fallback = "1"},
    {.path = "optimizer.groups.eps", .minimum = 0, .maximum = 1, .fallback = "0"},
    {.path = "paper.peers.R1", .fallback = ""},
    {.path = "paper.peers.R5", .fallback = ""},
    {.path = "paper.peers.R10", .fallback = ""},
    {.path = "paper.peers.mAP", .fallback = ""},
    {.path = "paper.peers.mINP", .fallback = ""},
    {.path = "schedule.warmup_epochs", .minimum = 0, .maximum = 1e6},
    {.path = "schedule.warmup_factor", .minimum = 0, .maximum = 1},
    {.path = "schedule.milestones", .minimum = 1, .maximum = 1e6},
    {.path = "schedule.gamma", .minimum = 0, .maximum = 1},
    {.path = "schedule.final_factor", .minimum = 0, .maximum = 1},
    {.path = "train.seed", .minimum = 0, .maximum = 9007199254740992.0}, /* 2^53 */
    {.path = "train.epochs", .minimum = 1, .maximum = 1e6},
    {.path = "train.max_steps", .minimum = 0, .maximum = 1e12},
    {.path = "train.log_every", .minimum = 1, .maximum = MANY},
    {.path = "train.checkpoint_every_epochs", .minimum = 1, .maximum = 1e6},
    {.path = "train.keep", .minimum = 1, .maximum = 1e6},
    {.path = "train.nonfinite_limit", .minimum = 1, .maximum = 1e6},
    {.path = "train.peak_tflop_per_second", .minimum = 0, .maximum = 1e6},
    {.path = "train.peak_gb_per_second", .minimum = 0, .maximum = 1e6},
    {.path = "eval.every", .minimum = 0, .maximum = 1e6},
    {.path = "eval.split", .words = splits},
    {.path = "eval.batch", .minimum = 1, .maximum = 1e6},
    {.path = "eval.max_rank", .minimum = 1, .maximum = 1e6},
    {.path = "eval.ties", .words = ties},
    {.path = "eval.examples", .minimum = 0, .maximum = 100},
};
const size_t xr_config_rule_count = sizeof xr_config_rules / sizeof *xr_config_rules;

static bool same_path(const char *rule, const char *path) {
  for (; *path; path++) {
    if (*path == '[')
      path += strcspn(path, "]");
    else if (*rule++ != *path)
      return false;
  }
  return !*rule;
}

const xr_config_rule *xr_config_rule_for(const char *path) {
  for (size_t i = 0; i < xr_config_rule_count; i++)
    if (same_path(xr_config_rules[i].path, path)) return &xr_config_rules[i];
  return NULL;
}
