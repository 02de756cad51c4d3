"""The measurements as Markdown: the short form for the README, then every row."""

from typing import Any

from cases import (
    COMPRESSION,
    COPY,
    COPY_REUSED,
    KERNELS,
    OURS,
    OURS_REUSED,
    PROCESSES,
    Kernel,
    Process,
    Row,
    peers_of,
)
from in_memory import NOTES

RULES = (
    "Medians of interleaved rounds, after a run that is not counted. In memory, every contender "
    "makes a fresh output; in brackets, the same work into an array at hand. A process is timed "
    "from its start to its end, with its peak memory, each program with its own defaults; the "
    "input is in the file cache. *igzip alone* deflates the output's bytes on the same threads."
)
VERDICTS = {True: "reached", False: "missed", None: "no peer"}


def markdown(results: dict[str, Any]) -> str:
    """Return the whole report of ``results``: the machine, rows and absences by case."""
    work = [*KERNELS, *PROCESSES]
    done = [case for case in work if case.name in results["rows"]]
    kernels = [case for case in done if isinstance(case, Kernel)]
    processes = [case for case in done if isinstance(case, Process)]
    parts = ["# Benchmark", facts_of(results), RULES, "## In short", short_form(results, done)]
    if kernels:
        parts += ["## In memory", long_form(results, kernels), NOTES]
    if processes:
        parts += ["## Whole processes", long_form(results, processes)]
    if results["scale"]:
        parts += ["## Scale", scale_table(results["scale"])]
    return "\n\n".join(parts) + "\n"


def facts_of(results: dict[str, Any]) -> str:
    lines = [f"- {name}: {fact}" for name, fact in results["machine"].items()]
    if results["is_quick"]:
        lines.insert(0, "- a quick run on small data: not for comparing")
    return "\n".join(lines)


def table(header: list[str], rows: list[list[str]]) -> str:
    ruler = ["---"] * len(header)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, ruler, *rows])


def short_form(results: dict[str, Any], cases: list[Kernel | Process]) -> str:
    header = ["work", "upsample-cli", "fastest peer", "times faster"]
    rows = []
    for case in cases:
        row: Row = results["rows"][case.name]
        peers = peers_of(row)
        if case.in_picture and peers:
            name = peers[0][0]
            ours, theirs = text_of(row, OURS), f"{name} {text_of(row, name)}"
            rows.append([case.name, ours, theirs, ratio(row, name)])
    return table(header, rows)


def long_form(results: dict[str, Any], cases: list[Kernel] | list[Process]) -> str:
    header = ["work", "upsample-cli", "bound", "peers, the fastest first", "targets"]
    rows = []
    for case in cases:
        row, absent = results["rows"][case.name], results["absent"][case.name]
        peers = [f"{name} {text_of(row, name)} ({ratio(row, name)})" for name, _ in peers_of(row)]
        peers += [f"{name} {why}" for name, why in absent.items()]
        targets = [f"{t.text} {VERDICTS[t.is_reached(row)]}" for t in case.targets]
        ours = text_of(row, OURS, OURS_REUSED)
        bound = COMPRESSION if COMPRESSION in row else COPY
        limit = f"{bound} {text_of(row, bound, COPY_REUSED)}" if bound in row else ""
        rows.append([case.name, ours, limit, "; ".join(peers), "; ".join(targets)])
    return table(header, rows)


def ratio(row: Row, name: str) -> str:
    """Return how many times as fast as a peer ours is."""
    times = row[name].seconds / row[OURS].seconds
    return f"{times:.0f}×" if times >= 10 else f"{times:#.2g}×"


def text_of(row: Row, name: str, reused: str = "") -> str:
    """Return the time of a contender, with its peak memory or the time into an array at hand."""
    figures = row[name]
    text = duration(figures.seconds)
    if figures.peak is not None:
        text += f", {figures.peak / 1e6:.0f} MB"
    if reused in row and figures.peak is None and name != COMPRESSION:
        text += f" [{duration(row[reused].seconds)}]"
    return text


def duration(seconds: float) -> str:
    """Return seconds or milliseconds, to three digits."""
    value, unit = (seconds, "s") if seconds >= 1 else (seconds * 1e3, "ms")
    return f"{three_digits(value)} {unit}"


def three_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"


def scale_table(scale: dict[str, list[list[float]]]) -> str:
    """Return time per byte and peak of every way, by the size of the output."""
    sizes = sorted({point[0] for points in scale.values() for point in points})
    rows = []
    for size in sizes:
        cells = [f"{size / 2**20:.0f} MiB"]
        for points in scale.values():
            found = [point for point in points if point[0] == size]
            cells.append(
                f"{found[0][1] / size * 1e9:.2f} ns, {found[0][2] / 1e6:.0f} MB" if found else "–"
            )
        rows.append(cells)
    return table(["output", *(f"{way}: per byte, peak" for way in scale)], rows)
