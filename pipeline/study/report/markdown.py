"""The report as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.report.tables import Table
from pipeline.study.findings import Comparison, Findings
from pipeline.study.promises import promises
from pipeline.study.report.numbers import cost_table, score_table
from pipeline.study.report.sentences import (
    below_constant,
    headline,
    left_out,
    method,
    overall,
    verdict_sentence,
)

MAIN = ("sharing", "transfer", "both", "arm")
"""Kinds of questions for which the report checks promises."""


def markdown(findings: Findings) -> str:
    """The recommendation first, then verdicts, metrics and costs."""
    evidence = findings.evidence
    parts = [f"# Study: {evidence.design.spec.name}", *headline(findings)]
    for comparison in findings.comparisons:
        if comparison.fraction == evidence.largest:
            parts += _comparison(comparison, findings)
    parts += [
        "## Metrics on test rows",
        "Mean ± standard deviation over seeds.",
        score_table(evidence).markdown(),
        "## Costs with all training rows",
        "Totals over the models of an arm, trained one after another; means over seeds. To prepare"
        " is Transform and, for a frozen pretrained trunk, Embed: once for all models, and counted"
        " also if the results were in the store. Stages before are the same for all arms. Peak"
        " memory is that of training, on top of what the process used before.",
        cost_table(evidence).markdown(),
        "## How to read this",
        *method(findings),
    ]
    return "\n\n".join(parts) + "\n"


def _comparison(c: Comparison, findings: Findings) -> Iterator[str]:
    yield f"## {c.claim.question} `{c.claim.arm}` against `{c.claim.against}`"
    yield overall(c)
    yield from below_constant(c, findings)
    yield from left_out(c, findings)
    yield "\n".join(f"- {verdict_sentence(v, c, findings)}" for v in c.verdicts)
    metrics, lines = findings.evidence.design.metrics, []
    for v in c.verdicts:
        start = [v.task, metrics[v.task], f"**{v.outcome}**", f"{v.mean:+.4f}"]
        intervals = [f"{i.low:+.4f} to {i.high:+.4f}" for i in (v.interval, v.bca)]
        p_values = [f"{p:.3f}" for p in (v.p_difference, v.p_equivalence)]
        lines.append([*start, *intervals, *p_values, f"{v.margin:.4f}"])
    header = ["task", "metric", "verdict", "difference", "interval", "BCa"]
    yield Table([*header, "p (difference)", "p (equivalence)", "margin"], lines).markdown()
    if c.claim.name in MAIN:
        kept = [[p.name, p.kept, p.figures] for p in promises(c, findings.evidence)]
        yield Table(["promise", "", "evidence"], kept).markdown()
