"""Golden values of kernels/pool/grid_mean.h."""
import torch
from torch.nn.functional import avg_pool2d

from golden import Golden, gradients


def program(t):
    batch, _, width = t["x"].shape
    grid = t["x"][:, t["first"] :].reshape(batch, t["grid_height"], t["grid_width"], width)
    y = avg_pool2d(grid.permute(0, 3, 1, 2), t["factor"]).flatten(2).transpose(1, 2)
    return {"y": y} | gradients([y], {"x": t["x"]}, [t["dy"].detach()])


def main():
    torch.manual_seed(21)
    golden = Golden("grid_mean")
    cases = {
        "single": (1, 0, 1, 1, 1, 1),
        "halves": (2, 1, 6, 2, 7, 2),
        "thirds": (3, 0, 3, 6, 9, 3),
        "copy": (2, 1, 2, 3, 5, 1),
        "whole": (1, 1, 4, 4, 33, 4),
    }
    for name, (batch, first, height, width, channels, factor) in cases.items():
        cells = height // factor * (width // factor)
        inputs = {
            "x": torch.randn(batch, first + height * width, channels),
            "dy": torch.randn(batch, cells, channels),
            "first": first,
            "grid_height": height,
            "grid_width": width,
            "factor": factor,
        }
        golden.case(name, inputs, program)
    golden.write()


if __name__ == "__main__":
    main()
