"""What the shape of a trained model follows from, as `model.json` in its directory says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from models.calibration.base import Calibration
from models.config import STRICT
from models.experts.base import Expert
from models.inputs.base import Feature
from models.model_files import RECORD, SOURCE
from models.multitask.by_input import ByInput
from models.multitask.methods import BalancingSpec, SharingSpec, TrunkSpec
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """Everything that determines the layers of a model; see `models.multitask.build`.

    calibrations: of the tasks that have one. radii: of the tasks with `coverage`, by which their
    intervals or sets reach: see `components.calibration.conformal`.
    """

    __pydantic_config__ = STRICT
    features: tuple[Feature, ...]
    targets: tuple[TaskTarget, ...]
    trunk: TrunkSpec | ByInput
    sharing: SharingSpec
    balancing: BalancingSpec
    experts: tuple[Expert, ...] = ()
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)
    radii: Mapping[str, float] = field(default_factory=dict)

    def with_saved_files(self, directory: Path) -> ModelRecord:
        """The record of the same architecture, from what `save_record` kept in a directory."""
        return replace(self, trunk=self.trunk.with_saved_files(directory / SOURCE))


def save_record(record: ModelRecord, directory: Path) -> None:
    """Write `model.json`, and `trunk_source/` if the trunk keeps anything.

    It names no other path, so the same model gives the same bytes wherever its pretrained files
    were.
    """
    source = directory / SOURCE
    source.mkdir()
    record.trunk.save_files(source)
    if not any(source.iterdir()):
        source.rmdir()
    text = _adapter().dump_json(record.with_saved_files(Path()), indent=1)
    (directory / RECORD).write_bytes(text)


def read_record(directory: Path) -> ModelRecord:
    """The record in the directory of a trained model, without importing TensorFlow.

    Raises:
        OSError, ValueError: there is none, or it cannot be read.
    """
    return _adapter().validate_json((directory / RECORD).read_bytes()).with_saved_files(directory)


@cache
def _adapter() -> TypeAdapter[ModelRecord]:
    return TypeAdapter(ModelRecord)
