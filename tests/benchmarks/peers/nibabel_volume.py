"""nibabel's resample_to_output at half the voxel size, linear. Usage: … INPUT OUTPUT."""

import sys

import nibabel as nib
from nibabel.processing import resample_to_output

image = nib.load(sys.argv[1])
halved = [size / 2 for size in image.header.get_zooms()[:3]]
nib.save(resample_to_output(image, halved, order=1), sys.argv[2])
