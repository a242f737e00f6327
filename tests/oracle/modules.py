"""Golden values of whole modules, written from the formulas of docs/methods, for `xreid module`: loss or outputs, and every gradient.

Inputs have the names of the module's tensors and parameters; results are outputs and "grad.<tensor>". Outputs of modules are weighted by
inputs "grad_out.<output>"."""
import itertools
import math

import torch
from torch.nn import functional as F

from golden import Golden

D, HEADS = 8, 2


# ---------------------------------------------------------------- layers

def unit(v):
    return v / torch.sqrt((v * v).sum(-1, keepdim=True) + 1e-12)


def quick_gelu(x):
    return x * torch.sigmoid(1.702 * x)


def norm(t, name, x):
    return F.layer_norm(x, (x.shape[-1],), t[f"{name}.weight"], t[f"{name}.bias"], 1e-5)


def linear(t, name, x):
    return F.linear(x, t[f"{name}.weight"], t[f"{name}.bias"])


def heads_of(x, heads):
    return x.reshape(*x.shape[:-1], heads, -1).transpose(-2, -3)


def attention(q, k, v, heads, mask=None):
    """q [B, M, D], k, v [B, N, D]; mask [B, N]: True where a key counts."""
    q, k, v = (heads_of(x, heads) for x in (q, k, v))
    score = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if mask is not None:
        score = score.masked_fill(~mask[:, None, None], -torch.inf)
    return (score.softmax(-1) @ v).transpose(-2, -3).flatten(-2)


def block(t, name, x, heads):
    h = norm(t, f"{name}.ln_1", x)
    q, k, v = F.linear(h, t[f"{name}.attn.in_proj_weight"], t[f"{name}.attn.in_proj_bias"]).chunk(3, -1)
    x = x + linear(t, f"{name}.attn.out_proj", attention(q, k, v, heads))
    return x + linear(t, f"{name}.mlp.c_proj", quick_gelu(linear(t, f"{name}.mlp.c_fc", norm(t, f"{name}.ln_2", x))))


# ---------------------------------------------------------------- losses

def cosines(t):
    return unit(t["image"]) @ unit(t["text"]).T


def sdm(t, tau=0.125, semi=1.0):
    same = t["identity"][:, None] == t["identity"][None]
    target = same.to(t["image"].dtype)
    if semi != 1:
        target = torch.where(same & (t["image_id"][:, None] != t["image_id"][None]), semi * target, target)
    loss = 0
    for cosine, y in ((cosines(t), target), (cosines(t).T, target.T)):
        log_p = torch.log_softmax(cosine / tau, 1)
        q = y / y.sum(1, keepdim=True)
        loss = loss + (log_p.exp() * (log_p - torch.log(q + 1e-8))).sum(1).mean()
    return loss


def identity_loss(t):
    logits = [linear(t, "classifier", t[side]) for side in ("image", "text")]
    return sum(F.cross_entropy(z, t["identity"].long()) for z in logits) / 2


def cria(t):
    rows = [(t["identity"] == p).nonzero()[:, 0] for p in dict.fromkeys(t["identity"].tolist())]
    sets = [unit(t[name]) for name in ("image", "text", "combined") if name in t]
    centres = [torch.stack([x[r].mean(0) for r in rows]) for x in sets]
    loss = sum(((u - v) ** 2).sum(1).mean() for u, v in itertools.combinations(centres, 2))
    if "classifier.weight" in t:
        logits = F.linear(t["combined"], t["classifier.weight"], t["classifier.combined_bias"])
        loss = loss + F.cross_entropy(logits, t["identity"].long())
    return loss


