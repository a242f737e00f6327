"""Golden values of kernels/loss/triplet/semantic_margin.h. What is chosen (the hardest, active hinges) is chosen on double-precision values,
once for all precisions."""
import torch

from golden import Golden, gradients

KINDS = ["neg_sem", "commonality", "quality", "pos_ratio", "fixed", "asmr"]
REDUCTIONS = ["hardest", "sum", "lse"]
POSITIVES = ["paired", "all_same_pid", "all_same_pid_soft"]
MARGIN, LOW, HIGH, TAU, SCALE = 0.375, 0.0625, 0.5, 0.125, 8.0  # as in the tests


def common(c, identity):
    """Mean cosines of identities in place of those of samples."""
    m = (identity[:, None] == identity[None]).to(c.dtype)
    m = m / m.sum(1, keepdim=True)
    return m @ c @ m.T


def semantic_margins(c, negative, stretch):
    if not stretch:
        return LOW + (HIGH - LOW) * (1 - (1 + c) / 2)
    lowest = c.masked_fill(~negative, torch.inf).min(1, keepdim=True).values
    highest = c.masked_fill(~negative, -torch.inf).max(1, keepdim=True).values
    flat = ~(highest - lowest > 1e-6)
    sem = torch.where(flat, torch.full_like(c, 0.5), (c - lowest) / torch.where(flat, torch.ones_like(lowest), highest - lowest))
    return LOW + (HIGH - LOW) * (1 - sem)


def margins(s, c, t, negative, semi):
    """[B, B] or [B, 1], constants"""
    kind = KINDS[t["kind"]]
    s = s.detach()
    if kind == "neg_sem":
        return semantic_margins(c, negative, t["stretch"])
    if kind == "commonality":
        return semantic_margins(common(c, t["identity"]), negative, t["stretch"])
    if kind == "quality":
        length = t["length"].to(s.dtype)[:, None]
        span = length.max() - length.min()
        return LOW + (HIGH - LOW) * ((length - length.min()) / span if span > 0 else torch.full_like(length, 0.5))
    if kind == "pos_ratio":
        own, count = s.diagonal()[:, None].abs(), semi.sum(1, keepdim=True)
        mean = (s.masked_fill(~semi, 0).sum(1, keepdim=True) / count.clamp(min=1)).abs()
        ratio = torch.where((count == 0) | (own == 0), torch.ones_like(own), mean / torch.where(own == 0, torch.ones_like(own), own))
        return MARGIN * (1 + ratio.clamp(max=1)) / 2
    return torch.full((len(s), 1), MARGIN, dtype=s.dtype)


def direction(s, c, t):
    """Mean over the rows of s of L_i."""
    batch = len(s)
    image = t["image"] if "image" in t else torch.arange(batch)
    own = torch.eye(batch, dtype=torch.bool)
    equivalent = image[:, None] == image[None]
    same = t["identity"][:, None] == t["identity"][None]
    negative, semi = ~equivalent & ~same, same & ~equivalent
    positive = own if t["positives"] == 0 else ~negative

    def pos_of(x):
        if POSITIVES[t["positives"]] == "all_same_pid_soft":
            alpha = (x.detach() / TAU).masked_fill(~positive, -torch.inf).softmax(1)
        else:
            alpha = positive / positive.sum(1, keepdim=True).to(x.dtype)
        return (alpha * x).sum(1)

    m, pos = margins(s, c, t, negative, semi), pos_of(s)
    exact = s.detach().double() + margins(s.double(), None if c is None else c.double(), t, negative, semi)
    exact_pos = pos_of(s.detach().double())
    losses = []
    for i in range(batch):
        rivals = negative[i].nonzero()[:, 0].tolist()
        if not rivals:
            continue
        score = (s[i] + m[i])[rivals]
        if REDUCTIONS[t["reduction"]] == "hardest":
            rivals = [max(rivals, key=lambda j: (exact[i, j].item(), -j))]
        if REDUCTIONS[t["reduction"]] == "lse":
            hinge = TAU * torch.logsumexp(score / TAU, 0) - pos[i]
            if (TAU * torch.logsumexp(exact[i, rivals] / TAU, 0) - exact_pos[i]).item() > 0:
                losses.append(hinge)
            continue
        losses += [(s[i] + m[i])[j] - pos[i] for j in rivals if (exact[i, j] - exact_pos[i]).item() > 0]
    return torch.stack(losses).sum() / batch if losses else 0 * s.sum()


