#include "host/data/synth_caption.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SYNONYMS = 4 };
typedef const char *const words[SYNONYMS]; /* the first is the most frequent; NULL ends a short list */

static words colour_words[XR_COLOURS] = {{""},
                                         {"black", "dark"},
                                         {"white"},
                                         {"grey", "gray"},
                                         {"red"},
                                         {"orange"},
                                         {"yellow"},
                                         {"green"},
                                         {"blue"},
                                         {"purple", "violet"},
                                         {"pink"},
                                         {"brown"},
                                         {"beige", "tan", "cream-coloured"}};
static words upper_words[XR_UPPERS] = {{"t-shirt", "tee", "short-sleeved top"},
                                       {"shirt", "button-up shirt"},
                                       {"sweater", "pullover", "jumper"},
                                       {"hoodie", "hooded sweatshirt", "hooded top"},
                                       {"jacket"},
                                       {"coat", "long coat", "overcoat"},
                                       {"dress"}};
static words lower_words[XR_LOWERS] = {{""},        {"trousers", "pants", "slacks"}, {"jeans", "denim trousers"}, {"shorts"}, {"skirt"},
                                       {"leggings"}};
static words hair_words[] = {{"short"}, {"shoulder-length", "medium-length"}, {"long"}, {"ponytail"}};
static words hat_words[XR_HATS] = {{""}, {"cap", "baseball cap"}, {"beanie", "knitted hat", "woolly hat"}, {"sun hat", "wide-brimmed hat"}};
static words bag_words[XR_BAGS] = {
    {""}, {"backpack", "rucksack"}, {"handbag", "purse"}, {"shoulder bag", "cross-body bag"}, {"suitcase", "rolling suitcase"}};
static words shoe_words[XR_SHOE_KINDS] = {
    {"sneakers", "trainers", "running shoes"}, {"leather shoes", "dress shoes"}, {"boots"}, {"sandals"}};
static words pattern_words[] = {{""}, {"striped"}, {"plaid", "checked"}, {"printed", "patterned"}};
static words gender_words[] = {{"woman", "lady", "young woman", "female pedestrian"}, {"man", "guy", "young man", "male pedestrian"}};
static words person_words[] = {{"person", "pedestrian"}};

typedef struct {
  const xr_person *person;
  xr_view view;
  xr_random *random;
  json_t *mentions;
} writer;

typedef struct {
  char text[240];
} phrase;

static bool happens(const writer *w, double probability) { return (double)xr_random_uniform(w->random) < probability; }

static const char *pick(const writer *w, words list) {
  int count = 0;
  while (count < SYNONYMS && list[count]) count++;
  return count < 2 || happens(w, .55) ? list[0] : list[xr_random_below(w->random, (uint32_t)count)];
}

static int value(const writer *w, xr_synth_attribute a) { return w->person->value[a]; }

static int mention(const writer *w, xr_synth_attribute a) {
  json_array_append_new(w->mentions, json_pack("[i, i]", (int)a, value(w, a)));
  return value(w, a);
}

static phrase say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static phrase say(const char *format, ...) {
  phrase p;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(p.text, sizeof p.text, format, arguments);
  va_end(arguments);
  return p;
}

/* "a red shirt", "an orange shirt" */
static phrase with_article(phrase p) {
  bool vowel = strchr("aeiou", tolower((unsigned char)p.text[0])) != NULL;
  return say("%s %.200s", vowel ? "an" : "a", p.text);
}

static const char *colour(const writer *w, xr_synth_attribute a) { return pick(w, colour_words[mention(w, a)]); }

/* ---- noun phrases */
static phrase upper(const writer *w) {
  const char *tint = colour(w, XR_ATTR_UPPER_COLOUR), *kind = pick(w, upper_words[mention(w, XR_ATTR_UPPER)]);
  bool pattern = value(w, XR_ATTR_PATTERN) != XR_PLAIN && happens(w, .85);
  phrase p = with_article(pattern ? say("%s %s %s", tint, pick(w, pattern_words[mention(w, XR_ATTR_PATTERN)]), kind)
                                  : say("%s %s", tint, kind));
  bool inner = value(w, XR_ATTR_INNER_COLOUR) != XR_NO_COLOUR && w->view == XR_VIEW_FRONT && happens(w, .5);
  if (!inner) return p;
  return say("%.100s over %.100s", p.text, with_article(say("%s top", colour(w, XR_ATTR_INNER_COLOUR))).text);
}

static phrase lower(const writer *w) {
  const char *tint = colour(w, XR_ATTR_LOWER_COLOUR);
  int kind = mention(w, XR_ATTR_LOWER);
  phrase p = say("%s %s", tint, pick(w, lower_words[kind]));
  if (kind == XR_SKIRT) return with_article(p);
  return kind == XR_TROUSERS && happens(w, .15) ? say("a pair of %.200s", p.text) : p;
}

static phrase hair(const writer *w) {
  int kind = mention(w, XR_ATTR_HAIR);
  const char *tint = value(w, XR_ATTR_HAIR_COLOUR) == XR_YELLOW ? (mention(w, XR_ATTR_HAIR_COLOUR), "blonde")
                                                                : colour(w, XR_ATTR_HAIR_COLOUR);
  if (kind == XR_PONYTAIL) return happens(w, .5) ? with_article(say("%s ponytail", tint)) : say("%s hair tied in a ponytail", tint);
  return say("%s %s hair", pick(w, hair_words[kind]), tint);
}

