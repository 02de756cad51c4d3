"""Sums of uint8 taps, 16 products at a time, which no compiler finds by itself.

A vector of 16 lanes holds four taps of four things: the channels of one pixel, or one value in
each of four rows. It is portable LLVM code; a CPU with shorter vectors takes several of them.

Each function sums a window of consecutive taps, as ``fixed_point`` says. The weights are int32
(outputs, taps), the taps a multiple of 4; one of weight 0 may lie past a row's own values, as far
as ``sampling.rows.WindowPlan.overhang`` says, where there must be memory to read. The four
results are the bytes of a uint32, the first one lowest.
"""

from collections.abc import Callable

from llvmlite import ir

from upsample_cli.machine_code.primitives import primitive
from upsample_cli.machine_code.types import ArrayValue, Builder, Type, Value

LANES, TAPS = 16, 4
INT8, INT32 = ir.IntType(8), ir.IntType(32)

OF_THREE = [3 * (lane // TAPS) + min(lane % TAPS, 2) for lane in range(LANES)]
"""Which byte each lane takes from pixels of three values; the fourth lane is never read."""


@primitive("uint32")
def weigh_rgb(
    builder: Builder,
    row: ArrayValue,
    begin: Value,
    weights: ArrayValue,
    output: Value,
    shift: Value,
) -> Value:
    """Weigh pixels of three values, the first of which is ``row[begin]``."""

    def pixels(tap: Value) -> Value:
        values = _load(builder, INT8, LANES, row, builder.add(begin, _times(builder, tap, 3)))
        return _shuffle(builder, values, OF_THREE)

    return _weighed_pixels(builder, pixels, weights, output, shift)


@primitive("uint32")
def weigh_rgba(
    builder: Builder,
    row: ArrayValue,
    begin: Value,
    weights: ArrayValue,
    output: Value,
    shift: Value,
) -> Value:
    """Weigh pixels of four values, the first of which is ``row[begin]``."""

    def pixels(tap: Value) -> Value:
        return _load(builder, INT8, LANES, row, builder.add(begin, _times(builder, tap, 4)))

    return _weighed_pixels(builder, pixels, weights, output, shift)


@primitive("uint32")
def weigh_four_rows(
    builder: Builder,
    a: ArrayValue,
    b: ArrayValue,
    c: ArrayValue,
    d: ArrayValue,
    begin: Value,
    weights: ArrayValue,
    output: Value,
    shift: Value,
) -> Value:
    """Weigh one value in each of four rows, the first of which are ``a[begin]`` to ``d[begin]``."""

    def values(tap: Value) -> Value:
        words = ir.Constant(ir.VectorType(INT32, TAPS), [0] * TAPS)
        for lane, row in enumerate((a, b, c, d)):
            word = builder.load(
                _pointer(builder, INT32, row, builder.add(begin, tap)), typ=INT32, align=1
            )
            words = builder.insert_element(words, word, INT32(lane))
        return builder.bitcast(words, ir.VectorType(INT8, LANES))

    tap_of_lane = [lane % TAPS for lane in range(LANES)]
    sums = _sum(builder, values, weights, output, tap_of_lane)
    for half in (8, 4):
        even = _shuffle(builder, sums, [2 * lane for lane in range(half)])
        odd = _shuffle(builder, sums, [2 * lane + 1 for lane in range(half)])
        sums = builder.add(even, odd)
    return _rounded(builder, sums, shift)


def _weighed_pixels(
    builder: Builder,
    pixels: Callable[[Value], Value],
    weights: ArrayValue,
    output: Value,
    shift: Value,
) -> Value:
    tap_of_lane = [lane // TAPS for lane in range(LANES)]
    sums = _sum(builder, pixels, weights, output, tap_of_lane)
    for half in (8, 4):
        low = _shuffle(builder, sums, list(range(half)))
        high = _shuffle(builder, sums, list(range(half, 2 * half)))
        sums = builder.add(low, high)
    return _rounded(builder, sums, shift)


def _sum(
    builder: Builder,
    values: Callable[[Value], Value],
    weights: ArrayValue,
    output: Value,
    tap_of_lane: list[int],
) -> Value:
    """Return int32 lanes: the sum over all taps of ``values(tap)`` times the taps' weights."""
    total_type = ir.VectorType(INT32, LANES)
    taps = weights.shape[1]
    before = builder.block
    loop, after = builder.append_basic_block("taps"), builder.append_basic_block("summed")
    builder.branch(loop)
    builder.position_at_end(loop)
    tap, total = builder.phi(taps.type), builder.phi(total_type)
    tap.add_incoming(taps.type(0), before)
    total.add_incoming(ir.Constant(total_type, [0] * LANES), before)
    position = builder.add(builder.mul(output, taps), tap)
    weight = _shuffle(builder, _load(builder, INT32, TAPS, weights, position), tap_of_lane)
    product = builder.mul(builder.zext(values(tap), total_type), weight)
    total_after, tap_after = builder.add(total, product), builder.add(tap, taps.type(TAPS))
    tap.add_incoming(tap_after, loop)
    total.add_incoming(total_after, loop)
    builder.cbranch(builder.icmp_signed("<", tap_after, taps), loop, after)
    builder.position_at_end(after)
    return total_after


def _rounded(builder: Builder, sums: Value, shift: Value) -> Value:
    """Return four sums, shifted with one half added and clamped to bytes, as one uint32."""
    shift = builder.trunc(shift, INT32)
    half = builder.shl(INT32(1), builder.sub(shift, INT32(1)))
    sums = builder.ashr(
        builder.add(sums, _splat(builder, half, TAPS)), _splat(builder, shift, TAPS)
    )
    for limit, keeps in ((0, ">"), (255, "<")):
        bound = ir.Constant(sums.type, [limit] * TAPS)
        sums = builder.select(builder.icmp_signed(keeps, sums, bound), sums, bound)
    return builder.bitcast(builder.trunc(sums, ir.VectorType(INT8, TAPS)), INT32)


def _load(builder: Builder, element: Type, lanes: int, array: ArrayValue, position: Value) -> Value:
    vector = ir.VectorType(element, lanes)
    return builder.load(_pointer(builder, vector, array, position), typ=vector, align=1)


def _pointer(builder: Builder, target: Type, array: ArrayValue, position: Value) -> Value:
    return builder.bitcast(builder.gep(array.data, [position]), target.as_pointer())


def _shuffle(builder: Builder, vector: Value, lanes: list[int]) -> Value:
    mask = ir.Constant(ir.VectorType(INT32, len(lanes)), lanes)
    return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), mask)


def _splat(builder: Builder, value: Value, lanes: int) -> Value:
    undefined = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    return _shuffle(builder, builder.insert_element(undefined, value, INT32(0)), [0] * lanes)


def _times(builder: Builder, value: Value, factor: int) -> Value:
    return builder.mul(value, value.type(factor))
