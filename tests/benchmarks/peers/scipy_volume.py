"""SciPy: double a volume, linear. Usage: scipy_volume.py INPUT OUTPUT."""

import sys

import nibabel as nib
import numpy as np
from scipy.ndimage import zoom

image = nib.load(sys.argv[1])
voxels = np.asarray(image.dataobj)
doubled = zoom(voxels, 2, order=1, mode="nearest", grid_mode=True, output=np.float32)
step = np.diag([0.5, 0.5, 0.5, 1])
step[:3, 3] = -0.25
data = np.rint(doubled).astype(np.int16)
nib.save(nib.Nifti1Image(data, image.affine @ step), sys.argv[2])
