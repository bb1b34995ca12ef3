"""What a study ends with on a terminal: recommendation, verdicts, promises, metrics."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.display import PIPED
from pipeline.report.tables import Table, as_text
from pipeline.study.findings import Comparison, Findings
from pipeline.study.promises import promises
from pipeline.study.report.markdown import MAIN
from pipeline.study.report.numbers import score_table
from pipeline.study.report.sentences import below_constant, headline, left_out, verdict_sentence


def closing(findings: Findings) -> str:
    """The main comparisons with all training rows; the report has the others, and costs."""
    evidence = findings.evidence
    parts: list[str | Table] = [f"Study: {evidence.design.spec.name}", *headline(findings)]
    for comparison in findings.comparisons:
        if comparison.fraction == evidence.largest and comparison.claim.name in MAIN:
            parts += _comparison(comparison, findings)
    parts.append("On test rows, mean ± standard deviation over seeds:")
    parts.append(score_table(evidence))
    return "\n\n" + as_text(parts, PIPED)


def _comparison(c: Comparison, findings: Findings) -> Iterator[str | Table]:
    yield f"{c.claim.question} {c.claim.arm} against {c.claim.against}:"
    yield from below_constant(c, findings)
    yield from left_out(c, findings)
    metrics = findings.evidence.design.metrics
    rows = [
        [
            v.task,
            metrics[v.task],
            v.outcome,
            f"{v.mean:+.4f}",
            f"{v.interval.low:+.4f} to {v.interval.high:+.4f}",
            f"{v.agreeing} of {v.seeds}",
        ]
        for v in c.verdicts
    ]
    header = ["task", "metric", "verdict", "difference", "interval", "seeds that agree"]
    yield Table(header, rows)
    for v in c.verdicts:
        if v.far or v.outcome in ("undecided", "hurts"):
            yield verdict_sentence(v, c, findings)
    kept = [[p.name, p.kept, p.figures] for p in promises(c, findings.evidence)]
    if kept:
        yield Table(["promise", "", "evidence"], kept)
