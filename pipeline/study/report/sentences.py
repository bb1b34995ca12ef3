"""What a report says in words."""

from __future__ import annotations

from collections.abc import Iterable

from components.data.arrow import np
from pipeline.study.findings import Comparison, Findings
from pipeline.study.statistics import fewest_seeds
from pipeline.study.verdict import Verdict

METHOD = (
    "**helps** and **hurts**: an exact sign-flip test over seeds and a t-test over seeds and test"
    " rows are both significant, over all tasks of the comparison together (Holm). **equivalent**:"
    " both one-sided tests against the margin are. **undecided**: neither. The margin was set"
    " before the study. Different comparisons are not corrected for one another, and those at"
    " smaller fractions are for orientation.",
    "The interval is Student's, for other seeds and other test rows; BCa is the bootstrap's, for"
    " other seeds alone, and too narrow for few seeds.",
    "Δm is the mean over tasks of the relative difference, positive is better. It hides a task"
    " that loses, and explodes where a figure is near zero: the worst task stands beside it.",
    "Validation rows chose the arm: the cheapest that is on no task worse than the best by more"
    " than the margin and a standard error. Test rows of the same seed took no part. Times are wall"
    " clock on the machine of the study, with one-off compilation, which weighs in small studies.",
)
ONE_SPLIT = (
    "Every arm saw the same rows, split once; a seed decides initialisation, order and, below all"
    " rows, which rows. Arms are compared seed by seed. Smaller fractions lie within larger ones."
)
OWN_SPLITS = (
    "For every seed the rows were split anew, alike for all arms, so validation rows of one seed"
    " are test rows of others. Arms are compared seed by seed, with an error for overlapping splits"
    " (Nadeau and Bengio 2003). Smaller fractions lie within larger ones."
)


def method(found: Findings) -> tuple[str, ...]:
    """How to read a report."""
    resampled = found.evidence.design.settings.splits == "resampled"
    notes = [f"Note: {note}." for note in found.evidence.design.notes]
    return (OWN_SPLITS if resampled else ONE_SPLIT, *METHOD, *notes)


def headline(found: Findings) -> list[str]:
    """What to run, and what to know first."""
    told, recommended = [], found.recommendation
    if recommended is not None:
        told.append(f"**Run `{recommended.arm}`**: {recommended.reason}.")
        if recommended.rival != recommended.arm:
            test = "holds" if recommended.confirmed else "is not confirmed"
            told.append(
                f"On test rows, which took no part in the choice, it {test}: `{recommended.arm}`"
                f" against `{recommended.rival}`, worse by the margin on some task, p ="
                f" {recommended.p:.3f}."
            )
        told += classical_ahead(found, recommended.arm)
    told += harmed(found)
    evidence, design = found.evidence, found.evidence.design
    tasks, seeds = (
        len(design.metrics),
        len(evidence.seeds(max(evidence.fractions), design.reference)),
    )
    needed = fewest_seeds(tasks, design.settings.alpha)
    if seeds < needed:
        told.append(
            f"With {seeds} seeds no task can be found to be helped or hurt: for {tasks}"
            f" tasks at {design.settings.alpha:.0%} it takes {needed} at least."
        )
    return told


def classical_ahead(found: Findings, arm: str) -> list[str]:
    """On which tasks a classical model is better than an arm by more than the margin."""
    for c in found.comparisons:
        if (c.claim.name, c.claim.arm) == ("classical", arm):
            ahead = [v for v in c.verdicts if v.mean < -v.margin]
            named = ", ".join(
                f"`{v.task}` by {-v.mean:.4f}"
                + (" (undecided)" if v.outcome == "undecided" else "")
                for v in ahead
            )
            return [f"**The classical model is better** than `{arm}`: {named}."] if ahead else []
    return []


def harmed(found: Findings) -> list[str]:
    """Negative transfer: which task loses, and to which others."""
    told = []
    arms = {a.name: a for a in found.evidence.design.compared}
    for c in found.comparisons:
        if c.fraction != max(found.evidence.fractions) or c.claim.against not in arms:
            continue
        with_others, before = (
            {t: m.tasks for m in arms[name].models for t in m.tasks}
            for name in (c.claim.arm, c.claim.against)
        )
        for v in c.verdicts:
            added = [t for t in with_others[v.task] if t not in before[v.task]]
            if v.outcome == "hurts" and added:
                told.append(
                    f"**Negative transfer**: `{v.task}` loses {abs(v.mean):.4f} in"
                    f" `{c.claim.arm}`, where it shares a model with {', '.join(added)}."
                )
    return told


def overall(c: Comparison) -> str:
    """Delta m with the worst task beside it."""
    worst = c.worst
    beside = f"worst task: {worst.task} {worst.mean:+.4f}"
    if c.gain is None or c.gain_interval is None:
        return f"Δm is undefined here; {beside}."
    low, high = c.gain_interval.low, c.gain_interval.high
    return (
        f"Δm {c.gain:+.2f} % ({low:+.2f} to {high:+.2f}), positive is better for `{c.claim.arm}`;"
        f" {beside}."
    )


def verdict_sentence(v: Verdict, c: Comparison, found: Findings) -> str:
    """One task's verdict and what would settle it."""
    metric, against = found.evidence.design.metrics[v.task], c.claim.against
    amount = f"{abs(v.mean):.4f}"
    match v.outcome:
        case "helps":
            return f"`{v.task}`: helps, {amount} better {metric} than {against}."
        case "hurts":
            return f"`{v.task}`: hurts, {amount} worse {metric} than {against}."
        case "equivalent":
            return f"`{v.task}`: equivalent, any difference is smaller than {v.margin:.4f}."
        case "undecided":
            if v.more_seeds is None:
                more = "more test rows are needed, or more than 1,000 seeds"
            else:
                more = f"about {v.more_seeds} seeds would settle it"
            return f"`{v.task}`: undecided; {more}."


def names_of(arm: str, found: Findings) -> str:
    """An arm's name, marked if it is a control."""
    planned = [a for a in found.evidence.design.arms if a.name == arm]
    return f"{arm} (control)" if planned and planned[0].control_of else arm


def spread(values: Iterable[float]) -> str:
    """Mean ± standard deviation."""
    known = np.array(list(values), np.float64)
    if not len(known):
        return ""
    if len(known) == 1:
        return f"{known[0]:.4f}"
    return f"{np.mean(known):.4f} ± {np.std(known, ddof=1):.4f}"
