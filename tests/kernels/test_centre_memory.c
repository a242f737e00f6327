#include <math.h>

#include "kernels/loss/centre/centre_memory.h"
#include "tests/support/golden.h"
#include "tests/support/kernel.h"

static const char *const set_name[] = {"a", "b", "c"}, *const gradient_name[] = {"da", "db", "dc"};
static const char *const bank_name[] = {"bank_a", "bank_b", "bank_c"}, *const new_name[] = {"new_a", "new_b", "new_c"};

static void run_case(const char *name, int sets) {
  xr_golden g = xr_golden_open("centre_memory");
  g.name = name;
  xr_blocks held = {.count = 0};
  const int64_t batch = xr_golden_dim(&g, "a", 0), width = xr_golden_dim(&g, "a", 1), count = batch * width;
  const float upstream = (float)xr_golden_scalar(&g, "upstream");
  float loss = NAN;
  xr_centre_memory a = {.batch = batch, .width = width, .sets = sets, .loss = &loss, .dloss = &upstream};
  a.classes = xr_golden_dim(&g, "seen", 0);
  a.momentum = (float)xr_golden_scalar(&g, "momentum");
  a.stop_gradient_combined = xr_golden_scalar(&g, "stop") != 0;
  a.identity = xr_hold(&held, xr_golden_load(&g, "identity", XR_I32));
  a.seen = xr_hold(&held, xr_golden_load(&g, "seen", XR_F32));
  for (int s = 0; s < sets; s++) {
    a.x[s] = xr_hold(&held, xr_golden_load(&g, set_name[s], XR_F32));
    a.bank[s] = xr_hold(&held, xr_golden_load(&g, bank_name[s], XR_F32));
    a.dx[s] = xr_hold(&held, xr_poisoned(XR_F32, count));
    for (int64_t c = 0; c < a.classes; c++)
      if (a.seen[c] == 0) a.bank[s][c * width] = NAN; /* not to be read */
  }
  a.workspace = xr_hold(&held, xr_block_alloc(xr_centre_memory_workspace(&a)));
  cr_assert(xr_centre_memory_forward_cpu(&a) == XR_OK, "%s", xr_message());
  cr_assert(xr_centre_memory_backward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "loss", &loss, XR_F32, XR_F32);
  for (int64_t i = 0; i < batch; i++) cr_assert_eq(a.seen[a.identity[i]], 1);
  float *seen = xr_hold(&held, xr_golden_load(&g, "seen", XR_F32));
  for (int s = 0; s < sets; s++) {
    xr_golden_expect(&g, gradient_name[s], a.dx[s], XR_F32, XR_F32);
    float *before = xr_hold(&held, xr_golden_load(&g, bank_name[s], XR_F32));
    for (int64_t c = 0; c < a.classes; c++)
      if (seen[c] == 0 && a.seen[c] == 0) a.bank[s][c * width] = before[c * width];
    xr_golden_expect(&g, new_name[s], a.bank[s], XR_F32, XR_F32);
    const float *once = a.dx[s];
    a.dx[s] = memcpy(xr_hold(&held, xr_poisoned(XR_F32, count)), once, (size_t)count * sizeof(float));
    a.accumulate_dx[s] = true;
    cr_assert(xr_centre_memory_backward_cpu(&a) == XR_OK, "%s", xr_message());
    xr_expect_doubled(once, a.dx[s], XR_F32, count, gradient_name[s]);
    a.dx[s] = NULL; /* the next round leaves this set alone */
  }
  xr_release(&held);
  xr_golden_close(&g);
}

Test(centre_memory, golden) {
  run_case("one", 3);
  run_case("seen", 3);
  run_case("mixed", 3);
  run_case("two", 2);
  run_case("stop", 3);
}

enum { BATCH = 67, WIDTH = 35, CLASSES = 40, COUNT = BATCH * WIDTH, BANK = CLASSES * WIDTH };

