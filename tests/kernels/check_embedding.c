#include "kernels/embedding/class_token.h"
#include "kernels/embedding/token_embedding.h"
#include "tests/kernels/check.h"

static void *gradient(check_run *run, const char *name, xr_dtype dtype, int64_t count, bool accumulate) {
  return accumulate ? check_inout(run, name, dtype, count, CHECK_NORMAL) : check_out(run, name, dtype, count);
}

/* flags */
enum { ACCUMULATE = 1, NO_DX = 2, NO_CLASS = 4, NO_POSITION = 8 };

static xr_status class_token(check_run *run) {
  const int64_t batch = check_size(run, 0), tokens = check_size(run, 1), width = check_size(run, 2), flags = check_size(run, 3);
  const bool accumulate = flags & ACCUMULATE;
  const xr_dtype dtype = check_dtype(run);
  xr_class_token a = {.batch = batch, .tokens = tokens, .width = width, .dtype = dtype};
  a.x = check_in(run, "x", dtype, batch * tokens * width, CHECK_NORMAL);
  a.class_token = check_in(run, "class_token", XR_F32, width, CHECK_NORMAL);
  a.position = check_in(run, "position", dtype, (tokens + 1) * width, CHECK_NORMAL);
  a.y = check_out(run, "y", dtype, batch * (tokens + 1) * width);
  XR_TRY(CHECK_CALL(run, xr_class_token_forward, &a));
  a.dy = check_in(run, "dy", dtype, batch * (tokens + 1) * width, CHECK_NORMAL);
  a.accumulate_dx = a.accumulate_dclass_token = a.accumulate_dposition = accumulate;
  if (!(flags & NO_DX)) a.dx = gradient(run, "dx", dtype, batch * tokens * width, accumulate);
  if (!(flags & NO_CLASS)) a.dclass_token = gradient(run, "dclass_token", XR_F32, width, accumulate);
  if (!(flags & NO_POSITION)) a.dposition = gradient(run, "dposition", XR_F32, (tokens + 1) * width, accumulate);
  return CHECK_CALL(run, xr_class_token_backward, &a);
}

static const check_case class_token_cases[] = {
    {{1, 1, 1, 0}, .golden = "1x1x1"},
    {{1, 1, 1027, 0}, .golden = "1x1x1027"},
    {{2, 5, 7, 0}, .golden = "2x5x7"},
    {{5, 3, 64, 0}, .golden = "5x3x64"},
    {{3, 0, 8, 0}},
    {{0, 2, 8, 0}},
    {{9, 2, 33, ACCUMULATE}},
    {{37, 3, 264, ACCUMULATE}},
    {{3, 4, 16, NO_DX | NO_POSITION}},
    {{3, 4, 16, NO_CLASS}},
    {{16, 12, 768, NO_DX | NO_CLASS}},
};

/* ids: 0: from the golden file or at random; 1: most tokens share id 0, as padding does; 2: one is illegal. */
static xr_status token_embedding(check_run *run) {
  const int64_t batch = check_size(run, 0), tokens = check_size(run, 1), vocabulary = check_size(run, 2), width = check_size(run, 3);
  const int64_t accumulate = check_size(run, 4), kind = check_size(run, 5), count = batch * tokens, bad = count / 2;
  const xr_dtype dtype = check_dtype(run);
  const bool host = !check_on_device(run);
  xr_token_embedding a = {.batch = batch, .tokens = tokens, .vocabulary = vocabulary, .width = width, .dtype = dtype};
  enum { MOST = 4096 };
  static int32_t ids[MOST];
  for (int64_t i = 0; i < count && kind; i++) ids[i] = (int32_t)(i % tokens > tokens / 4 ? 0 : i * 37 % vocabulary);
  if (kind == 2) ids[bad] = host ? 0 : accumulate ? -5 : (int32_t)vocabulary;
  a.ids = kind ? check_in_bytes(run, "ids", ids, (size_t)count * sizeof *ids) : check_in_ids(run, "ids", count, 0, (int32_t)vocabulary);
  a.table = check_in(run, "table", dtype, vocabulary * width, CHECK_NORMAL);
  a.position = check_in(run, "position", dtype, tokens * width, CHECK_NORMAL);
  a.y = check_out(run, "y", dtype, count * width);
  XR_TRY(CHECK_CALL(run, xr_token_embedding_forward, &a));
  a.dy = check_in(run, "dy", dtype, count * width, kind == 2 ? CHECK_ZERO : CHECK_NORMAL);
  a.accumulate_dtable = a.accumulate_dposition = accumulate;
  a.dtable = gradient(run, "dtable", XR_F32, vocabulary * width, accumulate);
  if (kind != 1) a.dposition = gradient(run, "dposition", XR_F32, tokens * width, accumulate);
  a.workspace = check_workspace(run, xr_token_embedding_workspace(&a));
  XR_TRY(CHECK_CALL(run, xr_token_embedding_backward, &a));
  if (kind != 2 || !host) return XR_OK;
  /* On a device nobody looks at ids first: what the header says of illegal ones. */
  memset((char *)a.y + (size_t)(bad * width) * xr_dtype_bytes(dtype), 0xff, (size_t)width * xr_dtype_bytes(dtype));
  memset(a.dtable + (vocabulary - 1) * width, 0xff, (size_t)width * sizeof *a.dtable);
  return XR_OK;
}

/* Ids within one chunk of ordered tokens (32), across two, and across many. */
static const check_case token_embedding_cases[] = {
    {{1, 1, 1, 1, 0, 0}, .golden = "1x1x1x1"},
    {{2, 5, 7, 3, 0, 0}, .golden = "2x5x7x3"},
    {{3, 4, 50, 33, 0, 0}, .golden = "3x4x50x33"},
    {{1, 1, 2, 1030, 0, 0}, .golden = "1x1x2x1030"},
    {{0, 5, 7, 8, 0, 0}},
    {{1, 32, 3, 8, 0, 0}},
    {{3, 11, 2, 24, 1, 0}},
    {{4, 16, 1, 64, 0, 0}},
    {{5, 77, 301, 65, 0, 1}},
    {{13, 77, 301, 40, 1, 1}},
    {{40, 77, 3000, 16, 0, 1}},
    {{4, 20, 30, 520, 1, 0}},
    {{3, 30, 11, 16, 0, 2}},
    {{3, 30, 11, 7, 1, 2}},
};

static const check_op ops[] = {
    {"class_token", class_token, "batch tokens width flags", CHECK_FLOATS, CHECK_CASES(class_token_cases), .golden = "class_token"},
    {"token_embedding", token_embedding, "batch tokens vocabulary width accumulate ids", CHECK_FLOATS, CHECK_CASES(token_embedding_cases),
     .golden = "token_embedding"},
};
CHECK_OPS(ops)
