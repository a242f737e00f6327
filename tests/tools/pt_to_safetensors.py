"""Files as PyTorch programs leave them, and what has to become of them; called by pt_to_safetensors.sh.

  make FOLDER            writes the .pt files, the safetensors that two of them must be equal to, pictures and captions
  compare FOLDER NAME    the features in FOLDER/NAME against PyTorch's in double precision
"""
import pathlib
import sys

import numpy as np
import torch
from safetensors.torch import save_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "oracle"))
import clip_model as clip  # noqa: E402
import clip_tiny  # noqa: E402


class Unknown:
    """Something that only the full unpickler reads."""


def nested(state):
    """A module whose state_dict() is `state`, as TorchScript."""
    root = torch.nn.Module()
    for name, value in state.items():
        *folders, leaf = name.split(".")
        module = root
        for folder in folders:
            if folder not in dict(module.named_children()):
                module.add_module(folder, torch.nn.Module())
            module = getattr(module, folder)
        module.register_buffer(leaf, value)
    return torch.jit.script(root)


def make(folder):
    weights = {name: clip_tiny.weight(name, shape) for name, shape in clip.shapes(**clip_tiny.SIZES).items()}
    half = {name: value.half() for name, value in weights.items()}
    numbers = {"input_resolution": torch.tensor(64), "context_length": torch.tensor(16), "vocab_size": torch.tensor(100)}
    plain = half | {"logit_scale": torch.tensor(4.6052)}
    nested(plain | numbers).save(folder / "openai.pt")
    save_file(plain, folder / "openai_expected.safetensors")

    # IRRA's: a prefix, a head that shares the table of tokens, a matrix that is a view of another, an optimiser beside the model
    table = weights["token_embedding.weight"].float()
    model = {f"base_model.{name}": value.float() for name, value in weights.items()} | {"base_model.token_embedding.weight": table}
    model |= {"classifier.weight": torch.arange(192.0).reshape(64, 3).T, "classifier.bias": torch.zeros(3), "mlm_head.fc.weight": table}
    optimizer = {"state": {}, "param_groups": [{"lr": 1e-5}]}
    torch.save({"model": model, "optimizer": optimizer, "epoch": 3}, folder / "irra.pth")
    save_file({name: value.contiguous().clone() for name, value in model.items()}, folder / "irra_expected.safetensors")

    torch.save({"state_dict": {"model": plain}}, folder / "wrapped.pt")
    torch.save({"epoch": 3, "history": [1, 2]}, folder / "nothing.pt")
    torch.save(half | {"author": Unknown()}, folder / "unknown.pt")
    (folder / "broken.pt").write_bytes(b"PK\x03\x04 not a file of PyTorch")
    np.save(folder / "pixels.npy", clip_tiny.pixels(3, 64, 32).numpy())
    np.save(folder / "tokens.npy", clip_tiny.tokens().numpy().astype(np.int32))


def compare(folder, name):
    weights = {key: clip_tiny.weight(key, shape).double() for key, shape in clip.shapes(**clip_tiny.SIZES).items()}
    ids = clip_tiny.tokens()
    truth = {"image": clip.image_tokens(weights, clip_tiny.pixels(3, 64, 32), 16)[:, 0], "text": clip.end_feature(clip.text_tokens(weights, ids), ids)}
    for side, expected in truth.items():
        found = torch.from_numpy(np.load(folder / name / f"{side}_features.npy")).double()
        worst = (found - expected).abs().max().item()
        if found.shape != expected.shape or not worst < 1e-5 * expected.abs().max().item():
            sys.exit(f"{name}: {side} features are {worst} off")


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(pathlib.Path(sys.argv[2]))
    else:
        compare(pathlib.Path(sys.argv[2]), sys.argv[3])
