"""Golden values of kernels/embedding_set/slot_attention.h."""
import torch

from golden import Golden, gradients

#        batch, slots, tokens, heads, head_dim, lengths
CASES = {
    "one": (1, 1, 1, 1, 1, None),
    "one_slot": (2, 1, 7, 2, 3, (7, 4)),
    "lengths": (4, 4, 9, 2, 4, (9, 1, 0, 6)),
    "wide_head": (1, 2, 2, 1, 128, None),
    "not_a_vector": (1, 3, 4, 1, 33, None),
    "most_slots": (2, 16, 9, 1, 6, (9, 5)),
    "most_tokens": (1, 2, 600, 1, 1, None),
}


def program(heads):
    def run(t):
        q, k, v = (x.reshape(*x.shape[:2], heads, -1).transpose(1, 2) for x in (t["q"], t["k"], t["v"]))  # [B, heads, ., head_dim]
        s = ((q @ k.mT) / q.shape[-1] ** 0.5).softmax(2)
        if "length" in t:
            s = s * (torch.arange(k.shape[2]) < t["length"].reshape(-1, 1, 1, 1))
        sums = s.sum(3)
        w = s / (sums + 1e-7).unsqueeze(-1)
        out = (w @ v).transpose(1, 2).flatten(2)
        return {"out": out, "sums": sums} | gradients([out], {n: t[n] for n in "qkv"}, [t["dout"].detach()])
    return run


def main():
    torch.manual_seed(23)
    golden = Golden("slot_attention")
    for name, (batch, slots, tokens, heads, dim, lengths) in CASES.items():
        width = heads * dim
        inputs = {"heads": heads, "q": torch.randn(batch, slots, width), "k": torch.randn(batch, tokens, width),
                  "v": torch.randn(batch, tokens, width), "dout": torch.randn(batch, slots, width)}
        if tokens > 100:  # values follow keys: else dq is what hundreds of terms leave of each other, and a plain program's luck the measure
            inputs["v"] = inputs["k"] + 0.25 * inputs["v"]
        if lengths:
            inputs["length"] = torch.tensor(lengths)
        golden.case(name, inputs, program(heads))
    golden.write()


if __name__ == "__main__":
    main()
