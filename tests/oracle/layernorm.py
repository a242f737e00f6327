"""Golden values of kernels/norm/layernorm.h."""
import torch

from golden import Golden, gradients

EPS = 1e-5


def program(t):
    s = t["x"] + t["residual"] if "residual" in t else t["x"]
    mean = s.mean(-1, keepdim=True)
    variance = ((s - mean) ** 2).mean(-1, keepdim=True)
    y = (s - mean) / torch.sqrt(variance + EPS) * t["weight"] + t["bias"]
    outputs, weights = [y], [t["dy"].detach()]
    if "dsum" in t:
        outputs, weights = [y, s], [t["dy"].detach(), t["dsum"].detach()]
    return {"y": y, "sum": s} | gradients(outputs, {k: t[k] for k in ("x", "weight", "bias")}, weights)


def main():
    torch.manual_seed(1)
    golden = Golden("layernorm")
    for rows, cols, residual in ((1, 2, False), (3, 7, False), (5, 64, True), (33, 65, True), (3, 768, False)):
        inputs = {"x": torch.randn(rows, cols) * 2 + 0.5, "weight": torch.randn(cols), "bias": torch.randn(cols), "dy": torch.randn(rows, cols)}
        if residual:
            inputs |= {"residual": torch.randn(rows, cols), "dsum": torch.randn(rows, cols)}
        golden.case(f"{rows}x{cols}" + "_residual" * residual, inputs, program, keep_f32=("weight", "bias"))
    golden.write()


if __name__ == "__main__":
    main()
