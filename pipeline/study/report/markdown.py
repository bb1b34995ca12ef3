"""The report as text."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.report.tables import Table
from pipeline.study.findings import Comparison, Findings
from pipeline.study.promises import promises
from pipeline.study.report.sentences import (
    headline,
    method,
    names_of,
    overall,
    spread,
    verdict_sentence,
)

MAIN = ("sharing", "transfer", "both", "arm")
"""Claims whose promises are told."""


def markdown(found: Findings) -> str:
    """Verdicts first, then figures."""
    evidence = found.evidence
    parts = [f"# Study: {evidence.design.spec.name}", *headline(found)]
    largest = max(evidence.fractions, default=0)
    for comparison in found.comparisons:
        if comparison.fraction == largest:
            parts += list(_comparison(comparison, found))
    parts += [_scores(found), _costs(found), "## How to read this", *method(found)]
    return "\n\n".join(parts) + "\n"


def _comparison(c: Comparison, found: Findings) -> Iterator[str]:
    yield f"## {c.claim.question} `{c.claim.arm}` against `{c.claim.against}`"
    yield overall(c)
    yield "\n".join(f"- {verdict_sentence(v, c, found)}" for v in c.verdicts)
    lines = [
        [
            v.task,
            found.evidence.design.metrics[v.task],
            f"**{v.outcome}**",
            f"{v.mean:+.4f}",
            f"{v.interval.low:+.4f} to {v.interval.high:+.4f}",
            f"{v.bca.low:+.4f} to {v.bca.high:+.4f}",
            f"{v.p_difference:.3f}",
            f"{v.p_equivalence:.3f}",
            f"{v.margin:.4f}",
        ]
        for v in c.verdicts
    ]
    header = ["task", "metric", "verdict", "difference", "interval", "BCa", "p (difference)"]
    yield Table([*header, "p (equivalence)", "margin"], lines).markdown()
    if c.claim.name in MAIN:
        kept = [[p.name, p.kept, p.figures] for p in promises(c, found.evidence)]
        yield Table(["promise", "", "figures"], kept).markdown()


def _scores(found: Findings) -> str:
    evidence, lines = found.evidence, []
    for arm in evidence.arms():
        for task in evidence.design.metrics:
            spreads = [spread(evidence.values(arm, f, task)) for f in evidence.fractions]
            lines.append([names_of(arm, found), task, evidence.design.metrics[task], *spreads])
    rows = [f"{evidence.rows[f]:,} rows" for f in evidence.fractions]
    return "\n\n".join(
        [
            "## Figures on the test rows",
            "Mean ± standard deviation over seeds.",
            Table(["arm", "task", "metric", *rows], lines).markdown(),
        ]
    )


def _costs(found: Findings) -> str:
    evidence = found.evidence
    largest = max(evidence.fractions)
    lines = [
        [
            names_of(arm, found),
            f"{evidence.cost(arm, largest, 'seconds'):.1f}",
            f"{evidence.cost(arm, largest, 'cpu_seconds'):.1f}",
            f"{evidence.cost(arm, largest, 'trainable_parameters'):,.0f}",
            f"{evidence.cost(arm, largest, 'parameters'):,.0f}",
            f"{evidence.cost(arm, largest, 'latency_ms'):.2f}",
            f"{evidence.cost(arm, largest, 'memory_mib'):,.0f}",
        ]
        for arm in evidence.arms()
    ]
    header = ["arm", "training s", "CPU s", "parameters that train", "parameters", "ms per answer"]
    header.append("peak MiB")
    return "\n\n".join(
        [
            "## Costs, with all rows",
            "Of all models of an arm together, one after the other; means over seeds. Peaks of"
            " memory are those of training, over what the process had before.",
            Table(header, lines).markdown(),
        ]
    )
