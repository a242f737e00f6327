/* Whole modules and losses, as `xreid module` runs them, against double-precision PyTorch (tests/oracle/modules.py): outputs and every
 * gradient, in f32 and bf16, on every backend of this build. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/file.h"
#include "host/base/memory.h"
#include "host/io/npy.h"
#include "host/train/run_module.h"
#include "tests/data/scratch.h"
#include "tests/support/golden.h"

typedef struct {
  const char *name, *module; /* of the golden case; of the module */
  const char *options[12];
} module_case;

#define SPT_OPTIONS "loss.spt.m1=0.25", "loss.spt.beta=0.5", "loss.spt.gamma=0.25", "loss.spt.m3=0.0625"

static const module_case cases[] = {
    {"sdm", "sdm", {"loss.sdm.temperature=0.125"}},
    {"sdm_semi", "sdm", {"loss.sdm.temperature=0.125", "loss.sdm.semi_weight=0.5"}},
    {"id", "id", {NULL}},
    {"cria", "cria", {NULL}},
    {"cria_classified", "cria", {NULL}},
    {"cria_two", "cria", {NULL}},
    {"spt", "spt", {SPT_OPTIONS}},
    {"imfi_image", "imfi", {"imfi.heads=2"}},
    {"imfi_text", "imfi", {"imfi.heads=2"}},
    {"imfi_concat", "imfi", {"imfi.heads=2", "imfi.mode=concat"}},
    {"crl_mlp", "crl", {"crl.kind=mlp"}},
    {"crl_gated", "crl", {"crl.kind=gated"}},
    {"crl_sum", "crl", {"crl.kind=sum"}},
    {"crl_transformer", "crl", {"crl.kind=transformer"}},
    {"esa_slot", "esa_slot", {"esa.heads=2", "esa.head_width=8", "esa.depth=3"}},
    {"esa_slot_text", "esa_slot", {"esa.heads=2", "esa.head_width=8", "esa.depth=2", "esa.post_norm=true"}},
};

#define SETS(name, kind)                                                   \
  {                                                                        \
    name, "set_similarity", { "esa.similarity=" kind, "esa.sharpness=16" } \
  }

static const module_case set_cases[] = {
    SETS("set_smooth", "smooth_chamfer"),
    SETS("set_smooth_wide", "smooth_chamfer"),
    SETS("set_smooth_one", "smooth_chamfer"),
    SETS("set_smooth_tall", "smooth_chamfer"),
    SETS("set_smooth_16", "smooth_chamfer"),
    {"set_sharp", "set_similarity", {"esa.similarity=smooth_chamfer", "esa.sharpness=100"}},
    SETS("set_chamfer", "chamfer"),
    SETS("set_chamfer_16", "chamfer"),
    SETS("set_mil", "mil"),
    SETS("set_avg", "avg"),
    SETS("set_optimal", "optimal"),
    SETS("set_optimal_wide", "optimal"),
    SETS("set_optimal_tall", "optimal"),
    SETS("set_optimal_16", "optimal"),
    SETS("set_aligned", "aligned"),
    {"mmd_laplace", "mmd", {"loss.mmd.kernel=laplace", "loss.mmd.gamma=0.5"}},
    {"mmd_gauss", "mmd", {"loss.mmd.kernel=gauss", "loss.mmd.gamma=0.75"}},
    {"mmd_one", "mmd", {"loss.mmd.kernel=laplace", "loss.mmd.gamma=0.5"}},
    {"mmd_equal", "mmd", {"loss.mmd.kernel=laplace", "loss.mmd.gamma=0.5"}},
    {"uniformity", "uniformity", {NULL}},
    {"uniformity_one", "uniformity", {NULL}},
    {"uniformity_16", "uniformity", {NULL}},
    {"diversity", "diversity", {NULL}},
    {"diversity_one", "diversity", {NULL}},
    {"diversity_16", "diversity", {NULL}},
};

#define ASM(name, ...)                                                                                                            \
  {                                                                                                                               \
    name, "asm", {                                                                                                                \
      "loss.asm.margin=0.375", "loss.asm.margin_min=0.0625", "loss.asm.margin_max=0.5", "loss.asm.temperature=0.125", __VA_ARGS__ \
    }                                                                                                                             \
  }
#define ASM_HARDEST "loss.asm.reduction=hardest"
#define ASM_SUM "loss.asm.reduction=sum"
#define ASM_LSE "loss.asm.reduction=lse"
#define ASM_PAIRED "loss.asm.positives=paired"
#define ASM_SAME "loss.asm.positives=all_same_pid"
#define ASM_SOFT "loss.asm.positives=all_same_pid_soft"

