"""StatisticsGen: what every column of every split holds, in one pass over the shards."""

from __future__ import annotations

from dataclasses import dataclass

from components.artifacts import Examples, Statistics
from components.stage import Context, Stage


@dataclass(frozen=True)
class StatisticsGenInputs:
    examples: Examples


@dataclass(frozen=True)
class StatisticsGenOutputs:
    statistics: Statistics


@dataclass(frozen=True, kw_only=True)
class StatisticsGen(Stage[StatisticsGenInputs, StatisticsGenOutputs]):
    """images, texts: columns to describe as such; all others are described by their Arrow type."""

    images: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    def run(self, inputs: StatisticsGenInputs, context: Context) -> StatisticsGenOutputs:
        raise NotImplementedError
