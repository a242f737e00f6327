"""Golden values of kernels/loss/cross_entropy.h."""
import torch

from golden import Golden, gradients


def program(t):
    log_p = torch.log_softmax(t["logits"], -1)
    counted = t["labels"] >= 0
    picked = log_p.gather(1, t["labels"].long().clamp(min=0)[:, None])[:, 0]
    e = t["smoothing"]
    rows = (-(1 - e) * picked - e * log_p.mean(-1)) * counted
    divisor = t["divisor"] or max(int(counted.sum()), 1)
    loss = rows.sum() / divisor
    upstream = torch.tensor(t["upstream"], dtype=loss.dtype)
    unit = gradients([loss], {"logits": t["logits"]}, [torch.ones_like(loss)])["dlogits"]
    return {"loss": loss.reshape(1), "row_loss": rows, "gradient": unit, "dlogits": unit * upstream}


def main():
    torch.manual_seed(7)
    golden = Golden("cross_entropy")
    cases = {
        "one": (1, 1, 0.0, 0, [0]),
        "small": (3, 5, 0.0, 0, [4, 0, 2]),
        "smooth": (4, 33, 0.1, 0, [32, -1, 0, 7]),
        "divided": (3, 10, 0.0, 8, [-1, 3, 9]),
        "ignored": (2, 6, 0.2, 0, [-1, -1]),
        "long": (2, 1500, 0.1, 0, [1499, 1024]),
    }
    for name, (rows, classes, smoothing, divisor, labels) in cases.items():
        inputs = {"logits": torch.randn(rows, classes) * 4, "labels": torch.tensor(labels), "smoothing": smoothing, "divisor": divisor,
                  "upstream": 0.375}
        golden.case(name, inputs, program)
    golden.write()


if __name__ == "__main__":
    main()
