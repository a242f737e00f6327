"""Golden values of kernels/activation/activation.h."""
import torch

from gemm import activation
from golden import Golden, gradients


def program(kind):
    def run(t):
        y = activation(kind, t["x"])
        return {"y": y} | gradients([y], {"x": t["x"]}, [t["dy"].detach()])
    return run


def main():
    torch.manual_seed(4)
    golden = Golden("activation")
    for kind in ("none", "quick_gelu", "gelu", "tanh", "logistic"):
        x = torch.cat([torch.tensor([0.0, -0.0, 1.0, -1.0, 1.4142135, -1.4142135, 30.0, -30.0, 1e-20]), torch.randn(120) * 3])
        golden.case(kind, {"x": x, "dy": torch.randn(x.shape[0])}, program(kind))
    golden.write()


if __name__ == "__main__":
    main()
