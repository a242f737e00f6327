"""Golden values of kernels/pool/max_pool.h, kernels/pool/gem.h and kernels/image/resize_bilinear.h."""
import torch
from torch.nn import functional as F

from golden import Golden, gradients


def channels_first(x):
    return x.permute(0, 3, 1, 2)


def channels_last(x):
    return x.permute(0, 2, 3, 1).contiguous()


def max_pool(t):
    y = channels_last(F.max_pool2d(channels_first(t["x"]), t["kernel"], t["stride"], t["pad"]))
    return {"y": y} | gradients([y], {"x": t["x"]}, [t["dy"].detach()])


def gem(t):
    """eps 1e-12 as a learned power p, or 3."""
    p = t["learned_power"] if "learned_power" in t else 3
    mean = (torch.relu(t["x"]) ** p).mean(1) + 1e-12
    y = mean ** (1 / p)
    found = gradients([y], {k: t[k] for k in ("x", "learned_power") if k in t}, [t["dy"].detach()])
    if "dlearned_power" in found:
        found["dpower"] = found.pop("dlearned_power")
    return {"y": y} | found


def resize(t):
    y = channels_last(F.interpolate(channels_first(t["x"]), t["size"], mode="bilinear", align_corners=False))
    return {"y": y} | gradients([y], {"x": t["x"]}, [t["dy"].detach()])


def main():
    torch.manual_seed(6)
    golden = Golden("max_pool")
    for name, shape, kernel, stride, pad in (("single", (1, 1, 1, 1), 1, 1, 0), ("resnet", (2, 8, 6, 9), 3, 2, 1), ("odd", (1, 7, 5, 8), 3, 2, 1),
                                             ("apart", (2, 7, 8, 3), 2, 3, 1), ("dense", (1, 5, 6, 2), 5, 1, 2), ("whole", (2, 4, 4, 17), 4, 4, 0)):
        # whole numbers: windows with several largest values
        x = torch.randint(-3, 4, shape).float()
        out = [(s + 2 * pad - kernel) // stride + 1 for s in shape[1:3]]
        golden.case(name, {"x": x, "dy": torch.randn(shape[0], *out, shape[3])},
                    lambda t: max_pool(t | {"kernel": kernel, "stride": stride, "pad": pad}))
    golden.write()

    golden = Golden("gem")
    for name, shape, power in (("one", (1, 1, 1), None), ("three", (2, 6, 9), None), ("wide", (1, 20, 33), None), ("learned", (3, 5, 8), 2.5),
                               ("steep", (2, 7, 5), 6.25), ("flat", (2, 7, 5), 1.25)):
        inputs = {"x": torch.randn(shape).abs() + 0.25, "dy": torch.randn(shape[0], shape[2])}
        if name != "one":
            # what ReLU leaves: zeros among it
            inputs["x"][:, ::3] = 0
        if power:
            # PyTorch's gradient of 0^p has a logarithm of 0 in it
            inputs |= {"x": inputs["x"] + 0.125, "learned_power": torch.tensor([power])}
        golden.case(name, inputs, gem, keep_f32=("learned_power", "dy"))
    golden.write()

    golden = Golden("resize_bilinear")
    for name, shape, size in (("single", (1, 1, 1, 1), (1, 1)), ("up", (2, 3, 2, 5), (7, 9)), ("down", (1, 9, 8, 4), (4, 3)),
                              ("same", (1, 3, 4, 1), (3, 4)), ("mixed", (1, 2, 12, 7), (5, 1)), ("far", (1, 1, 2, 3), (8, 16))):
        golden.case(name, {"x": torch.randn(shape), "dy": torch.randn(shape[0], *size, shape[3])}, lambda t: resize(t | {"size": size}))
    golden.write()


if __name__ == "__main__":
    main()
