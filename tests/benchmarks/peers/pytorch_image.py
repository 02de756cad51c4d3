"""PyTorch: double an image, bilinear; Pillow reads and writes. Usage: … INPUT OUTPUT."""

import sys

import numpy as np
import torch
from PIL import Image

with Image.open(sys.argv[1]) as image:
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
doubled = torch.nn.functional.interpolate(pixels, scale_factor=2, mode="bilinear")[0]
Image.fromarray(doubled.permute(1, 2, 0).contiguous().numpy()).save(sys.argv[2])
