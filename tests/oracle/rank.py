"""Writes tests/golden/rank/*.npy: the worked examples that tests/cli/rank.sh evaluates, and files that it must refuse.

w1: several positives, w2: ties, w8: a gallery of one item, market: exclusion by camera, features: w1's ranking from features.
"""
import pathlib

import numpy as np

folder = pathlib.Path(__file__).parent.parent / "golden" / "rank"
folder.mkdir(parents=True, exist_ok=True)


def save(name, values, dtype):
    np.save(folder / f"{name}.npy", np.asarray(values, dtype))


save("w1_scores", [[0.9, 0.8, 0.3, 0.5, 0.4], [0.1, 0.7, 0.6, 0.2, 0.3]], np.float32)
save("w1_distances", [[0.1, 0.2, 0.7, 0.5, 0.6], [0.9, 0.3, 0.4, 0.8, 0.7]], np.float32)
save("w1_query_ids", [7, 9], np.int64)
save("w1_gallery_ids", [7, 8, 7, 9, 7], np.int64)

save("w2_scores", [[0.5, 0.5, 0.5, 0.2]] * 2, np.float32)
save("w2_query_ids", [2, 1], np.int64)
save("w2_gallery_ids", [1, 2, 1, 2], np.int64)

save("w8_scores", [[0.3], [-0.2]], np.float32)
save("w8_same_ids", [5, 5], np.int64)
save("w8_query_ids", [5, 6], np.int64)
save("w8_gallery_ids", [5], np.int64)

save("market_distances", [[0.4, 0.1, 0.2, 0.3], [0.1, 0.2, 0.3, 0.4]], np.float32)
save("market_query_ids", [1, 2], np.int64)
save("market_query_cameras", [9, 0], np.int64)
save("market_gallery_ids", [1, 2, 2, 3], np.int64)
save("market_gallery_cameras", [0, 0, 1, 1], np.int64)

# Examples of the protocols that look at cameras, and of regdb, which does not.
def example(name, distances, query_ids, query_cameras, gallery_ids, gallery_cameras):
    save(f"{name}_distances", distances, np.float32)
    for what, values in zip(("query_ids", "query_cameras", "gallery_ids", "gallery_cameras"),
                            (query_ids, query_cameras, gallery_ids, gallery_cameras)):
        save(f"{name}_{what}", values, np.int64)


example("w3", [[0.2, 0.1, 0.4, 0.3], [0.9, 0.1, 0.8, 0.2], [0.1, 0.2, 0.3, 0.4]], [0, 1, 5], [1] * 3, [1, 0, 1, 0], [2] * 4)
example("w4", [[0.5, 0.1, 0.2, 0.4, 0.3, 0.6]] * 2, [1, 1], [3, 6], [1, 1, 2, 2, 3, 3], [1, 2, 1, 4, 2, 5])
example("w5", [[0.1, 0.4, 0.2, 0.3], [0.1, 0.2, 0.3, 0.4]], [1, 2], [1, 3], [1, 1, 2, 3], [1, 2, 1, 3])
example("w6", [[0.6, 0.2, 0.1, 0.3, 0.4, 0.5]], [1], [6], [1, 1, 2, 2, 3, 3], [1] * 6)
example("w7", [[0.1, 0.2, 0.3], [0.3, 0.2, 0.1], [0.3, 0.1, 0.2]], [1, 99, 3], [6] * 3, [1, 2, 3], [1] * 3)
example("w12", [[0.1, 0.2, 0.3, 0.4], [0.4, 0.1, 0.2, 0.3]], [2, 1], [0, 9], [1, 2, 2, 3], [0, 0, 1, 1])

# One column per query: a gallery item's scores are its features, the queries are unit vectors.
scores = np.array([[0.9, 0.8, 0.3, 0.5, 0.4], [0.1, 0.7, 0.6, 0.2, 0.3]], np.float32)
save("features_query", np.eye(2), np.float16)
save("features_gallery", np.ascontiguousarray(scores.T), np.float32)

# W1's gallery without its last item; all of it; its first two.
save("w1_trials", [[1, 1, 1, 1, 0], [1, 1, 1, 1, 1], [1, 1, 0, 1, 0]], np.bool_)

# Sets of two equal rows: every kind of similarity is the cosine of the features.
save("sets_query", np.repeat(np.eye(2)[:, None], 2, 1), np.float16)
save("sets_gallery", np.repeat(scores.T[:, None], 2, 1), np.float32)

save("bad_nan_scores", [[0.5, 0.5, 0.5, 0.2], [0.5, 0.5, np.nan, 0.2]], np.float32)
save("bad_wide_features", np.ones((5, 3)), np.float32)
save("bad_double_scores", [[0.5, 0.5, 0.5, 0.2]] * 2, np.float64)
save("bad_float_ids", [2, 1], np.float32)
np.save(folder / "bad_fortran_scores.npy", np.asfortranarray(np.ones((2, 4), np.float32)))
