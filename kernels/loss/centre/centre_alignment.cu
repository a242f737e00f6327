/* How many identities there are is known on the device alone: grids are made for one a sample, and what is beyond the last returns.
 *
 *   segments      see segments.cuh
 *   centres       a block an identity: its centres, their lengths, and the losses of its pairs
 *   with sdm or L_sep:
 *     matrices    cosines in tiles of TILE x TILE
 *     anchors     a warp a row or column
 *     coefficients  elementwise, over the cosines
 *     products    coefficients times unit vectors, PRODUCT_ROWS centres a block
 *   finish        a block an identity and set: the gradient; the first block adds the loss */
#include "kernels/common/launch.h"
#include "kernels/common/pieces.cuh"
#include "kernels/common/reduce.cuh"
#include "kernels/loss/centre/centre_tables.h"
#include "kernels/loss/centre/segments.cuh"
#include "kernels/loss/first_largest.cuh"

enum {
  THREADS = 256,
  TILE = 32,
  SIDE = 16, /* threads along a tile: each makes the elements (y, x), (y + SIDE, x), .. */
  ANCHORS = THREADS / 32,
  COEFFICIENT_ROWS = 8,
  PRODUCT_THREADS = 128,
  PRODUCT_ROWS = 8
};

static __device__ __forceinline__ float *centre_of(const xr_centre_alignment &a, const xr_centre_tables &t, int set, int64_t p) {
  return t.centre + (set * a.batch + p) * a.width;
}

template <int SETS> static __global__ void __launch_bounds__(THREADS) centres_kernel(const xr_centre_alignment a) {
  constexpr int pairs = SETS * (SETS - 1) / 2;
  const xr_centre_tables t = xr_centre_tables_of(&a);
  const int64_t p = blockIdx.x;
  const int32_t count = t.segments.count[0];
  if (p >= count) return;
  const int32_t first = t.segments.start[p], end = t.segments.start[p + 1];
  const bool cosine = a.options.kind == XR_CENTRE_COSINE;
  float square[SETS] = {}, value[pairs] = {};
  for (int64_t column = threadIdx.x; column < a.width; column += THREADS) {
    float mu[SETS];
#pragma unroll
    for (int set = 0; set < SETS; set++) {
      float sum = 0;
      for (int32_t k = first; k < end; k++) sum += a.x[set][t.segments.order[k] * a.width + column];
      mu[set] = sum / (float)(end - first);
      centre_of(a, t, set, p)[column] = mu[set];
      square[set] += mu[set] * mu[set];
    }
#pragma unroll
    for (int pair = 0; pair < pairs; pair++) {
      const float u = mu[xr_pair_first(pair)], v = mu[xr_pair_second(pair)];
      value[pair] += cosine ? u * v : (u - v) * (u - v);
    }
  }
#pragma unroll
  for (int set = 0; set < SETS; set++) square[set] = 1 / sqrtf(xr_block_sum<THREADS>(square[set]) + (float)XR_CENTRE_EPSILON);
#pragma unroll
  for (int pair = 0; pair < pairs; pair++) value[pair] = xr_block_sum<THREADS>(value[pair]);
  if (threadIdx.x != 0) return;
#pragma unroll
  for (int set = 0; set < SETS; set++) t.inverse[set * a.batch + p] = square[set];
#pragma unroll
  for (int pair = 0; pair < pairs; pair++) {
    const float lengths = cosine ? square[xr_pair_first(pair)] * square[xr_pair_second(pair)] : 1;
    float weight;
    t.term[pair * a.batch + p] = xr_pair_loss(&a.options, value[pair] * lengths, &weight);
    t.weight[pair * a.batch + p] = weight / (float)count;
  }
}

/* Rows row .. row + TILE - 1 of a set's centres, columns column .. column + TILE - 1; zeros beyond. */
static __device__ __forceinline__ void load_tile(float (*tile)[TILE + 1], const xr_centre_alignment &a, const float *centre, int64_t row,
                                                 int64_t column, int32_t count) {
#pragma unroll
  for (int k = 0; k < TILE * TILE / THREADS; k++) {
    const int r = k * (THREADS / TILE) + (int)threadIdx.x / TILE, c = (int)threadIdx.x % TILE;
    tile[r][c] = row + r < count && column + c < a.width ? centre[(row + r) * a.width + column + c] : 0;
  }
}