static const module_case asm_cases[] = {
    ASM("asm_neg_sem_hardest", "loss.asm.kind=neg_sem", ASM_HARDEST, ASM_PAIRED),
    ASM("asm_neg_sem_sum", "loss.asm.kind=neg_sem", ASM_SUM, ASM_SAME),
    ASM("asm_neg_sem_lse", "loss.asm.kind=neg_sem", ASM_LSE, ASM_SOFT),
    ASM("asm_commonality_hardest", "loss.asm.kind=commonality", ASM_HARDEST, ASM_SAME),
    ASM("asm_commonality_sum", "loss.asm.kind=commonality", ASM_SUM, ASM_SOFT),
    ASM("asm_commonality_lse", "loss.asm.kind=commonality", ASM_LSE, ASM_PAIRED),
    ASM("asm_quality_hardest", "loss.asm.kind=quality", ASM_HARDEST, ASM_SOFT),
    ASM("asm_quality_sum", "loss.asm.kind=quality", ASM_SUM, ASM_PAIRED),
    ASM("asm_quality_lse", "loss.asm.kind=quality", ASM_LSE, ASM_SAME),
    ASM("asm_pos_ratio_hardest", "loss.asm.kind=pos_ratio", ASM_HARDEST, ASM_PAIRED),
    ASM("asm_pos_ratio_sum", "loss.asm.kind=pos_ratio", ASM_SUM, ASM_SAME),
    ASM("asm_pos_ratio_lse", "loss.asm.kind=pos_ratio", ASM_LSE, ASM_SOFT),
    ASM("asm_fixed_hardest", "loss.asm.kind=fixed", ASM_HARDEST, ASM_SAME),
    ASM("asm_fixed_sum", "loss.asm.kind=fixed", ASM_SUM, ASM_SOFT),
    ASM("asm_fixed_lse", "loss.asm.kind=fixed", ASM_LSE, ASM_PAIRED),
    ASM("asm_asmr", "loss.asm.kind=asmr", "loss.asm.distance_scale=8"),
    ASM("asm_plain", ASM_LSE, "loss.asm.stretch=false"),
    ASM("asm_image", ASM_SUM, "loss.asm.semantic_source=image"),
    ASM("asm_both", ASM_LSE, "loss.asm.semantic_source=both"),
    ASM("asm_ema", ASM_LSE, "loss.asm.semantic_source=ema", "loss.asm.momentum=0.875"),
    {"tal", "tal", {"loss.asm.margin=0.375", "loss.asm.temperature=0.125"}},
};

#define ATTENDS "esa.heads=2", "esa.head_width=8", "esa.depth=2"

static const module_case esa_cases[] = {
    {"esa_query", "esa_query", {ATTENDS}},
    {"esa_pie", "esa_pie", {NULL}},
    {"esa_topk", "esa_topk", {"esa.set_size=3", "esa.image_ratio=0.75"}},
    {"esa_topk_few", "esa_topk", {"esa.set_size=3", "esa.image_ratio=0.25"}},
    {"esa_cluster", "esa_cluster", {NULL}},
    {"esa_decoder", "esa_decoder", {ATTENDS}},
};

static const module_case match_cases[] = {
    {"match", "match", {"imfi.taps=[6, 12]", "loss.match.negative=hard", "loss.mlm.layers=1"}},
};

static const module_case map_cases[] = {
    {"gem", "gem", {NULL}},
    {"gem_learned", "gem", {NULL}},
};

#define WRT_SQUARE "loss.wrt.square=true"
#define WRT_AGW "loss.wrt.compat=agw"
#define ICM(name, ...)                                      \
  {                                                         \
    name, "icm", { __VA_ARGS__, "loss.icm.momentum=0.875" } \
  }

