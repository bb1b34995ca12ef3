"""A candidate of `rootstock auto`: a change of the spec that `rootstock init` writes."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from components.errors import RootstockError
from models.discovery import methods
from pipeline.spec.load import SpecSource
from pipeline.spec.sections import Spec
from pipeline.spec.yaml_bounds import parse

DEFAULT, EXPERTS, BRIEF, LONGER = "default", "experts", "brief", "longer"
BRIEF_EPOCHS = 4


@dataclass(frozen=True)
class Candidate(ABC):
    """One entry of the portfolio. Its docstring says what it is, for the leaderboard.

    rank: candidates with smaller ranks are tried first. adapts: whether it adapts a pretrained
        trunk, and so is tried with every trunk that the user names. cost: seconds that it takes,
        relative to the default, as long as none are measured. few_labels: its place among those
        that are likely to be best where labels are few; 0 for the others.
    """

    name: ClassVar[str]
    rank: ClassVar[int]
    adapts: ClassVar[bool] = False
    cost: ClassVar[float] = 1.0
    few_labels: ClassVar[int] = 0

    @abstractmethod
    def overrides(self, spec: Spec) -> tuple[str, ...] | None:
        """Changes as for `--set`; None if it makes no sense for this spec."""


@dataclass(frozen=True)
class Choice:
    """A candidate for the data at hand. about: what it is, in a few words. cost, few_labels: as in
    `Candidate`.
    """

    name: str
    about: str
    overrides: tuple[str, ...]
    cost: float = 1.0
    few_labels: int = 0


def choices(source: SpecSource, trunks: Sequence[str]) -> Iterator[Choice]:
    """All candidates that make sense, in the order in which they are tried.

    trunks: pretrained trunks in YAML, as in `model.trunk`.

    Raises:
        RootstockError: a trunk is no trunk, or does not fit the inputs.
    """
    spec, trunks = source.of_one_model(), [_with_absolute_paths(t) for t in trunks]
    found = methods("pipeline.auto.portfolio", Candidate)
    for cls in sorted(found.values(), key=lambda c: (c.rank, c.name)):
        about = (cls.__doc__ or "").split("\n")[0].rstrip(".")
        if not cls.adapts:
            if (changes := cls().overrides(spec)) is not None:
                yield Choice(cls.name, about, changes, cls.cost)
            continue
        for trunk in trunks:
            of_trunk = source.spec(f"model.trunk={trunk}")
            if (changes := cls().overrides(of_trunk)) is not None:
                name = f"{cls.name} {_short(of_trunk)}"
                yield Choice(
                    name, about, (f"model.trunk={trunk}", *changes), cls.cost, cls.few_labels
                )


def expected_of(choices: Sequence[Choice]) -> tuple[str, ...]:
    """The candidates that are likely to be best where labels are few, most likely first."""
    likely = [c for c in choices if c.few_labels]
    return tuple(c.name for c in sorted(likely, key=lambda c: c.few_labels))


def check_trunks(source: SpecSource, trunks: Sequence[str]) -> None:
    """Check that trunks are there and read the inputs, before any candidate is trained.

    Raises:
        RootstockError: what is wrong with the first one that has a problem.
    """
    for trunk in map(_with_absolute_paths, trunks):
        spec = source.spec(f"model.trunk={trunk}")
        if problems := spec.model.trunk.check(tuple(spec.inputs.values())):
            raise RootstockError("\n".join(f"--trunk {trunk}: {p}" for p in problems))


def as_values(overrides: Sequence[str]) -> dict[str, object]:
    """Overrides as values by dotted key."""
    pairs = (text.partition("=") for text in overrides)
    return {key: parse(value, key)[1] for key, _, value in pairs}


def _with_absolute_paths(trunk: str) -> str:
    """A trunk in YAML whose paths do not depend on the current directory."""
    value = parse(trunk, f"--trunk {trunk}")[1]
    if not isinstance(value, dict):
        raise RootstockError(
            f"--trunk {trunk}: expected a trunk as in `model.trunk`, such as"
            " '{name: keras_hub, preset: DIR}'."
        )
    places = {k: v for k, v in value.items() if isinstance(v, str) and Path(v).exists()}
    return json.dumps({**value, **{k: str(Path(v).absolute()) for k, v in places.items()}})


def _short(spec: Spec) -> str:
    """The name of a pretrained trunk: of its preset or file, or of its kind."""
    trunk = spec.model.trunk
    place = next(
        (
            str(v)
            for k in ("preset", "file", "handle", "model", "weights")
            if (v := getattr(trunk, k, None))
        ),
        trunk.name,
    )
    return place.rstrip("/").split("/")[-1]
