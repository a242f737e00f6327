"""The checks of python.sh; runs in its scratch folder, which holds what the command made."""
import filecmp
import json
import os
import subprocess

import numpy as np

import xreid

COMMAND = os.environ["XREID"]


def raises(kind, words, work, *arguments, **named):
    try:
        work(*arguments, **named)
    except kind as error:
        assert words in str(error), f"no '{words}' in: {error}"
        return error
    raise AssertionError(f"{kind.__name__} with '{words}' was not raised")


def command(*arguments):
    return subprocess.run([COMMAND, *arguments], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


xreid.set_log_level(0)
paths = open("out.run/images.txt").read().splitlines()
sentences = ["a man in a red shirt", "ein Mann mit grüner Hose"]
assert command("--version").split()[1] == xreid.version()

# ---- features: the bits of the command
model = xreid.Model("run")
assert (model.width, model.set_size, model.image_size) == (16, 0, (48, 16))
images, texts = model.embed_images(paths), model.embed_texts(sentences)
assert images.dtype == texts.dtype == np.float32
assert np.array_equal(images, np.load("out.run/image_features.npy")) and np.array_equal(texts, np.load("out.run/text_features.npy"))
assert np.array_equal(model.embed_pixels(np.load("pixels.npy")[None]), images[:1])
assert model.embed_images([]).shape == (0, 16)
open("bad.jpg", "w").write("no picture")
some, readable = model.embed_images([paths[0], "bad.jpg", paths[1]], skip_unreadable=True)
assert readable.tolist() == [True, False, True] and np.array_equal(some[[0, 2]], images[:2]) and np.isnan(some[1]).all()
with xreid.Model("esa") as esa:
    assert esa.set_size == 3
    for side, got in (("image", esa.embed_images(paths)), ("text", esa.embed_texts(sentences))):
        assert np.array_equal(got[0], np.load(f"out.esa/{side}_features.npy")) and np.array_equal(got[1], np.load(f"out.esa/{side}_sets.npy"))
    esa.index_images("esa.index", paths, bf16=True)
    index = xreid.Index("esa.index", esa)
    assert index.set_size == 3 and index.search_images(paths[:5], top=1)[0].ravel().tolist() == [0, 1, 2, 3, 4]
    raises(xreid.Error, "another model", xreid.Index, "esa.index", model)
raises(ValueError, "closed", esa.embed_texts, sentences)

# ---- indices: the bytes of the command; search as it
model.index_images("module.index", paths, shard_rows=32)
for name in os.listdir("command.index"):
    assert filecmp.cmp(f"command.index/{name}", f"module.index/{name}", shallow=False), name
index = xreid.Index("module.index", model)
assert (len(index), index.width, index.set_size, index.skipped) == (len(paths), 16, 0, 0)
rows, scores = index.search_texts(sentences, top=7)
found = json.load(open("found.json"))["queries"][0]["results"]
assert rows.dtype == np.int64 and rows.shape == scores.shape == (2, 7)
assert rows[0].tolist() == [f["row"] for f in found] and [index.path(r) for r in rows[0]] == [f["path"] for f in found]
assert np.allclose(scores[0], [f["score"] for f in found], rtol=1e-7, atol=0)
unit = images / np.linalg.norm(images, axis=1, keepdims=True)
cosines = texts / np.linalg.norm(texts, axis=1, keepdims=True) @ unit.T
assert np.allclose(scores, -np.sort(-cosines, axis=1)[:, :7], atol=1e-6)
assert xreid.Index("module.index").search(texts, top=len(paths) + 3)[0][:, len(paths) :].tolist() == [[-1] * 3] * 2

ids = np.arange(len(paths)) // 5
with xreid.Writer("mine.index", width=16, shard_rows=20) as writer:
    for first in range(0, len(paths), 7):
        writer.add(images[first : first + 7].astype(np.float64), paths=paths[first : first + 7], ids=ids[first : first + 7])
assert np.array_equal(xreid.Index("mine.index").search(texts, top=7)[0], rows)
with xreid.Writer("mine.index", width=16) as writer:
    writer.add(images[:2])
mine = xreid.Index("mine.index")
assert len(mine) == len(paths) + 2 and mine.search(images[:1], top=2)[0].tolist() == [[0, len(paths)]]
assert mine.path(3) == paths[3] and mine.id(7) == 1 and mine.path(len(paths)) == "" and mine.id(len(paths)) == -1
try:
    with xreid.Writer("lost.index", width=4) as writer:
        writer.add(np.ones((3, 4)))
        raise KeyError
except KeyError:
    pass
assert len(xreid.Index("lost.index")) == 0

# ---- evaluation: the numbers of the command
caption_ids = np.array([3, 11])
for name, array in (("query_ids", caption_ids), ("gallery_ids", ids)):
    np.save(f"{name}.npy", array)
arguments = ["--query-ids", "query_ids.npy", "--gallery-ids", "gallery_ids.npy", "--json", "-"]
expected = json.loads(command("rank", "--query", "out.run/text_features.npy", "--gallery", "out.run/image_features.npy", *arguments))
measures = xreid.rank(texts, images, caption_ids, ids, top=7)
for key in ("queries", "gallery", "valid", "unmatched", "mAP", "mINP", "ties_at_positives"):
    assert getattr(measures, key) == expected[key], key
assert measures.cmc.tolist() == expected["cmc"] and measures.id_cmc is None
assert np.array_equal(measures.top, rows) and np.array_equal(measures.top_scores, scores)
by_scores = xreid.rank(scores=cosines, query_ids=caption_ids, gallery_ids=ids)
by_distances = xreid.rank(distances=1 - cosines, query_ids=caption_ids, gallery_ids=ids)
assert by_scores.mAP == by_distances.mAP and abs(by_scores.mAP - measures.mAP) < 1e-12
expected = json.loads(
    command("rank", "--query", "out.esa/text_features.npy", "--gallery", "out.esa/image_features.npy", "--query-sets", "out.esa/text_sets.npy",
            "--gallery-sets", "out.esa/image_sets.npy", "--set-weight", "0.3", "--set-similarity", "chamfer", *arguments)
)  # fmt: skip
esa = {(side, kind): np.load(f"out.esa/{side}_{kind}.npy") for side in ("text", "image") for kind in ("features", "sets")}
measures = xreid.rank(esa["text", "features"], esa["image", "features"], caption_ids, ids, query_sets=esa["text", "sets"],
                      gallery_sets=esa["image", "sets"], set_weight=0.3, set_similarity="chamfer")  # fmt: skip
assert measures.mAP == expected["mAP"] and measures.cmc.tolist() == expected["cmc"]
cameras = np.arange(len(paths)) % 4 + 1
market = xreid.rank(images, images, ids, ids, query_cameras=cameras, gallery_cameras=cameras, protocol="market")
assert market.queries == len(paths) and 0 < market.mAP <= 1
sysu = xreid.rank(images[::2], images, ids[::2], ids, query_cameras=cameras[::2], gallery_cameras=cameras, protocol="sysu-mm01")
assert sysu.id_cmc is not None and (np.diff(sysu.id_cmc) >= 0).all()

# ---- what cannot be
assert raises(xreid.Error, "No such file", xreid.Model, "nothing").status == 6
raises(xreid.Error, "data.vocabulary is not set", xreid.Model("run", overrides=["data.vocabulary="]).embed_texts, ["a man"])
raises(xreid.Error, "there is no device", xreid.Model, "run", device="toaster")
raises(xreid.Error, "bad.jpg", model.embed_images, ["bad.jpg"])
raises(xreid.Error, "nowhere/index.json", xreid.Index, "nowhere")
raises(ValueError, "where (1, 48, 16, 3) is expected", model.embed_pixels, np.zeros((1, 16, 48, 3), np.uint8))
raises(TypeError, "pixels: float64 where uint8", model.embed_pixels, np.zeros((1, 48, 16, 3)))
raises(ValueError, "where (2, 16) is expected", mine.search, np.zeros((2, 15)))
assert raises(xreid.Error, "query 1: number 2", mine.search, np.where(np.arange(32).reshape(2, 16) == 18, np.nan, 1)).status == 8
raises(ValueError, "need a model", mine.search_texts, ["a man"])
raises(xreid.Error, "has no row", mine.path, 10**6)
raises(ValueError, "2 paths for 3 features", xreid.Writer("other.index", width=4).add, np.ones((3, 4)), paths=["a", "b"])
raises(ValueError, "whose features", xreid.Writer, "other.index")
raises(xreid.Error, "features of 16 numbers", xreid.Writer, "mine.index", width=8)
raises(ValueError, "one of the three", xreid.rank, texts, images, caption_ids, ids, scores=cosines)
raises(ValueError, "do not fit together", xreid.rank, texts, images[:, :4], caption_ids, ids)
raises(ValueError, "gallery_ids: an array of shape (3,)", xreid.rank, texts, images, caption_ids, ids[:3])
raises(TypeError, "query_ids: float64 where int64", xreid.rank, texts, images, caption_ids + 0.5, ids)
raises(xreid.Error, "there is no protocol 'olympic'", xreid.rank, texts, images, caption_ids, ids, protocol="olympic")
raises(xreid.Error, "not a number", xreid.rank, scores=np.full((2, len(paths)), np.nan), query_ids=caption_ids, gallery_ids=ids)
raises(xreid.Error, "cameras", xreid.rank, texts, images, caption_ids, ids, protocol="market")
