#!/usr/bin/env python3
"""Turns PyTorch's .pt and .pth files into safetensors, which xreid reads. Needs PyTorch and safetensors (pip install torch safetensors).

usage: tools/pt-to-safetensors.py IN.pt OUT.safetensors [--activation gelu] [--grid 24x8]

Reads OpenAI's CLIP (a TorchScript archive such as ViT-B-16.pt), IRRA's best.pth ({"model": state_dict}) and plain state dicts. Names, dtypes
and values stay as they are; tensors of zero dimensions that are no floating-point numbers are left out. A file that only PyTorch's full
unpickler reads may run code of its author: --trust allows that.
"""
import argparse
import json
import sys

CLIP_STATISTICS = {"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711]}
WRAPPERS = ("model", "state_dict", "model_state_dict")


def load(path, trust):
    import torch

    try:
        return torch.jit.load(path, map_location="cpu").state_dict()
    except RuntimeError:  # no TorchScript archive
        pass
    try:
        return torch.load(path, map_location="cpu", weights_only=not trust)
    except Exception as error:
        if trust:
            raise
        sys.exit(f"{path}: {error}\nIf you know who made this file: --trust")


def state_dict_of(content, path):
    """The dict of tensors inside what training scripts save."""
    import torch

    while isinstance(content, dict):
        inner = next((content[key] for key in WRAPPERS if isinstance(content.get(key), (dict, torch.nn.Module))), None)
        if inner is None:
            break
        content = inner
    if isinstance(content, torch.nn.Module):
        content = content.state_dict()
    if not isinstance(content, dict) or not any(torch.is_tensor(v) for v in content.values()):
        sys.exit(f"{path}: holds no state dict")
    return content


def tensors_of(state):
    """Contiguous tensors, none sharing memory with another; and the names of what is left out."""
    import torch

    kept, left_out = {}, []
    for name, value in state.items():
        if torch.is_tensor(value) and (value.ndim or value.is_floating_point()):
            kept[name] = value.detach().clone(memory_format=torch.contiguous_format)
        else:
            left_out.append(name)
    return kept, left_out


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("--activation", choices=("quick_gelu", "gelu"), default="quick_gelu", help="what the model was trained with: OpenAI's "
                        "and IRRA's weights quick_gelu (the default), many of open_clip's gelu")
    parser.add_argument("--grid", help="HEIGHTxWIDTH of the image tower's positions in patches where it is no square: 24x8 for IRRA's weights")
    parser.add_argument("--trust", action="store_true", help="unpickle everything: only for files whose author you trust")
    options = parser.parse_args()
    from safetensors.torch import save_file

    tensors, left_out = tensors_of(state_dict_of(load(options.input, options.trust), options.input))
    metadata = {"format": "pt", "activation": options.activation, "image_statistics": json.dumps(CLIP_STATISTICS)}
    if options.grid:
        metadata["position_grid"] = json.dumps([int(side) for side in options.grid.split("x")])
    save_file(tensors, options.output, metadata=metadata)
    print(f"{options.output}: {len(tensors)} tensors" + (f"; left out: {', '.join(left_out)}" if left_out else ""))


if __name__ == "__main__":
    main()
