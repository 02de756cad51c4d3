"""From planned axes to resampled arrays: whole, in slabs, or while the planes arrive.

``choosing`` says in what numbers: ``copying``, ``sums``, ``voting``, ``averaging`` and ``small``
are an ``arithmetic`` each, and answer how axes are passed. ``resampler`` runs them over blocks.
``whole`` deals out an array in memory: to one kernel for all axes where the arithmetic has one,
else by a ``ring`` of planes along the slowest axis, as ``streaming`` does with planes in order.
``alpha`` weighs the colours of an image; ``pooling`` and ``transposed`` are the inverse operations.
"""
