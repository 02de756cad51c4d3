"""Numba kernels: arrays in, arrays out. The callers check shapes; kernels raise nothing."""