typedef struct {
  xr_blocks held;
  int32_t identity[BATCH], segment[BATCH];
  float *results; /* loss, seen, banks */
  xr_centre_memory a;
} setup;

static setup *make(void) {
  setup *s = xr_block_alloc(sizeof *s);
  *s = (setup){.held = {.count = 0}};
  s->results = xr_hold(&s->held, xr_poisoned(XR_F32, 1 + CLASSES + 3 * BANK));
  s->a = (xr_centre_memory){.batch = BATCH, .width = WIDTH, .classes = CLASSES, .sets = 3, .identity = s->identity, .loss = s->results};
  s->a.seen = s->results + 1;
  for (int i = 0; i < BATCH; i++) s->identity[i] = i * i % CLASSES;
  for (int set = 0; set < 3; set++) {
    s->a.x[set] = xr_random_block(&s->held, XR_F32, COUNT, (uint64_t)set);
    s->a.bank[set] = s->results + 1 + CLASSES + set * BANK;
  }
  s->a.workspace = xr_hold(&s->held, xr_block_alloc(xr_centre_memory_workspace(&s->a)));
  return s;
}

static void drop(setup *s) {
  xr_release(&s->held);
  xr_block_free(s);
}

static xr_status first_step(setup *s) {
  for (int c = 0; c < CLASSES; c++) s->a.seen[c] = 0;
  return xr_centre_memory_forward_cpu(&s->a);
}

Test(centre_memory, same_for_any_threads) {
  setup *s = make();
  XR_EXPECT_SAME_FOR_ANY_THREADS(first_step(s), s->results, (1 + CLASSES + 3 * BANK) * sizeof(float));
  drop(s);
}

/* One sample an identity and no memory: kind l2 of centre_alignment. */
Test(centre_memory, without_memory_it_is_alignment) {
  setup *s = make();
  for (int i = 0; i < BATCH; i++) s->identity[i] = i % CLASSES;
  s->a.batch = CLASSES;
  cr_assert(first_step(s) == XR_OK, "%s", xr_message());
  float loss, mean_count, *gradient = xr_hold(&s->held, xr_poisoned(XR_F32, 3 * COUNT));
  xr_centre_alignment b = {.batch = CLASSES, .width = WIDTH, .sets = 3, .identity = s->identity, .loss = &loss, .mean_count = &mean_count};
  memcpy(b.x, s->a.x, sizeof b.x);
  b.segment = s->segment;
  b.gradient = gradient;
  b.workspace = xr_hold(&s->held, xr_block_alloc(xr_centre_alignment_workspace(&b)));
  cr_assert(xr_centre_alignment_forward_cpu(&b) == XR_OK, "%s", xr_message());
  cr_assert_float_eq(s->a.loss[0], loss, 1e-5f * loss);
  cr_assert_eq(mean_count, 1);
  drop(s);
}

Test(centre_memory, wrong_identities_are_refused) {
  setup *s = make();
  s->identity[3] = CLASSES;
  cr_assert_eq(first_step(s), XR_BAD_INPUT);
  cr_assert(strstr(xr_message(), "sample 3 has identity 40, the banks have 0 to 39"), "%s", xr_message());
  cr_assert(isnan(s->results[0]) && isnan(s->a.bank[0][0]) && s->a.seen[0] == 0, "something was written");
  drop(s);
}

Test(centre_memory, wrong_arguments_are_refused) {
  xr_centre_memory a = {.batch = 1, .width = 1, .classes = 1, .sets = 2, .momentum = 1};
  cr_assert_eq(xr_centre_memory_forward_cpu(&a), XR_BAD_ARGUMENT);
  cr_assert(strstr(xr_message(), "momentum 1, legal are 0 to below 1"), "%s", xr_message());
  a.classes = 0;
  cr_assert_eq(xr_centre_memory_backward_cpu(&a), XR_BAD_SHAPE);
}
