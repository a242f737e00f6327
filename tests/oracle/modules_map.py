"""Golden values of modules on feature maps (see modules.py)."""
import torch

from golden import Golden
from modules import with_gradients


def gem(t):
    p = t["gem.p"] if "gem.p" in t else 3
    return {"feature": ((t["map"] ** p).mean((1, 2)) + 1e-12) ** (1 / p)}


def main():
    torch.manual_seed(44)
    golden = Golden("modules_map")
    for name, shape, power in (("gem", (3, 4, 2, 9), None), ("gem_learned", (2, 3, 3, 8), 2.5)):
        inputs = {"map": torch.randn(shape).abs() + 0.25, "grad_out.feature": torch.randn(shape[0], shape[3])}
        if power:
            inputs["gem.p"] = torch.tensor([power])
        golden.case(name, inputs, with_gradients(gem), keep_f32=("gem.p", "grad_out.feature"))
    golden.write()


if __name__ == "__main__":
    main()
