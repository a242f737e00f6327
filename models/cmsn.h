/* CMSN, cross-modal symbiotic network (Sun et al., IEEE TIFS 20, 2025): IRRA's towers and losses, and
 *
 *   IMFI   features integrated over scales (models/imfi.h); its result f stands for the global features everywhere below
 *   CRL    a combined representation c of image and caption (models/crl.h)
 *   CRIA   the identity centres of image, text and combined features are aligned (kernels/loss/centre)
 *   SPT    triplets with semi-positives, the other samples of a person (kernels/loss/triplet)
 *
 *   L = L_SDM + L_ID + L_MLM + w_cria L_CRIA + w_spt L_SPT
 *
 * The paper's text is not public: everything below the abstract is RECONSTRUCTED, and every fork is a configuration key
 * (docs/methods/cmsn.md). */
#pragma once

#include "models/method.h"

extern const xr_method xr_cmsn;
