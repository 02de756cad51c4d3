"""Pure mathematics of resampling: modes, coordinates, weights and grids. No files, no kernels."""
