#include "tools/print_evaluation.h"

#include <inttypes.h>
#include <stdio.h>

void xr_print_evaluation(const xr_evaluation *r) {
  static const int64_t ranks[] = {1, 5, 10};
  printf("protocol    %s\n", r->protocol->name);
  printf("queries     %" PRId64 " (%" PRId64 " with a match in the gallery, %" PRId64 " without)\n", r->queries, r->valid, r->unmatched);
  printf("gallery     %" PRId64 "\n", r->gallery);
  printf("ties        %s; %" PRId64 " positives tie with another identity\n", xr_tie_rule_names[r->ties], r->ties_at_positives);
  if (r->id_cmc) printf("R-k         among different identities, each at its best item\n");
  if (r->ap_kind != XR_AP_STEP) printf("mAP         %s\n", xr_ap_kind_names[r->ap_kind]);
  printf("divided by  R-k: %s, mAP and mINP: queries with a match\n\n", r->protocol->misses_count ? "all queries" : "queries with a match");
  const double *cmc = r->id_cmc ? r->id_cmc : r->cmc;
  const int64_t length = r->id_cmc ? r->id_cmc_length : r->cmc_length;
  for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++)
    if (ranks[i] <= length) printf("   R-%-3" PRId64, ranks[i]);
  printf("    mAP    mINP\n");
  for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++)
    if (ranks[i] <= length) printf("%8.2f", 100 * cmc[ranks[i] - 1]);
  printf("%8.2f%8.2f\n", 100 * r->mAP, 100 * r->mINP);
}
