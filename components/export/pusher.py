"""Pusher: publishes a blessed model as the next version, which servers then load."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated

from pydantic import Field

from components.artifacts import Blessing, ExportedModel, Pushed, PushRecord
from components.errors import RootstockError
from components.stage import Context, Stage
from models.masked_url import MaskedUrl, mask_fields
from serving.versions.destination import destination
from serving.versions.labels import STABLE


@dataclass(frozen=True)
class PusherInputs:
    """model: it is pushed only if all `blessings` are positive."""

    model: ExportedModel
    blessings: tuple[Blessing, ...]


@dataclass(frozen=True)
class PusherOutputs:
    pushed: Pushed


@dataclass(frozen=True, kw_only=True)
class Pusher(Stage[PusherInputs, PusherOutputs]):
    """Copies the SavedModel to `<destination>/<model>/<version>/`, atomically.

    A model that is pushed again keeps its version.

    model: its name in servers. destination: a directory, created if missing, or an fsspec URL.
    keep: number of newest versions to keep; all if None. Labelled versions and rollback targets are
        never deleted.
    label: of the version.
    """

    model: str
    destination: MaskedUrl = field(metadata={"path": True})
    keep: Annotated[int, Field(ge=1)] | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        mask_fields(self)

    def run(self, inputs: PusherInputs, context: Context) -> PusherOutputs:
        """Push the model. A model without all blessings is not pushed, and that is no error.

        Raises:
            RootstockError: the destination cannot be written, or the model's name is not allowed.
        """
        reasons = [
            reason
            for blessing in inputs.blessings
            if not blessing.blessed()
            for reason in blessing.reasons() or ["It was not blessed."]
        ]
        warnings = tuple(w for blessing in inputs.blessings for w in blessing.warnings())
        record = PushRecord(self.model, inputs.model.digest, 0, "", tuple(reasons), warnings)
        if not reasons:
            version, path, new = self._push(inputs.model)
            record = replace(record, version=version, path=path, label=self.label)
            context.observer.figure("version", version)
            context.observer.figure("path", path)
            if not new:
                context.observer.figure("pushed", "before")
        else:
            context.observer.figure("pushed", "no")
        output = context.output / "pushed"
        output.mkdir()
        (output / "pushed.json").write_text(json.dumps(asdict(record), indent=2) + "\n")
        return PusherOutputs(Pushed(output))

    def still_valid(self, outputs: object) -> bool:
        """Whether the version is still at the destination, whole, and has the label."""
        assert isinstance(outputs, PusherOutputs)
        record = outputs.pushed.load()
        if not record.pushed:
            return True
        place = destination(self.destination.reveal(), self.destination)
        origin = place.history(self.model).get(record.version)
        if origin is None or origin.digest != record.digest:
            return False
        if place.damage(self.model, record.version):
            return False
        return not self.label or place.labels(self.model).get(self.label) == record.version

    def _push(self, model: ExportedModel) -> tuple[int, str, bool]:
        """Push the model. Before the first trial, label the version that is served now as stable.

        Returns:
            The version, its location, and whether it is new.
        """
        try:
            place = destination(self.destination.reveal(), self.destination)
            versions = place.history(self.model)
            trial = self.label not in (None, STABLE)
            if versions and trial and STABLE not in place.labels(self.model):
                place.label(self.model, STABLE, max(versions))
            version = place.push(self.model, model.saved_model, model.digest, self.keep)
            if self.label is not None:
                place.label(self.model, self.label, version)
            return version, place.location(self.model, version), version not in versions
        except (ValueError, ImportError) as error:
            raise RootstockError(f"push: {error}") from error
        except OSError as error:
            raise RootstockError(
                f"{self.destination}: the model cannot be pushed there "
                f"({error.strerror or error}). Nothing was left behind. Make the directory writable"
                " and free disk space, or choose another push destination, and run again."
            ) from error
