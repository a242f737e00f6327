"""A CLIP model of tiny sizes: features that `xreid embed` has to give, from PyTorch in double precision, with the error of PyTorch in single
precision beside them. The weights are functions of their names (Philox, as host/base/random.h), so the golden file holds no weights:
tests/models/test_weights.c makes the same ones. Each is a multiple of a power of two with at most 8 significant bits, the same number in f32,
f16 and bf16."""
import numpy as np
import torch
from safetensors.torch import save_file

import clip_model as clip
from golden import GOLDEN

SIZES = dict(width=64, layers=2, patch=16, positions=9, text_width=64, text_layers=2, context=16, vocabulary=100, embed=64)
MASK = (1 << 64) - 1


def key_of(name):
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = (value ^ byte) * 0x100000001B3 & MASK
    return value * 0x9E3779B97F4A7C15 & MASK


def random_bytes(name, count):
    """The upper 8 bits of each word of the Philox4x32-10 stream of this name."""
    key = key_of(name)
    low = np.arange((count + 3) // 4, dtype=np.uint64)
    zero = np.zeros_like(low)
    c, k0, k1, mask = [low, zero, zero.copy(), zero.copy()], key & 0xFFFFFFFF, key >> 32, np.uint64(0xFFFFFFFF)
    for _ in range(10):
        p0, p1 = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(p1 >> np.uint64(32)) ^ c[1] ^ np.uint64(k0), p1 & mask, (p0 >> np.uint64(32)) ^ c[3] ^ np.uint64(k1), p0 & mask]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return (np.stack(c, 1).reshape(-1)[:count] >> np.uint64(24)).astype(np.int64)


SCALES = ((".attn.in_proj_weight", 1 / 4), ("class_embedding", 1), ("positional_embedding", 1 / 2), ("token_embedding.weight", 1),
          ("conv1.weight", 1 / 16), ("proj", 1 / 4), ("text_projection", 1 / 4), ("mlp.c_proj.weight", 1 / 16))


def weight(name, shape):
    count = int(np.prod(shape))
    values = random_bytes(name, count)
    if ".ln_" in f".{name}" and name.endswith(".weight"):
        values = 0.5 + (values >> 1) / 256
    else:
        scale = next((s for ending, s in SCALES if name.endswith(ending)), 1 / 8)
        values = (values - 128) / 128 * scale
    return torch.from_numpy(values.reshape(shape))


def pixels(count, height, width):
    return torch.from_numpy(random_bytes(f"pixels.{height}x{width}", count * height * width * 3).reshape(count, height, width, 3)).to(torch.uint8)


def tokens():
    ids = torch.from_numpy(random_bytes("tokens", 48).reshape(3, 16) % 97 + 1)
    for row, end in enumerate((15, 6, 1)):
        ids[row, 0], ids[row, end] = 98, 99
        ids[row, end + 1:] = 99 if row == 1 else 0  # both ways to pad
    return ids


def main():
    weights = {name: weight(name, shape) for name, shape in clip.shapes(**SIZES).items()}
    ids, base, large = tokens(), pixels(3, 64, 32), pixels(2, 96, 48)
    golden = {"tokens": ids.to(torch.int32)}

    def case(name, program):
        truth, naive = (program({k: v.to(dtype) for k, v in weights.items()}) for dtype in (torch.float64, torch.float32))
        for key, value in truth.items():
            golden[f"{name}.{key}"] = value.contiguous().clone()
            golden[f"{name}.{key}.naive_f32"] = torch.tensor([(naive[key].double() - value).abs().max().item()], dtype=torch.float64)

    def both(w, kind):
        image, text = clip.image_tokens(w, base, 16, kind), clip.text_tokens(w, ids, kind)
        return {"image_features": image[:, 0], "text_features": clip.end_feature(text, ids), "image_tokens": image, "text_tokens": text}

    case("quick_gelu", lambda w: both(w, "quick_gelu"))
    case("gelu", lambda w: {k: v for k, v in both(w, "gelu").items() if "features" in k})
    for mode in ("bilinear", "bicubic"):
        case(f"{mode}.6x3", lambda w: {"image_features": clip.image_tokens(clip.resize_positions(w, (4, 2), (6, 3), mode), large, 16)[:, 0]})
        case(f"{mode}.7x3", lambda w: {"image_features": clip.image_tokens(clip.resize_positions(w, (4, 2), (7, 3), mode), base, 8)[:, 0]})
        case(f"{mode}.2x5", lambda w: {"table": clip.resize_positions(w, (4, 2), (2, 5), mode)["visual.positional_embedding"][:, :8]})
    path = GOLDEN / "clip_tiny.safetensors"
    save_file(golden, str(path))
    path.chmod(0o644)
    print(f"{path.name}: {len(golden)} tensors, {path.stat().st_size} bytes")
    print({k: f"{v.item():.2e} of {golden[k[:-10]].abs().max():.2f}" for k, v in golden.items() if k.endswith("naive_f32")})


if __name__ == "__main__":
    main()
