"""Sums within rows for many rows at once: turned on their side, their values lie in vectors.

A vector holds one value of each of ``lanes(itemsize)`` rows, so that a tap is looked up once for
all of them and nothing is gathered. It is portable LLVM code; a CPU with shorter vectors takes
several of them. The arrays are of float32 or float64.
"""

from collections.abc import Callable

from llvmlite import ir

from upsample_cli.machine_code.primitives import inlined, primitive
from upsample_cli.machine_code.types import (
    Array,
    ArrayValue,
    Builder,
    SumPlan,
    Type,
    Value,
    Vector,
    Work,
)

VECTOR_BYTES = 64
INT32, INT64 = ir.IntType(32), ir.IntType(64)


def lanes(itemsize: int) -> int:
    """Return how many rows are summed at once.

    >>> lanes(4), lanes(8)
    (16, 8)
    """
    return VECTOR_BYTES // itemsize


@inlined
def weigh_columns(
    source: Array, picked: Array, first: int, plan: SumPlan, work: Work, target: Array
) -> None:
    """Weigh values within the rows ``picked[first]`` and on, as many as there are lanes.

    Past the last row, the last one is done again. No row is shorter than the lanes are many.

    plan : (taps, weights, counts, rounded), as in ``separable``
    work : (columns, sums, starts), scratch: (values_in * lanes,), (values_out * lanes,) and
        int64 (lanes,)
    """
    taps, weights, counts, rounded = plan
    columns, sums, starts = work
    count = starts.size
    rows, values_out = target.shape
    values_in = source.shape[1]
    for lane in range(count):
        starts[lane] = picked[min(first + lane, rows - 1)] * values_in
    for group in range((values_in + count - 1) // count):
        to_columns(source, starts, min(group * count, values_in - count), columns)
    for n in range(values_out):
        sum_columns(columns, taps, weights, n, rounded[n], counts[n], sums)
    for lane in range(count):
        starts[lane] = min(first + lane, rows - 1) * values_out
    for group in range((values_out + count - 1) // count):
        to_rows(sums, starts, min(group * count, values_out - count), target)


@primitive("void")
def to_columns(
    builder: Builder, source: ArrayValue, starts: ArrayValue, column: Value, columns: ArrayValue
) -> None:
    """Set ``columns[(column + c) * lanes + r] = source[starts[r] + column + c]``, c, r < lanes."""
    vector = _vector(source.element)
    own = _own_places(builder, starts, column, vector)
    rows = [_load(builder, source, place, vector) for place in own]
    for place, values in zip(_places(builder, column, vector), _turned(builder, rows), strict=True):
        _store(builder, values, columns, place)


@primitive("void")
def to_rows(
    builder: Builder, columns: ArrayValue, starts: ArrayValue, column: Value, target: ArrayValue
) -> None:
    """Set ``target[starts[r] + column + c] = columns[(column + c) * lanes + r]``, c, r < lanes."""
    vector = _vector(target.element)
    turned = [_load(builder, columns, p, vector) for p in _places(builder, column, vector)]
    own = _own_places(builder, starts, column, vector)
    for place, values in zip(own, _turned(builder, turned), strict=True):
        _store(builder, values, target, place)


@primitive("void")
def sum_columns(
    builder: Builder,
    columns: ArrayValue,
    taps: ArrayValue,
    weights: ArrayValue,
    n: Value,
    rounded: Value,
    count: Value,
    sums: ArrayValue,
) -> None:
    """Set column ``n`` of ``sums`` to its weighted columns, summed as ``separable`` says."""
    vector = _vector(columns.element)
    row = builder.mul(n, taps.shape[1])

    def term(k: Value) -> tuple[Value, Value]:
        tap = builder.load(builder.gep(taps.data, [builder.add(row, k)]))
        tap = tap if tap.type == INT64 else builder.zext(tap, INT64)
        place = builder.mul(tap, INT64(vector.count))
        weight = builder.load(builder.gep(weights.data, [builder.add(row, k)]))
        return _load(builder, columns, place, vector), _broadcast(builder, weight, vector)

    fused = _fused(builder, vector)
    total = builder.fmul(*term(INT64(0)))
    for begin, end, add in (
        (INT64(1), rounded, lambda total, k: builder.fadd(total, builder.fmul(*term(k)))),
        (rounded, count, lambda total, k: builder.call(fused, [*term(k), total])),
    ):
        total = _loop(builder, begin, end, total, add)
    _store(builder, total, sums, builder.mul(n, INT64(vector.count)))


def _loop(
    builder: Builder, begin: Value, end: Value, total: Value, add: Callable[[Value, Value], Value]
) -> Value:
    """Return ``total`` after ``add(total, k)`` for k in [begin, end)."""
    before, loop = builder.block, builder.append_basic_block("terms")
    after = builder.append_basic_block("summed")
    builder.cbranch(builder.icmp_signed("<", begin, end), loop, after)
    builder.position_at_end(loop)
    k, running = builder.phi(INT64), builder.phi(total.type)
    result, following = add(running, k), builder.add(k, INT64(1))
    for variable, first, then in ((k, begin, following), (running, total, result)):
        variable.add_incoming(first, before)
        variable.add_incoming(then, loop)
    builder.cbranch(builder.icmp_signed("<", following, end), loop, after)
    builder.position_at_end(after)
    summed = builder.phi(total.type)
    summed.add_incoming(total, before)
    summed.add_incoming(result, loop)
    return summed


def _turned(builder: Builder, rows: list[Value]) -> list[Value]:
    """Transpose as many vectors as each has lanes, by halves that change places."""
    step = len(rows) // 2
    while step:
        keeps = [lane for lane in range(len(rows)) if not lane & step]
        low = [n if not n & step else len(rows) + n - step for n in range(len(rows))]
        high = [n + step if not n & step else len(rows) + n for n in range(len(rows))]
        for n in keeps:
            pair = rows[n], rows[n + step]
            rows[n] = builder.shuffle_vector(*pair, _mask(low))
            rows[n + step] = builder.shuffle_vector(*pair, _mask(high))
        step //= 2
    return rows


def _own_places(builder: Builder, starts: ArrayValue, column: Value, vector: Vector) -> list[Value]:
    return [
        builder.add(builder.load(builder.gep(starts.data, [INT64(row)])), column)
        for row in range(vector.count)
    ]


def _places(builder: Builder, column: Value, vector: Vector) -> list[Value]:
    first = builder.mul(column, INT64(vector.count))
    return [builder.add(first, INT64(c * vector.count)) for c in range(vector.count)]


def _vector(element: Type) -> Vector:
    return ir.VectorType(element, lanes(4 if element == ir.FloatType() else 8))


def _mask(places: list[int]) -> Value:
    return ir.Constant(ir.VectorType(INT32, len(places)), places)


def _broadcast(builder: Builder, scalar: Value, vector: Vector) -> Value:
    undefined = ir.Constant(vector, ir.Undefined)
    lane = builder.insert_element(undefined, scalar, INT32(0))
    return builder.shuffle_vector(lane, undefined, _mask([0] * vector.count))


def _load(builder: Builder, array: ArrayValue, place: Value, vector: Vector) -> Value:
    return builder.load(_address(builder, array, place, vector), typ=vector, align=4)


def _store(builder: Builder, values: Value, array: ArrayValue, place: Value) -> None:
    builder.store(values, _address(builder, array, place, values.type), align=4)


def _address(builder: Builder, array: ArrayValue, place: Value, vector: Vector) -> Value:
    return builder.bitcast(builder.gep(array.data, [place]), vector.as_pointer())


def _fused(builder: Builder, vector: Vector) -> Value:
    """Declare LLVM's vector of fused multiply-adds."""
    width = 32 if vector.element == ir.FloatType() else 64
    name = f"llvm.fma.v{vector.count}f{width}"
    known = builder.module.globals.get(name)
    return known or ir.Function(builder.module, ir.FunctionType(vector, [vector] * 3), name)
