"""CLIP's two towers in plain PyTorch, from the formulas, over a dict of tensors named as in OpenAI's code; in any dtype. And what the files
of others call the same tensors."""
import torch
import torch.nn.functional as F


def activation(x, kind):
    return x * torch.sigmoid(1.702 * x) if kind == "quick_gelu" else F.gelu(x)


def norm(w, name, x):
    return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"], 1e-5)


def blocks(w, prefix, x, heads, causal, kind):
    n, d = x.shape[1:]
    mask = torch.full((n, n), float("-inf"), dtype=x.dtype).triu(1) if causal else torch.zeros(n, n, dtype=x.dtype)
    layer = 0
    while f"{prefix}{layer}.ln_1.weight" in w:
        p = f"{prefix}{layer}."
        h = norm(w, p + "ln_1", x)
        q, k, v = (h @ w[p + "attn.in_proj_weight"].T + w[p + "attn.in_proj_bias"]).chunk(3, -1)
        q, k, v = (t.reshape(len(x), n, heads, d // heads).transpose(1, 2) for t in (q, k, v))
        a = torch.softmax(q @ k.transpose(-1, -2) * (d // heads) ** -0.5 + mask, -1) @ v
        a = a.transpose(1, 2).reshape(len(x), n, d)
        x = x + a @ w[p + "attn.out_proj.weight"].T + w[p + "attn.out_proj.bias"]
        h = activation(norm(w, p + "ln_2", x) @ w[p + "mlp.c_fc.weight"].T + w[p + "mlp.c_fc.bias"], kind)
        x = x + h @ w[p + "mlp.c_proj.weight"].T + w[p + "mlp.c_proj.bias"]
        layer += 1
    return x


MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def image_tokens(w, pixels, stride, kind="quick_gelu"):
    """pixels u8 [B, H, W, 3] -> every token projected [B, 1 + patches, embed]; the feature is token 0."""
    dtype, width = w["visual.proj"].dtype, w["visual.proj"].shape[0]
    x = (pixels.to(dtype) / 255 - torch.tensor(MEAN, dtype=dtype)) / torch.tensor(STD, dtype=dtype)
    x = F.conv2d(x.permute(0, 3, 1, 2), w["visual.conv1.weight"], stride=stride).flatten(2).transpose(1, 2)
    x = torch.cat([w["visual.class_embedding"].expand(len(x), 1, -1), x], 1) + w["visual.positional_embedding"]
    x = blocks(w, "visual.transformer.resblocks.", norm(w, "visual.ln_pre", x), width // 64, False, kind)
    return norm(w, "visual.ln_post", x) @ w["visual.proj"]


def text_tokens(w, ids, kind="quick_gelu"):
    """ids [B, T] -> [B, T, embed]; the feature is the token with the largest id."""
    x = w["token_embedding.weight"][ids.long()] + w["positional_embedding"][: ids.shape[1]]
    x = blocks(w, "transformer.resblocks.", x, x.shape[-1] // 64, True, kind)
    return norm(w, "ln_final", x) @ w["text_projection"]


def end_feature(tokens, ids):
    return tokens[torch.arange(len(ids)), ids.argmax(-1)]


def resize_positions(w, source, target, mode):
    """The same weights with the image tower's positions resized from grid `source` to grid `target`."""
    table = w["visual.positional_embedding"]
    image = table[1:].T.reshape(1, -1, *source)
    image = F.interpolate(image, target, mode=mode, align_corners=False)
    return {**w, "visual.positional_embedding": torch.cat([table[:1], image.flatten(2)[0].T])}


def shapes(width, layers, patch, positions, text_width, text_layers, context, vocabulary, embed):
    """{name: shape} of a CLIP model."""
    s = {"visual.class_embedding": (width,), "visual.conv1.weight": (width, 3, patch, patch),
         "visual.positional_embedding": (positions, width), "visual.proj": (width, embed),
         "token_embedding.weight": (vocabulary, text_width), "positional_embedding": (context, text_width),
         "text_projection": (text_width, embed), "logit_scale": ()}

    def add(prefix, d, count, norms):
        for name in norms:
            s[f"{name}.weight"], s[f"{name}.bias"] = (d,), (d,)
        for i in range(count):
            p = f"{prefix}transformer.resblocks.{i}."
            for name, shape in {"ln_1": (d,), "ln_2": (d,), "attn.out_proj": (d, d), "mlp.c_fc": (4 * d, d), "mlp.c_proj": (d, 4 * d)}.items():
                s[f"{p}{name}.weight"], s[f"{p}{name}.bias"] = shape, shape[:1]
            s[f"{p}attn.in_proj_weight"], s[f"{p}attn.in_proj_bias"] = (3 * d, d), (3 * d,)

    add("visual.", width, layers, ("visual.ln_pre", "visual.ln_post"))
    add("", text_width, text_layers, ("ln_final",))
    return s


def to_huggingface(w):
    """The tensors under the names of Hugging Face's CLIPModel."""
    fixed = {"visual.class_embedding": "vision_model.embeddings.class_embedding",
             "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
             "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
             "visual.proj": "visual_projection.weight", "text_projection": "text_projection.weight",
             "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
             "positional_embedding": "text_model.embeddings.position_embedding.weight", "logit_scale": "logit_scale"}
    parts = (("visual.transformer.resblocks.", "vision_model.encoder.layers."), ("transformer.resblocks.", "text_model.encoder.layers."),
             (".ln_1.", ".layer_norm1."), (".ln_2.", ".layer_norm2."), (".attn.", ".self_attn."), (".mlp.c_fc.", ".mlp.fc1."),
             (".mlp.c_proj.", ".mlp.fc2."), ("visual.ln_pre.", "vision_model.pre_layrnorm."), ("visual.ln_post.", "vision_model.post_layernorm."),
             ("ln_final.", "text_model.final_layer_norm."))
    out = {}
    for name, value in w.items():
        if name in fixed:
            out[fixed[name]] = value.T.contiguous() if name in ("visual.proj", "text_projection") else value
            continue
        for a, b in parts:
            name = name.replace(a, b)
        if "in_proj_" in name:
            for letter, part in zip("qkv", value.chunk(3)):
                out[name.replace("in_proj_", f"{letter}_proj.")] = part.contiguous()
        else:
            out[name] = value
    return out
