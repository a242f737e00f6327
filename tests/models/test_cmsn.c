/* CMSN as a whole: every choice that its configuration offers records, plans and makes a finite step, on every backend of this build. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "tests/support/method_step.h"

static const char *const tiny[] = {"method=cmsn",       "model.preset=tiny", "image.height=32", "image.width=32",    "vision.layers=2",
                                   "text.layers=2",     "vision.width=16",   "vision.heads=2",  "text.width=16",     "text.heads=2",
                                   "text.context=9",    "model.embed=16",    "imfi.heads=2",    "imfi.taps=[1, 2]",  "imfi.queries=3",
                                   "loss.mlm.weight=1", "loss.mlm.layers=1", "sampler.batch=6", "text.mask_pad=true"};
enum { TINY = sizeof tiny / sizeof *tiny, MORE = 4 };

static xr_config *load(const char *const more[MORE]) { return method_config(tiny, TINY, more, MORE); }

static fixture make(const char *const more[MORE], xr_backend backend) { return method_step_new(load(more), backend, 3); }

/* One step; its total. Every value and gradient in it is finite. */
static float step(const fixture *f, const int32_t identity[BATCH], const int32_t image[BATCH]) {
  method_step_feed(f, identity, image);
  cr_assert(xr_executor_step(f->executor, (xr_seed){3, 7}) == XR_OK, "%s", xr_message());
  cr_assert(xr_executor_wait(f->executor) == XR_OK, "%s", xr_message());
  for (int i = 0; i < f->model.losses; i++) {
    const float loss = *(const float *)xr_executor_value(f->executor, f->model.loss[i]);
    cr_assert(isfinite(loss) && loss >= 0, "%s is %g", f->model.loss_name[i], (double)loss);
  }
  return *(const float *)xr_executor_value(f->executor, f->model.total);
}

static const char *const choices[][MORE] = {
    {NULL},
    {"imfi.mode=off"},
    {"imfi.mode=shared_query"},
    {"imfi.mode=cross_mlm"},
    {"imfi.mode=concat"},
    {"imfi.mode=spatial"},
    {"imfi.mode=spatial", "text.mask_pad=false"},
    {"imfi.mode=cross_attn"},
    {"imfi.mode=cross_attn", "loss.match.negative=hard", "text.mask_pad=false", "loss.mlm.weight=0"},
    {"imfi.mode=cross_attn", "model.precision=bf16", "model.recompute=blocks", "imfi.taps=[2]"},
    {"crl.kind=off"},
    {"crl.kind=gated"},
    {"crl.kind=sum"},
    {"crl.kind=transformer"},
    {"crl.kind=cross_attn"},
    {"crl.stop_gradient=true"},
    {"loss.cria.kind=cosine", "loss.cria.separation=1"},
    {"loss.cria.kind=hetero_hinge"},
    {"loss.cria.kind=sdm"},
    {"loss.cria.kind=centre_triplet"},
    {"loss.cria.kind=memory"},
    {"loss.cria.stop_gradient=true", "loss.cria.classify=0"},
    {"loss.cria.weight=0", "loss.spt.weight=0"},
    {"loss.spt.kind=ssan_cr", "loss.spt.semi=random", "loss.spt.negative=semi_hard"},
    {"loss.spt.kind=soft", "loss.spt.intra=true"},
    {"loss.spt.semi=hard", "loss.spt.negative=random", "loss.spt.adaptive=false"},
    {"loss.sdm.semi_weight=0.5", "text.mask_aug=shared"},
    {"loss.mlm.weight=0", "imfi.mode=concat"},
    {"model.precision=bf16", "model.recompute=blocks"},
};
enum { CHOICES = sizeof choices / sizeof *choices };

static const int32_t mixed[BATCH] = {0, 0, 3, 3, 3, 1}, images[BATCH] = {0, 1, 2, 2, 3, 4};
static const int32_t alone[BATCH] = {0, 1, 2, 3, 4, 0}, together[BATCH] = {2, 2, 2, 2, 2, 2}, one_image[BATCH] = {7, 7, 7, 7, 7, 7};

