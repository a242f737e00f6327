"""Compares `xreid embed` with PyTorch on random weights of a real model's shapes, in both namings. Run by hand; takes some GB and minutes.

usage: clip_parity.py XREID [FOLDER]    (ViT-B/16: 224 x 224, and 384 x 128 with resized positions)
"""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from safetensors.torch import save_file

import clip_model as clip

SIZES = dict(width=768, layers=12, patch=16, positions=197, text_width=512, text_layers=12, context=77, vocabulary=49408, embed=512)


def draw(name, shape, generator):
    noise = torch.randn(shape, generator=generator)
    if ".ln_" in f".{name}" and name.endswith(".weight"):
        return 1 + 0.1 * noise
    if name.endswith("bias"):
        return 0.05 * noise
    return noise * (0.3 if "embedding" in name else 1.5 * shape[-1] ** -0.5 if len(shape) == 2 else 0.03)


def main():
    xreid, folder = sys.argv[1], pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp())
    generator = torch.Generator().manual_seed(1)
    weights = {name: draw(name, shape, generator) for name, shape in clip.shapes(**SIZES).items()}
    pixels = {size: torch.randint(256, (2, *size, 3), generator=generator, dtype=torch.uint8) for size in ((224, 224), (384, 128))}
    ids = torch.randint(1, 49405, (2, 77), generator=generator, dtype=torch.int32)
    ids[0, 20:], ids[0, 20], ids[1, 76] = 0, 49407, 49407
    np.save(folder / "ids.npy", ids.numpy())
    files = {"openai.f32": weights, "huggingface.f32": clip.to_huggingface(weights)}
    files |= {k.replace("f32", "f16"): {n: v.half() for n, v in w.items()} for k, w in files.items()}
    for (height, width), image in pixels.items():
        np.save(folder / "pixels.npy", image.numpy())
        for name, tensors in files.items():
            save_file(tensors, folder / f"{name}.safetensors")
            command = [xreid, "embed", "--weights", folder / f"{name}.safetensors", f"image.height={height}", f"image.width={width}",
                       "--pixels", folder / "pixels.npy", "--tokens", folder / "ids.npy", "--token-features", "--out", folder / "out"]
            subprocess.run([str(c) for c in command], check=True)
            results = {}
            for dtype in (torch.float64, torch.float32):
                w = {k: (v.half() if "f16" in name else v).to(dtype) for k, v in weights.items()}
                if (height, width) != (224, 224):
                    w = clip.resize_positions(w, (14, 14), (height // 16, width // 16), "bilinear")
                with torch.no_grad():
                    image_tokens, text_tokens = clip.image_tokens(w, image, 16), clip.text_tokens(w, ids)
                results[dtype] = {"image_features": image_tokens[:, 0], "text_features": clip.end_feature(text_tokens, ids),
                                  "image_tokens": image_tokens, "text_tokens": text_tokens}
            for key, truth in results[torch.float64].items():
                ours = torch.from_numpy(np.load(folder / "out" / f"{key}.npy")).double()
                naive, error = ((v.double() - truth).abs().max().item() for v in (results[torch.float32][key], ours))
                print(f"{name:16} {height}x{width} {key:15} largest {truth.abs().max():6.2f}  error {error:.2e}  PyTorch f32 {naive:.2e}  "
                      f"ratio {error / naive:.2f}", flush=True)


main()
