"""A small matrix product that stays in vector registers; LLVM does not find it in loops."""

from typing import Any

from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_HAS_LONG_REGISTERS = get_host_cpu_features().get("avx512f", False)

ROWS, VECTOR_BYTES = (8, 128) if _HAS_LONG_REGISTERS else (4, 64)
"""The rows and columns of a tile, as many as the CPU's registers hold. No sum depends on them."""

INT64 = ir.IntType(64)


@intrinsic
def _multiply_tile(
    typing_context: Any,  # noqa: ARG001
    source: Any,
    base: Any,  # noqa: ARG001
    offsets: Any,
    weights: Any,
    first: Any,  # noqa: ARG001
    count: Any,  # noqa: ARG001
    target: Any,
    place: Any,  # noqa: ARG001
    step: Any,  # noqa: ARG001
) -> Any:
    lanes = VECTOR_BYTES * 8 // source.dtype.bitwidth

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        element = context.get_value_type(source.dtype)
        vector = ir.VectorType(element, lanes)
        undefined = ir.Constant(vector, ir.Undefined)
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), lanes), None)
        fma = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(vector, [vector] * 3),
            f"llvm.fma.v{lanes}f{source.dtype.bitwidth}",
        )

        def data(number: int) -> Any:
            array = context.make_array(signature.args[number])
            return array(context, builder, arguments[number]).data

        def address(pointer: Any, index: Any) -> Any:
            return builder.bitcast(builder.gep(pointer, [index]), vector.as_pointer())

        def broadcast(scalar: Any) -> Any:
            lane = builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
            return builder.shuffle_vector(lane, undefined, zeros)

        at, offset_at, weight_at, target_at = data(0), data(2), data(3), data(6)
        base, first, count, place, step = (arguments[n] for n in (1, 4, 5, 7, 8))
        size = source.dtype.bitwidth // 8
        # LLVM keeps these in registers.
        sums = [cgutils.alloca_once_value(builder, ir.Constant(vector, None)) for _ in range(ROWS)]
        with cgutils.for_range(builder, count) as loop:
            tap = builder.add(first, loop.index)
            offset = builder.load(builder.gep(offset_at, [tap]))
            values = builder.load(address(at, builder.add(base, offset)), align=size)
            row = builder.mul(tap, ir.Constant(INT64, ROWS))
            for n in range(ROWS):
                index = builder.add(row, ir.Constant(INT64, n))
                weight = broadcast(builder.load(builder.gep(weight_at, [index])))
                builder.store(builder.call(fma, [weight, values, builder.load(sums[n])]), sums[n])
        for n in range(ROWS):
            index = builder.add(place, builder.mul(step, ir.Constant(INT64, n)))
            builder.store(builder.load(sums[n]), address(target_at, index), align=size)
        return context.get_dummy_value()

    integers = (types.int64,) * 2
    return types.void(source, types.int64, offsets, weights, *integers, target, *integers), codegen


multiply_tile: Any = _multiply_tile
"""``multiply_tile(source, base, offsets, weights, first, count, target, place, step)``: for ROWS
rows n and the columns x of one vector, ``target[place + n * step + x]`` becomes the sum over k in
``[first, first + count)`` of ``weights[k * ROWS + n] * source[base + offsets[k] + x]``, in that
order, with fused multiply-adds. The arrays are flat, of float32 or float64, offsets of int64."""