def regression(s, c):
    if len(s) == 1:
        return 0 * s.sum()
    distance = SCALE * (2 - 2 * c).clamp(min=0).sqrt()
    distance = distance.masked_fill(torch.eye(len(s), dtype=torch.bool), 0)
    return ((s - s.mean() - torch.sigmoid(1 - distance / 10)) ** 2).mean()


def loss_of(s, c, t):
    if KINDS[t["kind"]] == "asmr":
        return regression(s, c)
    return (direction(s, c, t) + direction(s.T, c, t)) / 2


def program(t):
    s = t["similarity"]
    c = t["semantic"].detach() if "semantic" in t else None
    loss = loss_of(s, c, t)
    unit = gradients([loss], {"similarity": s}, [torch.ones_like(loss)])["dsimilarity"]
    return {"loss": loss.reshape(1), "gradient": unit}


def draw(batch, width=6):
    """Cosines of all pairs of two sets; not symmetric."""
    a, b = (torch.nn.functional.normalize(torch.randn(batch, width), dim=1) for _ in range(2))
    return a @ b.T


def main():
    torch.manual_seed(14)
    golden = Golden("semantic_margin")
    nine, pictures = [7, 7, 2, 2, 2, 40, 7, 1, 1], [0, 1, 2, 2, 3, 4, 0, 5, 6]

    def case(name, identity, image, **options):
        batch = len(identity)
        kind = KINDS[options.get("kind", 0)]
        inputs = {"similarity": draw(batch), "identity": torch.tensor(identity)}
        if kind in ("neg_sem", "commonality", "asmr"):
            inputs["semantic"] = draw(batch)
        if kind == "quality":
            inputs["length"] = torch.randint(3, 78, (batch,))
        if image:
            inputs["image"] = torch.tensor(image)
        if name == "ties":  # few values, so that many candidates are equal
            inputs["similarity"] = (2 * inputs["similarity"]).round() / 2
        if name == "opposite":  # an own pair of 0, and negative similarities
            inputs["similarity"] = -inputs["similarity"].abs()
            inputs["similarity"][2, 2] = 0
        if name == "flat":  # nothing to stretch
            inputs["semantic"] = torch.full((batch, batch), 0.75)
        if name == "flat_quality":
            inputs["length"] = torch.full((batch,), 9)
        golden.case(name, inputs | {"kind": 0, "reduction": 0, "positives": 0, "stretch": 1} | options, program)

    for kind in range(5):
        for reduction in range(3):
            case(f"{KINDS[kind]}_{REDUCTIONS[reduction]}", nine, pictures, kind=kind, reduction=reduction, positives=(kind + reduction) % 3)
    case("asmr", nine, None, kind=5)
    case("asmr_one", [3], None, kind=5)
    case("one", [3], [0])
    case("two", [3, 4], None)
    case("same", [6] * 4, None, reduction=2, positives=2)  # no negatives
    case("distinct", [3, 1, 4, 0, 5], None, kind=3, positives=1)  # no semi-positives
    case("unstretched", nine, pictures, stretch=0, positives=1)
    case("unstretched_common", nine, None, kind=1, stretch=0)
    case("flat", nine, pictures, reduction=1)
    case("flat_quality", nine, pictures, kind=2)
    case("ties", [i // 2 for i in range(8)], None, kind=4)
    case("opposite", [i // 4 for i in range(8)], None, kind=3)
    case("odd", [i // 3 % 5 for i in range(19)], [i // 2 for i in range(19)], reduction=1, positives=2)
    golden.write()


if __name__ == "__main__":
    main()
