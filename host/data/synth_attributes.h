/* What a drawn pedestrian looks like: the attributes that captions may name, and the looks they never name. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "host/base/random.h"
#include "host/data/synth.h"

typedef enum {
  XR_ATTR_GENDER,
  XR_ATTR_UPPER,
  XR_ATTR_UPPER_COLOUR,
  XR_ATTR_PATTERN,      /* of the upper garment */
  XR_ATTR_INNER_COLOUR, /* of the top under an open jacket or coat */
  XR_ATTR_LOWER,
  XR_ATTR_LOWER_COLOUR,
  XR_ATTR_HAIR,
  XR_ATTR_HAIR_COLOUR,
  XR_ATTR_HAT,
  XR_ATTR_HAT_COLOUR,
  XR_ATTR_BAG,
  XR_ATTR_BAG_COLOUR,
  XR_ATTR_SHOES,
  XR_ATTR_SHOE_COLOUR,
  XR_ATTR_GLASSES
} xr_synth_attribute;

typedef enum { XR_WOMAN, XR_MAN } xr_gender;
typedef enum { XR_TSHIRT, XR_SHIRT, XR_SWEATER, XR_HOODIE, XR_JACKET, XR_COAT, XR_DRESS, XR_UPPERS } xr_upper;
typedef enum { XR_PLAIN, XR_STRIPED, XR_PLAID, XR_PRINTED } xr_pattern;
typedef enum { XR_NO_LOWER, XR_TROUSERS, XR_JEANS, XR_SHORTS, XR_SKIRT, XR_LEGGINGS, XR_LOWERS } xr_lower;
typedef enum { XR_SHORT_HAIR, XR_MEDIUM_HAIR, XR_LONG_HAIR, XR_PONYTAIL } xr_hair;
typedef enum { XR_NO_HAT, XR_CAP, XR_BEANIE, XR_SUN_HAT, XR_HATS } xr_hat;
typedef enum { XR_NO_BAG, XR_BACKPACK, XR_HANDBAG, XR_SHOULDER_BAG, XR_SUITCASE, XR_BAGS } xr_bag;
typedef enum { XR_SNEAKERS, XR_LEATHER_SHOES, XR_BOOTS, XR_SANDALS, XR_SHOE_KINDS } xr_shoes;
typedef enum {
  XR_NO_COLOUR, /* of a thing that is not there */
  XR_BLACK,
  XR_WHITE,
  XR_GREY,
  XR_RED,
  XR_ORANGE,
  XR_YELLOW,
  XR_GREEN,
  XR_BLUE,
  XR_PURPLE,
  XR_PINK,
  XR_BROWN,
  XR_BEIGE,
  XR_COLOURS
} xr_colour;

typedef struct {
  double r, g, b; /* 0 .. 1 */
} xr_ink;

/* One identity. The inks are the named colours with this person's own shade. */
typedef struct {
  int value[XR_SYNTH_ATTRIBUTES];
  xr_ink skin, hair, upper, inner, lower, hat, bag, shoes, accent;
  double height; /* of the body against the mean, about 0.93 .. 1.06 */
  double build;  /* widths against the mean, about 0.88 .. 1.18 */
  int print;     /* shape of a printed pattern, 0 .. 3 */
} xr_person;

/* name: "upper_colour"; values end with NULL. */
typedef struct {
  const char *name;
  const char *const *values;
} xr_attribute_text;
extern const xr_attribute_text xr_synth_attribute_text[XR_SYNTH_ATTRIBUTES];

/* Draws identity `index` of one split. Many resemble one of the identities before them (people[0 .. index-1]) in all but one or two
 * attributes, so that a caption can fit several people. */
void xr_synth_draw_identity(xr_person *people, int index, xr_random *random);
