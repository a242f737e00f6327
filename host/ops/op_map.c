/* max_pool, gem, resize_bilinear; the average of a map is that of its places (masked_mean) */
#include "host/ops/ops_internal.h"
#include "kernels/image/resize_bilinear.h"
#include "kernels/pool/gem.h"
#include "kernels/pool/max_pool.h"

/* ---- max_pool: in x [B, H, W, C]; out y, chosen u8 (both [B, H', W', C]) */
static xr_max_pool pool_arguments(const xr_node *node, const xr_run *run) {
  const xr_max_pool_options *o = xr_attributes(node);
  const xr_shape x = xr_input_shape(node, 0);
  xr_max_pool k = {.batch = x.dim[0], .height = x.dim[1], .width = x.dim[2], .channels = x.dim[3], .dtype = xr_input_dtype(node, 0)};
  k.kernel = o->kernel;
  k.stride = o->stride;
  k.pad = o->pad;
  if (!run) return k;
  k.x = run->in[0];
  k.y = run->out[0];
  k.chosen = run->out[1];
  k.dy = run->dout[0];
  k.dx = run->din[0];
  k.accumulate_dx = xr_bit(run->accumulate, 0);
  return k;
}

static xr_status pool_infer(xr_node *node) {
  XR_TRY(xr_expect_float(node, 0));
  XR_TRY(xr_expect_rank(node, 0, 4, "the map"));
  const xr_max_pool k = pool_arguments(node, NULL);
  XR_TRY(xr_max_pool_check(&k));
  const xr_shape y = XR_SHAPE(k.batch, xr_max_pool_size(&k, k.height), xr_max_pool_size(&k, k.width), k.channels);
  xr_set_output(node, 0, k.dtype, y);
  xr_set_output(node, 1, XR_U8, y);
  return XR_OK;
}

static xr_status pool_forward(const xr_node *node, const xr_run *run) {
  const xr_max_pool k = pool_arguments(node, run);
  return XR_ON(run, xr_max_pool_forward, &k);
}

static xr_status pool_backward(const xr_node *node, const xr_run *run) {
  const xr_max_pool k = pool_arguments(node, run);
  return XR_ON(run, xr_max_pool_backward, &k);
}

static const xr_op pool_op = {.name = "max_pool",
                              .infer = pool_infer,
                              .keep_out = 1u << 1,
                              .no_gradient_out = 1u << 1,
                              .forward = pool_forward,
                              .backward = pool_backward};

xr_var xr_max_pool_of(xr_graph *g, const char *label, xr_var x, xr_max_pool_options options) {
  xr_var out[2];
  xr_apply(g, &pool_op, label, &options, sizeof options, 1, &x, 2, out);
  return out[0];
}

/* ---- average pooling */
xr_var xr_average_pool_of(xr_graph *g, const char *label, xr_var x) {
  const xr_shape map = xr_shape_of(g, x);
  if (!x.id) return x;
  if (map.rank != 4)
    return xr_graph_fail(g, XR_BAD_SHAPE, "%s: the map is %s, 4 dimensions are expected", label, xr_shape_to_text(map).text);
  xr_var places = xr_reshape(g, label, x, XR_SHAPE(map.dim[0], map.dim[1] * map.dim[2], map.dim[3]));
  return xr_masked_mean_of(g, label, places, (xr_var){0}, 0);
}

/* ---- gem: in x [B, H, W, C] (, power f32 [1]); out y f32 [B, C], mean f32 [B, C] */
typedef struct {
  float power, eps;
} gem_attributes;

static xr_gem gem_arguments(const xr_node *node, const xr_run *run) {
  const gem_attributes *o = xr_attributes(node);
  const xr_shape x = xr_input_shape(node, 0);
  xr_gem k = {.batch = x.dim[0], .places = x.dim[1] * x.dim[2], .channels = x.dim[3], .power = o->power, .eps = o->eps};
  k.dtype = xr_input_dtype(node, 0);
  if (!run) return k;
  const bool learned = xr_input_count(node) > 1;
  k.x = run->in[0];
  k.learned_power = learned ? run->in[1] : NULL;
  k.y = run->out[0];
  k.mean = run->out[1];
  k.dy = run->dout[0];
  k.dx = run->din[0];
  k.dpower = learned ? run->din[1] : NULL;
  k.accumulate_dx = xr_bit(run->accumulate, 0);
  k.accumulate_dpower = xr_bit(run->accumulate, 1);
  k.workspace = run->workspace;
  return k;
}

