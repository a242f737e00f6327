"""Golden values of kernels/embedding/class_token.h."""
import torch

from golden import Golden, gradients


def program(t):
    first = t["class_token"].expand(t["x"].shape[0], 1, -1)
    y = torch.cat((first, t["x"]), 1) + t["position"]
    return {"y": y} | gradients([y], {k: t[k] for k in ("x", "class_token", "position")}, [t["dy"].detach()])


def main():
    torch.manual_seed(3)
    golden = Golden("class_token")
    for batch, tokens, width in ((1, 1, 1), (2, 5, 7), (5, 3, 64), (1, 1, 1027)):
        inputs = {
            "x": torch.randn(batch, tokens, width),
            "class_token": torch.randn(width),
            "position": torch.randn(tokens + 1, width),
            "dy": torch.randn(batch, tokens + 1, width),
        }
        golden.case(f"{batch}x{tokens}x{width}", inputs, program)
    golden.write()


if __name__ == "__main__":
    main()
