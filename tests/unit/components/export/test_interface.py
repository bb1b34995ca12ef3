"""What the form of a served model asks for, from the state of its preprocessing."""

from dataclasses import replace

import numpy as np
import pytest

from components.export.interface import interface_of
from components.transform.fit.numeric import standardised
from models.inputs.categorical import CategoricalFeature
from models.inputs.image import ImageFeature
from models.inputs.numeric import NumericFeature
from models.tasks.base import TaskTarget
from models.tasks.multilabel import MultilabelTask
from serving.interface import MOST_CHOICES, Answer, Field
from tests.small_model import TARGETS


def test_fields_and_answers() -> None:
    features = (
        ImageFeature(name="photo", column="photo", height=8, width=8, channels=3),
        CategoricalFeature(name="job", column="job", vocabulary=("cook", "smith")),
        CategoricalFeature(name="id", column="id", vocabulary=tuple(map(str, range(1000)))),
        CategoricalFeature(name="day", column="date", part="hour", date_format="d.m.y"),
        NumericFeature(name="age", column="age", mean=40.0, deviation=2.0, boundaries=(1.0, 5.0)),
    )
    tags = TaskTarget(task=MultilabelTask(name="tags", label="tags"), classes=("a", "b"))
    interface = interface_of(features, (*TARGETS, tags))
    photo, job, identity, day, age = interface.fields
    assert photo == Field(name="photo", asks="image")
    assert job == Field(name="job", asks="choice", choices=("cook", "smith"), usual="cook")
    assert (len(identity.choices), identity.others) == (MOST_CHOICES, 1000 - MOST_CHOICES)
    assert day == Field(name="day", asks="text", hint="31.01.2024 17:30")
    assert age == Field(name="age", asks="number", usual=5.0)
    assert [(a.name, a.several) for a in interface.answers] == [
        ("income", False),
        ("job_class", False),
        ("age", False),
        ("tags", True),
    ]
    assert interface.answers[1] == Answer(name="job_class", classes=("a", "b", "c"))


@pytest.mark.parametrize(("log", "mean", "limit"), [(False, 30.0, 10.0), (True, 1.2, 0.0)])
def test_numbers_are_those_of_the_column(log: bool, mean: float, limit: float) -> None:
    plain = NumericFeature(name="x", column="x", mean=mean, deviation=2.0, log=log, limit=limit)
    knots = standardised(plain, np.array([0.0, 3.0, 20.0, 1000.0]))
    feature = replace(plain, knots=tuple(map(float, knots)))
    assert feature.span == (0.0, 1000.0)
    assert feature.usual == (2.0 if log else 30.0)
    assert plain.span is None
