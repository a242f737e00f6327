/* What a configuration says others have reached (paper.figures, paper.peers): percent as text, or words such as "not published". */
#pragma once

#include "host/eval/report.h"
#include "host/io/config.h"

/* paper.figures in the form of a peer, named "paper". The texts are the configuration's. */
xr_config_peer xr_published_paper(const xr_config *config);

/* In the order of xr_figure_keys. */
void xr_published_texts(const xr_config_peer *peer, const char *texts[XR_FIGURES]);

/* Fractions; NaN for words. */
xr_report_result xr_published_row(const xr_config_peer *peer);
