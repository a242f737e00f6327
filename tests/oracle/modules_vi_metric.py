"""Golden values of the modules wrt, icm and hetero_centre (see modules.py), from kernels/loss/triplet/weighted_regularized_triplet.h,
kernels/loss/centre/centre_mining.h and kernels/loss/centre/modality_memory.h."""
import torch

from golden import Golden
from modules import D, draw, unit, with_gradients

MOMENTUM, STATE = 0.875, "icm.memory."


def distance(a, b):
    return torch.sqrt(((a - b) ** 2).sum(-1).clamp(min=1e-12))


# ---------------------------------------------------------------- weighted regularized triplets

def softmax_of(v, mask, agw):
    """Rows of weights: the softmax over a mask, or AGW's, whose maximum is over the masked row, zeros included."""
    if not agw:
        return v.masked_fill(~mask, -torch.inf).softmax(1)
    v = v * mask
    e = torch.exp(v - v.max(1, keepdim=True)[0]) * mask
    return e / (e.sum(1, keepdim=True) + 1e-6)


def wrt(t, agw=False, square=False, gamma=1.0, clamp=88.0):
    x, identity = t["features"], t["identity"]
    d = distance(x[:, None], x[None])
    same = identity[:, None] == identity[None]
    positive = same if agw else same & ~torch.eye(len(x), dtype=bool)
    rows = [i for i in range(len(x)) if agw or positive[i].any()]
    losses = []
    for i in rows:
        if not agw and same[i].all():
            losses.append(0 * x.sum())
            continue
        fp, fn = ((softmax_of(v[i:i + 1], mask[i:i + 1], agw) * d[i]).sum() for v, mask in ((d, positive), (-d, ~same)))
        y = fp - fn
        if square:
            y = torch.clamp(gamma * y * y, max=clamp) * (1 if fp > fn else -1)
        losses.append(torch.nn.functional.softplus(y, threshold=1000))
    return sum(losses) / len(losses) if losses else 0 * x.sum()


# ---------------------------------------------------------------- centre mining

class Batch:
    """Samples by identity and modality; identities that lack one are left out. Choices are made in double precision (exact) for every
    program: they must not depend on the rounding of features."""

    def __init__(self, t, normalize):
        x = torch.cat([t[name] for name in ("visible", "infrared") if name in t])
        normalized = unit if normalize else (lambda v: v)
        self.x, self.exact = normalized(x), normalized(x.detach().double())
        side = torch.arange(len(x)) >= len(t["visible"])
        rows = [[((t["identity"] == p) & (side == s)).nonzero()[:, 0].tolist() for s in (False, True)]
                for p in dict.fromkeys(t["identity"].tolist())]
        self.rows = [r for r in rows if r[0] and r[1]]
        self.zero = 0 * x.sum()

    def centres(self, x):
        return [[x[r].mean(0) for r in p] for p in self.rows]

    def joint(self):
        return [self.x[p[0] + p[1]].mean(0) for p in self.rows]


def square(a, b):
    return ((a - b) ** 2).sum(-1)


def icm(b, pull=1.0, mine=0.5, push=0.5, rho=0.3):
    mu, exact, loss, count = b.centres(b.x), b.centres(b.exact), b.zero, len(b.rows)
    for p in range(count):
        loss = loss + pull / count * square(*mu[p])
        for s in (0, 1):
            hardest = b.rows[p][s][square(b.exact[b.rows[p][s]], exact[p][1 - s]).argmax()]
            loss = loss + mine / (2 * count) * square(b.x[hardest], mu[p][1 - s])
            others = [(q, side) for q in range(count) if q != p for side in (0, 1)]
            if others:
                q, side = min(others, key=lambda k: square(exact[p][s], exact[k[0]][k[1]]))
                hinge = rho + distance(*mu[p]) - distance(mu[p][s], mu[q][side])
                loss = loss + push / (2 * count) * torch.relu(hinge)
    return loss


def hc(b, margin=0.3):
    return b.zero + sum(torch.relu(square(*mu) - margin) for mu in b.centres(b.x))


def centre_cluster(b, sample=0.01, centre=0.7):
    mu, loss = b.joint(), b.zero
    own = [distance(b.x[i], mu[p]) for p, r in enumerate(b.rows) for i in r[0] + r[1]]
    pairs = [distance(mu[p], mu[q]) for q in range(len(mu)) for p in range(q)]
    for hinges in ([d - sample for d in own], [centre - d for d in pairs]):
        if hinges:
            loss = loss + torch.relu(torch.stack(hinges)).mean()
    return loss


def msel(b):
    terms = []
    for r in b.rows:
        for s in (0, 1):
            for i in r[s]:
                same = [distance(b.x[i], b.x[j]) for j in r[s] if j != i]
                other = [distance(b.x[i], b.x[j]) for j in r[1 - s]]
                if same:
                    terms.append((sum(other) / len(other) - sum(same) / len(same)) ** 2)
    return torch.stack(terms).mean() if terms else b.zero


def dcl(b):
    mu, loss = b.joint(), b.zero
    for p, r in enumerate(b.rows):
        others = [i for q, o in enumerate(b.rows) if q != p for i in o[0] + o[1]]
        if others:
            exact = distance(b.exact[others], b.exact[r[0] + r[1]].mean(0))
            near = [i for i, d in zip(others, exact) if d <= exact.mean()]
            loss = loss + distance(b.x[r[0] + r[1]], mu[p]).mean() / distance(b.x[near], mu[p]).mean() / len(b.rows)
    return loss


def mmd(b, gamma=0.5, power=1):
    def mean_kernel(u, v):
        return torch.exp(-gamma * distance(u[:, None], v[None]) ** power).mean()

    loss = b.zero
    for r in b.rows:
        v, i = b.x[r[0]], b.x[r[1]]
        loss = loss + (mean_kernel(v, v) + mean_kernel(i, i) - 2 * mean_kernel(v, i)) / len(b.rows)
    return loss


