"""Golden values of kernels/loss/centre/feature_memory.h: one step from a given bank."""
import torch

from golden import Golden


def program(t):
    bank, identity = t["bank"].detach().clone(), t["identity"].long()
    for p in set(identity.tolist()):
        mean = t["x"].detach()[identity == p].mean(0)
        bank[p] = t["momentum"] * bank[p] + (1 - t["momentum"]) * mean if t["seen"][p] else mean
    return {"new_bank": bank, "y": bank[identity]}


def main():
    torch.manual_seed(44)
    golden = Golden("feature_memory")
    cases = {
        "one": (1, 1, [0], [0]),
        "seen": (4, 7, [2, 0, 2, 4], [1, 1, 1, 1, 1]),
        "mixed": (8, 33, [5, 3, 5, 0, 1, 1, 5, 3], [1, 0, 1, 0, 0, 1]),
    }
    for name, (batch, width, identity, seen) in cases.items():
        inputs = {"x": torch.nn.functional.normalize(torch.randn(batch, width), dim=1), "bank": torch.randn(len(seen), width)}
        golden.case(name, inputs | {"identity": torch.tensor(identity), "seen": torch.tensor(seen), "momentum": 0.875}, program)
    golden.write()


if __name__ == "__main__":
    main()
