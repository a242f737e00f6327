"""Golden values of kernels/elementwise: add, scale, dropout (with a Philox of its own)."""
import torch

from golden import Golden, gradients

ALPHA, BETA = 0.75, -1.5
MASK32, MASK64 = (1 << 32) - 1, (1 << 64) - 1


def philox(key, high, low):
    """Philox4x32-10 from the paper: four 32-bit words."""
    k = [key & MASK32, key >> 32]
    c = [low & MASK32, low >> 32, high & MASK32, high >> 32]
    for _ in range(10):
        first, second = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(second >> 32) ^ c[1] ^ k[0], second & MASK32, (first >> 32) ^ c[3] ^ k[1], first & MASK32]
        k = [(k[0] + 0x9E3779B9) & MASK32, (k[1] + 0xBB67AE85) & MASK32]
    return c


def uniform(seed, step, node, count):
    key = (seed + node * 0x9E3779B97F4A7C15) & MASK64
    words = [w for block in range((count + 3) // 4) for w in philox(key, step, block)]
    return [(w >> 8) * 2.0**-24 for w in words[:count]]


def add(t):
    y = ALPHA * t["a"] + BETA * t["b"]
    return {"y": y} | gradients([y], {k: t[k] for k in ("a", "b")}, [t["dy"].detach()])


def scale(t):
    y = ALPHA * t["x"]
    return {"y": y} | gradients([y], {"x": t["x"]}, [t["dy"].detach()])


def dropout(t):
    y = torch.where(t["keep"] > 0, t["x"] / (1 - t["rate"]), torch.zeros_like(t["x"]))
    return {"y": y} | gradients([y], {"x": t["x"]}, [t["dy"].detach()])


def main():
    # known answer of the Random123 library
    assert philox(0, 0, 0) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    torch.manual_seed(4)
    golden = Golden("elementwise")
    for count in (1, 1029):
        golden.case(f"add.{count}", {k: torch.randn(count) for k in ("a", "b", "dy")}, add)
        golden.case(f"scale.{count}", {k: torch.randn(count) for k in ("x", "dy")}, scale)
    seed, step = 0x123456789ABCD, 0x100000007
    for count, rate, node in ((1, 0.0, 0), (1029, 0.25, 12345678901), (130, 0.875, 3)):
        keep = torch.tensor([u >= rate for u in uniform(seed, step, node, count)], dtype=torch.int32)
        inputs = {"x": torch.randn(count), "dy": torch.randn(count), "keep": keep, "rate": rate, "node": node, "key": seed, "step": step}
        golden.case(f"dropout.{count}", inputs, dropout)
    golden.write()


if __name__ == "__main__":
    main()
