"""Golden values of kernels/embedding_set/token_weights.h, token_pool.h and kernels/attention/attention_row.h."""
import math

import torch

from golden import Golden, gradients


def masked(t, x):
    """-infinity where a token does not count; x [B, N, K]."""
    if "length" not in t:
        return x
    counts = torch.arange(x.shape[1])[None] < t["length"][:, None]
    return x.masked_fill(~counts[..., None], -torch.inf)


def token_weights(t, shares):
    a = t["logits"]
    b = a[..., :-1].log_softmax(-1) + a[..., -1:] if shares else a
    w = masked(t, b).softmax(1).nan_to_num(0.0)  # a sample without a token has no weights
    return w


def weights_program(shares):
    def run(t):
        w = token_weights(t, shares)
        return {"weights": w} | {k: v.nan_to_num(0.0) for k, v in gradients([w], {"logits": t["logits"]}, [t["dweights"].detach()]).items()}
    return run


def ranks(t):
    """[B, N, K] from scores [B, N]: adaptive average pooling of the chosen tokens, sorted."""
    batch, tokens = t["score"].shape
    out = torch.zeros(batch, tokens, t["set"], dtype=t["score"].dtype)
    for b in range(batch):
        c = int(t["length"][b]) if "length" in t else tokens
        m = min(c, max(1, math.ceil(torch.tensor(t["ratio"], dtype=torch.float32) * c))) if c else 0
        order = sorted(range(c), key=lambda n: (-t["score"][b, n].item(), n))[:m]
        for k in range(t["set"] if m else 0):
            start, end = k * m // t["set"], -(-(k + 1) * m // t["set"])
            for n in order[start:end]:
                out[b, n, k] = 1 / (end - start)
    return {"weights": out}


def pool(t):
    y = torch.einsum("bnk,bnd->bkd", t["weights"], t["x"])
    return {"y": y} | gradients([y], {"x": t["x"], "weights": t["weights"]}, [t["dy"].detach()])


def attention_row(t):
    q, k, _ = t["qkv"].chunk(3, -1)
    batch, tokens, width = q.shape
    heads = t["heads"]
    index = t["index"].long() if "index" in t else torch.zeros(batch, dtype=torch.long)
    q = q[torch.arange(batch), index].reshape(batch, heads, 1, -1)
    k = k.reshape(batch, tokens, heads, -1).transpose(1, 2)
    score = (q @ k.transpose(-1, -2))[:, :, 0] / math.sqrt(width // heads)
    if "index" in t:
        score = score.masked_fill((torch.arange(tokens)[None] > index[:, None])[:, None], -torch.inf)
    return {"row": score.softmax(-1).mean(1)}


def main():
    torch.manual_seed(53)
    golden = Golden("token_pool")
    lengths = torch.tensor([11, 0, 1, 6])
    for name, shares in (("softmax", False), ("shares", True)):
        drawn = {"logits": 2 * torch.randn(4, 11, 3 + shares), "dweights": torch.randn(4, 11, 3)}
        f32 = {"logits", "dweights"}
        golden.case(name, drawn, weights_program(shares), keep_f32=f32)
        golden.case(f"{name}_lengths", drawn | {"length": lengths}, weights_program(shares), keep_f32=f32)
    scores = torch.randint(0, 9, (4, 11)).float()
    golden.case("ranks", {"score": scores, "set": 3, "ratio": 0.5}, ranks, keep_f32={"score"})
    golden.case("ranks_lengths", {"score": scores, "set": 4, "ratio": 0.25, "length": lengths}, ranks, keep_f32={"score"})
    for name, (batch, tokens, size, width) in {"pool": (3, 7, 4, 33), "pool_one": (1, 1, 1, 1)}.items():
        case = {"x": torch.randn(batch, tokens, width), "weights": torch.rand(batch, tokens, size), "dy": torch.randn(batch, size, width)}
        golden.case(name, case, pool, keep_f32={"weights"})
    golden.case("row_first", {"qkv": torch.randn(2, 9, 3 * 2 * 5), "heads": 2}, attention_row)
    golden.case("row_at", {"qkv": torch.randn(3, 7, 3 * 8), "heads": 1, "index": torch.tensor([6, 0, 3])}, attention_row)
    golden.write()


if __name__ == "__main__":
    main()
