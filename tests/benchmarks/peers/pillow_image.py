"""Pillow: double an image, bilinear. Usage: pillow_image.py INPUT OUTPUT."""

import sys

from PIL import Image

with Image.open(sys.argv[1]) as image:
    image.resize((2 * image.width, 2 * image.height), Image.Resampling.BILINEAR).save(sys.argv[2])
