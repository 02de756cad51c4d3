"""From planned axes to resampled arrays: whole, in slabs, or while the planes arrive.

``arithmetic`` says in what numbers, ``resampler`` runs the passes over arrays in memory,
``streaming`` over planes in their order, and ``alpha`` weighs the colours of an image.
"""
