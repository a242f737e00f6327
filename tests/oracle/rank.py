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

# One column per query: a gallery item's scores are its features, the queries are unit vectors.
scores = np.array([[0.9, 0.8, 0.3, 0.5, 0.4], [0.1, 0.7, 0.6, 0.2, 0.3]], np.float32)
save("features_query", np.eye(2), np.float16)
save("features_gallery", np.ascontiguousarray(scores.T), np.float32)

save("bad_nan_scores", [[0.5, 0.5, 0.5, 0.2], [0.5, 0.5, np.nan, 0.2]], np.float32)
save("bad_wide_features", np.ones((5, 3)), np.float32)
save("bad_double_scores", [[0.5, 0.5, 0.5, 0.2]] * 2, np.float64)
save("bad_float_ids", [2, 1], np.float32)
np.save(folder / "bad_fortran_scores.npy", np.asfortranarray(np.ones((2, 4), np.float32)))
