"""Golden values of kernels/linear/linear.h."""
import torch

from gemm import activation
from golden import Golden, gradients

#        rows, in, out, activation, bias, weight_transposed
CASES = ((1, 1, 1, "none", True, False), (3, 7, 5, "quick_gelu", True, False), (33, 17, 20, "gelu", True, False), (65, 16, 8, "none", False, True),
         (2, 50, 31, "gelu", False, True), (20, 65, 12, "quick_gelu", True, True))


def program(kind, transposed):
    def run(t):
        pre = t["x"] @ (t["weight"] if transposed else t["weight"].mT) + (t["bias"] if "bias" in t else 0)
        y = activation(kind, pre)
        return {"y": y} | ({} if kind == "none" else {"pre": pre}) | gradients([y], {k: t[k] for k in ("x", "weight", "bias") if k in t}, [t["dy"].detach()])
    return run


def main():
    torch.manual_seed(3)
    golden = Golden("linear")
    for rows, inputs_n, out, kind, bias, transposed in CASES:
        inputs = {"x": torch.randn(rows, inputs_n), "weight": torch.randn((inputs_n, out) if transposed else (out, inputs_n)) * inputs_n ** -0.5,
                  "dy": torch.randn(rows, out)}
        if bias:
            inputs["bias"] = torch.randn(out)
        golden.case(f"{rows}x{inputs_n}x{out}", inputs, program(kind, transposed), keep_f32=("bias",))
    golden.write()


if __name__ == "__main__":
    main()