def spt_one_way(s, identity, image, m1=0.25, beta=0.5, gamma=0.25, m3=0.0625):
    loss = 0
    for i in range(len(s)):
        negatives = [j for j in range(len(s)) if identity[j] != identity[i]]
        semis = [j for j in range(len(s)) if identity[j] == identity[i] and image[j] != image[i]]
        if not negatives:
            continue
        positive, negative = s[i, i], s[i, negatives].max()
        loss = loss + torch.relu(m1 - positive + negative)
        if semis:
            semi = s[i, semis].mean()
            m2 = (1 + min(1.0, (semi.abs() / positive.abs()).item())) * m1 / 2
            loss = loss + beta * torch.relu(m2 - semi + negative) + gamma * torch.relu(m3 - positive + semi)
    return loss / len(s)


def spt(t):
    identity, image = t["identity"].tolist(), t["image_id"].tolist()
    return (spt_one_way(cosines(t), identity, image) + spt_one_way(cosines(t).T, identity, image)) / 2


# ---------------------------------------------------------------- modules

def imfi(t, concat=False):
    """feature, slots"""
    scales = [t[f"tokens.{s}"] + t[f"imfi.code.{s}"] for s in range(4) if f"tokens.{s}" in t]
    length = t.get("length")
    q = linear(t, "imfi.attn.q", norm(t, "imfi.ln_q", t["imfi.query"]))[None]
    found = []
    keyed = [linear(t, "imfi.attn.kv", norm(t, "imfi.ln_k", x)).chunk(2, -1) for x in scales]
    masks = [None if length is None else torch.arange(x.shape[1])[None] < length[:, None] for x in scales]
    if concat:
        keyed = [[torch.cat(part, 1) for part in zip(*keyed)]]
        masks = [None if length is None else torch.cat(masks, 1)]
    for (k, v), mask in zip(keyed, masks):
        z = t["imfi.query"] + linear(t, "imfi.attn.out", attention(q.expand(len(k), -1, -1), k, v, HEADS, mask))
        found.append(z + linear(t, "imfi.mlp.c_proj", quick_gelu(linear(t, "imfi.mlp.c_fc", norm(t, "imfi.ln_mlp", z)))))
    z = torch.stack(found, 1)
    if len(found) > 1:
        gate = (norm(t, "imfi.ln_gate", z) @ t["imfi.gate.weight"][0]).softmax(1)
        slots = (gate[..., None] * z).sum(1)
    else:
        slots = z[:, 0]
    gamma = t["imfi.image.gamma" if length is None else "imfi.text.gamma"]
    return {"feature": t["global"] + gamma * (slots.mean(1) @ t["imfi.out.weight"].T), "slots": slots}


def crl(t, kind):
    v, u = t["image"], t["text"]
    if kind == "mlp":
        h = torch.cat([v, u, v * u, (v - u).abs()], 1)
        c = norm(t, "crl.ln", linear(t, "crl.fc_2", quick_gelu(linear(t, "crl.fc_1", h))))
    elif kind == "gated":
        g = torch.sigmoid(linear(t, "crl.gate", torch.cat([v, u], 1)))
        c = g * v + (1 - g) * u
    elif kind == "sum":
        c = (v + u) / 2
    else:
        x = torch.cat([t["crl.class_embedding"].expand(len(v), 1, -1), t["image_slots"], t["text_slots"]], 1) + t["crl.positional_embedding"]
        for i in range(2):
            x = block(t, f"crl.transformer.resblocks.{i}", x, 1)
        c = norm(t, "crl.ln", x[:, 0])
    return {"combined": c}


def esa_slot(t, depth, post_norm=False):
    """sets, residual"""
    def post(name, e):
        return norm(t, f"esa.image.ln_post_{name}", e) if post_norm else e

    x = norm(t, "esa.image.ln_tokens", t["tokens"])
    k, v = (heads_of(h, HEADS) for h in F.linear(x, t["esa.image.attn.kv.weight"]).chunk(2, -1))
    e = t["esa.image.set"].expand(len(x), -1, -1)
    for _ in range(depth):
        q = heads_of(F.linear(norm(t, "esa.image.ln_q", e), t["esa.image.attn.q.weight"]), HEADS)
        s = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-2)
        if "length" in t:
            s = s * (torch.arange(x.shape[1]) < t["length"][:, None, None, None])
        w = s / (s.sum(-1, keepdim=True) + 1e-7)
        e = post("attn", e + F.linear((w @ v).transpose(-2, -3).flatten(-2), t["esa.image.attn.out.weight"]))
        h = linear(t, "esa.image.mlp.c_proj", F.gelu(linear(t, "esa.image.mlp.c_fc", norm(t, "esa.image.ln_mlp", e))))
        e = post("mlp", e + h)
    e = norm(t, "esa.image.ln_out", e)
    return {"sets": unit(norm(t, "esa.image.ln_global", t["global"])[:, None] + e), "residual": e}


