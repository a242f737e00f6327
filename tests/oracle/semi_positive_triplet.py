"""Golden values of kernels/loss/triplet/semi_positive_triplet.h. Mining is done on the double-precision cosines, once for all precisions."""
import torch

from elementwise import MASK64, philox
from golden import Golden, gradients

KINDS = ["three_tier", "ssan_cr", "soft"]
SEMI = ["hard", "mean", "random"]
NEGATIVE = ["hard", "semi_hard", "random"]
KEY, STEP, NODE = 0x123456789ABCD, 0x100000007, 12345678901  # as in the tests


def below(word, n):
    return (word * n) >> 32


def direction(s, t, first_block):
    """Mean over the rows of s of L_i."""
    batch, identity, image = len(s), t["identity"].tolist(), t["image"].tolist()
    margin, key = t["margin"], (KEY + NODE * 0x9E3779B97F4A7C15) & MASK64
    kind, semi_mining, negative_mining = KINDS[t["kind"]], SEMI[t["semi"]], NEGATIVE[t["negative"]]
    adapts = t["adaptive_from"] >= 0 and STEP >= t["adaptive_from"]
    value = s.detach().double()
    losses = []
    for i in range(batch):
        words = philox(key, STEP, first_block + i)
        semis = [j for j in range(batch) if identity[j] == identity[i] and image[j] != image[i]]
        negatives = [j for j in range(batch) if identity[j] != identity[i] and image[j] != image[i]]
        if kind != "soft" and negative_mining == "semi_hard":
            negatives = [j for j in negatives if 0 < margin - value[i, i] + value[i, j] < margin]
        if not negatives:
            continue
        pos = s[i, i]
        if kind == "soft":
            neg = t["tau"] * torch.logsumexp(s[i, negatives] / t["tau"], 0)
        elif negative_mining == "hard":
            neg = s[i, max(negatives, key=lambda j: (value[i, j].item(), -j))]
        else:
            neg = s[i, negatives[below(words[1], len(negatives))]]
        total = torch.relu(margin - pos + neg)
        if semis:
            if semi_mining == "hard":
                semi = s[i, min(semis, key=lambda j: (value[i, j].item(), j))]
            elif semi_mining == "mean":
                semi = s[i, semis].mean()
            else:
                semi = s[i, semis[below(words[0], len(semis))]]
            ratio = 1.0 if pos.item() == 0 else min(1.0, abs(semi.item()) / abs(pos.item()))
            weak = margin * (ratio + 1) / 2 if adapts else margin / 2
            total = total + t["beta"] * torch.relu(weak - semi + neg)
            if kind != "ssan_cr":
                total = total + t["gamma"] * torch.relu(t["order_margin"] - pos + semi)
        losses.append(total)
    return torch.stack(losses).sum() / batch if losses else 0 * s.sum()


def program(t):
    s = t["similarity"]
    loss = (direction(s, t, 0) + direction(s.T, t, len(s))) / 2
    unit = gradients([loss], {"similarity": s}, [torch.ones_like(loss)])["dsimilarity"]
    return {"loss": loss.reshape(1), "gradient": unit}


DEFAULTS = {"kind": 0, "semi": 1, "negative": 0, "margin": 0.1875, "beta": 0.125, "gamma": 0.25, "order_margin": 0.0625, "tau": 0.0625,
            "adaptive_from": 0}


def main():
    torch.manual_seed(12)
    golden = Golden("semi_positive_triplet")
    mixed = [7, 7, 2, 2, 2, 40, 7, 1, 1, 5, 40, 40, 40, 9, 2, 6]
    pictures = [0, 1, 2, 2, 3, 4, 0, 5, 6, 7, 8, 8, 9, 10, 11, 12]
    four, own = [i // 4 for i in range(16)], list(range(16))
    cases = {
        "one": (1, [3], [0], {}),
        "two": (2, [3, 4], [0, 1], {}),
        "same": (5, [6] * 5, own[:5], {}),  # no negatives
        "distinct": (5, [3, 1, 4, 0, 5], own[:5], {}),  # no semi-positives
        "four": (16, four, own, {}),
        "mixed": (16, mixed, pictures, {}),
        "fixed_margin": (16, mixed, pictures, {"adaptive_from": -1}),
        "later": (16, mixed, pictures, {"adaptive_from": STEP + 1}),
        "now": (16, mixed, pictures, {"adaptive_from": STEP}),
        "semi_hard_hard": (16, mixed, pictures, {"semi": 0, "negative": 1, "margin": 0.5}),
        "random": (16, four, own, {"semi": 2, "negative": 2}),
        "ssan_cr": (16, mixed, pictures, {"kind": 1, "semi": 2, "negative": 1, "margin": 0.375}),
        "soft": (16, mixed, pictures, {"kind": 2}),
        "ties": (8, [i // 2 for i in range(8)], list(range(8)), {"semi": 0, "margin": 0.5}),
        "opposite": (8, [i // 4 for i in range(8)], list(range(8)), {"semi": 1, "margin": 0.5}),
        "odd": (27, [i // 3 % 7 for i in range(27)], [i // 2 for i in range(27)], {"semi": 2, "negative": 1, "margin": 0.25}),
    }
    for name, (batch, identity, image, changes) in cases.items():
        images, texts = (torch.nn.functional.normalize(torch.randn(batch, 8), dim=1) for _ in range(2))
        s = images @ texts.T
        if name == "ties":  # few values, so that many candidates are equal
            s = (2 * s).round() / 2
        if name == "opposite":  # an own pair of 0, and negative cosines
            s = -s.abs()
            s[2, 2] = 0
        inputs = {"similarity": s, "identity": torch.tensor(identity), "image": torch.tensor(image)}
        golden.case(name, inputs | DEFAULTS | changes, program)
    golden.write()


if __name__ == "__main__":
    main()
