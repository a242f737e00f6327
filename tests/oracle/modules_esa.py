"""Golden values of the ways to make an embedding set other than slots, written from models/esa_pool.h, esa_decoder.h and esa_slot.h, for
`xreid module`."""
import math

import torch
from torch.nn import functional as F

from golden import Golden
from modules import D, HEADS, attention, draw, heads_of, linear, linear_parameters, norm, norm_parameters, unit, with_gradients

INNER = 16
K = 3


def counted(t):
    """[B, N]: which tokens count."""
    batch, tokens, _ = t["tokens"].shape
    length = t["length"] if "length" in t else torch.full((batch,), tokens)
    return torch.arange(tokens)[None] < length[:, None]


def softmax_over_tokens(t, b):
    """b [B, N, K]; a sample without a token has weights 0, and 0 as their gradients."""
    b = b.masked_fill(~counted(t)[..., None], -torch.inf)
    e = (b - b.detach().amax(1, keepdim=True).clamp(min=-1e9)).exp()
    return e / e.sum(1, keepdim=True).clamp(min=1e-30)


def looks(t, q, k, v):
    """Attention to the tokens that count; a sample without any gathers 0."""
    q, k, v = (heads_of(x, HEADS) for x in (q, k, v))
    score = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    p = softmax_over_tokens(t, score.flatten(1, 2).transpose(1, 2)).transpose(1, 2).reshape(score.shape)
    return (p @ v).transpose(-2, -3).flatten(-2)


def feed_forward(t, scope, e):
    return linear(t, f"{scope}.mlp.c_proj", F.gelu(linear(t, f"{scope}.mlp.c_fc", norm(t, f"{scope}.ln_mlp", e))))


def over_global(t, scope, e):
    return {"sets": unit(norm(t, f"{scope}.ln_global", t["global"])[:, None] + e), "residual": e}


def query(t, depth=2):
    s = "esa.image"
    k, v = F.linear(norm(t, f"{s}.ln_tokens", t["tokens"]), t[f"{s}.attn.kv.weight"]).chunk(2, -1)
    e = t[f"{s}.set"].expand(len(k), -1, -1)
    for _ in range(depth):
        q = F.linear(norm(t, f"{s}.ln_q", e), t[f"{s}.attn.q.weight"])
        e = e + F.linear(looks(t, q, k, v), t[f"{s}.attn.out.weight"])
        e = e + feed_forward(t, s, e)
    return over_global(t, s, norm(t, f"{s}.ln_out", e))


def pie(t):
    s = "esa.image"
    a = torch.tanh(t["tokens"] @ t[f"{s}.attn.fc_1.weight"].T) @ t[f"{s}.attn.fc_2.weight"].T
    e = torch.sigmoid(linear(t, f"{s}.fc", softmax_over_tokens(t, a).transpose(1, 2) @ t["tokens"]))
    return {"sets": unit(norm(t, f"{s}.ln", t["global"][:, None] + e)), "residual": e}


def tail(t, scope, w):
    z = F.linear(w.transpose(1, 2) @ t["tokens"], t[f"{scope}.out.weight"])
    return over_global(t, scope, norm(t, f"{scope}.ln_out", z + feed_forward(t, scope, z)))


def cluster(t):
    a = norm(t, "esa.image.ln_tokens", t["tokens"]) @ t["esa.image.assign.weight"].T
    return tail(t, "esa.image", softmax_over_tokens(t, a[..., :-1].log_softmax(-1) + a[..., -1:]))


