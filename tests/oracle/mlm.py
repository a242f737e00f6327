"""Golden values of models/mlm.h: IRRA's interaction encoder, its head on the hidden words and the loss, with every gradient.

Parameters are named as in IRRA's checkpoints; attention is PyTorch's own, so that the layout of in_proj_weight is its."""
import torch
import torch.nn.functional as F

from golden import Golden, gradients

generator = torch.Generator().manual_seed(20)
golden = Golden("mlm")


def normal(*shape, scale=1.0):
    return torch.randn(shape, generator=generator) * scale


def attention(p, prefix, query, key, heads, padding):
    names = ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")
    weight, bias, out_weight, out_bias = (p[f"{prefix}.{name}"] for name in names)
    query, key = query.transpose(0, 1), key.transpose(0, 1)
    y, _ = F.multi_head_attention_forward(query, key, key, query.shape[-1], heads, weight, bias, None, None, False, 0.0, out_weight,
                                          out_bias, training=False, key_padding_mask=padding, need_weights=False)
    return y.transpose(0, 1)


def norm(p, prefix, x):
    return F.layer_norm(x, x.shape[-1:], p[f"{prefix}.weight"], p[f"{prefix}.bias"], 1e-5)


def linear(p, prefix, x):
    return F.linear(x, p[f"{prefix}.weight"], p[f"{prefix}.bias"])


def quick_gelu(x):
    return x * torch.sigmoid(1.702 * x)


def program(p, layers, heads):
    words, tokens = p["words"], p["tokens"]
    padding = None
    if "length" in p:
        padding = torch.arange(words.shape[1])[None, :] >= p["length"][:, None]
    x = attention(p, "cross_attn", norm(p, "ln_pre_t", words), norm(p, "ln_pre_i", tokens), heads, None)
    for i in range(layers):
        block = f"cross_modal_transformer.resblocks.{i}"
        h = norm(p, f"{block}.ln_1", x)
        x = x + attention(p, f"{block}.attn", h, h, heads, padding)
        h = norm(p, f"{block}.ln_2", x)
        x = x + linear(p, f"{block}.mlp.c_proj", quick_gelu(linear(p, f"{block}.mlp.c_fc", h)))
    x = norm(p, "ln_post", x).flatten(0, 1)
    used = p["index"] >= 0
    x = torch.where(used[:, None], x[p["index"].clamp(min=0).long()], torch.zeros((), dtype=x.dtype))
    x = norm(p, "mlm_head.ln", quick_gelu(linear(p, "mlm_head.dense", x)))
    logits = linear(p, "mlm_head.fc", x)
    loss = F.cross_entropy(logits, p["label"].long(), ignore_index=-1)
    return {"logits": logits, "loss": loss.reshape(1)}


def parameters(width, layers, vocabulary):
    p = {}

    def add_linear(prefix, out, inner):
        p[f"{prefix}.weight"], p[f"{prefix}.bias"] = normal(out, inner, scale=inner**-0.5), normal(out, scale=0.3)

    def add_norm(prefix):
        p[f"{prefix}.weight"], p[f"{prefix}.bias"] = 1 + normal(width, scale=0.3), normal(width, scale=0.3)

    def add_attention(prefix):
        p[f"{prefix}.in_proj_weight"], p[f"{prefix}.in_proj_bias"] = normal(3 * width, width, scale=width**-0.5), normal(3 * width, scale=0.3)
        add_linear(f"{prefix}.out_proj", width, width)

    for name in ("ln_pre_t", "ln_pre_i", "ln_post", "mlm_head.ln"):
        add_norm(name)
    add_attention("cross_attn")
    for i in range(layers):
        block = f"cross_modal_transformer.resblocks.{i}"
        add_norm(f"{block}.ln_1")
        add_norm(f"{block}.ln_2")
        add_attention(f"{block}.attn")
        add_linear(f"{block}.mlp.c_fc", 4 * width, width)
        add_linear(f"{block}.mlp.c_proj", width, 4 * width)
    add_linear("mlm_head.dense", width, width)
    add_linear("mlm_head.fc", vocabulary, width)
    return p


def case(name, batch, context, count, width, heads, layers, vocabulary, index, length=None):
    inputs = {"words": normal(batch, context, width), "tokens": normal(batch, count, width), **parameters(width, layers, vocabulary)}
    label = torch.randint(0, vocabulary, (len(index),), generator=generator)
    inputs["index"] = torch.tensor(index)
    inputs["label"] = torch.where(inputs["index"] < 0, -1, label)
    if length:
        inputs["length"] = torch.tensor(length)
    inputs["heads"] = heads

    def with_gradients(p):
        floats = {k: v for k, v in p.items() if torch.is_tensor(v) and v.is_floating_point()}
        out = program(p, layers, p["heads"])
        return {**out, **gradients([out["loss"]], floats, [torch.ones_like(out["loss"])])}

    golden.case(name, inputs, with_gradients)


def main():
    case("padded", 2, 5, 3, 6, 2, 2, 7, [1, 2, 6, 7, -1, -1], [5, 3])
    case("whole", 3, 3, 1, 4, 1, 1, 5, [0, 4, 5, 8])
    golden.write()


if __name__ == "__main__":
    main()
