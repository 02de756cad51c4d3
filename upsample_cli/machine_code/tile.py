"""A small matrix product that stays in vector registers; LLVM does not find it in loops."""

from llvmlite import ir

from upsample_cli.machine_code import processor
from upsample_cli.machine_code.primitives import primitive
from upsample_cli.machine_code.types import ArrayValue, Builder, Value, Vector

ROWS, VECTOR_BYTES = (8, 128) if processor.has_long_registers() else (4, 64)
"""The rows and columns of a tile, as many as the CPU's registers hold. No sum depends on them."""

INT32, INT64 = ir.IntType(32), ir.IntType(64)


@primitive("void")
def multiply_tile(
    builder: Builder,
    source: ArrayValue,
    base: Value,
    offsets: ArrayValue,
    weights: ArrayValue,
    first: Value,
    count: Value,
    target: ArrayValue,
    place: Value,
    step: Value,
) -> None:
    """Multiply the weights of ROWS rows n with the columns x of one vector.

    ``target[place + n * step + x]`` becomes the sum over k in ``[first, first + count)`` of
    ``weights[k * ROWS + n] * source[base + offsets[k] + x]``, in that order, with fused
    multiply-adds. The arrays are flat, of float32 or float64, offsets of int64.
    """
    element = source.element
    size = 4 if element == ir.FloatType() else 8
    vector = ir.VectorType(element, VECTOR_BYTES // size)
    zeros = ir.Constant(vector, None)
    before, loop = builder.block, builder.append_basic_block("terms")
    after = builder.append_basic_block("summed")
    builder.cbranch(builder.icmp_signed(">", count, INT64(0)), loop, after)

    builder.position_at_end(loop)
    term = builder.phi(INT64)
    sums = [builder.phi(vector) for _ in range(ROWS)]
    tap = builder.add(first, term)
    offset = builder.load(builder.gep(offsets.data, [tap]))
    values = builder.load(
        _address(builder, source, builder.add(base, offset), vector), typ=vector, align=size
    )
    totals = []
    for n, total in enumerate(sums):
        index = builder.add(builder.mul(tap, INT64(ROWS)), INT64(n))
        weight = _broadcast(builder, builder.load(builder.gep(weights.data, [index])), vector)
        totals.append(builder.call(_fused(builder, vector), [weight, values, total]))
    next_term = builder.add(term, INT64(1))
    for variable, begin, end in zip(
        [term, *sums], [INT64(0), *[zeros] * ROWS], [next_term, *totals], strict=True
    ):
        variable.add_incoming(begin, before)
        variable.add_incoming(end, loop)
    builder.cbranch(builder.icmp_signed("<", next_term, count), loop, after)

    builder.position_at_end(after)
    results = [builder.phi(vector) for _ in range(ROWS)]
    for n, (result, total) in enumerate(zip(results, totals, strict=True)):
        result.add_incoming(zeros, before)
        result.add_incoming(total, loop)
        index = builder.add(place, builder.mul(step, INT64(n)))
        builder.store(result, _address(builder, target, index, vector), align=size)


def _address(builder: Builder, array: ArrayValue, index: Value, vector: Vector) -> Value:
    return builder.bitcast(builder.gep(array.data, [index]), vector.as_pointer())


def _broadcast(builder: Builder, scalar: Value, vector: Vector) -> Value:
    undefined = ir.Constant(vector, ir.Undefined)
    lane = builder.insert_element(undefined, scalar, INT32(0))
    lanes = ir.Constant(ir.VectorType(INT32, vector.count), None)
    return builder.shuffle_vector(lane, undefined, lanes)


def _fused(builder: Builder, vector: Vector) -> Value:
    """Declare LLVM's vector of fused multiply-adds."""
    width = 32 if vector.element == ir.FloatType() else 64
    name = f"llvm.fma.v{vector.count}f{width}"
    known = builder.module.globals.get(name)
    return known or ir.Function(builder.module, ir.FunctionType(vector, [vector] * 3), name)
