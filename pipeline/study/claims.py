"""The questions that a study answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.spec.sections import Spec
from pipeline.study.arms import PlannedArm


@dataclass(frozen=True)
class Claim:
    """A question that a study answers: is `arm` better than `against`, and is it due to this?"""

    name: str
    question: str
    arm: str
    against: str


def _alike(one: Spec, other: Spec) -> bool:
    """Whether two arms differ at most in what their tasks share and how they are balanced."""
    first, second = one.model, other.model
    same = (first.trunk, first.transfer) == (second.trunk, second.transfer)
    return same and one.training == other.training and one.inputs == other.inputs


def _same_method(one: Spec, other: Spec) -> bool:
    """Whether two arms share and balance alike, whatever trunk they start from."""
    first, second = one.model, other.model
    return (first.sharing, first.balancing) == (second.sharing, second.balancing)


def claims_of(arms: Sequence[PlannedArm], baselines: Sequence[str]) -> Iterator[Claim]:
    """Sharing, transfer, both; each other arm against the reference; controls; classical models."""
    compared = [a for a in arms if not a.control_of]
    reference, asked = compared[0], set()

    def claim(name: str, question: str, arm: str, against: str) -> Iterator[Claim]:
        if arm != against and (arm, against) not in asked:
            asked.add((arm, against))
            yield Claim(name, question, arm, against)

    for arm in compared:
        for other in compared:
            if arm.shares and not other.shares and _alike(arm.spec, other.spec):
                told = "Does sharing one model between tasks help?"
                yield from claim("sharing", told, arm.name, other.name)
    for arm in compared:
        for other in compared:
            same = arm.models == other.models and _same_method(arm.spec, other.spec)
            if arm.pretrained and not other.pretrained and same:
                told = "Does starting from pretrained weights help?"
                yield from claim("transfer", told, arm.name, other.name)
    for arm in compared:
        both = arm.shares and arm.pretrained and not (reference.shares or reference.pretrained)
        name, what = ("both", "Do both together help?") if both else ("arm", "Is this arm better?")
        yield from claim(name, what, arm.name, reference.name)
    for control in arms:
        if control.control_of:
            yield from claim("control", control.question, control.control_of, control.name)
    if "classical" in baselines:
        for arm in compared:
            told = "Is deep learning better than a classical model?"
            yield from claim("classical", told, arm.name, "classical")
