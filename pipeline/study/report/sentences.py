"""The sentences of a report."""

from __future__ import annotations

from pipeline.study.findings import Comparison, Findings, Recommendation
from pipeline.study.statistics import fewest_seeds
from pipeline.study.verdict import Outcome, Verdict

METHOD = (
    "**helps** or **hurts**: both an exact sign-flip test over seeds and a t-test over seeds and"
    " test rows are significant, with Holm's correction for the tasks of the comparison."
    " **equivalent**: both one-sided tests against the margin are significant. **undecided**:"
    " neither. The margin is the smallest difference that matters; it was set before the study."
    " Nothing is corrected across comparisons, and results at smaller fractions are only for"
    " orientation.",
    "The interval is Student's t interval: what other seeds and other test rows could give. BCa is"
    " the bias-corrected and accelerated bootstrap interval: what other seeds alone could give; it"
    " is too narrow for few seeds.",
    "Δm is the mean over tasks of the relative difference; positive is better. It hides a task that"
    " loses, and it becomes huge when a metric is close to zero. The worst task is therefore always"
    " shown beside it.",
    "We recommend the cheapest arm that is statistically indistinguishable from the best on"
    " validation data: on no task worse by more than the margin and one standard error. Test data"
    " of the same seeds took no part in the choice. Times are wall-clock times on the machine of"
    " the study. They include one-time compilation, which matters in small studies.",
)
ONE_SPLIT = (
    "All arms were trained on the same split of the rows. A seed sets the initialisation, the order"
    " of the rows and, for fractions below 1, which rows are used. Arms are compared seed by seed."
    " Smaller fractions are subsets of larger ones."
)
OWN_SPLITS = (
    "Every seed has its own split, the same for all arms, so validation rows of one seed can be"
    " test rows of another. Arms are compared seed by seed. The standard error accounts for the"
    " overlap of the splits (Nadeau and Bengio 2003). Smaller fractions are subsets of larger ones."
)


def method(findings: Findings) -> tuple[str, ...]:
    resampled = findings.evidence.design.settings.splits == "resampled"
    notes = [f"Note: {note}." for note in findings.evidence.design.notes]
    return (OWN_SPLITS if resampled else ONE_SPLIT, *METHOD, *notes)


def headline(findings: Findings) -> list[str]:
    evidence, recommended, sentences = findings.evidence, findings.recommendation, list[str]()
    tasks, alpha = len(evidence.design.metrics), evidence.design.settings.alpha
    if recommended is not None:
        sentences.append(f"**Recommendation: `{recommended.arm}`.** {recommended.reason}")
        if recommended.rival != recommended.arm:
            sentences.append(confirmation(recommended))
        sentences += classical_ahead(findings, recommended.arm)
    sentences += harmed(findings)
    seeds = len(evidence.seeds(evidence.largest, evidence.design.reference))
    if seeds < (needed := fewest_seeds(tasks, alpha)):
        sentences.append(
            f"{seeds} seeds are too few for the verdicts helps and hurts: with {tasks} tasks at a"
            f" significance level of {100 * alpha:g} %, at least {needed} are needed."
        )
    return sentences


def confirmation(recommended: Recommendation) -> str:
    """Whether test data confirm the recommendation."""
    arm, rival = recommended.arm, recommended.rival
    p = f"p = {recommended.p:.3f}" if recommended.p >= 0.001 else "p < 0.001"
    if recommended.confirmed:
        return (
            f"Confirmed on test data: on no task is `{arm}` worse than `{rival}` by more than the"
            f" margin ({p})."
        )
    return (
        f"Not confirmed on test data: we cannot rule out that `{arm}` is more than"
        f" {recommended.margin:.4g} worse than `{rival}` on {recommended.task} ({p})."
    )


def classical_ahead(findings: Findings, arm: str) -> list[str]:
    """The tasks on which a classical model is better than an arm by more than the margin."""
    for c in findings.comparisons:
        if (c.claim.name, c.claim.arm) == ("classical", arm):
            ahead = [
                f"`{v.task}` by {-v.mean:.4f}{' (undecided)' * (v.outcome == 'undecided')}"
                for v in c.verdicts
                if v.mean < -v.margin
            ]
            listed = ", ".join(ahead)
            return [f"**The classical model is better** than `{arm}`: {listed}."] if ahead else []
    return []


def harmed(findings: Findings) -> list[str]:
    """Negative transfer: the tasks that lose, and with which tasks they share a model."""
    sentences = []
    arms = {a.name: a for a in findings.evidence.design.compared}
    for c in findings.comparisons:
        if c.fraction != findings.evidence.largest or c.claim.against not in arms:
            continue
        with_others, before = (
            {t: m.tasks for m in arms[name].models for t in m.tasks}
            for name in (c.claim.arm, c.claim.against)
        )
        for v in c.verdicts:
            added = [t for t in with_others[v.task] if t not in before[v.task]]
            if v.outcome == "hurts" and added:
                sentences.append(
                    f"**Negative transfer**: `{v.task}` loses {abs(v.mean):.4f} in"
                    f" `{c.claim.arm}`, where it shares a model with {', '.join(added)}."
                )
    return sentences


def overall(c: Comparison) -> str:
    """Δm with the worst task beside it."""
    worst = c.worst
    beside = f"worst task: {worst.task} {worst.mean:+.4f}"
    if c.gain is None or c.gain_interval is None:
        return f"Δm is undefined here; {beside}."
    low, high = c.gain_interval.low, c.gain_interval.high
    return (
        f"Δm of `{c.claim.arm}`: {c.gain:+.2f} % ({low:+.2f} to {high:+.2f}), positive is better;"
        f" {beside}."
    )


def verdict_sentence(v: Verdict, c: Comparison, findings: Findings) -> str:
    """The verdict on one task and, if undecided, what would decide it."""
    metric, against = findings.evidence.design.metrics[v.task], c.claim.against
    amount, more = f"{abs(v.mean):.4f}", f"about {v.more_seeds} seeds would decide it"
    if v.more_seeds is None:
        more = "it needs more test rows, or more than 1,000 seeds"
    sentences: dict[Outcome, str] = {
        "helps": f"helps, {metric} is {amount} better than with `{against}`",
        "hurts": f"hurts, {metric} is {amount} worse than with `{against}`",
        "equivalent": f"equivalent, the difference is smaller than {v.margin:.4f}",
        "undecided": f"undecided; {more}",
    }
    return f"`{v.task}`: {sentences[v.outcome]}."
