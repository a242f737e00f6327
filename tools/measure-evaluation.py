#!/usr/bin/env python3
"""Measures exact evaluation beside the ways it is usually done, at the shapes of the data sets.

usage: measure-evaluation.py XREID [--only cuhk,icfg,sysu,market] [--repeat 5] [--threads N] [--folder DIR]

  cuhk    6,156 x 3,074 x 512: the matrix product alone, and a full sort of the scores as text-to-image code does it (PyTorch)
  icfg    19,848 x 19,848 x 512: peak memory above the features
  sysu    3,803 x 6,775 x 2,048, ten trials of two modes and two numbers of shots over one pass
  market  3,368 x 15,913 x 512 with cameras: NumPy's argsort alone, which the compiled loops of re-identification toolboxes start from

Seconds are of `xreid rank` as a whole, from start to exit, reading the files included; the least of the repeats, alternating with the
other way. Needs NumPy and PyTorch. Numbers mean something on an otherwise idle machine only.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch

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


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


class Problem:
    """Features around a centre for each identity, in files, and the command that evaluates them."""

    def __init__(self, options, queries, gallery, width, identities, cameras=None):
        generator = np.random.default_rng(1)
        centres = generator.standard_normal((identities, width), dtype=np.float32)
        self.folder = pathlib.Path(options.folder)
        self.repeat = options.repeat
        self.command = [options.xreid, "rank", "--device", "cpu", "--threads", options.threads]
        self.sides = []
        for side, rows in (("query", queries), ("gallery", gallery)):
            ids = generator.integers(0, identities, rows)
            features = centres[ids] + 4 * generator.standard_normal((rows, width), dtype=np.float32)
            self.give(side, features)
            self.give(f"{side}-ids", ids)
            taken = None
            if cameras:
                taken = generator.choice(cameras[side], rows)
                self.give(f"{side}-cameras", taken)
            self.sides.append((features, ids, taken))

    def give(self, option, array):
        np.save(self.folder / f"{option}.npy", array)
        self.command += [f"--{option}", self.folder / f"{option}.npy"]

    def measure(self, *others):
        """The least seconds of `xreid rank` and of the others, and its memory in MiB; in turn, so that all meet the same machine."""
        best = [float("inf")] * (1 + len(others))
        memory = 0
        for _ in range(self.repeat):
            spent, memory = run(self.command)
            best = [min(a, b) for a, b in zip(best, [spent, *(seconds(other) for other in others)])]
        return best, memory


def cuhk(options):
    p = Problem(options, 6156, 3074, 512, 1000)
    query, gallery = (torch.nn.functional.normalize(torch.from_numpy(side[0])) for side in p.sides)
    ids = [torch.from_numpy(side[1]) for side in p.sides]

    def sort_and_measure():
        order = torch.argsort(query @ gallery.T, dim=1, descending=True)
        matches = ids[1][order].eq(ids[0][:, None])
        hits = matches.cumsum(1)
        precision = hits / torch.arange(1, matches.shape[1] + 1)
        return (precision * matches).sum(1) / hits[:, -1].clamp(min=1), hits.clamp(max=1).float().mean(0)

    (ours, product, sort), _ = p.measure(lambda: query @ gallery.T, sort_and_measure)
    print(f"cuhk    {ours:.3f} s; product alone {product:.3f} s ({ours / product:.2f}x); sort {sort:.3f} s ({sort / ours:.1f}x slower)")


def icfg(options):
    p = Problem(options, 19848, 19848, 512, 1000)
    (ours,), memory = p.measure()
    print(f"icfg    {ours:.3f} s; peak {memory:.0f} MiB, {memory - 2 * 19848 * 512 * 4 / 2**20:.0f} MiB above the features")


def sysu(options):
    p = Problem(options, 3803, 6775, 2048, 96, {"query": [3, 6], "gallery": [1, 2, 4, 5]})
    generator = np.random.default_rng(2)
    _, ids, cameras = p.sides[1]
    masks = []
    for _ in range(10):
        for seen in ([1, 2, 4, 5], [1, 2]):
            for shots in (1, 10):
                mask = np.zeros(6775, np.bool_)
                for identity in range(96):
                    for camera in seen:
                        mask[generator.permutation(np.flatnonzero((ids == identity) & (cameras == camera)))[:shots]] = True
                masks.append(mask)
    p.give("trials", np.stack(masks))
    p.command += ["--protocol", "sysu-mm01"]
    (ours,), _ = p.measure()
    print(f"sysu    {ours:.3f} s for {len(masks)} trials")


def market(options):
    p = Problem(options, 3368, 15913, 512, 750, {"query": range(6), "gallery": range(6)})
    p.command += ["--protocol", "market"]
    query, gallery = (side[0] / np.linalg.norm(side[0], axis=1, keepdims=True) for side in p.sides)
    distances = 1 - query @ gallery.T
    (ours, sort), _ = p.measure(lambda: np.argsort(distances, axis=1))
    print(f"market  {ours:.3f} s; argsort alone {sort:.3f} s ({sort / ours:.1f}x slower)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("xreid")
    parser.add_argument("--only", default="cuhk,icfg,sysu,market")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--folder")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    parent = options.folder
    for name in options.only.split(","):
        with tempfile.TemporaryDirectory(dir=parent) as options.folder:
            {"cuhk": cuhk, "icfg": icfg, "sysu": sysu, "market": market}[name](options)


if __name__ == "__main__":
    main()
