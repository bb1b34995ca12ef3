"""Four promises of sharing and transfer, checked against the evidence.

Better predictions, less training time, less training data, less overfitting.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from typing import Literal

from components.data.lazy import np
from pipeline.study import statistics
from pipeline.study.evidence import PREPARATION, Evidence
from pipeline.study.findings import Comparison
from pipeline.study.learning_curve import Needed, rows_needed
from pipeline.study.speed import speed
from pipeline.study.verdict import Differences, Verdict, reach_verdicts

Kept = Literal["kept", "broken", "undecided", "no difference"]

FARTHEST = 10
"""A learning curve is extrapolated to at most this many times the available rows."""


@dataclass(frozen=True)
class Promise:
    """Whether one promise is kept in one comparison. figures: the evidence, as text."""

    name: str
    kept: Kept
    figures: str


def promises(comparison: Comparison, evidence: Evidence) -> list[Promise]:
    """The promises that the evidence can check."""
    arm, against = comparison.claim.arm, comparison.claim.against
    verdicts = comparison.verdicts
    outcomes = ", ".join(f"{v.task} {v.mean:+.4f} ({v.outcome})" for v in verdicts)
    checked = [
        Promise("better predictions", _kept(verdicts, len(comparison.left_out)), outcomes),
        less_time(evidence, arm, against, comparison.fraction),
        less_data(evidence, arm, against),
        less_overfitting(evidence, arm, against, comparison.fraction),
    ]
    return [p for p in checked if p is not None]


def _kept(verdicts: tuple[Verdict, ...], left_out: int = 0) -> Kept:
    """left_out: tasks without a verdict."""
    outcomes = {v.outcome for v in verdicts}
    if "hurts" in outcomes:
        return "broken"
    if "helps" in outcomes:
        return "kept"
    return "undecided" if "undecided" in outcomes or left_out else "no difference"


def less_time(evidence: Evidence, arm: str, against: str, fraction: float) -> Promise | None:
    """Time of an arm / that of another, for all tasks, with an interval over seeds: to prepare the
    data (Transform, Embed) and to train.

    Also the time until the reference's final quality is reached.
    """
    seeds = evidence.seeds(fraction, arm, against)
    scores = [evidence.scores(a, fraction) for a in (arm, against)]
    totals = np.array([[of_arm[s].total("seconds") for s in seeds] for of_arm in scores])
    if len(seeds) < 2 or not np.all(totals > 0):
        return None
    logs = np.log(totals[0]) - np.log(totals[1])
    error, alpha = statistics.standard_error(logs), evidence.design.settings.alpha
    interval = statistics.t_interval(logs, alpha, error)
    kept: Kept = "kept" if interval.high < 0 else "broken" if interval.low > 0 else "undecided"
    low, mean, high = (f"{exp(x):.2f}" for x in (interval.low, logs.mean(), interval.high))
    figures = f"{mean} times the time of `{against}` to prepare data and train ({low} to {high})"
    before = [evidence.cost(a, fraction, PREPARATION) for a in (arm, against)]
    figures += f", of which {before[0]:.1f} s and {before[1]:.1f} s prepare data"
    if tuning := [f"{evidence.tuning[a]:.1f} s" for a in (arm, against) if a in evidence.tuning]:
        figures += f"; without tuning, which took another {' and '.join(tuning)}"
    ours, theirs = (speed(evidence, a, fraction) for a in (arm, against))
    if ours and theirs and ours.reached and theirs.reached:
        figures += (
            f"; reaches the final quality of `{evidence.design.reference}` after"
            f" {ours.seconds:.1f} s and {ours.steps:,.0f} steps (in {ours.reached} of {ours.seeds}"
            f" seeds), compared with {theirs.seconds:.1f} s and {theirs.steps:,.0f} steps (in"
            f" {theirs.reached} of {theirs.seeds})"
        )
    return Promise("less time", kept, figures)


def needed(evidence: Evidence, arm: str, against: str, task: str) -> Needed | None:
    """Training rows with which `arm` is as good as `against` with all rows."""
    ours, theirs = evidence.errors(arm, task), evidence.errors(against, task)
    if not ours or not theirs:
        return None
    goal = float(np.mean(theirs[max(theirs)]))
    return rows_needed(ours, goal, evidence.design.settings.alpha)


def less_data(evidence: Evidence, arm: str, against: str) -> Promise | None:
    """Kept if every task needs fewer rows, broken if one task needs more."""
    tasks = evidence.design.metrics
    by_task = {t: n for t in tasks if (n := needed(evidence, arm, against, t)) is not None}
    if len(by_task) < len(tasks):
        return None
    tried = evidence.rows.values()
    rows = max(tried)
    fewer = all(n.interval.high < rows for n in by_task.values())
    more = any(n.interval.low > rows for n in by_task.values())
    texts = [f"{t} {_rows(n, min(tried), rows)}" for t, n in by_task.items()]
    kept: Kept = "kept" if fewer else "broken" if more else "undecided"
    what = f"rows needed to match `{against}` with all {rows:,} rows: "
    return Promise("less data", kept, what + "; ".join(texts))


def _rows(n: Needed, fewest: int, most: int) -> str:
    """Rows with their interval, but no numbers far outside of the sizes that were tried."""
    if n.rows > FARTHEST * most:
        return f"more than {FARTHEST * most:,}"
    if n.interval.high < fewest:
        return f"fewer than {fewest:,}"
    low, rows = (
        f"{x:,.0f}" if x >= fewest else f"fewer than {fewest:,}" for x in (n.interval.low, n.rows)
    )
    high = f"{n.interval.high:,.0f}" if n.interval.high <= FARTHEST * most else "many more"
    return f"{rows} ({low} to {high})"


def less_overfitting(evidence: Evidence, arm: str, against: str, fraction: float) -> Promise | None:
    """Whether the generalization gap (train - test, in units of the metric) is smaller."""
    differences, gaps = [], []
    for task in evidence.design.metrics:
        ours, theirs = (evidence.gaps(a, fraction, task) for a in (arm, against))
        seeds = sorted(ours.keys() & theirs.keys())
        if len(seeds) >= 2:
            by_seed = np.array([theirs[s] - ours[s] for s in seeds])
            margin = evidence.margin(task, fraction)
            differences.append(Differences(task, by_seed, margin, overlap=evidence.overlap))
            means = [np.mean(list(gap.values())) for gap in (ours, theirs)]
            gaps.append(f"{task} {means[0]:.4f} versus {means[1]:.4f}")
    if not differences:
        return None
    kept = _kept(reach_verdicts(differences, evidence.design.settings.alpha))
    return Promise("less overfitting", kept, f"gap between train and test: {', '.join(gaps)}")
