#!/usr/bin/env python3
"""Measures exact search in an index larger than it may keep in memory, and checks what it finds.

usage: measure-search.py XREID [--rows 1000000] [--width 512] [--queries 100] [--top 50] [--storage f32] [--folder DIR]

Draws features, puts them into an index (xreid embed --features), searches it (xreid search --query) and prints seconds and peak memory
beside the floors: reading the shards from where they lie (memory, or the disk when they do not fit), and the matrix product alone (NumPy's).
Every score that was found is computed again in double precision, and no row that was left out may be better. Needs NumPy.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

CHUNK = 16384


# A process counts the memory of the one that started it as its own, so a small one starts the command.
LAUNCHER = """
import resource, subprocess, sys, time
start = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
sys.exit(code)
"""


def run(command):
    """Seconds, and the largest resident memory in MiB."""
    done = subprocess.run([sys.executable, "-c", LAUNCHER, *(str(c) for c in command)], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"failed: {command}")
    return tuple(float(word) for word in done.stdout.split())


def draw(path, rows, width, generator):
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(rows, width))
    for first in range(0, rows, CHUNK):
        array[first : first + CHUNK] = generator.standard_normal(array[first : first + CHUNK].shape, dtype=np.float32)
    array.flush()
    return array


def read_seconds(index):
    start = time.perf_counter()
    for shard in sorted(index.glob("shard-*")):
        with open(shard, "rb") as file:
            while file.read(1 << 22):
                pass
    return time.perf_counter() - start


def product_seconds(queries, gallery):
    chunk = np.ascontiguousarray(gallery[:CHUNK])
    queries @ chunk.T
    best = min(timed(lambda: queries @ chunk.T) for _ in range(5))
    return best * len(gallery) / len(chunk)


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def check(found, queries, gallery):
    """The largest amount by which a row that was left out is better than the last one found, and the largest error of a score."""
    unit = queries.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    rows = np.array([[r["row"] for r in q["results"]] for q in found["queries"]])
    scores = np.array([[r["score"] for r in q["results"]] for q in found["queries"]])
    truth, missed = np.zeros_like(scores), np.full(len(queries), -np.inf)
    for first in range(0, len(gallery), CHUNK):
        items = gallery[first : first + CHUNK].astype(np.float64)
        cosines = unit @ (items / np.linalg.norm(items, axis=1, keepdims=True)).T
        here = (rows >= first) & (rows < first + len(items))
        q, k = np.nonzero(here)
        truth[q, k] = cosines[q, rows[q, k] - first]
        cosines[q, rows[q, k] - first] = -np.inf
        missed = np.maximum(missed, cosines.max(1))
    return (missed - truth.min(1)).max(), abs(scores - truth).max()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("xreid")
    parser.add_argument("--folder", help="where the files go, and stay; default: a temporary folder")
    parser.add_argument("--storage", choices=("f32", "bf16"), default="f32")
    for name, value in (("rows", 1_000_000), ("width", 512), ("queries", 100), ("top", 50)):
        parser.add_argument(f"--{name}", type=int, default=value)
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(a.folder or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        generator = np.random.default_rng(1)
        gallery, queries = (draw(folder / f"{name}.npy", rows, a.width, generator) for name, rows in (("gallery", a.rows), ("queries", a.queries)))
        index, result = folder / "index", folder / "result.json"
        write, _ = run([a.xreid, "embed", "--features", folder / "gallery.npy", "--index", index, "--storage", a.storage])
        command = [a.xreid, "search", "--query", folder / "queries.npy", "--gallery", index, "--top", a.top, "--json", result]
        search, peak = run(command)
        with open(result) as file:
            found = json.load(file)
        if a.storage == "bf16":  # what was stored: the upper half, rounded to the nearest even
            bits = np.asarray(gallery).view(np.uint32)
            gallery = ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)
        missed, error = check(found, queries, gallery)
        report = {
            "rows": a.rows, "width": a.width, "queries": a.queries, "top": a.top, "storage": a.storage,
            "index_mib": sum(f.stat().st_size for f in index.iterdir()) / 2**20, "write_seconds": write, "search_seconds": search,
            "search_peak_mib": peak, "floor_read_seconds": read_seconds(index),
            "floor_product_seconds": product_seconds(queries, gallery), "largest_error": error, "better_than_found": missed,
        }  # fmt: skip
        for key, value in report.items():
            print(f"{key:24} {value:.4g}" if isinstance(value, float) else f"{key:24} {value}")
        if error > 1e-5 or missed > 1e-6:
            sys.exit("the search is not exact")


if __name__ == "__main__":
    main()
