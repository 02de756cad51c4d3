"""The live comparisons with PyTorch: collected by their paths alone, and summed up in a table."""

collect_ignore = ["compare_live.py", "compare_inverse_live.py", "time_inverse.py"]

HEADER = ("mode", "dtype", "dims", "antialias", "comparisons", "same bits", "largest difference")


def pytest_terminal_summary(terminalreporter):
    rows = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, value in report.user_properties:
                if name == "comparison":
                    _add(rows, *value)
    if not rows:
        return
    terminalreporter.section("comparison with PyTorch (differences relative to the largest value)")
    terminalreporter.write_line("| " + " | ".join(HEADER) + " |")
    terminalreporter.write_line("| --- " * 4 + "| ---: " * 3 + "|")
    for key, (count, same, worst) in sorted(rows.items()):
        cells = [*key, str(count), str(same), f"{worst:.1e}" if worst else "0"]
        terminalreporter.write_line("| " + " | ".join(cells) + " |")
    total = sum(count for count, _, _ in rows.values())
    same = sum(same for _, same, _ in rows.values())
    terminalreporter.write_line(f"{total} comparisons, {same} with the same bits")


def _add(rows, key, count, same, worst):
    before = rows.get(tuple(key), (0, 0, 0.0))
    rows[tuple(key)] = (before[0] + count, before[1] + same, max(before[2], worst))
