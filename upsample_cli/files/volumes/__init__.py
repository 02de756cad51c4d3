"""Volumes: headers that say where they are, and their voxels, read and written forward."""
