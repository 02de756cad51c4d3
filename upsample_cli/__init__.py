"""Resample images and medical volumes with PyTorch's numbers and a true header, without PyTorch."""
