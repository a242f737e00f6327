"""Golden values of kernels/embedding/token_embedding.h."""
import torch

from golden import Golden, gradients


def program(t):
    y = t["table"][t["ids"].long()] + t["position"]
    return {"y": y} | gradients([y], {k: t[k] for k in ("table", "position")}, [t["dy"].detach()])


def main():
    torch.manual_seed(2)
    golden = Golden("token_embedding")
    for batch, tokens, vocabulary, width in ((1, 1, 1, 1), (2, 5, 7, 3), (3, 4, 50, 33), (1, 1, 2, 1030)):
        inputs = {
            "ids": torch.randint(0, vocabulary, (batch, tokens)),
            "table": torch.randn(vocabulary, width),
            "position": torch.randn(tokens, width),
            "dy": torch.randn(batch, tokens, width),
        }
        golden.case(f"{batch}x{tokens}x{vocabulary}x{width}", inputs, program)
    golden.write()


if __name__ == "__main__":
    main()
