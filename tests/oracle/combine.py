"""Golden values of kernels/elementwise: add_broadcast, layer_scale, pair_features, gated_mix."""
import torch

from golden import Golden, gradients


def add_broadcast(t):
    y = t["x"] + t["v"]
    return {"y": y} | gradients([y], {k: t[k] for k in ("x", "v")}, [t["dy"].detach()])


def layer_scale(t):
    out = t["x"] + t["gamma"] * t["y"]
    return {"out": out} | gradients([out], {k: t[k] for k in ("x", "y", "gamma")}, [t["dout"].detach()])


def pair_features(t):
    v, u = t["v"], t["t"]
    out = torch.cat([v, u, v * u, (v - u).abs()], -1)
    return {"out": out} | gradients([out], {k: t[k] for k in ("v", "t")}, [t["dout"].detach()])


def gated_mix(t):
    s = torch.sigmoid(t["z"])
    out = s * t["a"] + (1 - s) * t["b"]
    return {"out": out} | gradients([out], {k: t[k] for k in ("z", "a", "b")}, [t["dout"].detach()])


def main():
    torch.manual_seed(12)
    golden = Golden("combine")
    for rows, cols in ((1, 1), (3, 7), (2, 24), (37, 5)):
        case = f"{rows}x{cols}"
        golden.case(f"add_broadcast.{case}", {k: torch.randn(*s) for k, s in (("x", (rows, cols)), ("v", (cols,)), ("dy", (rows, cols)))},
                    add_broadcast)
        golden.case(f"layer_scale.{case}", {k: torch.randn(rows, cols) for k in ("x", "y", "dout")} | {"gamma": torch.randn(cols)},
                    layer_scale, keep_f32=("gamma",))
    for rows, cols in ((1, 1), (3, 7), (2, 24)):
        v, t = torch.randn(rows, cols), torch.randn(rows, cols)
        if cols > 1:
            t[:, 1::3] = v[:, 1::3]  # equal elements: the corner of |v - t|
        golden.case(f"pair_features.{rows}x{cols}", {"v": v, "t": t, "dout": torch.randn(rows, 4 * cols)}, pair_features)
    for count in (1, 133):
        inputs = {k: torch.randn(count) for k in ("z", "a", "b", "dout")}
        inputs["z"] *= 3
        if count > 4:
            inputs["z"][:4] = torch.tensor([0.0, 120.0, -120.0, 20.0])  # half, and where s is 0 or 1
        golden.case(f"gated_mix.{count}", inputs, gated_mix)
    golden.write()


if __name__ == "__main__":
    main()
