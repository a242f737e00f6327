"""Golden values of kernels/loss/centre/centre_memory.h: one step from given banks."""
import itertools

import torch

from golden import Golden, gradients

SETS = "abc"


def program(t):
    names = [name for name in SETS if name in t]
    identity = t["identity"]
    results, banks = {}, []
    for name in names:
        bank = t[f"bank_{name}"].detach().clone()
        for p in set(identity.tolist()):
            mean = t[name][identity == p].detach().mean(0)
            bank[p] = t["momentum"] * bank[p] + (1 - t["momentum"]) * mean if t["seen"][p] else mean
        banks.append(bank)
        results[f"new_{name}"] = bank
    pairs = itertools.permutations(range(len(names)), 2)
    parts = [(t[names[a]].detach() if t["stop"] and a == 2 else t[names[a]]) - banks[b][identity] for a, b in pairs]
    loss = sum((part ** 2).sum() for part in parts) / (2 * len(identity))
    named = {name: t[name] for name in names}
    return results | {"loss": loss.reshape(1)} | gradients([loss], named, [t["upstream"] * torch.ones_like(loss)])


def main():
    torch.manual_seed(14)
    golden = Golden("centre_memory")
    cases = {
        "one": (1, 1, 3, [0], [0], 0),
        "seen": (4, 7, 3, [2, 0, 2, 4], [1, 1, 1, 1, 1], 0),
        "mixed": (8, 5, 3, [5, 3, 5, 0, 1, 1, 5, 3], [1, 0, 1, 0, 0, 1], 0),
        "two": (5, 33, 2, [1, 0, 1, 0, 1], [0, 1], 0),
        "stop": (4, 6, 3, [2, 0, 2, 1], [1, 1, 0], 1),
    }
    for name, (batch, width, sets, identity, seen, stop) in cases.items():
        inputs = {SETS[a]: torch.nn.functional.normalize(torch.randn(batch, width), dim=1) for a in range(sets)}
        inputs |= {f"bank_{SETS[a]}": torch.randn(len(seen), width) for a in range(sets)}
        inputs |= {"identity": torch.tensor(identity), "seen": torch.tensor(seen), "momentum": 0.875, "stop": stop, "upstream": 0.375}
        golden.case(name, inputs, program)
    golden.write()


if __name__ == "__main__":
    main()