static __global__ void __launch_bounds__(THREADS) matrices_kernel(const xr_centre_alignment a) {
  __shared__ float u[TILE][TILE + 1], v[TILE][TILE + 1];
  const xr_centre_tables t = xr_centre_tables_of(&a);
  const int32_t count = t.segments.count[0];
  const int64_t row = (int64_t)blockIdx.y * TILE, column = (int64_t)blockIdx.x * TILE;
  if (row >= count || column >= count) return;
  const int pair = (int)blockIdx.z, first = xr_pair_first(pair), second = xr_pair_second(pair);
  const int x = (int)threadIdx.x % SIDE, y = (int)threadIdx.x / SIDE;
  float sum[2][2] = {};
  for (int64_t depth = 0; depth < a.width; depth += TILE) {
    load_tile(u, a, centre_of(a, t, first, 0), row, depth, count);
    load_tile(v, a, centre_of(a, t, second, 0), column, depth, count);
    __syncthreads();
#pragma unroll 8
    for (int k = 0; k < TILE; k++)
#pragma unroll
      for (int i = 0; i < 2; i++)
#pragma unroll
        for (int j = 0; j < 2; j++) sum[i][j] += u[y + i * SIDE][k] * v[x + j * SIDE][k];
    __syncthreads(); /* before the next tiles are loaded */
  }
#pragma unroll
  for (int i = 0; i < 2; i++)
#pragma unroll
    for (int j = 0; j < 2; j++) {
      const int64_t p = row + y + i * SIDE, q = column + x + j * SIDE;
      if (p < count && q < count)
        t.matrix[(pair * a.batch + p) * a.batch + q] = sum[i][j] * t.inverse[first * a.batch + p] * t.inverse[second * a.batch + q];
    }
}

/* Anchor p against the others, of which number q has the cosine c[q * step]; by a warp. */
static __device__ xr_centre_anchor judge(const xr_centre_options &o, const float *c, int64_t step, int32_t p, int32_t count) {
  const int lane = threadIdx.x % 32;
  const float inverse_tau = 1 / o.tau;
  xr_centre_anchor r = {-INFINITY, 0, 0, 0, -1};
  xr_first_largest hardest;
  for (int32_t q = lane; q < count; q += 32) {
    r.largest = fmaxf(r.largest, c[q * step]);
    if (q != p) hardest.offer(c[q * step], q);
  }
  r.largest = xr_warp_max(r.largest);
  hardest.share();
  if (o.kind == XR_CENTRE_SDM) {
    float sum = 0, kl = 0;
    for (int32_t q = lane; q < count; q += 32) sum += expf((c[q * step] - r.largest) * inverse_tau);
    r.log_sum = logf(xr_warp_sum(sum));
    for (int32_t q = lane; q < count; q += 32) {
      const float log_p = (c[q * step] - r.largest) * inverse_tau - r.log_sum;
      kl += expf(log_p) * (log_p - xr_centre_log_target(p == q));
    }
    r.kl = xr_warp_sum(kl);
  }
  xr_separate(&o, c[p * step], hardest.at < 0 ? 0 : c[hardest.at * step], hardest.at, &r);
  return r;
}

static __global__ void __launch_bounds__(THREADS) anchors_kernel(const xr_centre_alignment a) {
  const xr_centre_tables t = xr_centre_tables_of(&a);
  const int64_t p = (int64_t)blockIdx.x * ANCHORS + threadIdx.x / 32, direction = blockIdx.y;
  const int32_t count = t.segments.count[0];
  if (p >= count) return;
  const float *matrix = t.matrix + direction / 2 * a.batch * a.batch;
  const bool column = direction % 2;
  const xr_centre_anchor r = judge(a.options, column ? matrix + p : matrix + p * a.batch, column ? a.batch : 1, (int32_t)p, count);
  if (threadIdx.x % 32 == 0) t.anchor[direction * a.batch + p] = r;
}

static __global__ void __launch_bounds__(THREADS) coefficients_kernel(const xr_centre_alignment a) {
  const xr_centre_tables t = xr_centre_tables_of(&a);
  const int64_t pair = blockIdx.z, q = (int64_t)blockIdx.x * THREADS + threadIdx.x, first = (int64_t)blockIdx.y * COEFFICIENT_ROWS;
  const int32_t count = t.segments.count[0];
  if (q >= count) return;
  const xr_centre_anchor *rows = t.anchor + 2 * pair * a.batch, column = rows[a.batch + q];
  for (int64_t p = first; p < first + COEFFICIENT_ROWS && p < count; p++) {
    float *c = t.matrix + (pair * a.batch + p) * a.batch + q;
    *c = xr_centre_coefficient(&a, &rows[p], &column, (int32_t)p, (int32_t)q, *c, count);
  }
}

