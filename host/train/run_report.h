/* The pictures of a finished run: report.html and ranking.png, from its metrics.jsonl and the final ranking of the test split. */
#pragma once

#include "host/eval/evaluate.h"
#include "host/eval/report.h"
#include "host/eval/task.h"
#include "host/train/run_folder.h"

/* `ranking` was made with top_k >= 1. Example captions are taken at equal distances over the split. */
xr_status xr_run_report_write(const xr_run_folder *run, const xr_task *task, const xr_evaluation *ranking, const xr_report_result *rows,
                              int row_count);
