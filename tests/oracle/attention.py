"""Golden values of kernels/attention/attention.h."""
import torch

from golden import Golden, gradients

#        batch, heads, head_dim, queries, keys, causal, key_length, shared queries, scale
CASES = {
    "one": (1, 1, 1, 1, 1, False, None, False, 0),
    "odd": (2, 2, 5, 23, 25, False, None, False, 0),
    "causal": (2, 2, 8, 17, 17, True, None, False, 0),
    "causal_wide": (2, 2, 7, 9, 15, True, None, False, 0),
    "causal_tall": (2, 2, 6, 15, 9, True, None, False, 0),
    "lengths": (4, 2, 7, 6, 11, False, (11, 1, 0, 7), False, 0),
    "causal_lengths": (3, 1, 8, 10, 10, True, (3, 10, 0), False, 0),
    "shared": (4, 2, 8, 6, 21, False, (21, 5, 9, 16), True, 0.5),
    "largest_head": (1, 1, 128, 12, 13, False, None, False, 0),
    "blocks": (1, 1, 2, 200, 20, False, None, False, 0),
}


def program(causal, shared, scale):
    def run(t):
        batch, queries, keys = t["k"].shape[0], t["q"].shape[1], t["k"].shape[1]
        q, k, v = (x.transpose(1, 2) for x in ((t["q"].expand(batch, -1, -1, -1) if shared else t["q"]), t["k"], t["v"]))
        s = (scale or t["q"].shape[-1] ** -0.5) * (q @ k.mT)
        mask = torch.ones(batch, 1, queries, keys, dtype=torch.bool)
        if causal:
            mask = mask & torch.ones(queries, keys, dtype=torch.bool).tril()
        if "key_length" in t:
            mask = mask & (torch.arange(keys) < t["key_length"].reshape(-1, 1, 1, 1))
        highest = s.detach().masked_fill(~mask, float("-inf")).amax(-1, keepdim=True).nan_to_num(neginf=0.0)
        e = torch.exp((s - highest).masked_fill(~mask, 0)) * mask
        total = e.sum(-1, keepdim=True)
        p = e / (total + (total == 0))
        out = (p @ v).transpose(1, 2)
        results = {"out": out} | gradients([out], {x: t[x] for x in "qkv"}, [t["dout"].detach()])
        if "key_length" not in t or t["key_length"].min() > 0:
            results["lse"] = (torch.log(total) + highest).squeeze(-1)
        return results
    return run


def main():
    torch.manual_seed(5)
    golden = Golden("attention")
    for name, (batch, heads, dim, queries, keys, causal, lengths, shared, scale) in CASES.items():
        inputs = {"q": torch.randn(1 if shared else batch, queries, heads, dim), "k": torch.randn(batch, keys, heads, dim),
                  "v": torch.randn(batch, keys, heads, dim), "dout": torch.randn(batch, queries, heads, dim)}
        if lengths:
            inputs["key_length"] = torch.tensor(lengths)
        golden.case(name, inputs, program(causal, shared, scale))
    golden.write()


if __name__ == "__main__":
    main()