/* gradient[set, p] = sum over b != set, q of the coefficient of centres p and q times the unit vector of centre q of b. */
static __global__ void __launch_bounds__(PRODUCT_THREADS) products_kernel(const xr_centre_alignment a) {
  __shared__ float factor[TILE][PRODUCT_ROWS];
  const xr_centre_tables t = xr_centre_tables_of(&a);
  const int set = (int)blockIdx.z;
  const int64_t row = (int64_t)blockIdx.x * PRODUCT_ROWS, column = (int64_t)blockIdx.y * PRODUCT_THREADS + threadIdx.x;
  const int32_t count = t.segments.count[0];
  if (row >= count || xr_centre_is_constant(&a, set)) return;
  float sum[PRODUCT_ROWS] = {};
  for (int b = 0; b < a.sets; b++) {
    if (b == set) continue;
    const float *matrix = t.matrix + xr_centre_pair(set, b) * a.batch * a.batch;
    for (int64_t first = 0; first < count; first += TILE) {
#pragma unroll
      for (int k = 0; k < TILE * PRODUCT_ROWS / PRODUCT_THREADS; k++) {
        const int at = k * PRODUCT_THREADS + (int)threadIdx.x, q = at / PRODUCT_ROWS, r = at % PRODUCT_ROWS;
        const int64_t other = first + q, own = row + r;
        float c = 0;
        if (other < count && own < count)
          c = matrix[set < b ? own * a.batch + other : other * a.batch + own] * t.inverse[b * a.batch + other];
        factor[q][r] = c;
      }
      __syncthreads();
      const int tile = (int)min((int64_t)TILE, count - first);
      for (int q = 0; q < tile && column < a.width; q++) {
        const float v = centre_of(a, t, b, first + q)[column];
#pragma unroll
        for (int r = 0; r < PRODUCT_ROWS; r++) sum[r] += factor[q][r] * v;
      }
      __syncthreads(); /* before the next factors are loaded */
    }
  }
  if (column >= a.width) return;
#pragma unroll
  for (int r = 0; r < PRODUCT_ROWS; r++)
    if (row + r < count) a.gradient[(set * a.batch + row + r) * a.width + column] = sum[r];
}

static __device__ void add_loss(const xr_centre_alignment &a, const xr_centre_tables &t, int32_t count) {
  const int pairs = xr_centre_pairs(&a);
  double terms = 0, kl = 0, separation = 0;
  for (int64_t p = threadIdx.x; p < count; p += THREADS) {
    for (int pair = 0; pair < pairs; pair++) terms += (double)t.term[pair * a.batch + p];
    for (int side = 0; side < 2 * pairs && xr_centre_has_matrix(&a.options); side++) {
      kl += (double)t.anchor[side * a.batch + p].kl;
      separation += (double)t.anchor[side * a.batch + p].separation;
    }
  }
  terms = xr_block_sum<THREADS>(terms);
  kl = xr_block_sum<THREADS>(kl);
  separation = xr_block_sum<THREADS>(separation);
  if (threadIdx.x != 0) return;
  a.loss[0] = xr_centre_total(&a, terms, kl, separation, count);
  a.mean_count[0] = (float)a.batch / (float)count;
}

/* The derivative by the unit vector of one column of a centre: through the matrices, and through the cosines of kind cosine. */
static __device__ __forceinline__ float by_unit_vector(const xr_centre_alignment &a, const xr_centre_tables &t, int set, int64_t p,
                                                       int64_t column) {
  float g = xr_centre_has_matrix(&a.options) ? a.gradient[(set * a.batch + p) * a.width + column] : 0;
  if (a.options.kind != XR_CENTRE_COSINE) return g;
  for (int b = 0; b < a.sets; b++)
    if (b != set) g += t.weight[xr_centre_pair(set, b) * a.batch + p] * t.inverse[b * a.batch + p] * centre_of(a, t, b, p)[column];
  return g;
}

/* The derivative by one column of a centre through the distances. */
static __device__ __forceinline__ float by_distance(const xr_centre_alignment &a, const xr_centre_tables &t, int set, int64_t p,
                                                    int64_t column) {
  float g = 0;
  if (a.options.kind == XR_CENTRE_COSINE) return g;
  const float u = centre_of(a, t, set, p)[column];
  for (int b = 0; b < a.sets; b++)
    if (b != set) g += t.weight[xr_centre_pair(set, b) * a.batch + p] * (u - centre_of(a, t, b, p)[column]);
  return g;
}

