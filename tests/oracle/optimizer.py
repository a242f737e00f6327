"""Golden values of kernels/optimizer: five steps of torch.optim, and torch.nn.utils.clip_grad_norm_."""
import torch

from golden import Golden

STEPS = 5
# offset, count, lr factor, weight decay, eps; between the segments lie elements that belong to nobody
SEGMENTS = ((0, 37, 1.0, 4e-5, 1e-3), (40, 5, 2.0, 0.0, 1e-3), (45, 64, 5.0, 0.1, 1e-8))
RATES = (1e-3, 2e-3, 3e-3, 2e-3, 5e-4)
COUNT = 112


def parameters(t):
    return [t["parameter"].detach()[at : at + n].clone().requires_grad_() for at, n, *_ in SEGMENTS]


def groups(parts, keys):
    return [{"params": [p]} | {k: v for k, v in (("weight_decay", s[3]), ("eps", s[4])) if k in keys} for p, s in zip(parts, SEGMENTS)]


def train(t, optimizer, parts, moments):
    for step in range(STEPS):
        for part, group, (at, n, factor, *_) in zip(parts, optimizer.param_groups, SEGMENTS):
            part.grad = t["gradients"].detach()[step, at : at + n].clone()
            group["lr"] = RATES[step] * factor
        if t["max_norm"]:
            torch.nn.utils.clip_grad_norm_(parts, t["max_norm"])
        optimizer.step()
    results = {"final": scatter(t, parts)}
    for ours, theirs in moments.items():
        results[ours] = scatter(t, [optimizer.state[p][theirs] for p in parts])
    return results


def scatter(t, parts):
    """The parts at their places; the elements between them are zero."""
    whole = torch.zeros_like(t["parameter"]).detach()
    for part, (at, n, *_) in zip(parts, SEGMENTS):
        whole[at : at + n] = part.detach()
    return whole


def adam(kind):
    def program(t):
        parts = parameters(t)
        optimizer = kind(groups(parts, ("weight_decay", "eps")), lr=1.0, betas=(0.9, 0.999), foreach=False)
        return train(t, optimizer, parts, {"first_moment": "exp_avg", "second_moment": "exp_avg_sq"})

    return program


def sgd(momentum, nesterov):
    def program(t):
        parts = parameters(t)
        optimizer = torch.optim.SGD(groups(parts, ("weight_decay",)), lr=1.0, momentum=momentum, nesterov=nesterov, foreach=False)
        return train(t, optimizer, parts, {"momentum_buffer": "momentum_buffer"} if momentum else {})

    return program


def clip(t):
    part = torch.zeros_like(t["gradient"]).requires_grad_()
    part.grad = t["gradient"].detach().clone()
    norm = torch.nn.utils.clip_grad_norm_([part], t["max_norm"])
    return {"norm": norm.reshape(1), "clipped": part.grad}


def main():
    torch.manual_seed(9)
    golden = Golden("optimizer")
    programs = {
        "adam": (adam(torch.optim.Adam), 0),
        "adam_clipped": (adam(torch.optim.Adam), 2.0),
        "adamw": (adam(torch.optim.AdamW), 0),
        "sgd": (sgd(0, False), 0),
        "momentum": (sgd(0.9, False), 0),
        "nesterov": (sgd(0.9, True), 0),
    }
    for name, (program, max_norm) in programs.items():
        gradients = torch.randn(STEPS, COUNT) * 10 ** torch.empty(1, COUNT).uniform_(-4, 1)
        golden.case(name, {"parameter": torch.randn(COUNT), "gradients": gradients, "max_norm": max_norm}, program, keep_f32=("parameter", "gradients"))
    for name, max_norm in (("clip", 1.0), ("loose", 1e3)):
        golden.case(name, {"gradient": torch.randn(1111), "max_norm": max_norm}, clip)
    golden.write()


if __name__ == "__main__":
    main()
