"""XReID from Python: NumPy arrays in, NumPy arrays out, over libxreid (xreid.h says what each call means).

    import xreid

    measures = xreid.rank(text, image, text_ids, image_ids)             # features made anywhere
    print(measures.cmc[0], measures.mAP)

    model = xreid.Model("runs/irra")
    model.index_images("crops.index", paths)                            # goes on where it was broken off
    index = xreid.Index("crops.index", model)
    rows, scores = index.search_texts(["a woman in a red coat"], top=10)
    print([index.path(row) for row in rows[0]])

    with xreid.Writer("mine.index", width=512) as writer:               # features made anywhere
        writer.add(features, paths=paths)

The library is $XREID_LIBRARY, or the one that was installed with this file, or the system's.
"""
import ctypes
import ctypes.util
import os
import pathlib
import types

import numpy as np

__all__ = ["Error", "Index", "Model", "Writer", "rank", "set_log_level", "version"]

_I64, _SIZE, _INT, _HANDLE, _TEXT = ctypes.c_int64, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p
_TEXTS = ctypes.POINTER(_TEXT)


class Error(Exception):
    """`status` is one of xreid.h's codes; the text says what is wrong."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class _ModelOptions(ctypes.Structure):
    _fields_ = [("size", _SIZE), ("config", _TEXT), ("vocabulary", _TEXT), ("device", _TEXT), ("overrides", _TEXTS), ("override_count", _SIZE)]


class _WriterOptions(ctypes.Structure):
    _fields_ = [("size", _SIZE), ("model", _HANDLE), ("width", _I64), ("set_size", _I64), ("shard_rows", _I64), ("bf16", _INT)]


class _RankInput(ctypes.Structure):
    _fields_ = [
        ("size", _SIZE), ("queries", _I64), ("gallery", _I64), ("query_features", _HANDLE), ("gallery_features", _HANDLE), ("width", _I64),
        ("scores", _HANDLE), ("distances", _INT), ("query_ids", _HANDLE), ("gallery_ids", _HANDLE), ("query_cameras", _HANDLE),
        ("gallery_cameras", _HANDLE), ("protocol", _TEXT), ("metric", _TEXT), ("ties", _TEXT), ("max_rank", _I64), ("top", _I64),
        ("query_sets", _HANDLE), ("gallery_sets", _HANDLE), ("set_size", _I64), ("set_weight", ctypes.c_float), ("set_similarity", _TEXT),
        ("set_sharpness", ctypes.c_float),
    ]  # fmt: skip


class _Measures(ctypes.Structure):
    _fields_ = [
        ("size", _SIZE), ("queries", _I64), ("gallery", _I64), ("valid", _I64), ("unmatched", _I64), ("ties_at_positives", _I64),
        ("mAP", ctypes.c_double), ("mINP", ctypes.c_double), ("cmc", ctypes.POINTER(ctypes.c_double)), ("cmc_length", _I64),
        ("id_cmc", ctypes.POINTER(ctypes.c_double)), ("id_cmc_length", _I64), ("top", ctypes.POINTER(_I64)),
        ("top_scores", ctypes.POINTER(ctypes.c_float)),
    ]  # fmt: skip


def _load():
    here = pathlib.Path(__file__).resolve().parent
    beside = sorted(here.parents[2].glob("lib*/**/libxreid.so.0")) if len(here.parents) > 2 and here.parts[-3:-1] == ("share", "xreid") else []
    places = [os.environ.get("XREID_LIBRARY"), *map(str, beside), ctypes.util.find_library("xreid")]
    for place in filter(None, places):
        return ctypes.CDLL(place)
    raise ImportError("libxreid was not found: set XREID_LIBRARY to the path of libxreid.so")


_library = _load()

# Results and arguments of every function: "s" a status that is checked, "n" a number, "t" a text, "v" nothing.
_functions = {
    "version": ("t", []),
    "message": ("t", []),
    "set_log_level": ("v", [_INT]),
    "model_open": ("s", [ctypes.POINTER(_HANDLE), _TEXT, ctypes.POINTER(_ModelOptions)]),
    "model_close": ("v", [_HANDLE]),
    "model_width": ("n", [_HANDLE]),
    "model_set_size": ("n", [_HANDLE]),
    "model_height": ("n", [_HANDLE]),
    "model_image_width": ("n", [_HANDLE]),
    "embed_images": ("s", [_HANDLE, _TEXTS, _I64, _HANDLE, _HANDLE, _HANDLE]),
    "embed_pixels": ("s", [_HANDLE, _HANDLE, _I64, _HANDLE, _HANDLE]),
    "embed_texts": ("s", [_HANDLE, _TEXTS, _I64, _HANDLE, _HANDLE]),
    "writer_open": ("s", [ctypes.POINTER(_HANDLE), _TEXT, ctypes.POINTER(_WriterOptions)]),
    "writer_add": ("s", [_HANDLE, _I64, _HANDLE, _HANDLE, _TEXTS, _HANDLE]),
    "writer_finish": ("s", [_HANDLE]),
    "writer_close": ("v", [_HANDLE]),
    "index_images": ("s", [_HANDLE, _TEXT, _TEXTS, _I64, _I64, _INT]),
    "index_open": ("s", [ctypes.POINTER(_HANDLE), _TEXT, _HANDLE]),
    "index_close": ("v", [_HANDLE]),
    "index_rows": ("n", [_HANDLE]),
    "index_width": ("n", [_HANDLE]),
    "index_set_size": ("n", [_HANDLE]),
    "index_skipped": ("n", [_HANDLE]),
    "index_item": ("s", [_HANDLE, _I64, ctypes.POINTER(_TEXT), ctypes.POINTER(_I64)]),
    "index_search": ("s", [_HANDLE, _HANDLE, _I64, _HANDLE, _HANDLE, _I64, _HANDLE, _HANDLE]),
    "rank": ("s", [ctypes.POINTER(_HANDLE), ctypes.POINTER(_RankInput)]),
    "ranking_measures": ("s", [_HANDLE, ctypes.POINTER(_Measures)]),
    "ranking_close": ("v", [_HANDLE]),
}


def _checked(status):
    if status:
        raise Error(status, _call.message().decode(errors="replace"))


_call = types.SimpleNamespace()
for _name, (_result, _arguments) in _functions.items():
    _function = getattr(_library, "xreid_" + _name)
    _function.argtypes = _arguments
    _function.restype = {"s": _checked, "n": _I64, "t": _TEXT, "v": None}[_result]
    setattr(_call, _name, _function)


def version():
    return _call.version().decode()


def set_log_level(level):
    """0: nothing, 1: warnings (the default), 2: progress too. On standard error."""
    _call.set_log_level(level)


# ---- arguments
def _text(value):
    return None if value is None else os.fsencode(value)


def _texts(values):
    encoded = [v.encode() if isinstance(v, str) else os.fsencode(v) for v in values]
    return (_TEXT * max(len(encoded), 1))(*encoded)


def _array(value, dtype, name, dimensions, shape=None):
    """A contiguous array of that dtype; a conversion may not lose anything but precision of floats."""
    if value is None:
        return None
    array = np.asarray(value)
    wanted = np.dtype(dtype)
    if array.size and not (np.can_cast(array.dtype, wanted, "same_kind") or (wanted.kind == "f" and array.dtype.kind in "iu")):
        raise TypeError(f"{name}: {array.dtype} where {wanted} is expected")
    if array.ndim != dimensions or (shape is not None and array.shape != tuple(shape)):
        raise ValueError(f"{name}: an array of shape {array.shape} where {shape or f'{dimensions} dimensions'} is expected")
    return np.ascontiguousarray(array, wanted)


def _pointer(array):
    return None if array is None else array.ctypes.data


def _features(count, model):
    width, set_size = model.width, model.set_size
    return np.empty((count, width), np.float32), np.empty((count, set_size, width), np.float32) if set_size else None


class _Handle:
    _close = None

    def __init__(self):
        self._handle = _HANDLE()

    def close(self):
        if self._handle:
            self._close(self._handle)
            self._handle = _HANDLE()

    def _open(self):
        """The handle; a closed one must not reach the library."""
        if not self._handle:
            raise ValueError(f"this {type(self).__name__} is closed")
        return self._handle

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        if getattr(self, "_handle", None):
            self.close()


# ---- models
class Model(_Handle):
    """Weights (a run folder, a checkpoint, CLIP's) that turn pictures and sentences into features.

    Features are float32 [N, width], not normalised. A model with embedding sets (`set_size` > 0) gives (features, sets), sets float32
    [N, set_size, width].
    """

    _close = _call.model_close

    def __init__(self, weights, config=None, vocabulary=None, device=None, overrides=()):
        super().__init__()
        options = _ModelOptions(
            ctypes.sizeof(_ModelOptions), _text(config), _text(vocabulary), _text(device), _texts(overrides), len(overrides)
        )
        _call.model_open(ctypes.byref(self._handle), _text(weights), ctypes.byref(options))

    width = property(lambda self: _call.model_width(self._open()))
    set_size = property(lambda self: _call.model_set_size(self._open()))
    image_size = property(lambda self: (_call.model_height(self._open()), _call.model_image_width(self._open())), doc="height, width")

    def embed_images(self, paths, skip_unreadable=False):
        """With skip_unreadable a boolean array is returned, too, that is False where a picture could not be read: its rows are NaN."""
        features, sets = _features(len(paths), self)
        readable = np.zeros(len(paths), np.uint8) if skip_unreadable else None
        _call.embed_images(self._open(), _texts(paths), len(paths), _pointer(features), _pointer(sets), _pointer(readable))
        if not skip_unreadable:
            return features if sets is None else (features, sets)
        for rows in (features, sets):
            if rows is not None:
                rows[readable == 0] = np.nan
        return (features, readable != 0) if sets is None else (features, sets, readable != 0)

    def embed_pixels(self, pixels):
        """uint8 [N, height, width, 3], RGB, of `image_size`."""
        height, width = self.image_size
        pixels = _array(pixels, np.uint8, "pixels", 4, (len(pixels), height, width, 3))
        features, sets = _features(len(pixels), self)
        _call.embed_pixels(self._open(), _pointer(pixels), len(pixels), _pointer(features), _pointer(sets))
        return features if sets is None else (features, sets)

    def embed_texts(self, texts):
        features, sets = _features(len(texts), self)
        _call.embed_texts(self._open(), _texts(texts), len(texts), _pointer(features), _pointer(sets))
        return features if sets is None else (features, sets)

    def index_images(self, folder, paths, shard_rows=0, bf16=False):
        """Embeds pictures into an index, or goes on where that was broken off."""
        _call.index_images(self._open(), _text(folder), _texts(paths), len(paths), shard_rows, bf16)


# ---- indices
class Writer(_Handle):
    """Adds rows to an index, a new one or one that is there. Leaving the `with` block, or finish(), writes the last ones."""

    _close = _call.writer_close

    def __init__(self, folder, model=None, width=None, set_size=0, shard_rows=0, bf16=False):
        super().__init__()
        if (model is None) == (width is None):
            raise ValueError("whose features will these be: give a model or a width")
        self._width, self._set_size = (width, set_size) if model is None else (model.width, model.set_size)
        options = _WriterOptions(
            ctypes.sizeof(_WriterOptions), None if model is None else model._open(), self._width, self._set_size, shard_rows, bf16
        )
        _call.writer_open(ctypes.byref(self._handle), _text(folder), ctypes.byref(options))

    def add(self, features, sets=None, paths=None, ids=None):
        features = _array(features, np.float32, "features", 2, (len(features), self._width))
        count = len(features)
        sets = _array(sets, np.float32, "sets", 3, (count, self._set_size, self._width))
        ids = _array(ids, np.int64, "ids", 1, (count,))
        if paths is not None and len(paths) != count:
            raise ValueError(f"{len(paths)} paths for {count} features")
        _call.writer_add(self._open(), count, _pointer(features), _pointer(sets), None if paths is None else _texts(paths), _pointer(ids))

    def finish(self):
        _call.writer_finish(self._open())
        self.close()

    def __exit__(self, kind, *_):
        if kind is None and self._handle:
            self.finish()
        self.close()


class Index(_Handle):
    """Searches an index. With a model features of another one are refused, and its own score is used; else the cosine."""

    _close = _call.index_close

    def __init__(self, folder, model=None):
        super().__init__()
        self._model = model
        _call.index_open(ctypes.byref(self._handle), _text(folder), None if model is None else model._open())

    width = property(lambda self: _call.index_width(self._open()))
    set_size = property(lambda self: _call.index_set_size(self._open()))
    skipped = property(lambda self: _call.index_skipped(self._open()), doc="pictures that could not be read")

    def __len__(self):
        return _call.index_rows(self._open())

    def search(self, features, sets=None, top=10):
        """(rows int64 [Q, top], -1 behind the last; scores float32 [Q, top]), best first."""
        features = _array(features, np.float32, "features", 2, (len(features), self.width))
        sets = _array(sets, np.float32, "sets", 3, (len(features), self.set_size, self.width))
        rows, scores = np.empty((len(features), top), np.int64), np.empty((len(features), top), np.float32)
        model = None if self._model is None else self._model._open()
        _call.index_search(self._open(), model, len(features), _pointer(features), _pointer(sets), top, _pointer(rows), _pointer(scores))
        return rows, scores

    def _search_embedded(self, embedded, top):
        return self.search(*embedded, top=top) if isinstance(embedded, tuple) else self.search(embedded, top=top)

    def _need_model(self):
        if self._model is None:
            raise ValueError("sentences and pictures need a model: Index(folder, model)")
        return self._model

    def search_texts(self, texts, top=10):
        return self._search_embedded(self._need_model().embed_texts(texts), top)

    def search_images(self, paths, top=10):
        return self._search_embedded(self._need_model().embed_images(paths), top)

    def path(self, row):
        """The picture's path; "" when it is not known."""
        path = _TEXT()
        _call.index_item(self._open(), row, ctypes.byref(path), None)
        return os.fsdecode(path.value)

    def id(self, row):
        """-1: not known."""
        number = _I64()
        _call.index_item(self._open(), row, None, ctypes.byref(number))
        return number.value


# ---- evaluation
def _copy(pointer, *shape):
    return np.ctypeslib.as_array(pointer, shape).copy() if pointer else None


def rank(query=None, gallery=None, query_ids=None, gallery_ids=None, *, scores=None, distances=None, query_cameras=None,
         gallery_cameras=None, protocol="text-to-image", metric="cosine", ties="lower-index", max_rank=50, top=0, query_sets=None,
         gallery_sets=None, set_weight=0.5, set_similarity="smooth_chamfer", set_sharpness=16.0):  # fmt: skip
    """Exact CMC, mAP and mINP of features [Q, D] and [G, D], of sets [Q, K, D] and [G, K, D], or of scores or distances [Q, G].

    Gives a namespace: queries, gallery, valid, unmatched, ties_at_positives, mAP, mINP, cmc, id_cmc (None: the protocol has none), and with
    top > 0 the best rows (`top`, int64 [Q, top]) and their scores (`top_scores`).
    """
    if (scores is not None) + (distances is not None) + (query is not None or query_sets is not None) != 1:
        raise ValueError("features or sets, or scores, or distances: one of the three")
    matrix = _array(scores if distances is None else distances, np.float32, "scores", 2)
    query, gallery = _array(query, np.float32, "query", 2), _array(gallery, np.float32, "gallery", 2)
    query_sets, gallery_sets = _array(query_sets, np.float32, "query_sets", 3), _array(gallery_sets, np.float32, "gallery_sets", 3)
    pairs = [(a, b) for a, b in ((query, gallery), (query_sets, gallery_sets)) if a is not None or b is not None]
    if any(a is None or b is None or a.shape[1:] != b.shape[1:] for a, b in pairs):
        raise ValueError("query and gallery do not fit together")
    counts = matrix.shape if matrix is not None else tuple(len(a) for a in pairs[0])
    if any((len(a), len(b)) != counts for a, b in pairs):
        raise ValueError("features and sets are of different numbers of items")
    if query is not None and query_sets is not None and query.shape[1] != query_sets.shape[2]:
        raise ValueError("features and sets are of different widths")
    ids = [_array(v, np.int64, name, 1, (n,)) for v, name, n in zip((query_ids, gallery_ids), ("query_ids", "gallery_ids"), counts)]
    cameras = [
        _array(v, np.int64, name, 1, (n,))
        for v, name, n in zip((query_cameras, gallery_cameras), ("query_cameras", "gallery_cameras"), counts)
    ]
    given = _RankInput(
        size=ctypes.sizeof(_RankInput), queries=counts[0], gallery=counts[1], query_features=_pointer(query), gallery_features=_pointer(gallery),
        width=(query if query is not None else query_sets).shape[-1] if pairs else 0, scores=_pointer(matrix), distances=distances is not None,
        query_ids=_pointer(ids[0]), gallery_ids=_pointer(ids[1]), query_cameras=_pointer(cameras[0]), gallery_cameras=_pointer(cameras[1]),
        protocol=_text(protocol), metric=_text(metric), ties=_text(ties), max_rank=max_rank, top=top, query_sets=_pointer(query_sets),
        gallery_sets=_pointer(gallery_sets), set_size=query_sets.shape[1] if query_sets is not None else 0,
        set_weight=0 if query_sets is None else 1 if query is None else set_weight, set_similarity=_text(set_similarity),
        set_sharpness=set_sharpness,
    )  # fmt: skip
    handle = _HANDLE()
    _call.rank(ctypes.byref(handle), ctypes.byref(given))
    try:
        m = _Measures(size=ctypes.sizeof(_Measures))
        _call.ranking_measures(handle, ctypes.byref(m))
        return types.SimpleNamespace(
            queries=m.queries, gallery=m.gallery, valid=m.valid, unmatched=m.unmatched, ties_at_positives=m.ties_at_positives, mAP=m.mAP,
            mINP=m.mINP, cmc=_copy(m.cmc, m.cmc_length), id_cmc=_copy(m.id_cmc, m.id_cmc_length), top=_copy(m.top, m.queries, top) if top else None,
            top_scores=_copy(m.top_scores, m.queries, top) if top else None,
        )  # fmt: skip
    finally:
        _call.ranking_close(handle)
