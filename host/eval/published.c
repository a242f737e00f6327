#include "host/eval/published.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

xr_config_peer xr_published_paper(const xr_config *config) {
  const xr_config_figures *f = &config->paper.figures;
  return (xr_config_peer){.name = "paper", .R1 = f->R1, .R5 = f->R5, .R10 = f->R10, .mAP = f->mAP, .mINP = f->mINP};
}

void xr_published_texts(const xr_config_peer *p, const char *texts[XR_FIGURES]) {
  memcpy(texts, (const char *[XR_FIGURES]){p->R1, p->R5, p->R10, p->mAP, p->mINP}, XR_FIGURES * sizeof *texts);
}

static double fraction(const char *text) {
  char *end;
  const double percent = strtod(text, &end);
  return end != text && *end == '\0' ? percent / 100 : NAN;
}

xr_report_result xr_published_row(const xr_config_peer *peer) {
  const char *texts[XR_FIGURES];
  double figures[XR_FIGURES];
  xr_published_texts(peer, texts);
  for (int i = 0; i < XR_FIGURES; i++) figures[i] = fraction(texts[i]);
  return xr_report_row(peer->name, figures);
}