def topk(t, ratio):
    w = torch.zeros(*t["score"].shape, K, dtype=t["tokens"].dtype)
    for b, counts in enumerate(counted(t)):
        c = int(counts.sum())
        m = min(c, max(1, math.ceil(ratio * c))) if c else 0
        order = sorted(range(c), key=lambda n: (-t["score"][b, n].item(), n))[:m]
        for k in range(K if m else 0):
            group = order[k * m // K:-(-(k + 1) * m // K)]
            w[b, group, k] = 1 / len(group)
    return tail(t, "esa.image", w)


def decoder(t, layers=2):
    e = t["esa.set"].expand(len(t["tokens"]), -1, -1)
    for i in range(layers):
        s = f"esa.layer.{i}"
        q, k, v = F.linear(norm(t, f"{s}.ln_self", e), t[f"{s}.self.qkv.weight"]).chunk(3, -1)
        e = e + F.linear(attention(q, k, v, HEADS), t[f"{s}.self.out.weight"])
        k, v = F.linear(norm(t, f"{s}.ln_tokens", t["tokens"]), t[f"{s}.attn.kv.weight"]).chunk(2, -1)
        q = F.linear(norm(t, f"{s}.ln_q", e), t[f"{s}.attn.q.weight"])
        e = e + F.linear(looks(t, q, k, v), t[f"{s}.attn.out.weight"])
        e = e + feed_forward(t, s, e)
    return over_global(t, "esa", norm(t, "esa.ln_out", e))


# ---------------------------------------------------------------- cases

def matrix(name, outside, inside):
    return {f"{name}.weight": draw(outside, inside, std=inside ** -0.5)}


def norms(scope, *names):
    p = {}
    for name in names:
        p |= norm_parameters(f"{scope}.{name}")
    return p


def mlp(scope):
    return linear_parameters(f"{scope}.mlp.c_fc", D, 4 * D) | linear_parameters(f"{scope}.mlp.c_proj", 4 * D, D) | norms(scope, "ln_mlp")


def attends(scope):
    return matrix(f"{scope}.attn.q", INNER, D) | matrix(f"{scope}.attn.kv", 2 * INNER, D) | matrix(f"{scope}.attn.out", D, INNER)


def parameters(kind):
    s = "esa.image"
    if kind == "query":
        return {f"{s}.set": draw(K, D)} | attends(s) | mlp(s) | norms(s, "ln_tokens", "ln_q", "ln_out", "ln_global")
    if kind == "pie":
        p = matrix(f"{s}.attn.fc_1", D // 2, D) | matrix(f"{s}.attn.fc_2", K, D // 2)
        return p | linear_parameters(f"{s}.fc", D, D) | norms(s, "ln")
    if kind == "decoder":
        p = {"esa.set": draw(K, D)} | norms("esa", "ln_out", "ln_global")
        for i in range(2):
            layer = f"esa.layer.{i}"
            p |= matrix(f"{layer}.self.qkv", 3 * INNER, D) | matrix(f"{layer}.self.out", D, INNER) | attends(layer) | mlp(layer)
            p |= norms(layer, "ln_self", "ln_q", "ln_tokens")
        return p
    p = matrix(f"{s}.out", D, D) | mlp(s) | norms(s, "ln_out", "ln_global")
    return p | (matrix(f"{s}.assign", K + 1, D) | norms(s, "ln_tokens") if kind == "cluster" else {})


def main():
    torch.manual_seed(61)
    golden = Golden("modules_esa")
    modules = {"query": query, "pie": pie, "topk": topk, "cluster": cluster, "decoder": decoder}

    def case(name, kind, lengths, **options):
        inputs = {"global": draw(4, D), "tokens": draw(4, 7, D), "grad_out.sets": draw(4, K, D), "grad_out.residual": draw(4, K, D)}
        if lengths:
            inputs["length"] = torch.tensor([7, 0, 1, 4])
        if kind == "topk":
            inputs["score"] = torch.stack([torch.randperm(7) for _ in range(4)]).float() / 8
        inputs |= parameters(kind)
        vectors = {k for k, v in inputs.items() if torch.is_tensor(v) and v.dim() == 1}
        golden.case(name, inputs, with_gradients(lambda t: modules[kind](t, **options)), keep_f32=vectors)

    for kind in ("query", "pie", "cluster", "decoder"):
        case(f"esa_{kind}", kind, lengths=True)
    case("esa_topk", "topk", lengths=False, ratio=0.75)
    case("esa_topk_few", "topk", lengths=True, ratio=0.25)
    golden.write()


if __name__ == "__main__":
    main()
