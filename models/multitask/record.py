"""What a trained model is made of, as its directory tells it.

`model.json` is a `ModelRecord`; `weights.npz` holds the weights in order, under their paths;
`trunk_source/` is what the trunk kept of its pretrained files, if it needs any.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from models.config import STRICT
from models.inputs.features import Feature
from models.multitask.methods import BalancingSpec, SharingSpec, TrunkSpec
from models.tasks.base import TaskTarget

if TYPE_CHECKING:
    from models.multitask.model import MultitaskModel

RECORD, WEIGHTS, SOURCE = "model.json", "weights.npz", "trunk_source"


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """All that the shape of a model follows from."""

    __pydantic_config__ = STRICT
    features: tuple[Feature, ...]
    targets: tuple[TaskTarget, ...]
    trunk: TrunkSpec
    sharing: SharingSpec
    balancing: BalancingSpec

    def build(self) -> MultitaskModel:
        """A model with the trunk's pretrained weights, if it has any, and fresh ones.

        Raises:
            TrunkError: the trunk cannot be built.
            ValueError: a task's class weights do not fit its classes.
        """
        from models.multitask.model import MultitaskModel

        return MultitaskModel(self.features, self.targets, self.trunk, self.sharing, self.balancing)

    def kept_in(self, directory: Path) -> ModelRecord:
        """The record of the same architecture, from what `save_record` kept in a directory."""
        return replace(self, trunk=self.trunk.kept_in(directory / SOURCE))


def save_record(record: ModelRecord, directory: Path) -> None:
    """Write `model.json`, and `trunk_source/` if the trunk keeps anything. It names no other path:
    the same model is the same bytes wherever its pretrained files lay.
    """
    source = directory / SOURCE
    source.mkdir()
    record.trunk.keep(source)
    if not any(source.iterdir()):
        source.rmdir()
    told = _adapter().dump_json(record.kept_in(Path()), indent=1)
    (directory / RECORD).write_bytes(told)


def read_record(directory: Path) -> ModelRecord:
    """The record in the directory of a trained model, without importing TensorFlow.

    Raises:
        OSError, ValueError: there is none, or it cannot be read.
    """
    return _adapter().validate_json((directory / RECORD).read_bytes()).kept_in(directory)


def _adapter() -> TypeAdapter[ModelRecord]:
    return TypeAdapter(ModelRecord)
