"""The tables of a transfer study.

python benchmarks/study_report.py results.jsonl
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

GOAL = 0.90
SCORES = {
    "f1": "F1",
    "best_f1": "F1 at the threshold that is best there (so an upper bound)",
    "auc": "AUC",
    "mcc": "MCC",
    "accuracy": "Accuracy",
}
Cells = dict[str, dict[str, dict[int, dict[str, Any]]]]
"""Results by arm, number of labels and seed."""


def report(results: list[dict[str, Any]]) -> str:
    """Markdown tables. The last result counts if an arm, size and seed occurs twice."""
    cells: Cells = defaultdict(lambda: defaultdict(dict))
    rows: dict[str, int] = {}
    for r in results:
        cells[r["arm"]][r["size"]][r["seed"]] = r
        rows[r["size"]] = r["rows"]
    sizes = sorted(rows, key=lambda s: rows[s])
    parts = [
        _table(
            f"{title} on the test split, mean ± standard deviation over seeds", cells, sizes, key
        )
        for key, title in SCORES.items()
    ]
    parts += [_costs(cells, sizes), _needed(cells, sizes, rows), _against(cells, sizes)]
    return "\n\n".join(parts)


def _values(cells: Cells, arm: str, size: str, key: str) -> list[float]:
    values = (r.get(key) for _, r in sorted(cells[arm].get(size, {}).items()))
    return [v for v in values if v is not None]


def _spread(values: list[float]) -> str:
    if not values:
        return ""
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"


def _markdown(title: str, header: list[str], lines: list[list[str]]) -> str:
    drawn = [header, ["---"] * len(header), *lines]
    return "\n".join([f"**{title}**", "", *(f"| {' | '.join(line)} |" for line in drawn)])


def _table(title: str, cells: Cells, sizes: list[str], key: str) -> str:
    lines = [[a, *[_spread(_values(cells, a, s, key)) for s in sizes]] for a in cells]
    seeds = max(len(c) for arm in cells.values() for c in arm.values())
    return _markdown(f"{title} ({seeds} at most)", ["labels", *sizes], lines)


def _costs(cells: Cells, sizes: list[str]) -> str:
    lines = []
    for arm in cells:
        seconds = [_values(cells, arm, s, "seconds") for s in sizes]
        shown = [f"{statistics.mean(v):.1f}" if v else "" for v in seconds]
        last = next(iter(cells[arm][next(reversed(cells[arm]))].values()))
        trained = last.get("trainable_parameters") or last.get("parameters") or 0
        embed = f"{last['embed_seconds']:.0f}" if last.get("embed_seconds") else ""
        lines.append([arm, *shown, embed, f"{trained:,}"])
    header = ["labels", *sizes, "Embed, once", "parameters that train"]
    return _markdown("Seconds of the Trainer (classical: of fitting)", header, lines)


def _needed(cells: Cells, sizes: list[str], rows: dict[str, int]) -> str:
    lines = []
    for arm in cells:
        means = [
            (rows[s], statistics.mean(v)) for s in sizes if (v := _values(cells, arm, s, "f1"))
        ]
        lines.append([arm, *labels_needed(means)])
    return _markdown(
        f"Labels needed for F1 {GOAL:.2f}", ["arm", "smallest size measured", "interpolated"], lines
    )


def labels_needed(means: list[tuple[int, float]]) -> tuple[str, str]:
    """The first size whose mean F1 reaches the goal, and the interpolated number of labels.

    Interpolation is linear in the logarithm of the number of labels.

    means: (labels, mean F1), ascending.
    """
    for i, (n, f1) in enumerate(means):
        if f1 < GOAL:
            continue
        if i == 0:
            return f"{n}", f"{n} or fewer"
        before, lower = means[i - 1]
        share = (GOAL - lower) / (f1 - lower)
        return f"{n}", f"{math.exp(math.log(before) + share * math.log(n / before)):.0f}"
    return "not reached", f"more than {means[-1][0]}" if means else ""


def _against(cells: Cells, sizes: list[str], arm: str = "fine_tune") -> str:
    """The mean gain of one arm over each other, paired by seed."""
    lines = []
    for other in cells:
        if other == arm or arm not in cells:
            continue
        line = [other]
        for size in sizes:
            mine, theirs = cells[arm].get(size, {}), cells[other].get(size, {})
            both = sorted(set(mine) & set(theirs))
            gains = [(mine[s]["f1"] or 0) - (theirs[s]["f1"] or 0) for s in both]
            wins = sum(g > 0 for g in gains)
            line.append(f"{_signed(gains)} ({wins} of {len(gains)})" if gains else "")
        lines.append(line)
    return _markdown(
        f"F1 of {arm} less that of others: mean (seeds in which it is higher)",
        ["than", *sizes],
        lines,
    )


def _signed(values: list[float]) -> str:
    return f"{statistics.mean(values):+.3f}"


if __name__ == "__main__":
    text = Path(sys.argv[1]).read_text()
    print(report([json.loads(line) for line in text.splitlines()]))
