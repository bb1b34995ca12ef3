"""The sentences of a report."""

from __future__ import annotations

from components.evaluation.groups import FEW_GROUPS
from components.ingestion.splits import HashSplits
from pipeline.study.findings import Comparison, Findings
from pipeline.study.jobs import MAJORITY
from pipeline.study.recommendation import Recommendation
from pipeline.study.standing import BASELINES, figures, not_compared, standings
from pipeline.study.statistics import fewest_seeds
from pipeline.study.verdict import Outcome, Verdict

METHOD = (
    "**helps** or **hurts**: two tests are significant: a binomial test on the number of seeds in"
    " which the arm is better, against a share of 63 %, and a t-test over seeds and test rows."
    " **equivalent**: the same two tests show for both ends of the margin that the difference is"
    " inside. **undecided**: neither. Each task is tested at alpha / tasks (Bonferroni). The margin"
    " is the smallest difference that matters; it was set before the study. Nothing is corrected"
    " across comparisons, and results at smaller fractions are only for orientation.",
    "What a verdict promises: with a probability of at most alpha, a verdict is wrong on any task."
    " That holds for the median over all seeds, so for the typical seed, whatever the distribution."
    " For the mean it holds if the distribution over seeds is symmetric, or log-concave (normal,"
    " uniform, exponential), which includes skewed ones. It does not hold for the mean if a few"
    " seeds collapse, because few seeds cannot show that. So each verdict says what share of all"
    " seeds may be different without having shown (the one-sided Clopper-Pearson bound).",
    "The interval is Student's t interval: what other seeds and other test rows could give. BCa is"
    " the bias-corrected and accelerated bootstrap interval: what other seeds alone could give; it"
    " is too narrow for few seeds.",
    "Δm is the mean over tasks of the relative difference; positive is better. It hides a task that"
    " loses, and it becomes huge when a metric is close to zero. The worst task is therefore always"
    " shown beside it.",
    "We recommend the cheapest arm that is statistically indistinguishable from the best on"
    " validation data: on no task worse by more than the margin and one standard error. Test data"
    " of the same seeds took no part in the choice. An arm that is on no task better than the best"
    " constant answer, or than the classical model, is not recommended.",
    "Times are wall-clock times on the machine of the study. They include one-time compilation,"
    " which matters in small studies.",
)
ONE_SPLIT = (
    "All arms were trained on the same split of the rows. A seed sets the initialisation, the order"
    " of the rows and, for fractions below 1, which rows are used. Arms are compared seed by seed."
    " Smaller fractions are subsets of larger ones."
)
FOLDS = "Cross-validation: every seed tests on another fold. "
OWN_SPLITS = (
    "Every seed has its own split, the same for all arms, so validation rows of one seed can be"
    " test rows of another. Arms are compared seed by seed. The standard error accounts for the"
    " overlap of the splits (Nadeau and Bengio 2003). Smaller fractions are subsets of larger ones."
)


def method(findings: Findings) -> tuple[str, ...]:
    evidence = findings.evidence
    groups = []
    if what := _groups(findings):
        counts = ", ".join(
            f"`{t}` {evidence.groups(t, 'test', evidence.largest)}" for t in evidence.design.metrics
        )
        groups = [
            f"{what[0].upper()}{what[1:]}: {counts}. The error from test rows resamples groups, not"
            " rows, and has one degree of freedom less than there are groups or seeds."
        ]
    text = {"one": ONE_SPLIT, "resampled": OWN_SPLITS, "folds": FOLDS + OWN_SPLITS}
    notes = [f"Note: {note}." for note in findings.evidence.design.notes]
    return (text[evidence.design.settings.splits], *groups, *METHOD, *notes)


def few_groups(findings: Findings) -> list[str]:
    """A warning if the test rows are of few groups, or are few themselves."""
    evidence = findings.evidence
    splits, times = evidence.design.spec.data.splits, 1
    folds = evidence.design.settings.splits == "folds"
    if folds and isinstance(splits, HashSplits):
        times = min(splits.folds, evidence.design.seeds)
    counts = {t: evidence.groups(t, "test", evidence.largest) for t in evidence.design.metrics}
    few = [f"`{t}` {n * times}" for t, n in counts.items() if n and n * times < FEW_GROUPS]
    if not few:
        return []
    what = _groups(findings) or "labelled test rows"
    where = " in all folds together" if folds else ""
    hint = "Collect more" if folds else "Collect more, or take `study.splits: folds`"
    return [
        f"**Few {what}**: {', '.join(few)}{where}. With fewer than {FEW_GROUPS}, errors are"
        f" uncertain and verdicts unreliable. {hint}."
    ]


def _groups(findings: Findings) -> str:
    """What a group is; empty if every row is one."""
    key = findings.evidence.design.spec.data.key
    return f"groups of test rows (`data.key`: {', '.join(key)})" if key else ""


