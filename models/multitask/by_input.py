"""The trunk of a model in which groups of inputs have trunks of their own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from models.inputs.base import Feature, Input
from models.inputs.encodings import ByName, Reading, ReadingOfInput, Words
from models.layer_names import scope_of
from models.lazy import keras
from models.multitask.methods import TrunkSpec
from models.trunks.base import PART, Trunk, TrunkError

OTHERS = "others"
"""The part that reads the inputs which no other part names."""


class Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=Named)


@dataclass(frozen=True, kw_only=True)
class ByInput(Trunk):
    """Trunks side by side: see `models.trunks.layers.joined`. A spec states them under
    `model.trunks`.

    trunks: by name of the part. inputs: names of the inputs of each part but `OTHERS`.
    fixed: parts whose output the Embed stage computes.
    """

    name: Literal["by_input"] = "by_input"
    trunks: dict[str, TrunkSpec]
    inputs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    fixed: tuple[str, ...] = ()

    @property
    def pretrained(self) -> bool:
        return any(trunk.pretrained for trunk in self.trunks.values())

    def only_fixed(self) -> ByInput:
        """The trunk of the fixed parts alone."""
        return replace(self, trunks={n: t for n, t in self.trunks.items() if n in self.fixed})

    def grouped(self, items: Iterable[N]) -> dict[str, tuple[N, ...]]:
        """Inputs or features by the part that reads them; parts that read none are left out."""
        part_of = {name: part for part, names in self.inputs.items() for name in names}
        groups: dict[str, list[N]] = {part: [] for part in self.trunks}
        for item in items:
            groups.get(part_of.get(item.name, OTHERS), []).append(item)
        return {part: tuple(own) for part, own in groups.items() if own}

    def build(self, features: tuple[Feature, ...]) -> keras.Model:
        from models.trunks.layers.joined import JoinedTrunks

        parts, groups = {}, self.grouped(features)
        for name, own in groups.items():
            try:
                parts[name] = self.trunks[name].build(own)
            except TrunkError as e:
                raise TrunkError(f"{name}: {e}") from e
            parts[name].name = f"{PART}{scope_of(name)}"
        members = OTHERS if OTHERS in parts and OTHERS not in self.fixed else ""
        read = tuple(f for own in groups.values() for f in own)
        return JoinedTrunks(parts, read, self.fixed, members)

    def reading(self) -> Reading:
        readings: dict[str, ReadingOfInput] = {}
        for name, trunk in self.trunks.items():
            reading = trunk.reading()
            assert not isinstance(reading, ByName)  # parts have no parts
            readings[name] = reading
        own = {i: readings[part] for part, names in self.inputs.items() for i in names}
        return ByName(readings=own, others=readings.get(OTHERS, Words()))

    def beside_stored(self, features: tuple[Feature, ...]) -> tuple[Feature, ...]:
        groups = self.grouped(features)
        return tuple(f for part, own in groups.items() if part not in self.fixed for f in own)

    def files(self) -> tuple[str, ...]:
        return tuple(file for trunk in self.trunks.values() for file in trunk.files())

    def is_here(self) -> bool:
        return all(trunk.is_here() for trunk in self.trunks.values())

    def made_of(self) -> tuple[object, ...]:
        return tuple(part for trunk in self.trunks.values() for part in trunk.made_of())

    def check(self, inputs: tuple[Input, ...]) -> list[str]:
        groups = self.grouped(inputs).items()
        return [f"{n}: {problem}" for n, own in groups for problem in self.trunks[n].check(own)]

    def save_files(self, directory: Path) -> None:
        for name, trunk in self.trunks.items():
            own = directory / name
            own.mkdir()
            trunk.save_files(own)
            if not any(own.iterdir()):
                own.rmdir()

    def with_saved_files(self, directory: Path) -> ByInput:
        trunks = {n: t.with_saved_files(directory / n) for n, t in self.trunks.items()}
        return replace(self, trunks=trunks)
