"""Writes golden files (see tests/support/golden.h): double-precision results and the error of the naive program in f32 and bf16.

A case is a dict of float32 inputs and a function of them, written in plain PyTorch, that returns a dict of results. The same function
runs in f64 (the truth), in f32 and in bf16 (the naive programs, whose errors set our tolerance). Small cases are at times lucky: so the naive
error is the largest, relative to the largest value, of the case itself and of DRAWS shuffles of its inputs' elements.
"""
import pathlib

import torch
from safetensors.torch import save_file

DRAWS = 4
GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden"


class Golden:
    def __init__(self, file):
        self.file, self.tensors = file, {}

    def case(self, name, inputs, program, keep_f32=()):
        """inputs: {name: float32 tensor, integer tensor or number}; program(dict in one dtype) -> {name: tensor}.

        Inputs in keep_f32 (norm weights, biases: f32 under every precision in our kernels) are not rounded to bf16. All others are
        rounded to bf16 for the bf16 truth as well, by choosing inputs that bf16 represents exactly."""
        inputs = {k: round_bf16(v) if floating(v) and k not in keep_f32 else v for k, v in inputs.items()}
        truth = program(cast(inputs, torch.float64))
        naive = self.naive_errors(inputs, program)
        for key, value in inputs.items():
            if torch.is_tensor(value):
                stored = value.float() if floating(value) else value.to(torch.int32)
                self.tensors[f"{name}.{key}"] = stored.contiguous().clone()
            else:
                self.tensors[f"{name}.{key}"] = torch.tensor([value], dtype=torch.float64)
        for key, value in truth.items():
            value = value.detach().double()
            self.tensors[f"{name}.{key}"] = value.contiguous().clone()
            largest = value.abs().max().item() if value.numel() else 0.0
            for kind, errors in naive.items():
                self.tensors[f"{name}.{key}.{kind}"] = torch.tensor([errors[key] * largest], dtype=torch.float64)

    @staticmethod
    def naive_errors(inputs, program):
        """{precision: {result: error relative to the largest value}}, the worst over the case and its shuffles."""
        generator = torch.Generator().manual_seed(0)
        worst = {kind: {} for kind in ("naive_f32", "naive_bf16")}
        for draw in range(1 + DRAWS):
            drawn = inputs if draw == 0 else {k: shuffle(v, generator) if floating(v) else v for k, v in inputs.items()}
            truth = program(cast(drawn, torch.float64))
            for kind, dtype in (("naive_f32", torch.float32), ("naive_bf16", torch.bfloat16)):
                for key, value in program(cast(drawn, dtype)).items():
                    expected = truth[key].detach().double()
                    largest = expected.abs().max().item() if expected.numel() else 0.0
                    error = (value.detach().double() - expected).abs().max().item() / largest if largest else 0.0
                    worst[kind][key] = max(worst[kind].get(key, 0.0), error)
        return worst

    def write(self):
        GOLDEN.mkdir(exist_ok=True)
        path = GOLDEN / f"{self.file}.safetensors"
        save_file(self.tensors, str(path))
        path.chmod(0o644)
        print(f"{path.name}: {len(self.tensors)} tensors, {path.stat().st_size} bytes")


def shuffle(value, generator):
    return value.flatten()[torch.randperm(value.numel(), generator=generator)].reshape(value.shape)


def floating(value):
    return torch.is_tensor(value) and value.is_floating_point()


def round_bf16(value):
    return value.to(torch.bfloat16).float()


def cast(inputs, dtype):
    """Leaves that ask for gradients, in one dtype; integers and numbers as they are."""
    return {k: v.to(dtype).detach().requires_grad_() if floating(v) else v for k, v in inputs.items()}


def gradients(outputs, inputs, weights):
    """{"d<input>": gradient of sum(output * weight)} for each input tensor, in the program's own precision."""
    grads = torch.autograd.grad(outputs, list(inputs.values()), weights, allow_unused=True)
    return {f"d{k}": torch.zeros_like(v) if g is None else g for (k, v), g in zip(inputs.items(), grads)}