static phrase thing(const writer *w, xr_synth_attribute kind, xr_synth_attribute tint, const words *names) {
  const char *c = colour(w, tint);
  return with_article(say("%s %s", c, pick(w, names[mention(w, kind)])));
}

static phrase shoes(const writer *w) {
  const char *tint = colour(w, XR_ATTR_SHOE_COLOUR);
  return say("%s %s", tint, pick(w, shoe_words[mention(w, XR_ATTR_SHOES)]));
}

/* ---- sentences */
typedef struct { /* how the second and third sentence refer to the person */
  const char *he, *his;
} pronoun;

static void append(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void append(char *text, const char *format, ...) {
  size_t used = strlen(text);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text + used, XR_SYNTH_CAPTION_BYTES - used, format, arguments);
  va_end(arguments);
}

/* "The woman with long brown hair is wearing a red coat and blue jeans" */
static void first_sentence(const writer *w, char *text, const char *who, bool with_hair) {
  bool dress = value(w, XR_ATTR_LOWER) == XR_NO_LOWER, trousers = !dress && happens(w, .95);
  phrase h = with_hair ? hair(w) : say("%s", "");
  phrase subject = with_hair ? say("%s with %.100s", who, h.text) : say("%s", who);
  phrase clothes = upper(w);
  if (trousers) {
    phrase legs = lower(w);
    clothes = happens(w, .15) ? say("%.110s, paired with %.100s", clothes.text, legs.text)
                              : say("%.110s %s %.100s", clothes.text, happens(w, .25) ? "with" : "and", legs.text);
  }
  switch (xr_random_below(w->random, 4)) {
  case 0:
    append(text, "The %s is wearing %s.", subject.text, clothes.text);
    break;
  case 1:
    append(text, "%s wears %s.", with_article(subject).text, clothes.text);
    break;
  case 2:
    append(text, "%s dressed in %s.", with_article(subject).text, clothes.text);
    break;
  default:
    append(text, "A photo of %s in %s.", with_article(subject).text, clothes.text);
  }
}

static void carry_sentence(const writer *w, char *text, pronoun p) {
  phrase bag = thing(w, XR_ATTR_BAG, XR_ATTR_BAG_COLOUR, bag_words);
  static const char *const verbs[] = {"is carrying", "carries", "has"};
  append(text, " %s %s %s.", p.he, verbs[xr_random_below(w->random, 3)], bag.text);
}

static void head_sentence(const writer *w, char *text, pronoun p) {
  phrase hat = thing(w, XR_ATTR_HAT, XR_ATTR_HAT_COLOUR, hat_words);
  if (happens(w, .5))
    append(text, " %s is also wearing %s.", p.he, hat.text);
  else
    append(text, " %s has %s on %s head.", p.he, hat.text, p.his);
}

static void feet_sentence(const writer *w, char *text, pronoun p) {
  phrase pair = shoes(w);
  if (happens(w, .5))
    append(text, " %s is wearing %s.", p.he, pair.text);
  else
    append(text, " %s has %s on %s feet.", p.he, pair.text, p.his);
}

static void glasses_sentence(const writer *w, char *text, pronoun p) {
  mention(w, XR_ATTR_GLASSES);
  append(text, " %s has glasses on.", p.he);
}

json_t *xr_synth_caption(const xr_person *person, xr_view view, xr_random *random, char text[XR_SYNTH_CAPTION_BYTES]) {
  writer w = {person, view, random, json_array()};
  bool gender = happens(&w, .85), woman = value(&w, XR_ATTR_GENDER) == XR_WOMAN;
  const char *who = gender ? pick(&w, gender_words[mention(&w, XR_ATTR_GENDER)]) : pick(&w, person_words[0]);
  pronoun p = !gender ? (pronoun){"This person", "the"} : woman ? (pronoun){"She", "her"} : (pronoun){"He", "his"};
  if (!w.mentions) return NULL;
  text[0] = '\0';
  first_sentence(&w, text, who, happens(&w, .5));
  bool say_bag = value(&w, XR_ATTR_BAG) != XR_NO_BAG && happens(&w, .9), say_hat = value(&w, XR_ATTR_HAT) != XR_NO_HAT && happens(&w, .85);
  bool say_shoes = happens(&w, .55), say_glasses = value(&w, XR_ATTR_GLASSES) && view != XR_VIEW_BACK && happens(&w, .4);
  const unsigned start = xr_random_below(random, 3);
  for (unsigned i = 0; i < 3; i++) {
    unsigned what = (start + i) % 3;
    if (what == 0 && say_bag) carry_sentence(&w, text, p);
    if (what == 1 && say_hat) head_sentence(&w, text, p);
    if (what == 2 && say_shoes) feet_sentence(&w, text, p);
  }
  if (say_glasses) glasses_sentence(&w, text, p);
  text[0] = (char)toupper((unsigned char)text[0]);
  return w.mentions;
}