static const module_case vi_metric_cases[] = {
    {"wrt", "wrt", {NULL}},
    {"wrt_far", "wrt", {NULL}},
    {"wrt_equal", "wrt", {NULL}},
    {"wrt_same", "wrt", {NULL}},
    {"wrt_one", "wrt", {NULL}},
    {"wrt_odd", "wrt", {NULL}},
    {"wrt_agw", "wrt", {WRT_AGW}},
    {"wrt_agw_far", "wrt", {WRT_AGW}},
    {"wrt_agw_equal", "wrt", {WRT_AGW}},
    {"wrt_square", "wrt", {WRT_SQUARE, "loss.wrt.gamma=0.5", "loss.wrt.clamp=10"}},
    {"wrt_square_cut", "wrt", {WRT_SQUARE, "loss.wrt.gamma=0.5", "loss.wrt.clamp=10"}},
    {"wrt_square_agw", "wrt", {WRT_SQUARE, WRT_AGW}},
    {"icm", "icm", {NULL}},
    {"icm_uneven", "icm", {NULL}},
    {"icm_ragged", "icm", {NULL}},
    {"icm_coincident", "icm", {NULL}},
    {"icm_lonely", "icm", {NULL}},
    {"icm_blind", "icm", {NULL}},
    {"icm_apart", "icm", {NULL}},
    ICM("icm_raw", "loss.icm.normalize=false", "loss.icm.pull=0.5", "loss.icm.mine=0.25", "loss.icm.push=2", "loss.icm.rho=0.75"),
    ICM("msel", "loss.icm.kind=msel"),
    ICM("msel_lonely", "loss.icm.kind=msel"),
    ICM("dcl", "loss.icm.kind=dcl"),
    ICM("dcl_coincident", "loss.icm.kind=dcl"),
    ICM("cluster", "loss.icm.kind=centre_cluster"),
    ICM("cluster_coincident", "loss.icm.kind=centre_cluster"),
    ICM("cluster_wide", "loss.icm.kind=centre_cluster", "loss.icm.normalize=false", "loss.icm.sample_margin=2", "loss.icm.centre_margin=4"),
    ICM("spread", "loss.icm.kind=mmd"),
    ICM("spread_coincident", "loss.icm.kind=mmd"),
    ICM("spread_gauss", "loss.icm.kind=mmd", "loss.icm.kernel=gauss", "loss.icm.gamma=0.75"),
    ICM("hc", "loss.icm.kind=hc"),
    {"hetero_centre", "hetero_centre", {NULL}},
    ICM("memory", "loss.icm.kind=memory"),
    ICM("memory_new", "loss.icm.kind=memory"),
    ICM("memory_visible", "loss.icm.kind=memory"),
};

/* A golden file each. */
static const struct {
  const char *golden;
  const module_case *cases;
  size_t count;
} tables[] = {
    {"modules", cases, sizeof cases / sizeof *cases},
    {"match", match_cases, sizeof match_cases / sizeof *match_cases},
    {"modules_sets", set_cases, sizeof set_cases / sizeof *set_cases},
    {"modules_asm", asm_cases, sizeof asm_cases / sizeof *asm_cases},
    {"modules_esa", esa_cases, sizeof esa_cases / sizeof *esa_cases},
    {"modules_map", map_cases, sizeof map_cases / sizeof *map_cases},
    {"modules_vi_metric", vi_metric_cases, sizeof vi_metric_cases / sizeof *vi_metric_cases},
};
enum { TABLES = sizeof tables / sizeof *tables };

/* ---- arrays of a case: inputs are f32 or i32, results f64 */
typedef void (*array_visitor)(const xr_golden *golden, const xr_stored_tensor *tensor, const char *name, const void *context);

static int visit(const xr_golden *golden, xr_dtype first, xr_dtype second, array_visitor visitor, const void *context) {
  const size_t length = strlen(golden->name);
  int count = 0;
  for (size_t i = 0; i < xr_safetensors_count(golden->file); i++) {
    const xr_stored_tensor *t = xr_safetensors_at(golden->file, i);
    if (strncmp(t->name, golden->name, length) != 0 || t->name[length] != '.' || strstr(t->name, ".naive_")) continue;
    if (t->dtype != first && t->dtype != second) continue;
    visitor(golden, t, t->name + length + 1, context);
    count++;
  }
  return count;
}

static void path_of(char path[XR_PATH_MAX], const char *folder, const char *name) {
  char file[300];
  snprintf(file, sizeof file, "%s.npy", name);
  cr_assert(xr_path_join(path, folder, file) == XR_OK, "%s", xr_message());
}

static void write_input(const xr_golden *golden, const xr_stored_tensor *tensor, const char *name, const void *folder) {
  (void)golden;
  char path[XR_PATH_MAX];
  path_of(path, folder, name);
  cr_assert(xr_npy_write(path, tensor->dtype, tensor->rank, tensor->dim, tensor->data) == XR_OK, "%s", xr_message());
}

typedef struct {
  const char *folder;
  xr_dtype precision;
} expectation;

static void check_result(const xr_golden *golden, const xr_stored_tensor *tensor, const char *name, const void *context) {
  const expectation *e = context;
  char path[XR_PATH_MAX];
  xr_npy *file;
  path_of(path, e->folder, name);
  cr_assert(xr_npy_open(&file, path) == XR_OK, "%s: %s", golden->name, xr_message());
  cr_assert(file->dtype == XR_F32 && file->count == xr_stored_elements(tensor), "%s.%s: another size or type", golden->name, name);
  xr_golden_expect(golden, name, file->data, XR_F32, e->precision);
  xr_npy_close(file);
}

