"""The questions that a study answers, each about two arms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from pipeline.study.arms import PlannedArm

QUESTIONS = {
    "majority": "Is the model better than the best constant answer?",
    "classical": "Is deep learning better than a classical model?",
}
"""By baseline."""


@dataclass(frozen=True)
class Claim:
    """A question: is `arm` better than `against`?

    name: the kind of the question, such as `sharing` or `control`.
    """

    name: str
    question: str
    arm: str
    against: str


def _training(arm: PlannedArm) -> tuple[object, ...]:
    """All but which tasks share a model and how they are balanced."""
    spec = arm.spec
    return spec.model.whole_trunk, spec.model.whole_transfer, spec.training, spec.inputs


def _method(arm: PlannedArm) -> tuple[object, ...]:
    """All but the trunk that it starts from."""
    return arm.models, arm.spec.model.sharing, arm.spec.model.balancing


def claims_of(arms: Sequence[PlannedArm], baselines: Sequence[str]) -> Iterator[Claim]:
    """Questions on sharing, transfer and both; on other arms; on controls; on baselines."""
    compared = [a for a in arms if not a.control_of]
    reference, pairs = compared[0], set[tuple[str, str]]()

    def claim(name: str, question: str, arm: str, against: str) -> Iterator[Claim]:
        if arm != against and (arm, against) not in pairs:
            pairs.add((arm, against))
            yield Claim(name, question, arm, against)

    for arm, other in product(compared, compared):
        if arm.shares and not other.shares and _training(arm) == _training(other):
            question = "Does one shared model for several tasks help?"
            yield from claim("sharing", question, arm.name, other.name)
    for arm, other in product(compared, compared):
        if arm.pretrained and not other.pretrained and _method(arm) == _method(other):
            question = "Does starting from pretrained weights help?"
            yield from claim("transfer", question, arm.name, other.name)
    for arm in compared:
        if arm.shares and arm.pretrained and not (reference.shares or reference.pretrained):
            question = "Do sharing and pretrained weights together help?"
            yield from claim("both", question, arm.name, reference.name)
        else:
            yield from claim("arm", "Is this arm better?", arm.name, reference.name)
    for control in arms:
        if control.control_of:
            yield from claim("control", control.question, control.control_of, control.name)
    for baseline in baselines:
        for arm in compared:
            yield from claim(baseline, QUESTIONS[baseline], arm.name, baseline)
