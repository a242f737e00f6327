"""Golden values of kernels/conv/token_conv.h."""
import torch
from torch.nn.functional import conv1d

from golden import Golden, gradients


def program(t):
    x, weight = t["x"], t["weight"]
    batch, tokens, width = x.shape
    length = t["length"].long() if "length" in t else torch.full((batch,), tokens)
    valid = (torch.arange(tokens) < length[:, None])[..., None]
    masked = torch.where(valid, x, 0).transpose(1, 2)
    y = conv1d(masked, weight[:, None], padding="same", groups=width).transpose(1, 2) * valid
    return {"y": y} | gradients([y], {"x": x, "weight": weight}, [t["dy"].detach()])


def main():
    torch.manual_seed(22)
    golden = Golden("token_conv")
    cases = {
        "single": (1, 1, 1, 1, None),
        "pointwise": (2, 3, 9, 1, [3, 2]),
        "short": (2, 2, 5, 9, None),
        "three": (3, 6, 17, 3, None),
        "five": (5, 7, 8, 5, [7, 0, 1, 2, 6]),
        "seven": (2, 9, 18, 7, [8, 9]),
        "wide": (1, 2, 270, 3, None),
    }
    for name, (batch, tokens, width, taps, length) in cases.items():
        inputs = {
            "x": torch.randn(batch, tokens, width),
            "weight": torch.randn(width, taps),
            "dy": torch.randn(batch, tokens, width),
        }
        if length:
            inputs["length"] = torch.tensor(length)
        golden.case(name, inputs, program)
    golden.write()


if __name__ == "__main__":
    main()
