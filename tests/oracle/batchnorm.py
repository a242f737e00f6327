"""Golden values of kernels/norm/batchnorm.h."""
import torch

from golden import Golden, gradients

EPS = 1e-5


def program(relu):
    def run(t):
        mean = t["x"].mean(0)
        rstd = 1 / torch.sqrt(((t["x"] - mean) ** 2).mean(0) + EPS)
        y = (t["x"] - mean) * rstd * t["weight"] + t["bias"]
        y = y + t["add"] if "add" in t else y
        y = torch.relu(y) if relu else y
        names = [k for k in ("x", "weight", "bias", "add") if k in t]
        return {"y": y, "mean": mean, "rstd": rstd} | gradients([y], {k: t[k] for k in names}, [t["dy"].detach()])
    return run


def main():
    torch.manual_seed(5)
    golden = Golden("batchnorm")
    for rows, cols, add, relu in ((2, 1, False, False), (5, 7, False, True), (3, 17, True, False), (33, 8, True, True), (130, 9, False, True)):
        inputs = {"x": torch.randn(rows, cols) * 2 + 0.5, "weight": torch.randn(cols), "bias": torch.randn(cols), "dy": torch.randn(rows, cols)}
        if add:
            inputs["add"] = torch.randn(rows, cols)
        golden.case(f"{rows}x{cols}" + "_add" * add + "_relu" * relu, inputs, program(relu), keep_f32=("weight", "bias"))
    golden.write()


if __name__ == "__main__":
    main()