static xr_status gem_infer(xr_node *node) {
  XR_TRY(xr_expect_float(node, 0));
  XR_TRY(xr_expect_rank(node, 0, 4, "the map"));
  if (xr_input_count(node) > 1) XR_TRY(xr_expect_input(node, 1, XR_F32, XR_SHAPE(1), "the power"));
  const xr_gem k = gem_arguments(node, NULL);
  XR_TRY(xr_gem_check(&k));
  xr_set_output(node, 0, XR_F32, XR_SHAPE(k.batch, k.channels));
  xr_set_output(node, 1, XR_F32, XR_SHAPE(k.batch, k.channels));
  return XR_OK;
}

static size_t gem_workspace(const xr_node *node, xr_run_kind kind) {
  const xr_gem k = gem_arguments(node, NULL);
  return kind.backward && xr_input_count(node) > 1 && xr_input_needs_gradient(node, 1) ? xr_gem_workspace(&k) : 0;
}

static xr_status gem_forward(const xr_node *node, const xr_run *run) {
  const xr_gem k = gem_arguments(node, run);
  return XR_ON(run, xr_gem_forward, &k);
}

static xr_status gem_backward(const xr_node *node, const xr_run *run) {
  const xr_gem k = gem_arguments(node, run);
  return XR_ON(run, xr_gem_backward, &k);
}

static const xr_op gem_op = {.name = "gem",
                             .infer = gem_infer,
                             .keep_in = 1u << 0 | 1u << 1,
                             .keep_out = 1u << 1,
                             .no_gradient_out = 1u << 1,
                             .workspace = gem_workspace,
                             .forward = gem_forward,
                             .backward = gem_backward};

xr_var xr_gem_of(xr_graph *g, xr_var x, const char *name, xr_gem_options options) {
  const gem_attributes at = {.power = options.power > 0 ? options.power : 3, .eps = 1e-12f};
  xr_var in[2] = {x}, out[2];
  if (!x.id) return x;
  if (options.learned) {
    xr_scope_begin(g, "%s", name);
    in[1] = xr_param(g, "p", XR_SHAPE(1), (xr_init){XR_INIT_ONE, at.power});
    xr_scope_end(g);
  }
  xr_apply(g, &gem_op, name, &at, sizeof at, options.learned ? 2 : 1, in, 2, out);
  return out[0];
}

/* ---- resize_bilinear: in x f32 [B, H, W, C] */
typedef struct {
  int64_t height, width;
} resize_attributes;

static xr_resize_bilinear resize_arguments(const xr_node *node, const xr_run *run) {
  const resize_attributes *o = xr_attributes(node);
  const xr_shape x = xr_input_shape(node, 0);
  xr_resize_bilinear k = {.batch = x.dim[0], .height = x.dim[1], .width = x.dim[2], .channels = x.dim[3]};
  k.out_height = o->height;
  k.out_width = o->width;
  if (!run) return k;
  k.x = run->in[0];
  k.y = run->out[0];
  k.dy = run->dout[0];
  k.dx = run->din[0];
  k.accumulate_dx = xr_bit(run->accumulate, 0);
  return k;
}

static xr_status resize_infer(xr_node *node) {
  XR_TRY(xr_expect_rank(node, 0, 4, "the map"));
  XR_TRY(xr_expect_input(node, 0, XR_F32, xr_input_shape(node, 0), "the map"));
  const xr_resize_bilinear k = resize_arguments(node, NULL);
  XR_TRY(xr_resize_bilinear_check(&k));
  xr_set_output(node, 0, XR_F32, XR_SHAPE(k.batch, k.out_height, k.out_width, k.channels));
  return XR_OK;
}

static xr_status resize_forward(const xr_node *node, const xr_run *run) {
  const xr_resize_bilinear k = resize_arguments(node, run);
  return XR_ON(run, xr_resize_bilinear_forward, &k);
}

static xr_status resize_backward(const xr_node *node, const xr_run *run) {
  const xr_resize_bilinear k = resize_arguments(node, run);
  return XR_ON(run, xr_resize_bilinear_backward, &k);
}

static const xr_op resize_op = {.name = "resize_bilinear", .infer = resize_infer, .forward = resize_forward, .backward = resize_backward};

xr_var xr_resize_bilinear_of(xr_graph *g, const char *label, xr_var x, int64_t height, int64_t width) {
  const resize_attributes at = {height, width};
  return xr_apply_one(g, &resize_op, label, &at, sizeof at, 1, &x);
}