# ---------------------------------------------------------------- cases

def draw(*shape, std=1.0):
    return std * torch.randn(*shape)


def norm_parameters(name, width=D):
    return {f"{name}.weight": 1 + draw(width, std=0.1), f"{name}.bias": draw(width, std=0.1)}


def linear_parameters(name, inside, outside):
    return {f"{name}.weight": draw(outside, inside, std=inside ** -0.5), f"{name}.bias": draw(outside, std=0.1)}


def block_parameters(name):
    p = linear_parameters(f"{name}.attn.out_proj", D, D) | linear_parameters(f"{name}.mlp.c_fc", D, 4 * D)
    p |= linear_parameters(f"{name}.mlp.c_proj", 4 * D, D) | norm_parameters(f"{name}.ln_1") | norm_parameters(f"{name}.ln_2")
    return p | {f"{name}.attn.in_proj_weight": draw(3 * D, D, std=D ** -0.5), f"{name}.attn.in_proj_bias": draw(3 * D, std=0.1)}


def imfi_parameters(scales, modality, queries=3):
    p = {f"imfi.code.{s}": draw(D, std=0.5) for s in range(scales)} | {"imfi.query": draw(queries, D)}
    for name, inside, outside in (("attn.q", D, D), ("attn.kv", D, 2 * D), ("attn.out", D, D), ("mlp.c_fc", D, 4 * D), ("mlp.c_proj", 4 * D, D)):
        p |= linear_parameters(f"imfi.{name}", inside, outside)
    for name in ("ln_q", "ln_k", "ln_mlp"):
        p |= norm_parameters(f"imfi.{name}")
    p |= {"imfi.out.weight": draw(D, D, std=D ** -0.5), f"imfi.{modality}.gamma": draw(D, std=0.5)}
    return p


def gate_parameters():
    return norm_parameters("imfi.ln_gate") | {"imfi.gate.weight": draw(1, D, std=0.5)}


def crl_parameters(kind):
    if kind == "mlp":
        return linear_parameters("crl.fc_1", 4 * D, 2 * D) | linear_parameters("crl.fc_2", 2 * D, D) | norm_parameters("crl.ln")
    if kind == "gated":
        return linear_parameters("crl.gate", 2 * D, D)
    if kind == "sum":
        return {}
    p = {"crl.class_embedding": draw(D), "crl.positional_embedding": draw(7, D)} | norm_parameters("crl.ln")
    return p | block_parameters("crl.transformer.resblocks.0") | block_parameters("crl.transformer.resblocks.1")


def esa_slot_parameters(post_norm=False, slots=3, inner=16):
    names = ["ln_tokens", "ln_q", "ln_mlp", "ln_out", "ln_global"] + (["ln_post_attn", "ln_post_mlp"] if post_norm else [])
    p = {"esa.image.set": draw(slots, D), "esa.image.attn.q.weight": draw(inner, D, std=D ** -0.5),
         "esa.image.attn.kv.weight": draw(2 * inner, D, std=D ** -0.5), "esa.image.attn.out.weight": draw(D, inner, std=inner ** -0.5)}
    for name in names:
        p |= norm_parameters(f"esa.image.{name}")
    return p | linear_parameters("esa.image.mlp.c_fc", D, 4 * D) | linear_parameters("esa.image.mlp.c_proj", 4 * D, D)


