"""The `tune` section of a spec: which keys to search values for, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from models.config import STRICT

SECTIONS = ("model", "training", "inputs")
"""Sections whose keys can be tuned. Other sections change the problem, not how it is learned."""


@dataclass(frozen=True, kw_only=True)
class SearchRange:
    """Numbers from `low` to `high`, both included; integers if both are integers.

    log: search on a logarithmic scale.
    """

    __pydantic_config__ = STRICT
    low: int | float
    high: int | float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"low must be below high. Received {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"with `log`, low must be above 0. Received {self.low}")


Choices = Annotated[tuple[Any, ...], Field(min_length=1)]


@dataclass(frozen=True, kw_only=True)
class Tune:
    """How `rootstock tune` searches.

    space: a list of values or a range for each key of the spec, dotted as for `--set`.
    trials: number of models to train, besides the one that the spec describes.
    metrics: by task; the first of its kind (`components/evaluation/metrics`) when absent.
    sampler: `tpe` learns from earlier trials (Bergstra et al. 2011, NeurIPS); `random` does not.
    pruning: stop a trial that is worse than the median of the other trials at the same epoch.
    """

    __pydantic_config__ = STRICT
    space: Mapping[str, Choices | SearchRange] = field(default_factory=dict)
    trials: Annotated[int, Field(ge=1)] = 20
    metrics: Mapping[str, str] = field(default_factory=dict)
    sampler: Literal["tpe", "random"] = "tpe"
    pruning: bool = True

    def __post_init__(self) -> None:
        for key in self.space:
            if key.split(".")[0] not in SECTIONS:
                raise ValueError(
                    f"tune.space: {key!r} cannot be tuned; expected a key of {', '.join(SECTIONS)}"
                )
