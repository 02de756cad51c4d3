"""How a kernel becomes machine code: decorator, primitives, Numba to object, linking, cache."""
