"""Golden values of host/eval/rerank.h: the dense form in NumPy, written from the definition in that header. Three matrices of all pairs.

`python rerank.py time Q G D` times it beside nothing else, for comparison with `xreid rank --rerank`."""
import sys
import time

import numpy as np

K1, K2, LAMBDA = 20, 6, 0.3


def distances_of(features, metric):
    x = features.astype(np.float64)
    if metric == "euclidean":
        d = np.sqrt(np.maximum(((x[:, None] - x[None]) ** 2).sum(-1), 0)) if len(x) < 200 else None
    else:
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        d = np.maximum(1 - x @ x.T, 0)
    np.fill_diagonal(d, 0)
    return d


def scaled(distances):
    squared = distances.astype(np.float32) ** 2
    largest = squared.max(0)
    return (squared / np.where(largest > 0, largest, 1)).T


def reciprocal(near, i, k):
    first = near[i, : k + 1]
    return first[(near[first, : k + 1] == i).any(1)]


def rerank(distances, queries, k1=K1, k2=K2, share=LAMBDA):
    """distances [N, N] of all pairs, queries first -> [queries, N - queries]"""
    d = scaled(distances)
    count = len(d)
    near = np.argsort(d, axis=1, kind="stable")
    half = int(np.around(k1 / 2))
    v = np.zeros((count, count), np.float32)
    for i in range(count):
        own = reciprocal(near, i, k1)
        members = set(own.tolist())
        for c in own:
            others = reciprocal(near, c, half)
            if len(np.intersect1d(others, own)) > 2 / 3 * len(others):
                members |= set(others.tolist())
        members = np.array(sorted(members), int)
        weight = np.exp(-d[i, members])
        v[i, members] = weight / weight.sum() if len(members) else 0
    if k2 != 1:
        v = np.stack([v[near[i, :k2]].mean(0) for i in range(count)])
    result = np.empty((queries, count - queries), np.float32)
    for q in range(queries):
        shared = np.minimum(v[q], v[queries:]).sum(1)
        result[q] = (1 - share) * (1 - shared / (2 - shared)) + share * d[q, queries:]
    return result


def people(random, count, ids, width, spread):
    """Features that gather around `ids` centres."""
    centres = random.standard_normal((ids, width))
    return (centres[random.integers(0, ids, count)] + spread * random.standard_normal((count, width))).astype(np.float32)


def main():
    from safetensors.numpy import save_file

    from golden import GOLDEN

    random = np.random.default_rng(12)
    tensors = {}

    def case(name, queries, k1, k2, share, features=None, metric="cosine", distances=None):
        if features is not None:
            tensors[f"{name}.features"] = features
            distances = distances_of(features, metric)
        else:
            tensors[f"{name}.distances"] = distances.astype(np.float32)
        tensors[f"{name}.result"] = rerank(distances, queries, k1, k2, share)

    crowd = people(random, 30, 5, 6, 0.5)
    for name, k1, k2, share in (("paper", 20, 6, 0.3), ("usual", 6, 3, 0.3), ("odd", 5, 2, 0.25), ("odd_up", 7, 4, 0.5), ("single", 1, 1, 0.3),
                                ("no_mean", 8, 1, 0.3), ("jaccard", 6, 3, 0), ("distance", 6, 3, 1), ("everybody", 100, 40, 0.3)):
        case(name, 9, k1, k2, share, crowd)
    case("euclidean", 7, 6, 3, 0.3, people(random, 24, 4, 5, 0.4), "euclidean")
    case("blocks", 20, 9, 4, 0.3, people(random, 150, 12, 6, 0.6))
    case("pair", 1, 20, 6, 0.3, people(random, 2, 2, 4, 1))
    steps = random.integers(0, 5, (20, 20))
    ties = (steps + steps.T) / 4
    np.fill_diagonal(ties, 0)
    case("ties", 6, 4, 3, 0.3, distances=ties)
    case("all_equal", 3, 4, 2, 0.3, distances=np.ones((9, 9)) - np.eye(9))
    case("all_zero", 3, 2, 2, 0.3, distances=np.zeros((7, 7)))
    case("one_way", 6, 5, 3, 0.3, distances=random.random((18, 18)))  # the distance there is not that back

    # for tests/cli/rank.sh: the same measures from features and from the dense form's distances
    rank = GOLDEN / "rank"
    ids = np.arange(30) * 7 % 5
    for name, values in {"query": crowd[:9], "gallery": crowd[9:], "distances": tensors["usual.result"], "query_ids": ids[:9],
                         "gallery_ids": ids[9:]}.items():
        np.save(rank / f"rerank_{name}.npy", np.ascontiguousarray(values))
    save_file(tensors, str(GOLDEN / "rerank.safetensors"))
    (GOLDEN / "rerank.safetensors").chmod(0o644)
    print(f"rerank.safetensors: {len(tensors)} tensors, {(GOLDEN / 'rerank.safetensors').stat().st_size} bytes")


def timing(queries, gallery, width):
    """Writes timing_*.npy for `xreid rank`, and says how long the dense form takes from the distances on, and its result."""
    random = np.random.default_rng(1)
    rows = people(random, queries + gallery, gallery // 8, width, 0.7)
    np.save("timing_query.npy", rows[:queries])
    np.save("timing_gallery.npy", rows[queries:])
    began = time.perf_counter()
    distances = distances_of(rows, "cosine")
    between = time.perf_counter()
    result = rerank(distances, queries)
    ended = time.perf_counter()
    np.save("timing_result.npy", result)
    print(f"distances {between - began:.2f} s, re-ranking {ended - between:.2f} s")


if __name__ == "__main__":
    if sys.argv[1:2] == ["time"]:
        timing(*map(int, sys.argv[2:5]))
    else:
        main()