def headline(findings: Findings) -> list[str]:
    evidence, recommended, sentences = findings.evidence, findings.recommendation, list[str]()
    tasks, alpha = len(evidence.design.metrics), evidence.design.settings.alpha
    if recommended is not None:
        sentences.append(f"**Recommendation: `{recommended.arm}`.** {recommended.reason}")
        if recommended.rival != recommended.arm:
            sentences.append(confirmation(recommended))
        sentences += against_baselines(findings, recommended.arm)
    else:
        sentences.append(f"**No recommendation**: {findings.withheld}")
    sentences += few_groups(findings)
    sentences += harmed(findings)
    seeds = len(evidence.seeds(evidence.largest, evidence.design.reference))
    if seeds < (needed := fewest_seeds(tasks, alpha)):
        sentences.append(
            f"{seeds} seeds are too few for any verdict but undecided: with {tasks} tasks at a"
            f" significance level of {100 * alpha:g} %, at least {needed} are needed."
        )
    sentences += unanswered(findings)
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


def against_baselines(findings: Findings, arm: str) -> list[str]:
    """Where an arm beats a constant answer and the classical model, and where it does not."""
    known, sentences = standings(findings.evidence, arm), list[str]()
    for baseline, name in BASELINES.items():
        against = [s for s in known if s.baseline == baseline]
        beaten = _helped(findings, arm, baseline)
        if behind := [s for s in against if s.behind]:
            sentences.append(f"**`{arm}` is not better than {name}** on {figures(behind)}.")
        if unsure := [s for s in against if not s.behind and s.task not in beaten]:
            sentences.append(
                f"It is not shown that `{arm}` beats {name} on {figures(unsure)}: the difference is"
                " within the margin, or could be chance."
            )
        if against and not behind and not unsure:
            tasks = f"all {len(against)} tasks" if len(against) > 1 else f"`{against[0].task}`"
            sentences.append(f"`{arm}` beats {name} on {tasks}.")
    if missing := not_compared(findings.evidence, known):
        sentences.append(f"`{arm}` was not compared with {', and not with '.join(missing)}.")
    return sentences


def _helped(findings: Findings, arm: str, against: str) -> set[str]:
    """The tasks on which an arm is better than another, with all training rows."""
    pair, largest = (arm, against), findings.evidence.largest
    compared = (
        c
        for c in findings.comparisons
        if (c.claim.arm, c.claim.against) == pair and c.fraction == largest
    )
    return {v.task for c in compared for v in c.verdicts if v.outcome == "helps"}


def unanswered(findings: Findings) -> list[str]:
    """The comparisons that the evidence does not allow."""
    pairs = [f"`{c.arm}` against `{c.against}`" for c in findings.unanswered]
    if not pairs:
        return []
    return [f"Not compared, because fewer than two seeds have both results: {', '.join(pairs)}."]


def left_out(c: Comparison, findings: Findings) -> list[str]:
    """The tasks on which a comparison has no verdict."""
    metrics = findings.evidence.design.metrics
    return [
        f"`{task}`: no verdict, because {metrics[task]} is not defined for two seeds of both arms."
        for task in c.left_out
    ]


def below_constant(c: Comparison, findings: Findings) -> list[str]:
    """The tasks on which an arm of a comparison is no better than a constant answer."""
    evidence, sentences = findings.evidence, list[str]()
    arms = [n for n in (c.claim.arm, c.claim.against) if n not in evidence.design.baselines]
    known = [s for arm in arms for s in standings(evidence, arm) if s.baseline == MAJORITY]
    for task in evidence.design.metrics:
        if poor := [s for s in known if s.task == task and s.behind]:
            values = ", ".join(f"`{s.arm}` {s.ours:.4g}" for s in poor)
            all_poor = " This comparison then says little about the task."
            sentences.append(
                f"**No better than a constant answer** on `{task}`: {values}, constant"
                f" {poor[0].theirs:.4g} ({poor[0].metric}).{all_poor * (len(poor) == len(arms))}"
            )
    return sentences


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
    amount, more = f"{abs(v.mean):.4f}", f"; about {v.more_seeds} seeds would decide it"
    if v.more_seeds is None:
        more = "; it needs more test rows, or more than 1,000 seeds"
    if v.flaw:
        more = f": {v.flaw}"
    seeds = f"in {v.agreeing} of {v.seeds} seeds"
    rare = f". In up to {100 * v.unseen:.0f} % of all seeds it may be otherwise, such as after a"
    rare += " collapse: so few seeds would not show it"
    sentences: dict[Outcome, str] = {
        "helps": f"helps, {metric} is {amount} better than with `{against}`, {seeds}{rare}",
        "hurts": f"hurts, {metric} is {amount} worse than with `{against}`, {seeds}{rare}",
        "equivalent": f"equivalent, the difference is smaller than {v.margin:.4f} {seeds}{rare}",
        "undecided": f"undecided{more}",
    }
    far = ", ".join(f"{d:+.4f}" for d in v.far)
    strange = f" Far from the other seeds, so look at their training: {far}." if far else ""
    return f"`{v.task}`: {sentences[v.outcome]}.{strange}"