static void run_case(const xr_golden *all, const module_case *c, xr_backend backend, xr_dtype compute) {
  const xr_golden golden = {.file = all->file, .name = c->name};
  const scratch in = scratch_new(), out = scratch_new();
  cr_assert_gt(visit(&golden, XR_F32, XR_I32, write_input, in.root), 0);
  size_t options = 0;
  while (c->options[options]) options++;
  xr_config *config;
  cr_assert(xr_config_load(&config, NULL, c->options, options) == XR_OK, "%s", xr_message());
  const xr_module_options how = {.in = in.root, .out = out.root, .compute = compute, .backend = backend};
  cr_assert(xr_module_run(xr_module_find(c->module), config, &how) == XR_OK, "%s: %s", c->name, xr_message());
  cr_assert_gt(visit(&golden, XR_F64, XR_F64, check_result, &(expectation){out.root, compute}), 1, "outputs and gradients are checked");
  xr_config_free(config);
  scratch_remove(&in);
  scratch_remove(&out);
}

static void run_all(xr_backend backend, xr_dtype compute) {
  for (int t = 0; t < TABLES; t++) {
    xr_golden golden = xr_golden_open(tables[t].golden);
    for (size_t i = 0; i < tables[t].count; i++) run_case(&golden, &tables[t].cases[i], backend, compute);
    xr_golden_close(&golden);
  }
}

Test(modules, f32) { run_all(XR_CPU, XR_F32); }
Test(modules, bf16) { run_all(XR_CPU, XR_BF16); }

#ifdef XREID_CUDA
Test(modules, f32_on_cuda) {
  xr_device device;
  if (xr_device_open(&device, "cuda") != XR_OK) cr_skip_test("%s", xr_message());
  run_all(XR_CUDA, XR_F32);
}

Test(modules, bf16_on_cuda) {
  xr_device device;
  if (xr_device_open(&device, "cuda") != XR_OK) cr_skip_test("%s", xr_message());
  run_all(XR_CUDA, XR_BF16);
}
#endif

/* ---- what goes wrong */
Test(modules, wrong_inputs_are_named) {
  const scratch in = scratch_new(), out = scratch_new();
  xr_config *config;
  cr_assert_eq(xr_config_load(&config, NULL, NULL, 0), XR_OK);
  const xr_module_options how = {.in = in.root, .out = out.root};
  const xr_module *sdm = xr_module_find("sdm");
  cr_assert_eq(xr_module_run(sdm, config, &how), XR_NOT_FOUND);
  cr_assert(strstr(xr_message(), "image.npy"), "%s", xr_message());

  char path[XR_PATH_MAX];
  const float values[12] = {0};
  path_of(path, in.root, "image");
  cr_assert_eq(xr_npy_write(path, XR_F32, 2, (int64_t[]){3, 4}, values), XR_OK);
  path_of(path, in.root, "text");
  cr_assert_eq(xr_npy_write(path, XR_F32, 2, (int64_t[]){3, 2}, values), XR_OK);
  cr_assert_eq(xr_module_run(sdm, config, &how), XR_BAD_INPUT);
  cr_assert(strstr(xr_message(), "text.npy is [3, 2], expected is [B, D]"), "%s", xr_message());

  cr_assert_eq(xr_npy_write(path, XR_F32, 2, (int64_t[]){3, 4}, values), XR_OK);
  path_of(path, in.root, "identity");
  cr_assert_eq(xr_npy_write(path, XR_F32, 1, (int64_t[]){3}, values), XR_OK);
  cr_assert_eq(xr_module_run(sdm, config, &how), XR_BAD_INPUT);
  cr_assert(strstr(xr_message(), "identity.npy holds f32, expected are whole numbers"), "%s", xr_message());
  cr_assert_null(xr_module_find("nothing"));

  path_of(path, in.root, "similarity");
  cr_assert_eq(xr_npy_write(path, XR_F32, 2, (int64_t[]){3, 3}, values), XR_OK);
  path_of(path, in.root, "identity");
  cr_assert_eq(xr_npy_write(path, XR_I32, 1, (int64_t[]){3}, values), XR_OK);
  path_of(path, in.root, "text");
  cr_assert_eq(unlink(path), 0);
  cr_assert_eq(xr_module_run(xr_module_find("asm"), config, &how), XR_BAD_ARGUMENT);
  cr_assert(strstr(xr_message(), "asm: margins of this kind and source need the text feature"), "%s", xr_message());
  xr_config_free(config);
  scratch_remove(&in);
  scratch_remove(&out);
}
