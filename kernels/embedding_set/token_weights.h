/* How much each token counts for each element of an embedding set: weights w [B, N, K] from logits a [B, N, C]. Over the tokens of a
 * sample, n < length (all N without lengths), the weights of an element sum to 1:
 *
 *   softmax  C = K:      w[n, k] = softmax over n of a[n, k]                                  each element looks on its own (PVSE)
 *   shares   C = K + 1:  s[n, .] = softmax over k < K of a[n, .],   p_n = a[n, K]             elements share each token; p: its importance
 *                        w[n, k] = s[n, k] e^p_n / sum over n' of s[n', k] e^p_n'             (TCFormer's merging, with soft shares)
 *
 * Both are softmaxes over n, of b = a or of b[n, k] = a[n, k] - log sum over j < K of e^a[n, j] + p_n. Backward, with G = dw:
 *   db[n, k] = w[n, k] (G[n, k] - sum over n' of w[n', k] G[n', k])
 *   softmax: da = db;   shares: da[n, k] = db[n, k] - s[n, k] sum over j of db[n, j],   dp_n = sum over j of db[n, j]
 *
 * Tokens from `length` on have weights and gradients 0; so has every token of a sample of length 0. A length outside 0 .. N is XR_BAD_INPUT
 * on the CPU and makes the sample's results NaN on the device. batch >= 0, 1 <= N <= 1024, 1 <= K <= XR_MAX_SET_SIZE.
 *
 * PVSE: Song and Soleymani, CVPR 2019. TCFormer: Zeng et al., CVPR 2022. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "host/base/status.h"
#include "kernels/common/stream.h"
#include "kernels/embedding_set/set_kinds.h"

XR_C_BEGIN

enum { XR_TOKEN_WEIGHTS_MAX_TOKENS = 1024 };

typedef enum { XR_WEIGHTS_SOFTMAX, XR_WEIGHTS_SHARES, XR_WEIGHTS_KINDS } xr_token_weights_kind;

typedef struct {
  int64_t batch, tokens, set; /* B, N, K */
  xr_token_weights_kind kind;
  const int32_t *length; /* [B], or NULL: every length is N */
  const float *logits;   /* [B, N, C] */
  float *weights;        /* [B, N, K]: forward writes, backward reads */
  /* backward: reads logits, too */
  const float *dweights; /* [B, N, K] */
  float *dlogits;        /* [B, N, C] */
  bool accumulate_dlogits;
} xr_token_weights;

xr_status xr_token_weights_check(const xr_token_weights *a); /* the arguments, not the data */
xr_status xr_token_weights_forward_cpu(const xr_token_weights *a);
xr_status xr_token_weights_forward_cuda(const xr_token_weights *a, xr_stream stream);
xr_status xr_token_weights_backward_cpu(const xr_token_weights *a);
xr_status xr_token_weights_backward_cuda(const xr_token_weights *a, xr_stream stream);

/* Weights that choose: the tokens of the highest scores, in groups by rank. Of c = length tokens the first m = ceil(ratio c) by score are
 * chosen (at least one if there is any); the token of rank r (from 0; of equal scores the lower index first, NaN last) counts for each
 * element k with start_k <= r < end_k, start_k = floor(k m / K), end_k = ceil((k + 1) m / K), with w[n, k] = 1 / (end_k - start_k).
 * With m a multiple of K the groups are equal and apart; with fewer than K tokens neighbours share some. There is no gradient. */
typedef struct {
  int64_t batch, tokens, set;
  float ratio;           /* above 0, up to 1 */
  const int32_t *length; /* [B], or NULL: every length is N */
  const float *score;    /* [B, N] */
  float *weights;        /* [B, N, K] */
} xr_rank_weights;

xr_status xr_rank_weights_check(const xr_rank_weights *a);
xr_status xr_rank_weights_forward_cpu(const xr_rank_weights *a);
xr_status xr_rank_weights_forward_cuda(const xr_rank_weights *a, xr_stream stream);

XR_C_END
