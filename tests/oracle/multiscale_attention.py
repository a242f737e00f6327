"""Golden values of kernels/attention/multiscale_attention.h and scale_gate.h."""
import torch

from golden import Golden, gradients

#        batch, queries, heads, head_dim, keys of each scale, key lengths of each scale, codes, gate, dper_scale
CASES = {
    "one": (1, 1, 1, 1, (1,), None, False, False, True),
    "odd": (2, 3, 3, 5, (7, 9), None, True, True, False),
    "per_scale": (2, 8, 2, 10, (20, 11, 5), None, True, False, True),
    "lengths": (4, 5, 2, 8, (11, 6), ((11, 1, 0, 7), (6, 5, 1, 0)), True, True, True),
    "no_code": (3, 7, 2, 6, (33, 8, 13), ((33, 9, 4), (8, 1, 7), (13, 13, 2)), False, True, False),
    "text": (3, 8, 2, 16, (29, 29, 29, 29), ((29, 3, 17),) * 4, True, True, False),
    "largest_head": (1, 16, 1, 128, (24, 7), None, True, True, False),
    "many_keys": (1, 2, 1, 4, (600, 193), None, True, True, True),
}

#             batch, scales, queries, width
GATE_CASES = {"one": (1, 1, 1, 1), "odd": (2, 3, 5, 13), "wide": (2, 4, 2, 130), "many": (1, 32, 3, 8)}


def softmax(s, mask):
    """Over the last axis; rows without a key are 0."""
    highest = s.detach().masked_fill(~mask, float("-inf")).amax(-1, keepdim=True).nan_to_num(neginf=0.0)
    e = torch.exp((s - highest).masked_fill(~mask, 0)) * mask
    total = e.sum(-1, keepdim=True)
    return e / (total + (total == 0)), torch.log(total + (total == 0)) + highest


def attend(t, s, heads):
    """A_s [B, M, D], lse [B, heads, M] of scale s."""
    k, v = t[f"k{s}"], t[f"v{s}"]
    batch, keys, width = k.shape
    split = lambda x: x.reshape(x.shape[0], x.shape[1], heads, width // heads).transpose(1, 2)
    length = t.get(f"key_length{s}", torch.full((batch,), keys))
    mask = (torch.arange(keys) < length.reshape(-1, 1, 1, 1)).expand(batch, 1, t["q"].shape[0], keys)
    if f"code{s}" in t:
        v = v + t[f"code{s}"]
    scores = (width // heads) ** -0.5 * (split(t["q"].expand(batch, -1, -1)) @ split(k).mT)
    p, lse = softmax(scores, mask)
    return (p @ split(v)).transpose(1, 2).reshape(batch, -1, width), lse.squeeze(-1)


def gated(z, logits):
    """z [B, S, M, D], logits [B, S, M] -> gates, their weighted sum."""
    e = torch.exp(logits - logits.detach().amax(1, keepdim=True))
    g = e / e.sum(1, keepdim=True)
    return g, (g.unsqueeze(-1) * z).sum(1)


def program(scales, heads, all_keys):
    def run(t):
        results = [attend(t, s, heads) for s in range(scales)]
        a = torch.stack([r[0] for r in results], 1)
        values, outputs, weights = {"per_scale": a}, [], []
        if "dper_scale" in t:
            outputs, weights = [a], [t["dper_scale"].detach()]
        if "gate" in t:
            g, fused = gated(a, a @ t["gate"])
            values |= {"gates": g, "fused": fused}
            outputs, weights = outputs + [fused], weights + [t["dfused"].detach()]
        if all_keys:
            values["lse"] = torch.stack([r[1] for r in results])
        inputs = {k: v for k, v in t.items() if k[0] in "qkvcg" and torch.is_tensor(v) and v.is_floating_point()}
        return values | gradients(outputs, inputs, weights)
    return run


def gate_program(t):
    g, out = gated(t["z"], t["logits"])
    return {"gates": g, "out": out} | gradients([out], {k: t[k] for k in ("z", "logits")}, [t["dout"].detach()])


def main():
    torch.manual_seed(11)
    golden = Golden("multiscale_attention")
    for name, (batch, queries, heads, dim, keys, lengths, codes, gate, dper_scale) in CASES.items():
        width, scales = heads * dim, len(keys)
        inputs = {"heads": heads, "q": torch.randn(queries, width)}
        for s, n in enumerate(keys):
            inputs |= {f"k{s}": torch.randn(batch, n, width), f"v{s}": torch.randn(batch, n, width)}
            if codes:
                inputs[f"code{s}"] = torch.randn(width)
            if lengths:
                inputs[f"key_length{s}"] = torch.tensor(lengths[s])
        if gate:
            inputs |= {"gate": torch.randn(width) * width ** -0.5, "dfused": torch.randn(batch, queries, width)}
        if dper_scale:
            inputs["dper_scale"] = torch.randn(batch, scales, queries, width)
        parameters = ["gate"] + [f"code{s}" for s in range(scales)]
        golden.case(name, inputs, program(scales, heads, not lengths), keep_f32=[p for p in parameters if p in inputs])
    golden.write()
    golden = Golden("scale_gate")
    for name, (batch, scales, queries, width) in GATE_CASES.items():
        golden.case(name, {"z": torch.randn(batch, scales, queries, width), "logits": torch.randn(batch, scales, queries),
                           "dout": torch.randn(batch, queries, width)}, gate_program, keep_f32=["logits"])
    golden.write()


if __name__ == "__main__":
    main()
