"""Golden values of kernels/pool/masked_mean.h."""
import torch

from golden import Golden, gradients


def program(t):
    tokens = t["x"].shape[1]
    length = t["length"].long() if "length" in t else torch.full((t["x"].shape[0],), tokens)
    place = torch.arange(tokens)
    valid = (place >= t["first"]) & (place < length[:, None])
    count = valid.sum(1, keepdim=True).clamp(min=1)
    y = (t["x"] * valid[..., None]).sum(1) / count
    return {"y": y} | gradients([y], {"x": t["x"]}, [t["dy"].detach()])


def main():
    torch.manual_seed(6)
    golden = Golden("masked_mean")
    cases = {
        "single": (1, 1, 1, 0, None),
        "all": (2, 5, 7, 0, None),
        "lengths": (5, 6, 33, 1, [6, 0, 1, 2, 5]),
        "late": (2, 2, 1030, 1, [2, 1]),
    }
    for name, (batch, tokens, width, first, length) in cases.items():
        inputs = {"x": torch.randn(batch, tokens, width), "dy": torch.randn(batch, width), "first": first}
        if length:
            inputs["length"] = torch.tensor(length)
        golden.case(name, inputs, program)
    golden.write()


if __name__ == "__main__":
    main()