static void try_all(xr_backend backend) {
  for (int i = 0; i < CHOICES; i++) {
    fixture f = make(choices[i], backend);
    step(&f, mixed, images);
    method_step_free(&f);
  }
}

Test(cmsn, every_choice_makes_a_finite_step) { try_all(XR_CPU); }

/* A batch with nothing to align or to rank leaves every term finite; SPT without a negative is 0. */
Test(cmsn, batches_of_single_samples_of_one_person_and_of_one_image) {
  for (int i = 0; i < CHOICES; i++) {
    fixture f = make(choices[i], XR_CPU);
    step(&f, alone, images);
    step(&f, together, images);
    step(&f, together, one_image);
    for (int k = 0; k < f.model.losses; k++)
      if (strcmp(f.model.loss_name[k], "spt") == 0) cr_assert_eq(*(const float *)xr_executor_value(f.executor, f.model.loss[k]), 0);
    method_step_free(&f);
  }
}

/* How many samples an identity has: what the trainer warns of. */
Test(cmsn, samples_of_an_identity_are_counted) {
  fixture f = make(choices[0], XR_CPU);
  step(&f, mixed, images);
  cr_assert_float_eq(*(const float *)xr_executor_value(f.executor, f.model.identity_samples), 2, 1e-6);
  step(&f, together, images);
  cr_assert_float_eq(*(const float *)xr_executor_value(f.executor, f.model.identity_samples), 6, 1e-6);
  method_step_free(&f);
}

/* Full size: parameters, and at most a tenth more arithmetic than IRRA with the same losses on words. */
static xr_work full_size(const char *method, int64_t *parameters) {
  const char *overrides[] = {method, "loss.mlm.weight=1", "text.mask_pad=true", "model.classes=11003", "text.vocabulary_size=49408"};
  xr_config *config;
  xr_task task;
  xr_model model;
  cr_assert(xr_config_load(&config, NULL, overrides, sizeof overrides / sizeof *overrides) == XR_OK, "%s", xr_message());
  cr_assert(xr_task_describe(&task, config) == XR_OK && xr_model_new(&model, &task, (xr_model_options){0}) == XR_OK, "%s", xr_message());
  const xr_work work = xr_plan_work(model.plan);
  *parameters = xr_parameter_elements(model.parameters);
  xr_model_free(&model);
  xr_task_close(&task);
  xr_config_free(config);
  return work;
}

Test(cmsn, costs_little_more_than_irra) {
  int64_t cmsn_parameters, irra_parameters;
  const xr_work cmsn = full_size("method=cmsn", &cmsn_parameters), irra = full_size("method=irra", &irra_parameters);
  cr_assert_eq(irra_parameters, 194535419);
  /* IMFI: two projections a tower with their norms, codes, queries, block, gate, read-out; CRL; the combined feature's bias */
  const int64_t width = 512, taps = 2 * ((768 + 512) * width + 2 * (768 + 512)), codes = 3 * width, queries = 8 * width;
  const int64_t attention = 4 * width * width + 4 * width, mlp = 8 * width * width + 5 * width, norms = 4 * 2 * width;
  const int64_t read_out = width * width + width + 2 * width,
                crl = 4 * width * 2 * width + 2 * width + 2 * width * width + width + 2 * width;
  cr_assert_eq(cmsn_parameters, irra_parameters + taps + codes + queries + attention + mlp + norms + read_out + crl + 11003);
  const double ratio = (cmsn.forward_flops + cmsn.backward_flops) / (irra.forward_flops + irra.backward_flops);
  cr_assert(ratio > 1 && ratio < 1.10, "%.4f times IRRA's arithmetic", ratio);
}

#ifdef XREID_CUDA
Test(cmsn, every_choice_makes_a_finite_step_on_cuda) {
  xr_device device;
  if (xr_device_open(&device, "cuda") != XR_OK) cr_skip_test("%s", xr_message());
  try_all(XR_CUDA);
}
#endif
