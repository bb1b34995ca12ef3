"""What a person has to know to ask an exported model: see `serving.interface`."""

from __future__ import annotations

from collections.abc import Sequence

from models.inputs.base import Feature
from models.tasks.base import TaskTarget
from serving.interface import MOST_CHOICES, Answer, Field, Interface


def interface_of(features: Sequence[Feature], targets: Sequence[TaskTarget]) -> Interface:
    """features: the raw inputs. targets: the tasks that are answered."""
    return Interface(tuple(map(_field, features)), tuple(map(_answer, targets)))


def _field(feature: Feature) -> Field:
    choices = feature.choices
    low, high = feature.span or (None, None)
    text = "choice" if choices else "text"
    return Field(
        name=feature.name,
        asks={"bytes": "image", "number": "number", "text": text}[feature.raw],  # type: ignore[arg-type]
        choices=choices[:MOST_CHOICES],
        others=max(len(choices) - MOST_CHOICES, 0),
        low=low,
        high=high,
        usual=feature.usual,
        hint=feature.spelling,
    )


def _answer(target: TaskTarget) -> Answer:
    return Answer(
        name=target.name,
        classes=target.classes,
        several=target.task.several,
        decision=target.decision,
    )