def with_gradients(module):
    """A program of one module: its outputs, and the gradient of the loss or of the weighted outputs to every float input."""
    def program(t):
        floats = {k: v for k, v in t.items() if torch.is_tensor(v) and v.is_floating_point() and not k.startswith("grad_out.")}
        outputs = module(t)
        outputs = outputs if isinstance(outputs, dict) else {"loss": outputs.reshape(1)}
        names = list(outputs)
        weights = [torch.ones_like(outputs[k]) if k == "loss" else t[f"grad_out.{k}"].detach() for k in names]
        found = torch.autograd.grad([outputs[k] for k in names], list(floats.values()), weights, allow_unused=True)
        grads = {f"grad.{k}": torch.zeros_like(v) if g is None else g for (k, v), g in zip(floats.items(), found)}
        return {k: v.clone() for k, v in outputs.items()} | grads
    return program


def main():
    torch.manual_seed(41)
    golden = Golden("modules")
    ids = torch.tensor([3, 3, 5, 9, 9, 9])
    images = torch.tensor([0, 1, 2, 3, 3, 4])
    pair = {"image": draw(6, D), "text": draw(6, D), "identity": ids}
    numbered = {"identity": torch.tensor([0, 0, 1, 2, 2, 2])}

    def case(name, inputs, module):
        vectors = {k for k, v in inputs.items() if torch.is_tensor(v) and v.dim() == 1}  # f32 under every precision
        golden.case(name, inputs, with_gradients(module), keep_f32=vectors)

    case("sdm", pair, lambda t: sdm(t))
    case("sdm_semi", pair | {"image_id": images}, lambda t: sdm(t, semi=0.5))
    case("id", pair | numbered | linear_parameters("classifier", D, 4), identity_loss)
    case("cria", pair | {"combined": draw(6, D)}, cria)
    classifier = {"classifier.weight": draw(4, D, std=0.25), "classifier.combined_bias": draw(4, std=0.1)}
    case("cria_classified", pair | numbered | {"combined": draw(6, D)} | classifier, cria)
    case("cria_two", pair, cria)
    case("spt", pair | {"image_id": images}, spt)
    weights = {"grad_out.feature": draw(4, D), "grad_out.slots": draw(4, 3, D)}
    tokens = {"global": draw(4, D), "tokens.0": draw(4, 7, D), "tokens.1": draw(4, 5, D), "tokens.2": draw(4, 9, D)}
    case("imfi_image", tokens | weights | imfi_parameters(3, "image") | gate_parameters(), imfi)
    words = {"global": draw(4, D), "tokens.0": draw(4, 8, D), "tokens.1": draw(4, 8, D), "length": torch.tensor([8, 1, 3, 6])}
    case("imfi_text", words | weights | imfi_parameters(2, "text") | gate_parameters(), imfi)
    case("imfi_concat", {k: v for k, v in tokens.items() if k != "tokens.2"} | {"tokens.1": draw(4, 7, D)} | weights | imfi_parameters(2, "image"),
         lambda t: imfi(t, concat=True))
    for kind in ("mlp", "gated", "sum", "transformer"):
        slots = {"image_slots": draw(5, 3, D), "text_slots": draw(5, 3, D)} if kind == "transformer" else {}
        given = {"image": draw(5, D), "text": draw(5, D), "grad_out.combined": draw(5, D)} | slots | crl_parameters(kind)
        case(f"crl_{kind}", given, lambda t, kind=kind: crl(t, kind))
    weights = {"grad_out.sets": draw(4, 3, D), "grad_out.residual": draw(4, 3, D)}
    tokens = {"global": draw(4, D), "tokens": draw(4, 6, D)}
    case("esa_slot", tokens | weights | esa_slot_parameters(), lambda t: esa_slot(t, 3))
    words = {"global": draw(4, D), "tokens": draw(4, 6, D), "length": torch.tensor([6, 1, 0, 4])}
    case("esa_slot_text", words | weights | esa_slot_parameters(True), lambda t: esa_slot(t, 2, True))
    golden.write()


if __name__ == "__main__":
    main()