def memory(t):
    x = unit(torch.cat([t[name] for name in ("visible", "infrared") if name in t]))
    identity, side = t["identity"].long(), (torch.arange(len(x)) >= len(t["visible"])).long()
    banks = [t[STATE + name].detach().clone() for name in ("visible_centres", "infrared_centres")]
    seen = t[STATE + "seen"].detach().clone()
    for s in (0, 1):
        for p in set(identity[side == s].tolist()):
            mean = x.detach()[(identity == p) & (side == s)].mean(0)
            banks[s][p] = MOMENTUM * banks[s][p] + (1 - MOMENTUM) * mean if seen[s, p] > 0.5 else mean
            seen[s, p] = 1
    terms = [square(x[i], banks[1 - side[i]][p]) for i, p in enumerate(identity) if seen[1 - side[i], p] > 0.5]
    return torch.stack(terms).mean() if terms else 0 * x.sum()


def main():
    torch.manual_seed(61)
    golden = Golden("modules_vi_metric")

    def case(name, inputs, module):
        state = [k for k in inputs if k.startswith(STATE)]

        def program(t):
            rest = {k: v for k, v in t.items() if k not in state}
            return with_gradients(lambda u: module(u | {k: t[k].detach() for k in state}))(rest)
        golden.case(name, inputs, program, keep_f32=state)

    # ---- wrt: an identity of three, of two, and one alone
    mixed = torch.tensor([7, 3, 7, 3, 5, 7])
    features = {"features": draw(6, D), "identity": mixed}
    far = {"features": 5 * draw(6, D), "identity": mixed}
    equal = {"features": draw(6, D), "identity": mixed}
    equal["features"][2] = equal["features"][0]  # of one identity
    equal["features"][4] = equal["features"][1]  # of two
    same = {"features": draw(4, D), "identity": torch.tensor([2, 2, 2, 2])}
    one = {"features": draw(1, D), "identity": torch.tensor([4])}
    odd = {"features": draw(9, 2 * D + 1), "identity": torch.tensor([1, 0, 1, 2, 0, 2, 1, 0, 2])}
    for name, inputs in (("", features), ("_far", far), ("_equal", equal), ("_same", same), ("_one", one), ("_odd", odd)):
        case("wrt" + name, inputs, wrt)
        if name in ("", "_far", "_equal"):
            case("wrt_agw" + name, inputs, lambda t: wrt(t, agw=True))
    case("wrt_square", features, lambda t: wrt(t, square=True, gamma=0.5, clamp=10))
    case("wrt_square_cut", far, lambda t: wrt(t, square=True, gamma=0.5, clamp=10))
    case("wrt_square_agw", odd, lambda t: wrt(t, agw=True, square=True))

    # ---- icm
    def pair(visible, infrared):
        out = {"visible": draw(len(visible), D), "identity": torch.tensor(visible + infrared)}
        return out | {"infrared": draw(len(infrared), D)} if infrared else out

    even = pair([4, 4, 9, 9, 6, 6], [4, 4, 9, 9, 6, 6])
    uneven = pair([4, 9, 1, 9, 8, 9], [8, 9, 4, 3, 8, 4, 4])  # 1 and 3 lack a modality
    ragged = pair([4, 9, 9, 5], [9, 4, 4, 5, 4])
    coincident = pair([4, 4, 9, 9], [4, 4, 9, 9])
    coincident["infrared"][:2] = coincident["visible"][:2]  # the centres of 4 are equal
    coincident["visible"][3] = coincident["visible"][2]  # two samples of 9
    lonely, blind, apart = pair([3, 3], [3, 3, 3]), pair([3, 3, 5], []), pair([3, 3, 5], [6, 7])
    for name, inputs in (("", even), ("_uneven", uneven), ("_ragged", ragged), ("_coincident", coincident), ("_lonely", lonely),
                         ("_blind", blind), ("_apart", apart)):
        case("icm" + name, inputs, lambda t: icm(Batch(t, True)))
    case("icm_raw", ragged, lambda t: icm(Batch(t, False), pull=0.5, mine=0.25, push=2, rho=0.75))
    for name, module in (("msel", msel), ("dcl", dcl), ("cluster", centre_cluster), ("spread", mmd), ("hc", hc)):
        case(name, uneven, lambda t: module(Batch(t, True)))
    for name, module in (("dcl", dcl), ("cluster", centre_cluster), ("spread", mmd)):
        case(name + "_coincident", coincident, lambda t: module(Batch(t, True)))
    case("msel_lonely", lonely, lambda t: msel(Batch(t, True)))
    case("cluster_wide", ragged, lambda t: centre_cluster(Batch(t, False), sample=2, centre=4))
    case("spread_gauss", uneven, lambda t: mmd(Batch(t, True), gamma=0.75, power=2))
    case("hetero_centre", even, lambda t: hc(Batch(t, True)))
    banks = {STATE + "visible_centres": draw(5, D, std=0.5), STATE + "infrared_centres": draw(5, D, std=0.5)}
    known = {STATE + "seen": torch.tensor([[1.0, 0, 1, 0, 0], [1, 0, 0, 1, 0]])}
    unknown = {STATE + "seen": torch.zeros(2, 5)}
    case("memory", pair([0, 0, 1, 2, 3], [0, 1, 1, 4]) | banks | known, memory)
    case("memory_new", pair([0, 0, 1, 2, 3], [0, 1, 1, 4]) | banks | unknown, memory)
    case("memory_visible", pair([0, 2, 3, 4], []) | banks | known, memory)
    golden.write()


if __name__ == "__main__":
    main()
