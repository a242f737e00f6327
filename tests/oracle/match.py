"""Golden values of the module `match` (models/match.h), written from docs/methods/cmsn.md: the loss and every gradient."""
import torch
from torch.nn import functional as F

from golden import Golden
from modules import D, attention, block_parameters, cosines, draw, linear, linear_parameters, norm, norm_parameters, quick_gelu, with_gradients


def asks(t, query, tokens, attend, blocks, final):
    """Tokens that looked at others', `blocks` layers of self-attention, a last norm."""
    x = attend(query, tokens)
    for name, mask in blocks:
        h = norm(t, f"{name}.ln_1", x)
        q, k, v = F.linear(h, t[f"{name}.attn.in_proj_weight"], t[f"{name}.attn.in_proj_bias"]).chunk(3, -1)
        x = x + linear(t, f"{name}.attn.out_proj", attention(q, k, v, 1, mask))
        x = x + linear(t, f"{name}.mlp.c_proj", quick_gelu(linear(t, f"{name}.mlp.c_fc", norm(t, f"{name}.ln_2", x))))
    return norm(t, final, x)


def match(t, scales, layers):
    """The matching loss, with the most alike sample of another identity as the negative of each image and text."""
    other = t["identity"][:, None] != t["identity"][None]
    cosine = cosines(t).detach().masked_fill(~other, -torch.inf)
    own = torch.arange(len(cosine))
    image = torch.cat([own, own, cosine.argmax(0)])
    text = torch.cat([own, cosine.argmax(1), own])
    label = (torch.arange(3 * len(own)) < len(own)).long()
    label[len(own):][~torch.cat([other.any(1), other.any(0)])] = -100

    every_image, every_word = t["image_tokens"][image], t["text_tokens"][text]
    end = t["end"][text].long()
    patches, words = every_image.chunk(scales, 1)[-1], every_word.unflatten(1, (-1, scales))[:, :, -1]
    mask = joint = None
    if "length" in t:
        mask = torch.arange(words.shape[1])[None] < t["length"][text][:, None]
        joint = torch.arange(every_word.shape[1])[None] < t["joint_length"][text][:, None]

    def words_look(x, tokens):
        weight, bias = t["cross_attn.in_proj_weight"], t["cross_attn.in_proj_bias"]
        q = F.linear(norm(t, "ln_pre_t", x), weight[:D], bias[:D])
        k, v = F.linear(norm(t, "ln_pre_i", tokens), weight[D:], bias[D:]).chunk(2, -1)
        return linear(t, "cross_attn.out_proj", attention(q, k, v, 1))

    def image_looks(x, tokens):
        q = linear(t, "imfi.match.attn.q", norm(t, "imfi.match.ln_q", x))
        k, v = linear(t, "imfi.match.attn.kv", norm(t, "imfi.match.ln_k", tokens)).chunk(2, -1)
        return linear(t, "imfi.match.attn.out", attention(q, k, v, 1, joint))

    fused_words = asks(t, words, every_image, words_look, [("cross_modal_transformer.resblocks.0", mask)], "ln_post")
    blocks = [(f"imfi.match.transformer.resblocks.{i}", None) for i in range(layers)]
    fused_image = asks(t, patches, every_word, image_looks, blocks, "imfi.match.ln_post")
    both = torch.cat([fused_words[torch.arange(len(end)), end], fused_image[:, 0]], 1)
    return F.cross_entropy(linear(t, "imfi.match.head", both), label, ignore_index=-100)


def match_parameters(layers):
    p = {"cross_attn.in_proj_weight": draw(3 * D, D, std=D ** -0.5), "cross_attn.in_proj_bias": draw(3 * D, std=0.1)}
    p |= linear_parameters("cross_attn.out_proj", D, D) | block_parameters("cross_modal_transformer.resblocks.0")
    for name in ("ln_pre_t", "ln_pre_i", "ln_post", "imfi.match.ln_q", "imfi.match.ln_k", "imfi.match.ln_post"):
        p |= norm_parameters(name)
    for name, outside in (("q", D), ("kv", 2 * D), ("out", D)):
        p |= linear_parameters(f"imfi.match.attn.{name}", D, outside)
    for i in range(layers):
        p |= block_parameters(f"imfi.match.transformer.resblocks.{i}")
    return p | linear_parameters("imfi.match.head", 2 * D, 2)


def main():
    torch.manual_seed(43)
    golden = Golden("match")
    alike = {"image": draw(4, D), "text": draw(4, D), "image_tokens": draw(4, 6, D), "text_tokens": draw(4, 6, D)}
    alike |= {"end": torch.tensor([2, 1, 0, 1]), "identity": torch.tensor([4, 0, 0, 9])}
    alike |= {"length": torch.tensor([3, 2, 1, 3]), "joint_length": torch.tensor([6, 4, 2, 6])}
    alike |= match_parameters(1)
    vectors = {k for k, v in alike.items() if torch.is_tensor(v) and v.dim() == 1}  # f32 under every precision
    golden.case("match", alike, with_gradients(lambda t: match(t, 2, 1)), keep_f32=vectors)
    golden.write()


if __name__ == "__main__":
    main()
