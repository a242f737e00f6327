/* Finds people by a sentence, with libxreid. Build and run:
 *
 *   cc search.c -o search $(pkg-config --cflags --libs xreid)
 *   ./search runs/irra "a woman in a red coat with a backpack" crops/0001.jpg crops/0002.jpg ... */
#include <stdio.h>
#include <stdlib.h>
#include <xreid.h>

enum { TOP = 5 };

/* Prints what went wrong. */
static int failed(const char *what) {
  fprintf(stderr, "%s: %s\n", what, xreid_message());
  return 1;
}

/* The best pictures of an index for a sentence. */
static int search(xreid_model *model, xreid_index *index, const char *sentence) {
  const size_t numbers = (size_t)xreid_model_width(model), members = (size_t)xreid_model_set_size(model);
  float *features = malloc(numbers * sizeof *features), *sets = members ? malloc(numbers * members * sizeof *sets) : NULL;
  int64_t rows[TOP];
  float scores[TOP];
  int wrong = 0;
  if (xreid_embed_texts(model, &sentence, 1, features, sets)) wrong = failed(sentence);
  if (!wrong && xreid_index_search(index, model, 1, features, sets, TOP, rows, scores)) wrong = failed("search");
  for (int i = 0; !wrong && i < TOP && rows[i] >= 0; i++) {
    const char *path;
    if (xreid_index_item(index, rows[i], &path, NULL)) wrong = failed("index");
    if (!wrong) printf("%d  %7.4f  %s\n", i + 1, (double)scores[i], path);
  }
  free(features);
  free(sets);
  return wrong;
}

int main(int argc, char **argv) {
  if (argc < 4) {
    fprintf(stderr, "usage: %s WEIGHTS SENTENCE PICTURE...\n", argv[0]);
    return 2;
  }
  /* The pictures' features are kept in a folder: the next search of the same pictures is quick. */
  const char *folder = "search.index";
  xreid_model *model;
  xreid_index *index = NULL;
  if (xreid_model_open(&model, argv[1], NULL)) return failed(argv[1]);
  int wrong = xreid_index_images(model, folder, (const char *const *)argv + 3, argc - 3, 0, 0) ? failed("pictures") : 0;
  if (!wrong && xreid_index_open(&index, folder, model)) wrong = failed(folder);
  if (!wrong) wrong = search(model, index, argv[2]);
  xreid_index_close(index);
  xreid_model_close(model);
  return wrong;
}
