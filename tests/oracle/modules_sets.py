"""Golden values of the modules set_similarity, mmd, uniformity and diversity (see modules.py), from kernels/embedding_set/set_kinds.h,
kernels/loss/mmd.h and kernels/loss/set_spread.h."""
import math

import numpy
import torch

from golden import Golden
from modules import D, draw, unit, with_gradients


# ---------------------------------------------------------------- similarity of sets

def best_matching(c):
    """Columns of the rows (rows <= columns) with the largest sum: over sets of columns, the best of the first so many rows."""
    rows, columns = c.shape
    masks = numpy.arange(1 << columns)
    size = sum(masks >> j & 1 for j in range(columns))
    best, last = numpy.full(1 << columns, -numpy.inf), numpy.zeros(1 << columns, int)
    best[0] = 0
    for r in range(rows):
        now = masks[size == r + 1]
        for j in range(columns):
            has = now[now >> j & 1 == 1]
            value = best[has ^ 1 << j] + c[r, j]
            better = value > best[has]
            best[has[better]], last[has[better]] = value[better], j
    mask = masks[size == rows][best[size == rows].argmax()]
    chosen = []
    for _ in range(rows):
        chosen.append(last[mask])
        mask ^= 1 << chosen[-1]
    return chosen[::-1]


def optimal(c, exact):
    if c.shape[0] > c.shape[1]:
        return optimal(c.T, exact.T)
    return sum(c[x, y] for x, y in enumerate(best_matching(exact.numpy()))) / len(c)


def chamfer(c, exact):
    rows, columns = exact.argmax(1), exact.argmax(0)
    return c.gather(1, rows[:, None]).mean() / 2 + c.gather(0, columns[None]).mean() / 2


def smooth_chamfer(c, a):
    k1, k2 = c.shape
    rows, columns = torch.logsumexp(a * c, 1).sum(), torch.logsumexp(a * c, 0).sum()
    return rows / (2 * a * k1) + columns / (2 * a * k2) - (math.log(k1) + math.log(k2)) / (2 * a)


KINDS = {
    "smooth_chamfer": lambda c, exact: smooth_chamfer(c, 16),
    "sharp": lambda c, exact: smooth_chamfer(c, 100),
    "chamfer": chamfer,
    "mil": lambda c, exact: c.flatten()[exact.argmax()],
    "avg": lambda c, exact: c.mean(),
    "optimal": optimal,
    "aligned": lambda c, exact: c.diagonal().mean(),
}


def similarity(t, kind):
    """Choices are made in double precision for every program: they must not depend on the rounding of features."""
    image, text = unit(t["image"]), unit(t["text"])
    exact = [unit(t[name].detach().double()) for name in ("image", "text")]
    return {"similarity": torch.stack([torch.stack([KINDS[kind](u @ v.T, x @ y.T) for v, y in zip(text, exact[1])])
                                       for u, x in zip(image, exact[0])])}


# ---------------------------------------------------------------- losses

def mmd(t, gamma, power):
    x, y = (unit(t[name]).flatten(0, 1) for name in ("image", "text"))

    def mean_kernel(a, b):
        squared = ((a[:, None] - b[None]) ** 2).sum(-1).clamp(min=1e-12)
        return torch.exp(-gamma * (squared.sqrt() if power == 1 else squared)).mean()
    return mean_kernel(x, x) + mean_kernel(y, y) - 2 * mean_kernel(x, y)


def both(of_set):
    """The mean over the sets of a modality, then over the modalities."""
    return lambda t: sum(torch.stack([of_set(u) for u in unit(t[name])]).mean() for name in ("image", "text")) / 2


def uniformity(u):
    pairs = [(k, l) for l in range(len(u)) for k in range(l)]
    return sum(torch.exp(-2 * ((u[k] - u[l]) ** 2).sum()) for k, l in pairs) / len(pairs) if pairs else 0 * u.sum()


def diversity(u):
    k = len(u)
    gram = (u @ u.T)[~torch.eye(k, dtype=bool)]
    return torch.sqrt((gram ** 2).sum()) / k ** 2 if k > 1 else 0 * u.sum()


def sets(images, k1, texts, k2, width=D):
    return {"image": draw(images, k1, width), "text": draw(texts, k2, width)}


def main():
    torch.manual_seed(44)
    golden = Golden("modules_sets")

    def case(name, inputs, module):
        golden.case(name, inputs, with_gradients(module))

    def similarity_case(name, kind, images, k1, texts, k2, width=D):
        inputs = sets(images, k1, texts, k2, width) | {"grad_out.similarity": draw(images, texts)}
        case(name, inputs, lambda t: similarity(t, kind))

    similarity_case("set_smooth", "smooth_chamfer", 3, 4, 5, 4)
    similarity_case("set_smooth_wide", "smooth_chamfer", 3, 2, 4, 3)
    similarity_case("set_smooth_one", "smooth_chamfer", 2, 1, 3, 1)
    similarity_case("set_smooth_tall", "smooth_chamfer", 2, 16, 3, 1, 4)
    similarity_case("set_smooth_16", "smooth_chamfer", 2, 16, 2, 16, 4)
    similarity_case("set_sharp", "sharp", 2, 3, 2, 5)
    similarity_case("set_chamfer", "chamfer", 3, 4, 3, 3)
    similarity_case("set_chamfer_16", "chamfer", 2, 16, 1, 16, 4)
    similarity_case("set_mil", "mil", 3, 2, 4, 4)
    similarity_case("set_avg", "avg", 3, 3, 2, 2)
    similarity_case("set_optimal", "optimal", 3, 4, 3, 4)
    similarity_case("set_optimal_wide", "optimal", 2, 3, 3, 5)
    similarity_case("set_optimal_tall", "optimal", 3, 5, 2, 2)
    similarity_case("set_optimal_16", "optimal", 1, 16, 2, 16, 4)
    similarity_case("set_aligned", "aligned", 3, 3, 4, 3)
    case("mmd_laplace", sets(3, 3, 4, 2), lambda t: mmd(t, 0.5, 1))
    case("mmd_gauss", sets(4, 2, 3, 3), lambda t: mmd(t, 0.75, 2))
    case("mmd_one", sets(1, 1, 1, 1), lambda t: mmd(t, 0.5, 1))
    equal = sets(2, 2, 3, 2)
    equal["text"][0] = equal["image"][1]  # in the other modality
    equal["text"][1] = equal["text"][2]  # in its own
    case("mmd_equal", equal, lambda t: mmd(t, 0.5, 1))
    case("uniformity", sets(3, 4, 4, 3), both(uniformity))
    case("uniformity_one", sets(2, 2, 3, 1), both(uniformity))
    case("uniformity_16", sets(1, 16, 2, 5), both(uniformity))
    case("diversity", sets(3, 4, 4, 3), both(diversity))
    case("diversity_one", sets(2, 2, 3, 1), both(diversity))
    case("diversity_16", sets(1, 16, 2, 5), both(diversity))
    golden.write()


if __name__ == "__main__":
    main()
