"""An ensemble of candidates that validation rows cannot tell apart.

Their answers are averaged. Then candidates are added again, one at a time, as long as that makes
the validation metrics better (Caruana et al. 2004, ICML). Only those within the noise of the best
take part, and each counts from the start, so that few validation rows cannot pick a lucky few.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from components.data.lazy import np
from components.experiments.scorer import ScoreFigures, load_answers, score
from components.experiments.trial_result import groups_by_split
from components.labels.encoding import encode_split, labelled, resolve
from models.tasks.base import TaskTarget
from pipeline.auto.ranking import Metrics
from pipeline.auto.state import Ensemble, Trial
from pipeline.display import Quiet
from pipeline.flow import prepare
from pipeline.runner import Runner
from pipeline.spec.load import SpecSource
from pipeline.store.place import local
from pipeline.store.store import Store

ROUNDS = 6
"""Times that a candidate may be added."""


def combined(source: SpecSource, trials: Sequence[Trial], metrics: Metrics) -> Ensemble:
    """The ensemble of some trials on the same rows, which all take part."""
    spec = source.spec()
    with Runner(Store(local(spec.store)), display=Quiet()) as run:
        examples = prepare(spec, run).examples
    tasks = spec.tasks.values()
    targets = [resolve(t, examples.read("train", [t.label]).column(t.label)) for t in tasks]
    labels = encode_split(tuple(targets), examples, "val")
    groups = groups_by_split(examples, spec.data.key)["val"]
    answers = {t.name: load_answers(Path(t.place)) for t in trials}
    by_name = {t.name: t.scores for t in trials if t.scores is not None}

    def scores_of(counts: Counter[str]) -> ScoreFigures:
        total = sum(counts.values())
        mean = {
            task: np.sum([n / total * answers[c][task] for c, n in counts.items()], axis=0)
            for task in spec.tasks
        }
        decided = [_decided(t, labels[t.name], mean[t.name]) for t in targets]
        parameters = sum(by_name[name].parameters for name in counts)
        latency = sum(by_name[name].latency_ms for name in counts)
        size = sum(by_name[name].size_mb for name in counts)
        return score(decided, labels, mean, groups, parameters, latency, size)

    return selected(list(by_name), scores_of, metrics)


def _decided(target: TaskTarget, labels: np.ndarray, answers: np.ndarray) -> TaskTarget:
    """With the threshold that the mean would choose, as each of its members has chosen one.

    labels, answers: of validation rows.
    """
    from components.calibration.decisions import best_decision

    wanted = target.task.decides_by
    if not isinstance(wanted, str):
        return target
    known = labelled(labels)
    yes, p = labels[known].ravel() > 0.5, answers[known].astype(np.float64).ravel()
    return replace(target, decision=best_decision(yes, p, wanted))


def selected(
    names: Sequence[str], scores_of: Callable[[Counter[str]], ScoreFigures], metrics: Metrics
) -> Ensemble:
    """All of the named candidates, some of them several times.

    scores_of: the figures of the mean in which each candidate counts so often.
    """
    counts = Counter(names)
    best = scores_of(counts)
    for _ in range(ROUNDS):
        tried = {name: scores_of(counts + Counter([name])) for name in names}
        gains = {name: metrics.gain(own, best) for name, own in tried.items()}
        name = max(gains, key=lambda n: gains[n])
        if gains[name] <= 0:
            break
        counts[name] += 1
        best = tried[name]
    total = sum(counts.values())
    shares = {name: count / total for name, count in counts.items()}
    return Ensemble(shares=shares, scores=best)
