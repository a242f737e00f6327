/* The text files of visible-infrared data sets: lists of person ids, and lists of labelled images. */
#pragma once

#include "host/data/dataset_build.h"

typedef struct {
  const char *file; /* what was read */
  int32_t *id;      /* [count], ascending, without repeats, 1 .. 9999 */
  size_t count;
} xr_id_list;

/* FOLDER/STEM.txt: whole numbers between commas or blanks. Where that is missing, the variable `id` of FOLDER/STEM.mat. XR_NOT_FOUND: there
 * is neither. Errors name the file, the line and the number. */
xr_status xr_read_ids(xr_arena *arena, const char *folder, const char *stem, xr_id_list *ids);

/* What the path of an image says about it. */
typedef struct {
  int32_t person, camera; /* -1: nothing */
} xr_path_facts;

typedef struct {
  const char *file;                                              /* of lines "PATH LABEL", PATH below the data set's root */
  xr_modality modality;                                          /* of all its images */
  const char *form;                                              /* of the paths, for messages: "Visible/<id>/.._v_.._<id>.bmp" */
  xr_path_facts (*read)(const char *path, xr_modality modality); /* person -1: the path is not of that form */
} xr_label_list;

/* Appends the images of the visible and the infrared list. pid is the label; a label stands for one person, and a person for one label, in
 * both lists together. Errors: a list that is missing, lines that are not "PATH LABEL", paths of another form, persons with two labels,
 * images that do not exist, with their lines. */
xr_status xr_build_labelled(xr_dataset_builder *builder, xr_split_id split, const xr_label_list *visible, const xr_label_list *infrared);

/* Reports the images that a list of lines "PATH LABEL" names but that do not exist; a list of which no image exists is of another form,
 * which is a warning. Lists that are not there say nothing. */
xr_status xr_check_listed(const xr_dataset_builder *builder, const char *file);

/* An error for every person that the paths of both splits name. */
xr_status xr_check_persons_apart(const xr_dataset_builder *builder, xr_split_id a, xr_split_id b,
                                 xr_path_facts (*read)(const char *path, xr_modality modality));
