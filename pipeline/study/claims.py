"""The questions that a study answers, each about two arms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from pipeline.spec.sections import Spec
from pipeline.study.arms import PlannedArm


@dataclass(frozen=True)
class Claim:
    """A question: is `arm` better than `against`?

    name: the kind of the question, such as `sharing` or `control`.
    """

    name: str
    question: str
    arm: str
    against: str


def _same_training(one: Spec, other: Spec) -> bool:
    """Whether two arms differ at most in which tasks share a model and how they are balanced."""
    first, second = one.model, other.model
    same = (first.trunk, first.transfer) == (second.trunk, second.transfer)
    return same and one.training == other.training and one.inputs == other.inputs


def _same_method(one: Spec, other: Spec) -> bool:
    """Whether two arms have the same sharing and balancing, whatever trunk they start from."""
    first, second = one.model, other.model
    return (first.sharing, first.balancing) == (second.sharing, second.balancing)


def claims_of(arms: Sequence[PlannedArm], baselines: Sequence[str]) -> Iterator[Claim]:
    """Questions on sharing, transfer and both; on other arms; on controls; on baselines."""
    compared = [a for a in arms if not a.control_of]
    reference, pairs = compared[0], set[tuple[str, str]]()

    def claim(name: str, question: str, arm: str, against: str) -> Iterator[Claim]:
        if arm != against and (arm, against) not in pairs:
            pairs.add((arm, against))
            yield Claim(name, question, arm, against)

    for arm, other in product(compared, compared):
        if arm.shares and not other.shares and _same_training(arm.spec, other.spec):
            question = "Does one shared model for several tasks help?"
            yield from claim("sharing", question, arm.name, other.name)
    for arm, other in product(compared, compared):
        same = arm.models == other.models and _same_method(arm.spec, other.spec)
        if arm.pretrained and not other.pretrained and same:
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
    if "classical" in baselines:
        for arm in compared:
            question = "Is deep learning better than a classical model?"
            yield from claim("classical", question, arm.name, "classical")
