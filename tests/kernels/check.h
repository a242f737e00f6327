/* checkkernel: one table of cases for each kernel contract, run on the CPU, on emulated CUDA and on CUDA.
 *
 *   checkkernel [--backend cpu|emu|cuda] [--filter TEXT] [--every N] [--seed N] [--golden DIR] [--list]
 *
 * --filter keeps the cases whose name holds TEXT, --every each N-th of them; --golden says where tests/golden is now.
 *
 * A case is a function that takes its buffers from the run, fills the contract's argument struct and calls the kernel:
 *
 *   static xr_status scale(check_run *run) {
 *     const int64_t count = check_size(run, 0);
 *     const xr_dtype dtype = check_dtype(run);
 *     xr_scale a = {.count = count, .dtype = dtype, .factor = 0.5f, .x = check_in(run, "x", dtype, count, CHECK_NORMAL)};
 *     a.y = check_out(run, "y", dtype, count);
 *     return CHECK_CALL(run, xr_scale_forward, &a);
 *   }
 *   static const check_case scale_cases[] = {{{1}}, {{31}}, {{4097}}, {{24}, .golden = "small"}};
 *   static const check_op ops[] = {{"scale", scale, "count", CHECK_FLOATS, CHECK_CASES(scale_cases), .golden = "scale"}};
 *   CHECK_OPS(ops)
 *
 * The function runs many times a case and must do the same each time. What is checked:
 * - Results. Truth is the golden file where the case names one and it holds the output; else the CPU kernel on f32 storage, from the
 *   same (rounded) inputs. With W the largest absolute value of the true output, an element may be off by
 *     golden:  2 naive + W 2^-24 (f32) or 2^-8 (bf16), as in tests/support/golden.h;
 *     bf16:    2 e + W 2^-8, e the largest error of the CPU kernel on bf16 storage;
 *     f32:     4 s + W 2^-20, s the largest change of the CPU kernel's result when every floating input moves by one unit in the last
 *              place, up or down at random (what the rounding of inputs alone does: no sum or product in f32 can be held to less).
 *   Integers and outputs named with check_exact() must be equal. A NaN or infinity must be where the truth has it.
 * - Outputs start as NaN (0xFF) and every element of them is compared, so what is not written shows. check_inout() starts with values.
 * - Nothing is written outside a buffer (guard bands) or to an input.
 * - Equal bytes when run again: emu in three thread orders, cuda three times, cpu with 1, 2 and 3 threads.
 * A failure prints the command that repeats the case. Exit: 0 all passed, 1 some failed, 77 the backend is not here. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

typedef struct check_run check_run;

enum { CHECK_SIZES = 8 };

typedef struct {
  int64_t size[CHECK_SIZES]; /* what check_size() gives: shapes, flags */
  const char *golden;        /* case of the op's golden file whose tensors are the inputs and outputs of the same names, or NULL */
} check_case;

enum { CHECK_F32 = 1 << XR_F32, CHECK_BF16 = 1 << XR_BF16, CHECK_FLOATS = CHECK_F32 | CHECK_BF16 };

typedef struct {
  const char *name;
  xr_status (*run)(check_run *run);
  const char *sizes; /* their names, separated by spaces: "rows cols residual" */
  unsigned dtypes;   /* each case runs with each of these */
  const check_case *cases;
  int case_count;
  const char *golden; /* tests/golden/<golden>.safetensors, or NULL */
} check_op;

#define CHECK_CASES(table) (table), (int)(sizeof(table) / sizeof *(table))

/* Makes the operations of a check_<family>.c known to the program. */
void check_register(const check_op *ops, int count);
#define CHECK_OPS(table) \
  __attribute__((constructor)) static void check_register_##table(void) { check_register(table, (int)(sizeof(table) / sizeof *(table))); }

/* ---- for case functions */

int64_t check_size(const check_run *run, int i);
xr_dtype check_dtype(const check_run *run); /* storage of this run: use it for every buffer that the contract's dtype governs */

typedef enum {
  CHECK_NORMAL,   /* standard normal numbers, among them zeros, equal neighbours and some 30 times larger */
  CHECK_UNIT,     /* uniform in [0, 1) */
  CHECK_POSITIVE, /* 0.5 to 1.5 */
  CHECK_WHOLE,    /* whole numbers from -4 to 4: sums are exact */
  CHECK_ZERO
} check_fill;

/* Memory on the run's device. Names are unique in a case. A count of 0 gives a valid pointer to nothing. */
void *check_in(check_run *run, const char *name, xr_dtype dtype, int64_t count, check_fill fill);
int32_t *check_in_ids(check_run *run, const char *name, int64_t count, int32_t low, int32_t high); /* low .. high - 1 */
void *check_in_bytes(check_run *run, const char *name, const void *bytes, size_t size);            /* a copy of host memory */
void *check_in_values(check_run *run, const char *name, xr_dtype dtype, int64_t count, const float *values);
void *check_out(check_run *run, const char *name, xr_dtype dtype, int64_t count);
void *check_inout(check_run *run, const char *name, xr_dtype dtype, int64_t count, check_fill fill);
void *check_workspace(check_run *run, size_t bytes); /* NULL when 0; holds NaN */

void check_exact(check_run *run, const char *name);                 /* this output must be equal to the truth */
void check_factor(check_run *run, const char *name, double factor); /* multiplies what is allowed; say why where you call it */

bool check_on_device(const check_run *run);
xr_stream check_stream(const check_run *run);
xr_status check_finish(check_run *run, xr_status launched); /* waits for the device; launched or its error */

/* kernel_cpu(arguments), or kernel_cuda(arguments, stream) and the wait for it. */
#ifdef XREID_CUDA
#define CHECK_CALL(run, kernel, arguments) \
  (check_on_device(run) ? check_finish((run), kernel##_cuda((arguments), check_stream(run))) : kernel##_cpu(arguments))
#else
#define CHECK_CALL(run, kernel, arguments) ((void)(run), kernel##_cpu(arguments))
#endif
