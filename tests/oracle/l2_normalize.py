"""Golden values of kernels/norm/l2_normalize.h."""
import torch

from golden import Golden, gradients


def program(t):
    y = t["x"] / torch.sqrt((t["x"] ** 2).sum(-1, keepdim=True) + 1e-12)
    return {"y": y} | gradients([y], {"x": t["x"]}, [t["dy"].detach()])


def main():
    torch.manual_seed(5)
    golden = Golden("l2_normalize")
    for rows, cols in ((1, 2), (3, 7), (2, 512), (1, 1029)):
        golden.case(f"{rows}x{cols}", {"x": torch.randn(rows, cols) * 3, "dy": torch.randn(rows, cols)}, program)
    tiny = {"x": torch.randn(3, 9) * 1e-6, "dy": torch.randn(3, 9)}  # epsilon counts here
    tiny["x"][1] = 0
    golden.case("tiny", tiny, program)
    golden.write()


if __name__ == "__main__":
    main()
