"""Golden values of the modules asm and tal (see modules.py); the loss itself is that of semantic_margin.py."""
import torch

import semantic_margin
from golden import Golden
from modules import D, draw, unit, with_gradients

MOMENTUM = 0.875
STATE = "asm.memory."


def cosines(x):
    """In double precision for every program: what is chosen must not depend on the rounding of features."""
    x = unit(x.detach().double())
    return x @ x.T


def remembered(t):
    bank, identity = t[STATE + "features"].detach().double().clone(), t["identity"].long()
    text = unit(t["text"].detach().double())
    for p in set(identity.tolist()):
        mean = text[identity == p].mean(0)
        bank[p] = MOMENTUM * bank[p] + (1 - MOMENTUM) * mean if t[STATE + "seen"][p] else mean
    return cosines(bank[identity])


SOURCES = {
    "text": lambda t: cosines(t["text"]),
    "image": lambda t: cosines(t["image"]),
    "both": lambda t: (cosines(t["text"]) + cosines(t["image"])) / 2,
    "ema": remembered,
}


def asm(t, options, source):
    semantics, t = t, t | options
    t["image"] = t.get("image_id", torch.arange(len(t["similarity"])))
    c = SOURCES[source](semantics).to(t["similarity"].dtype) if source else None
    return semantic_margin.loss_of(t["similarity"], c, t)


def tal(t):
    s, image = t["similarity"], t["image_id"]
    positive = (t["identity"][:, None] == t["identity"][None]) | (image[:, None] == image[None])
    tau, margin, loss = semantic_margin.TAU, semantic_margin.MARGIN, 0
    for x in (s, s.T):
        alpha = (x.detach() / tau).masked_fill(~positive, -torch.inf).softmax(1)
        loss = loss + torch.relu(margin - (alpha * x).sum(1) + tau * (x / tau).masked_fill(positive, -torch.inf).logsumexp(1)).sum()
    return loss


def main():
    torch.manual_seed(43)
    golden = Golden("modules_asm")
    ids, pictures = torch.tensor([3, 3, 5, 9, 9, 9]), torch.tensor([0, 1, 2, 3, 3, 4])
    KINDS, REDUCTIONS = semantic_margin.KINDS, semantic_margin.REDUCTIONS

    def case(name, inputs, module):
        state = [k for k in inputs if k.startswith(STATE)]

        def program(t):
            rest = {k: v for k, v in t.items() if k not in state}
            return with_gradients(lambda u: module(u | {k: t[k].detach() for k in state}))(rest)
        golden.case(name, inputs, program, keep_f32=state)

    def asm_case(name, source=None, extra={}, **options):
        inputs = {"similarity": semantic_margin.draw(6), "identity": ids, "image_id": pictures} | extra
        if source in ("text", "both", "ema"):
            inputs["text"] = draw(6, D // 2)
        if source in ("image", "both"):
            inputs["image"] = draw(6, D // 2)
        if name == "asm_plain":
            del inputs["image_id"]
        options = {"kind": 0, "reduction": 0, "positives": 0, "stretch": 1} | options
        case(name, inputs, lambda t: asm(t, options, source))

    for kind in range(5):
        for reduction in range(3):
            extra = {"length": torch.tensor([9, 77, 3, 40, 21, 9])} if KINDS[kind] == "quality" else {}
            asm_case(f"asm_{KINDS[kind]}_{REDUCTIONS[reduction]}", "text" if kind < 2 else None, extra, kind=kind, reduction=reduction,
                     positives=(kind + reduction) % 3)
    asm_case("asm_asmr", "text", kind=5)
    asm_case("asm_plain", "text", reduction=2, stretch=0)
    asm_case("asm_image", "image", reduction=1)
    asm_case("asm_both", "both", reduction=2)
    memory = {STATE + "features": draw(4, D // 2, std=0.5), STATE + "seen": torch.tensor([1.0, 0.0, 1.0, 1.0])}
    asm_case("asm_ema", "ema", memory | {"identity": torch.tensor([0, 0, 1, 3, 3, 3])}, reduction=2)
    case("tal", {"similarity": semantic_margin.draw(6), "identity": ids, "image_id": pictures}, tal)
    golden.write()


if __name__ == "__main__":
    main()