static __global__ void __launch_bounds__(THREADS) finish_kernel(const xr_centre_alignment a) {
  const xr_centre_tables t = xr_centre_tables_of(&a);
  const int set = (int)blockIdx.y;
  const int64_t p = blockIdx.x;
  const int32_t count = t.segments.count[0];
  float *out = a.gradient + (set * a.batch + p) * a.width;
  if (p == 0 && set == 0) add_loss(a, t, count);
  if (p >= count || xr_centre_is_constant(&a, set)) {
    for (int64_t column = threadIdx.x; column < a.width; column += THREADS) out[column] = 0;
    return;
  }
  const float *u = centre_of(a, t, set, p);
  const float inverse = t.inverse[set * a.batch + p], share = 1 / (float)(t.segments.start[p + 1] - t.segments.start[p]);
  float along = 0;
  for (int64_t column = threadIdx.x; column < a.width; column += THREADS) along += by_unit_vector(a, t, set, p, column) * u[column];
  along = xr_block_sum<THREADS>(along) * inverse * inverse;
  for (int64_t column = threadIdx.x; column < a.width; column += THREADS)
    out[column] = share * ((by_unit_vector(a, t, set, p, column) - along * u[column]) * inverse + by_distance(a, t, set, p, column));
}

static xr_status differentiate_matrices(const xr_centre_alignment *a, xr_stream stream) {
  const char *name = "centre_alignment";
  const int64_t batch = a->batch, pairs = xr_centre_pairs(a), tiles = xr_blocks(batch, TILE);
  XR_TRY(xr_launch(name, matrices_kernel, xr_grid{tiles, tiles, pairs}, THREADS, 0, stream, *a));
  XR_TRY(xr_launch(name, anchors_kernel, xr_grid{xr_blocks(batch, ANCHORS), 2 * pairs, 1}, THREADS, 0, stream, *a));
  XR_TRY(xr_launch(name, coefficients_kernel, xr_grid{xr_blocks(batch, THREADS), xr_blocks(batch, COEFFICIENT_ROWS), pairs}, THREADS, 0,
                   stream, *a));
  const xr_grid products = {xr_blocks(batch, PRODUCT_ROWS), xr_blocks(a->width, PRODUCT_THREADS), a->sets};
  return xr_launch(name, products_kernel, products, PRODUCT_THREADS, 0, stream, *a);
}

extern "C" xr_status xr_centre_alignment_forward_cuda(const xr_centre_alignment *a, xr_stream stream) {
  const char *name = "centre_alignment";
  XR_TRY(xr_centre_alignment_check(a));
  const xr_centre_tables t = xr_centre_tables_of(a);
  XR_TRY(xr_segments_find_cuda(name, t.segments, a->identity, a->batch, stream));
  XR_TRY(xr_launch(name, a->sets == 2 ? centres_kernel<2> : centres_kernel<3>, a->batch, THREADS, 0, stream, *a));
  if (xr_centre_has_matrix(&a->options)) XR_TRY(differentiate_matrices(a, stream));
  return xr_launch(name, finish_kernel, xr_grid{a->batch, a->sets, 1}, THREADS, 0, stream, *a);
}

/* dx of all sets, one row after another. */
struct xr_centre_hand_out {
  xr_centre_alignment a;

  __device__ void operator()(int64_t row, int64_t at, xr_extent e) const {
    const int set = (int)(row / a.batch);
    const int64_t i = row % a.batch;
    if (!a.dx[set]) return;
    xr_pack<4> g = xr_piece_load<4>(a.gradient + (set * a.batch + a.segment[i]) * a.width + at, e);
    const float factor = *a.dloss;
#pragma unroll
    for (int k = 0; k < 4; k++) g.v[k] *= factor;
    xr_piece_store(a.dx[set] + i * a.width + at, e, g, a.accumulate_dx[set]);
  }
};

extern "C" xr_status xr_centre_alignment_backward_cuda(const xr_centre_alignment *a, xr_stream stream) {
  XR_TRY(xr_centre_alignment_check(a));
  const bool wide = xr_vec_fits<float>(a->width, a->gradient, a->dx[0], a->dx[1], a->dx[2]);
  return xr_for_pieces<4>("centre_alignment", xr_centre_hand_out{*a}, a->sets * a->batch, a->width, wide, stream);
}
