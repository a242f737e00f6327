#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/data/tokenizer.h"
#include "tools/commands.h"
#include "tools/options.h"

static const xr_command_text text = {
    .name = "tokenize",
    .usage = "--vocab FILE[.gz] [--variant clip|irra] [--context 77] [--pad]",
    .summary = "Reads JSON strings, one a line, on standard input; writes one JSON array of token ids a line.",
    .example = "  echo '\"a man wearing a red shirt\"' | xreid tokenize --vocab bpe_simple_vocab_16e6.txt.gz"};

static int hex4(const char *digits) {
  char copy[5] = "", *end;
  strncpy(copy, digits, 4);
  long value = strtol(copy, &end, 16);
  return end == copy + 4 ? (int)value : -1;
}

/* JSON may hold halves of surrogate pairs that stand alone ("\ud83d"), which is no text. Writes U+FFFD in their place, as the
 * cleaning of captions would. */
static void replace_lone_surrogates(char *line) {
  for (char *at = line; (at = strchr(at, '\\')) && at[1]; at += 2) {
    int first = at[1] == 'u' ? hex4(at + 2) : -1;
    if (first < 0xd800 || first > 0xdfff) continue;
    int second = at[6] == '\\' && at[7] == 'u' ? hex4(at + 8) : -1;
    if (first < 0xdc00 && second >= 0xdc00 && second <= 0xdfff)
      at += 6; /* and 2 more: in the second half's digits, where no backslash is */
    else
      memcpy(at + 2, "fffd", 4);
  }
}

/* The string of one line of JSON without its zero characters, which the cleaning would remove; NULL and a message. */
static char *read_string(char *line, size_t bytes, long long number) {
  json_error_t error;
  replace_lone_surrogates(line);
  json_t *value = json_loadb(line, bytes, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
  char *copy = json_is_string(value) ? malloc(json_string_length(value) + 1) : NULL;
  if (!value)
    xr_fail(XR_BAD_INPUT, "standard input, line %lld, column %d: %s", number, error.column, error.text);
  else if (!json_is_string(value))
    xr_fail(XR_BAD_INPUT, "standard input, line %lld: a JSON string is expected", number);
  else if (!copy)
    xr_fail(XR_NO_MEMORY, "standard input, line %lld: out of memory", number);
  if (copy) {
    size_t made = 0, length = json_string_length(value);
    for (size_t i = 0; i < length; i++)
      if (json_string_value(value)[i]) copy[made++] = json_string_value(value)[i];
    copy[made] = '\0';
  }
  json_decref(value);
  return copy;
}

static void print_ids(const int32_t *ids, int count) {
  for (int i = 0; i < count; i++) printf("%s%d", i ? ", " : "[", ids[i]);
  puts("]");
}

static xr_status tokenize_lines(const xr_tokenizer *tokenizer, int context, bool pad) {
  int32_t *ids = malloc((size_t)context * sizeof *ids);
  char *line = NULL;
  size_t room = 0;
  xr_status status = ids ? XR_OK : xr_fail(XR_NO_MEMORY, "out of memory for a context of %d", context);
  long long number = 0;
  while (status == XR_OK) {
    ssize_t bytes = getline(&line, &room, stdin);
    if (bytes < 0) break;
    int length;
    char *caption = read_string(line, (size_t)bytes, ++number);
    status = caption ? xr_tokenize(tokenizer, caption, context, ids, &length) : XR_BAD_INPUT;
    if (caption && status != XR_OK) xr_fail_in(status, "standard input, line %lld", number);
    if (status == XR_OK) print_ids(ids, pad ? context : length);
    free(caption);
  }
  free(line);
  free(ids);
  if (fflush(stdout) != 0 && status == XR_OK) status = xr_fail(XR_IO, "standard output: cannot write");
  return status;
}

int xr_command_tokenize(int argc, char **argv) {
  const char *vocabulary = NULL, *variant = "clip";
  int64_t context = 77;
  bool pad = false;
  const xr_option options[] = {
      {"vocab", XR_TEXT, &vocabulary, "FILE", "merges file, plain or gzip", 0, 0},
      {"variant", XR_TEXT, &variant, "NAME", "clip, or irra: the text <|mask|> is the mask (default clip)", 0, 0},
      {"context", XR_INTEGER, &context, "N", "longest array; longer captions are cut (default 77)", 2, 1 << 20},
      {"pad", XR_FLAG, &pad, NULL, "fill every array with 0 up to the context", 0, 0},
  };
  int positional, wrong = xr_parse_options(&text, options, sizeof options / sizeof *options, argc, argv, &positional);
  if (wrong >= 0) return wrong;
  if (positional) return xr_usage_error(&text, "takes no arguments; captions come on standard input");
  if (!vocabulary) return xr_usage_error(&text, "--vocab is needed");
  bool irra = strcmp(variant, "irra") == 0;
  if (!irra && strcmp(variant, "clip") != 0) return xr_usage_error(&text, "--variant is clip or irra, not '%s'", variant);
  xr_tokenizer *tokenizer;
  if (xr_tokenizer_load(&tokenizer, vocabulary, irra ? XR_TOKENIZER_IRRA : XR_TOKENIZER_CLIP) != XR_OK) return xr_command_failed();
  xr_status status = tokenize_lines(tokenizer, (int)context, pad);
  xr_tokenizer_free(tokenizer);
  return status == XR_OK ? XR_EXIT_DONE : xr_command_failed();
}
