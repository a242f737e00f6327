"""Golden values of kernels/linear/patchify.h: a convolution of PyTorch's, which patches and a product must equal."""
import torch

from golden import Golden


def program(stride):
    def run(t):
        y = torch.nn.functional.conv2d(t["x"].permute(0, 3, 1, 2), t["weight"], stride=stride)
        return {"y": y.flatten(2).transpose(1, 2)}  # [B, gh * gw, width]
    return run


def main():
    torch.manual_seed(6)
    golden = Golden("patchify")
    #   batch, height, width, patch, stride
    for batch, height, width, patch, stride in ((2, 12, 8, 4, 4), (1, 11, 9, 3, 2), (3, 5, 5, 5, 1), (1, 4, 3, 1, 1)):
        inputs = {"x": torch.randn(batch, height, width, 3), "weight": torch.randn(6, 3, patch, patch)}
        golden.case(f"{height}x{width}_patch{patch}_stride{stride}", inputs, program(stride))
    golden.write()


if __name__ == "__main__":
    main()
