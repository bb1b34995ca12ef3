"""The `tune` section of a spec: which fields to find values for, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from models.config import STRICT

SECTIONS = ("model", "training", "inputs")
"""Those whose fields can be searched: other ones change what is asked, not how it is learned."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """Numbers from `low` to `high`, both included; whole ones if both are whole.

    log: whether a tenth and ten times as much are as far away.
    """

    __pydantic_config__ = STRICT
    low: int | float
    high: int | float
    log: bool = False

    def __post_init__(self) -> None:
        """Refuse a range that holds nothing."""
        if not self.low < self.high:
            raise ValueError(f"low must be below high. Received {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a range with `log` begins above 0. Received {self.low}")


Choices = Annotated[tuple[Any, ...], Field(min_length=1)]


@dataclass(frozen=True, kw_only=True)
class Tune:
    """How `rootstock tune` searches.

    space: by key of the spec, dotted as for `--set`: a list of values, or a range.
    trials: models to train, beside the one that the spec describes.
    metrics: by task; the first of its kind (`components/evaluation/metrics`) where absent.
    sampler: `tpe` learns from earlier trials (Bergstra et al. 2011, NeurIPS); `random` does not.
    pruning: stop a trial which after an epoch is worse than the median of the others was then.
    """

    __pydantic_config__ = STRICT
    space: Mapping[str, Choices | Range] = field(default_factory=dict)
    trials: Annotated[int, Field(ge=1)] = 20
    metrics: Mapping[str, str] = field(default_factory=dict)
    sampler: Literal["tpe", "random"] = "tpe"
    pruning: bool = True

    def __post_init__(self) -> None:
        """Refuse keys that a model's training does not depend on."""
        for key in self.space:
            if key.split(".")[0] not in SECTIONS:
                raise ValueError(
                    f"tune.space: {key!r} is not below one of {', '.join(SECTIONS)}, which are what"
                    " can be tuned"
                )
