"""From planned axes to resampled arrays: whole, in slabs, or while the planes arrive.

``arithmetic`` says in what numbers, and ``resampler`` runs the passes over blocks. ``whole`` deals
out an array in memory: to one kernel for all axes where ``fused`` has it, else by a ``ring`` of
planes that slides along the slowest axis, as ``streaming`` does with planes in their order.
``scratch`` is the memory between passes; ``alpha`` weighs the colours of an image; ``pooling`` and
``transposed`` are the inverse operations.
"""
