"""Writes golden files (see tests/support/golden.h): double-precision results and the error of the naive program in f32 and bf16.

A case is a dict of float32 inputs and a function of them, written in plain PyTorch, that returns a dict of results. The same function
runs three times: in f64 (the truth), in f32 and in bf16 (the naive programs, whose errors set our tolerance).
"""
import pathlib

import torch
from safetensors.torch import save_file

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
        naive = {"naive_f32": program(cast(inputs, torch.float32)), "naive_bf16": program(cast(inputs, torch.bfloat16))}
        for key, value in inputs.items():
            if torch.is_tensor(value):
                stored = value.float() if floating(value) else value.to(torch.int32)
                self.tensors[f"{name}.{key}"] = stored.contiguous().clone()
            else:
                self.tensors[f"{name}.{key}"] = torch.tensor([value], dtype=torch.float64)
        for key, value in truth.items():
            value = value.detach().double()
            self.tensors[f"{name}.{key}"] = value.contiguous().clone()
            for kind, results in naive.items():
                error = (results[key].detach().double() - value).abs().max() if value.numel() else torch.zeros(())
                self.tensors[f"{name}.{key}.{kind}"] = error.double().reshape(1).clone()

    def write(self):
        GOLDEN.mkdir(exist_ok=True)
        path = GOLDEN / f"{self.file}.safetensors"
        save_file(self.tensors, str(path))
        path.chmod(0o644)
        print(f"{path.name}: {len(self.tensors)} tensors, {path.stat().st_size} bytes")


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
