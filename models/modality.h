/* The two sides of text-to-image retrieval, for modules that serve both. */
#pragma once

typedef enum { XR_IMAGE, XR_TEXT, XR_MODALITIES } xr_modality;
