/* Evaluation protocols as a table: which gallery items a query does not see, what the averages are divided by, and whether the CMC that
 * people report counts identities. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef enum {
  XR_HIDE_NOTHING,
  XR_HIDE_SAME_ID_AND_CAMERA, /* items of the query's identity by the query's camera */
  XR_HIDE_SAME_PLACE          /* SYSU-MM01: infrared camera 3 and visible camera 2 stand in one room; a query of 3 sees nothing of 2 */
} xr_hide_kind;

typedef struct {
  const char *name;
  xr_hide_kind hides;
  bool needs_cameras;
  bool misses_count; /* CMC is divided by all queries: one without a positive is a miss; else by the queries with a positive */
  bool id_cmc;       /* has a CMC over distinct identities, which is the one that is reported */
} xr_protocol;

const xr_protocol *xr_protocol_find(const char *name); /* NULL: there is none of that name */
const char *xr_protocol_names(void);                   /* "text-to-image, ..." for messages */
