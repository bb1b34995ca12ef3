"""The `study` section of a spec: what is compared, on how much data, how often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from models.config import STRICT

Baseline = Literal["majority", "classical"]
Control = Literal["shuffled_labels", "parameter_matched", "random_trunk"]
Fraction = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way of making models for all tasks.

    models: `each` is a model per task, `together` one model for all of them; or groups of tasks, a
        model each.
    set: keys of the spec that this arm changes, dotted as for `--set`: `model.trunk: scratch`.
    tune: lists of values by key. The combination that is best on validation rows, over two seeds
        with all rows, is the arm's. To be fair, give every arm about as many.
    """

    __pydantic_config__ = STRICT
    models: Literal["each", "together"] | tuple[tuple[str, ...], ...] = "together"
    set: Mapping[str, Any] = field(default_factory=dict)
    tune: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Study:
    """How `rootstock study` gathers its evidence.

    arms: by name. When none are given: a model per task and one for all; one for all with tuned
        constant weights too, where the spec balances otherwise; and all of them from scratch too,
        where its trunk is pretrained.
    reference: the arm that the others are measured against: the first when absent.
    fractions: of the training rows, each lying within the larger ones.
    seeds: how many, each for initialisation, order and choice of rows; the fewest with which a
        verdict on every task is possible when absent.
    splits: `one` for all seeds; `resampled` gives every seed a split of its own, so that verdicts
        are about other training and test rows too, and are harder to reach.
    budget: `steps` gives every fraction as many optimizer steps as all rows get; `epochs` gives it
        as many epochs.
    metrics: by task; the first of its kind (`components/evaluation/metrics`) where absent.
    margin: differences smaller than this do not matter: in units of the metric, or as a share of
        the reference's figure for errors and losses, which have no scale of their own.
    alpha: the rate of false verdicts that is accepted, over all tasks of a comparison together.
    baselines: models without deep learning. controls: arms that show what a gain is due to.
    """

    __pydantic_config__ = STRICT
    arms: Mapping[Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")], Arm] = field(
        default_factory=dict
    )
    reference: str | None = None
    fractions: Annotated[tuple[Fraction, ...], Field(min_length=1)] = (0.1, 0.3, 1.0)
    seeds: Annotated[int, Field(ge=2)] | None = None
    splits: Literal["one", "resampled"] = "one"
    budget: Literal["steps", "epochs"] = "steps"
    metrics: Mapping[str, str] = field(default_factory=dict)
    margin: Annotated[float, Field(gt=0)] = 0.01
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    baselines: tuple[Baseline, ...] = ("majority", "classical")
    controls: tuple[Control, ...] = ("shuffled_labels", "parameter_matched", "random_trunk")
