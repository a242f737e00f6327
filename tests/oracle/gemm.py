"""Golden values of kernels/linear/gemm.h."""
import torch

from golden import Golden

#        m,  n,   k, transpose_a, transpose_b, alpha, bias, activation
CASES = ((1, 1, 1, False, False, 1.0, False, "none"), (5, 17, 33, False, True, 1.0, True, "quick_gelu"), (33, 26, 7, True, False, 0.125, False, "none"),
         (40, 19, 65, True, True, 1.0, True, "gelu"), (66, 10, 12, False, True, -1.5, True, "none"))


def activation(kind, x):
    if kind == "quick_gelu":
        return x * torch.sigmoid(1.702 * x)
    if kind == "gelu":
        return 0.5 * x * (1 + torch.erf(x * 2 ** -0.5))
    if kind == "tanh":
        return torch.tanh(x)
    if kind == "logistic":
        return torch.sigmoid(x)
    return x


def program(transpose_a, transpose_b, kind):
    def run(t):
        a, b = (t["a"].mT if transpose_a else t["a"]), (t["b"].mT if transpose_b else t["b"])
        pre = t["alpha"] * (a @ b) + (t["bias"] if "bias" in t else 0)
        return {"c": activation(kind, pre)} | ({} if kind == "none" else {"pre": pre})
    return run


def main():
    torch.manual_seed(2)
    golden = Golden("gemm")
    for m, n, k, ta, tb, alpha, bias, kind in CASES:
        inputs = {"a": torch.randn((k, m) if ta else (m, k)), "b": torch.randn((n, k) if tb else (k, n)), "alpha": alpha}
        if bias:
            inputs["bias"] = torch.randn(n)
        golden.case(f"{m}x{n}x{k}", inputs, program(ta, tb, kind), keep_f32=("bias",))
    golden.write()


if __name__ == "__main__":
    main()
