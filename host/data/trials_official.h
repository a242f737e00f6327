/* rand_perm_cam.mat of SYSU-MM01: for every camera and person, ten permutations of the person's images.
 *
 * The variable rand_perm_cam is a 6 x 1 cell over cameras of n x 1 cells over persons, person p at place p - 1, of matrices [10, images]:
 * row t is the permutation of 1 .. images that trial t uses. Persons that a camera has not seen have matrices without columns. */
#pragma once

#include "host/data/dataset.h"

typedef struct xr_permutations xr_permutations;

/* ROOT/exp/rand_perm_cam.mat. XR_NOT_FOUND; XR_BAD_INPUT: another shape, with what was found. */
xr_status xr_permutations_open(xr_permutations **permutations, xr_arena *arena, const xr_dataset *dataset);

/* The first `take` entries of trial t's permutation of the `images` images of a person by a camera, from 0. XR_BAD_INPUT: the file counts
 * other images, or holds no permutation. */
xr_status xr_permutation_start(const xr_permutations *permutations, int32_t camera, int32_t person, int trial, uint32_t images,
                               uint32_t take, uint32_t *picks);
