"""Golden values of kernels/loss/centre/centre_alignment.h. q* is chosen on double-precision centres, once for all precisions."""
import itertools

import torch

from golden import Golden, gradients

KINDS = ["l2", "cosine", "hetero_hinge", "sdm", "triplet"]
SETS = "abc"


def unit(v):
    return v / torch.sqrt((v * v).sum(-1, keepdim=True) + 1e-12)


def sdm(cosine, tau):
    """Both directions; every identity once, so the targets are the diagonal."""
    target = torch.log(torch.eye(len(cosine), dtype=cosine.dtype) + 1e-8)
    sides = (torch.log_softmax(side / tau, 1) for side in (cosine, cosine.T))
    return sum((log_p.exp() * (log_p - target)).sum(1).mean() for log_p in sides)


def separation(centres, margin):
    count, hinges = len(centres[0]), []
    for a, b in itertools.permutations(range(len(centres)), 2):
        choice = unit(centres[a].detach().double()) @ unit(centres[b].detach().double()).T
        cosine = unit(centres[a]) @ unit(centres[b]).T
        for p in range(count):
            others = [q for q in range(count) if q != p]
            if others:
                q = max(others, key=lambda q: (round(choice[p, q].item(), 12), -q))
                hinges.append(torch.relu(margin + cosine[p, q] - cosine[p, p]))
    ordered = len(centres) * (len(centres) - 1)
    return torch.stack(hinges).sum() / (ordered * count) if hinges else 0 * centres[0].sum()


def program(t):
    sets = [t[name] for name in SETS if name in t]
    identity = t["identity"].tolist()
    present = list(dict.fromkeys(identity))
    rows = [[i for i, own in enumerate(identity) if own == p] for p in present]
    centres = [torch.stack([x[r].mean(0) for r in rows]) for x in sets]
    if t["stop"]:
        centres[2] = centres[2].detach()
    kind, loss = KINDS[t["kind"]], 0
    for u, v in itertools.combinations(centres, 2):
        distance = ((u - v) ** 2).sum(1)
        loss = loss + {"l2": lambda: distance.mean(), "cosine": lambda: (1 - (unit(u) * unit(v)).sum(1)).mean(),
                       "hetero_hinge": lambda: torch.relu(distance - t["margin"]).mean(),
                       "sdm": lambda: sdm(unit(u) @ unit(v).T, t["tau"]), "triplet": lambda: 0}[kind]()
    weight = 1 if kind == "triplet" else t["separation_weight"]
    if weight:
        loss = loss + weight * separation(centres, t["separation_margin"])
    named = {name: t[name] for name in SETS if name in t}
    return {"loss": loss.reshape(1)} | gradients([loss], named, [t["upstream"] * torch.ones_like(loss)])


DEFAULTS = {"kind": 0, "margin": 0.25, "tau": 0.125, "separation_weight": 0.0, "separation_margin": 0.1875, "stop": 0, "upstream": 0.375}


def main():
    torch.manual_seed(13)
    golden = Golden("centre_alignment")
    mixed, four = [70, 7, 2, 2, 2, 40, 7, 1], [i // 4 for i in range(12)]
    cases = {
        "one": (1, 7, 3, [5], {}),
        "one_separated": (1, 1, 3, [5], {"kind": 3, "separation_weight": 0.5}),
        "same": (4, 7, 3, [6] * 4, {"kind": 4}),  # no other identity
        "two": (2, 7, 2, [3, 4], {"separation_weight": 0.5}),
        "l2": (8, 7, 3, mixed, {}),
        "wide": (5, 65, 2, [0, 1, 0, 1, 1], {}),
        "cosine": (12, 7, 3, four, {"kind": 1}),
        "cosine_separated": (8, 5, 3, mixed, {"kind": 1, "separation_weight": 0.5}),
        "hinge": (8, 7, 3, mixed, {"kind": 2, "margin": 0.5}),
        "sdm": (8, 7, 3, mixed, {"kind": 3}),
        "sdm_separated": (8, 7, 3, mixed, {"kind": 3, "separation_weight": 0.75, "stop": 1}),
        "triplet": (12, 7, 3, four, {"kind": 4}),
        "triplet_two": (8, 7, 2, mixed, {"kind": 4, "separation_weight": 0.5}),
        "stop": (8, 5, 3, mixed, {"stop": 1, "separation_weight": 0.5}),
        "ties": (6, 4, 3, [0, 0, 1, 2, 3, 4], {"kind": 4, "separation_margin": 1.5}),
    }
    for name, (batch, width, sets, identity, changes) in cases.items():
        x = {SETS[a]: torch.nn.functional.normalize(torch.randn(batch, width), dim=1) for a in range(sets)}
        if name == "ties":  # unit vectors: cosines are 0 or 1, exactly
            x = {key: torch.eye(width)[torch.randint(width, (batch,))] for key in x}
            for value in x.values():
                value[1] = value[0]
        golden.case(name, x | {"identity": torch.tensor(identity)} | DEFAULTS | changes, program)
    golden.write()


if __name__ == "__main__":
    main()
