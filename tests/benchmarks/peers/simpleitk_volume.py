"""SimpleITK: double a volume, linear. Usage: simpleitk_volume.py INPUT OUTPUT."""

import sys

import SimpleITK as sitk  # noqa: N813

image = sitk.ReadImage(sys.argv[1])
work = sitk.ResampleImageFilter()
work.SetSize([2 * n for n in image.GetSize()])
work.SetOutputSpacing([step / 2 for step in image.GetSpacing()])
work.SetOutputOrigin(image.TransformContinuousIndexToPhysicalPoint([-0.25] * 3))
work.SetOutputDirection(image.GetDirection())
work.SetInterpolator(sitk.sitkLinear)
sitk.WriteImage(work.Execute(image), sys.argv[2], useCompression=sys.argv[2].endswith(".gz"))
