"""Golden values of kernels/loss/sdm.h: the loss of IRRA, with other images of an identity at a weight of their own."""
import torch

from golden import Golden, gradients

EPSILON = 1e-8


def direction(similarity, target, tau):
    log_p = torch.log_softmax(similarity / tau, 1)
    return (log_p.exp() * (log_p - torch.log(target + EPSILON))).sum(1).mean()


def program(t):
    same = t["labels"][:, None] == t["labels"][None]
    y = same.to(t["similarity"].dtype)
    if "image_id" in t:
        y = torch.where(same & (t["image_id"][:, None] != t["image_id"][None]), t["semi_weight"] * y, y)
    target = y / y.sum(1, keepdim=True)
    loss = direction(t["similarity"], target, t["tau"]) + direction(t["similarity"].T, target, t["tau"])
    unit = gradients([loss], {"similarity": t["similarity"]}, [torch.ones_like(loss)])["dsimilarity"]
    return {"loss": loss.reshape(1), "gradient": unit, "dsimilarity": unit * t["upstream"]}


def main():
    torch.manual_seed(8)
    golden = Golden("sdm")
    cases = {
        "one": (1, 0.02, 1.0, [0], None),
        "distinct": (5, 0.02, 1.0, [3, 1, 4, 0, 5], None),
        "groups": (12, 0.02, 1.0, [0, 0, 1, 1, 1, 2, 0, 3, 3, 4, 5, 5], None),
        "semi": (12, 0.02, 0.5, [0, 0, 1, 1, 1, 2, 0, 3, 3, 4, 5, 5], [0, 1, 2, 2, 3, 4, 0, 5, 6, 7, 8, 8]),
        "warm": (67, 0.1, 0.25, [i // 4 for i in range(67)], [i // 2 for i in range(67)]),
    }
    for name, (batch, tau, semi_weight, labels, image_id) in cases.items():
        images, texts = (torch.nn.functional.normalize(torch.randn(batch, 8), dim=1) for _ in range(2))
        inputs = {"similarity": images @ texts.T, "labels": torch.tensor(labels), "tau": tau, "semi_weight": semi_weight, "upstream": 0.375}
        if image_id:
            inputs["image_id"] = torch.tensor(image_id)
        golden.case(name, inputs, program)
    golden.write()


if __name__ == "__main__":
    main()
