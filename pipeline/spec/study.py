"""The `study` section of a spec: which ways of training to compare, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from models.config import STRICT
from pipeline.spec.names import Name

Baseline = Literal["majority", "classical"]
Control = Literal["shuffled_labels", "parameter_matched", "random_trunk"]
Fraction = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way of training models for all tasks.

    models: `each` trains one model per task, `together` one model for all tasks; or a list of
        groups of tasks, with one model per group.
    set: keys of the spec that this arm changes, dotted as for `--set`: `model.trunk: scratch`.
    tune: lists of values by key. The arm uses the combination that is best on validation data, over
        two seeds and all training rows. For a fair comparison, give every arm about as many
        combinations.
    """

    __pydantic_config__ = STRICT
    models: Literal["each", "together"] | tuple[tuple[str, ...], ...] = "together"
    set: Mapping[str, Any] = field(default_factory=dict)
    tune: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Study:
    """What `rootstock study` compares.

    arms: ways of training, by name. The default compares one model per task with one model for all
        tasks. It adds one for all tasks with tuned constant weights if the spec uses another
        balancing method, and all of these from scratch if the trunk is pretrained.
    reference: the arm that the others are compared with; the first when absent.
    fractions: shares of the training rows; smaller samples are part of larger ones.
    seeds: number of repetitions, each with its own initialisation, order and sample of rows. The
        default is the smallest number that can give a verdict on every task.
    splits: `one` for all seeds; `resampled` draws a new split for every seed; `folds` takes for
        every seed another fold as its test split (cross-validation; `data.splits.test: 0.2` means
        five folds, after which new folds are drawn). Rows of one `data.key` stay together. With
        own splits, verdicts also hold for other training and test rows, and are harder to reach.
    budget: `steps` trains every fraction for as many optimizer steps as all rows; `epochs` trains
        it for as many epochs. Without `training.epochs`, every trial trains until it stops
        improving.
    metrics: by task; the first of its kind (`components/evaluation/metrics`) when absent.
    margin: differences smaller than this do not matter. It is in units of the metric; for errors
        and losses, which have no fixed scale, it is a share of the reference's value.
    alpha: accepted probability of a false verdict, over all tasks of a comparison together.
    baselines: simple models that an arm has to beat to be recommended. `majority` is the best
        constant answer, `classical` a scikit-learn model.
    controls: arms that show what causes a gain.
    blind: trainings see no validation rows, as where labels are too few to spare any. Arms are
        still chosen on these rows.
    """

    __pydantic_config__ = STRICT
    arms: Mapping[Name, Arm] = field(default_factory=dict)
    reference: str | None = None
    fractions: Annotated[tuple[Fraction, ...], Field(min_length=1)] = (0.1, 0.3, 1.0)
    seeds: Annotated[int, Field(ge=2)] | None = None
    splits: Literal["one", "resampled", "folds"] = "one"
    budget: Literal["steps", "epochs"] = "steps"
    metrics: Mapping[str, str] = field(default_factory=dict)
    margin: Annotated[float, Field(gt=0)] = 0.01
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    baselines: tuple[Baseline, ...] = ("majority", "classical")
    controls: tuple[Control, ...] = ("shuffled_labels", "parameter_matched", "random_trunk")
    blind: bool = False
