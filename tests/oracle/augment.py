"""Golden values of kernels/image/augment.h (equal to the bit) and statistics of host/data/augment.h, from torchvision."""
import warnings

import torch
import torchvision.transforms as T
import torchvision.transforms.functional as F
from PIL import Image

from golden import Golden

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
PAD = 10


def augmented(pixels, flip, left, top, erase):
    """One image [H, W, 3] uint8 -> [H, W, 3] float32: torchvision's own steps with given decisions."""
    height, width, _ = pixels.shape
    image = Image.fromarray(pixels.numpy())
    image = F.hflip(image) if flip else image
    image = F.crop(F.pad(image, PAD), top, left, height, width)
    tensor = F.normalize(F.to_tensor(image), MEAN, STD)
    x, y, w, h = erase
    if w and h:
        tensor = F.erase(tensor, y, x, h, w, torch.tensor(MEAN)[:, None, None])
    return tensor.permute(1, 2, 0).contiguous()


def exact_cases(golden):
    # (flip, left, top, (erase x, y, width, height)); left and top in the padded image
    decisions = [(0, 10, 10, (0, 0, 0, 0)), (1, 10, 10, (0, 0, 0, 0)), (0, 0, 20, (0, 0, 0, 0)), (1, 20, 3, (2, 5, 4, 7)), (1, 7, 0, (0, 0, 1, 1)),
                 (0, 13, 11, (6, 11, 3, 5))]
    pixels = torch.randint(0, 256, (len(decisions), 16, 9, 3), dtype=torch.uint8)
    golden.tensors["exact.pixels"] = pixels
    golden.tensors["exact.out"] = torch.stack([augmented(p, *d) for p, d in zip(pixels, decisions)])
    rows = [(f, left - PAD, top - PAD, *erase) for f, left, top, erase in decisions]
    golden.tensors["exact.decisions"] = torch.tensor(rows, dtype=torch.int32)
    every = torch.arange(256, dtype=torch.uint8).repeat_interleave(3).reshape(16, 16, 3)
    golden.tensors["every_value.pixels"] = every[None]
    golden.tensors["every_value.out"] = augmented(every, 0, PAD, PAD, (0, 0, 0, 0))[None]


def erase_statistics(golden, height, width, draws):
    """Frequencies and means over many draws of RandomErasing.get_params: [found, height, width, y, x, height * width]."""
    image = torch.zeros(1, height, width)
    rows = []
    for _ in range(draws):
        y, x, h, w, _ = T.RandomErasing.get_params(image, scale=(0.02, 0.4), ratio=(0.3, 3.3), value=[0.0])
        found = (h, w) != (height, width)
        rows.append([1.0, h, w, y, x, h * w] if found else [0.0] * 6)
    rows = torch.tensor(rows, dtype=torch.float64)
    golden.tensors[f"erase_{height}x{width}.mean"] = rows.mean(0)
    golden.tensors[f"erase_{height}x{width}.deviation"] = rows.std(0)
    golden.tensors[f"erase_{height}x{width}.draws"] = torch.tensor([float(draws)], dtype=torch.float64)


def main():
    torch.manual_seed(1)
    golden = Golden("augment")
    exact_cases(golden)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        erase_statistics(golden, 384, 128, 100000)
        erase_statistics(golden, 12, 4, 100000)
    golden.write()


if __name__ == "__main__":
    main()
