"""Golden values of kernels/conv/conv2d.h."""
import torch

from golden import Golden, gradients

#        name, batch, height, width, in, out, kernel height, kernel width, stride, pad, bias
CASES = (("single", 1, 1, 1, 1, 1, 1, 1, 1, 0, True),
         ("pointwise", 2, 3, 3, 7, 9, 1, 1, 1, 0, True),
         ("pointwise_stride", 2, 5, 4, 4, 5, 1, 1, 2, 0, False),
         ("three", 2, 4, 3, 5, 6, 3, 3, 1, 1, True),
         ("three_stride", 2, 5, 6, 3, 5, 3, 3, 2, 1, False),
         ("stem", 1, 11, 7, 3, 3, 7, 7, 2, 3, False),
         ("grey", 1, 6, 11, 1, 5, 3, 3, 1, 1, True),
         ("uneven", 2, 6, 5, 4, 3, 2, 3, 1, 0, True),
         ("wide", 1, 2, 2, 17, 3, 3, 3, 1, 1, False))


def program(stride, pad):
    def run(t):
        x, weight = t["x"].permute(0, 3, 1, 2), t["weight"].permute(0, 3, 1, 2)
        y = torch.nn.functional.conv2d(x, weight, t.get("bias"), stride, pad).permute(0, 2, 3, 1)
        return {"y": y} | gradients([y], {k: t[k] for k in ("x", "weight", "bias") if k in t}, [t["dy"].detach()])
    return run


def main():
    torch.manual_seed(41)
    golden = Golden("conv2d")
    for name, batch, height, width, channels, out, kernel_height, kernel_width, stride, pad, bias in CASES:
        rows, cols = (height + 2 * pad - kernel_height) // stride + 1, (width + 2 * pad - kernel_width) // stride + 1
        inputs = {"x": torch.randn(batch, height, width, channels),
                  "weight": torch.randn(out, kernel_height, kernel_width, channels) * (kernel_height * kernel_width * channels) ** -0.5,
                  "dy": torch.randn(batch, rows, cols, out)}
        if bias:
            inputs["bias"] = torch.randn(out)
        golden.case(name, inputs, program(stride, pad), keep_f32=("bias",))
    golden.write()


if __name__ == "__main__":
    main()
