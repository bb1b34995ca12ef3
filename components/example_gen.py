"""ExampleGen: raw files of any number of sources into Parquet shards, split by a hash of the key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from components.artifacts import Examples, Quarantine, SourceFiles
from components.readers import Reader
from components.stage import Context, Stage
from models.inputs import STRICT

Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, kw_only=True)
class Splits:
    """The share of examples in each split; together 1."""

    __pydantic_config__ = STRICT
    train: Annotated[float, Field(gt=0, le=1)] = 0.8
    val: Share = 0.1
    test: Share = 0.1

    def __post_init__(self) -> None:
        total = self.train + self.val + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"expected train, val and test that add up to 1, received {total:g}")


@dataclass(frozen=True)
class ExampleGenInputs:
    """files: of each source, in the order of the stage's `sources`."""

    files: tuple[SourceFiles, ...]


@dataclass(frozen=True)
class ExampleGenOutputs:
    examples: Examples
    quarantine: Quarantine


@dataclass(frozen=True, kw_only=True)
class ExampleGen(Stage[ExampleGenInputs, ExampleGenOutputs]):
    """Reads every source into record batches, one shard per unit of reading.

    key: columns whose values decide the split of a row; each format's own when empty.
    max_bad_fraction: share of unreadable records that go to quarantine before the stage fails.
    """

    sources: tuple[Reader, ...]
    splits: Splits = Splits()
    key: tuple[str, ...] = ()
    max_bad_fraction: float = 0.0

    def run(self, inputs: ExampleGenInputs, context: Context) -> ExampleGenOutputs:
        raise NotImplementedError
