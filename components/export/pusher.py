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
from serving.versions.base import Destination
from serving.versions.destination import destination
from serving.versions.history import digest_of
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
    label: of the version. With one, what is served is the version that has it.
    replaces: whether it may replace another model that is served.
    """

    model: str
    destination: MaskedUrl = field(metadata={"path": True})
    keep: Annotated[int, Field(ge=1)] | None = None
    label: str | None = None
    replaces: bool = True

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
        new = False
        if not reasons:
            record, new = self._push(inputs.model, record)
        if record.pushed:
            context.observer.figure("version", record.version)
            context.observer.figure("path", record.path)
            if not new:
                context.observer.figure("pushed", "before")
        else:
            context.observer.figure("pushed", "no")
        output = context.output / "pushed"
        output.mkdir()
        (output / "pushed.json").write_text(json.dumps(asdict(record), indent=2) + "\n")
        return PusherOutputs(Pushed(output))

    def still_valid(self, outputs: object) -> bool:
        """Whether the version is still at the destination, whole, and has the label; or whether
        what is not to be replaced is still served.
        """
        assert isinstance(outputs, PusherOutputs)
        record = outputs.pushed.load()
        if not record.pushed and not record.held:
            return True
        place = destination(self.destination.reveal(), self.destination)
        if record.held:
            return self._served(place, record.digest) == (record.served, record.served_digest)
        origin = place.history(self.model).get(record.version)
        if origin is None or origin.digest != record.digest:
            return False
        if place.damage(self.model, record.version):
            return False
        return not self.label or place.labels(self.model).get(self.label) == record.version

    def _push(self, model: ExportedModel, record: PushRecord) -> tuple[PushRecord, bool]:
        """Push the model. Before the first trial, label the version that is served now as stable.

        Returns:
            The record with what was done, and whether there is a new version.
        """
        try:
            place = destination(self.destination.reveal(), self.destination)
            served, digest = self._served(place, model.digest)
            if served and not self.replaces:
                reason = f"version {served} is served, and this run does not replace it"
                held = replace(record, reasons=(reason,), held=True)
                return replace(held, served=served, served_digest=digest), False
            versions = place.history(self.model)
            trial = self.label not in (None, STABLE)
            if versions and trial and STABLE not in place.labels(self.model):
                place.label(self.model, STABLE, max(versions))
            version = place.push(self.model, model.saved_model, model.digest, self.keep)
            if self.label is not None:
                place.label(self.model, self.label, version)
            pushed = replace(record, version=version, path=place.location(self.model, version))
            pushed = replace(pushed, label=self.label, served=served, served_digest=digest)
            return pushed, version not in versions
        except (ValueError, ImportError) as error:
            raise RootstockError(f"push: {error}") from error
        except OSError as error:
            raise RootstockError(
                f"{self.destination}: the model cannot be pushed there "
                f"({error.strerror or error}). Nothing was left behind. Make the directory writable"
                " and free disk space, or choose another push destination, and run again."
            ) from error

    def _served(self, place: Destination, digest: str) -> tuple[int, str]:
        """The version that a push of this model would replace, and the digest of its model.

        0 if there is none: nothing is served, or the model itself, or the model has a version
        already, so that nothing new is pushed.
        """
        versions = place.history(self.model)
        if self.label is None:
            trials = place.trial_versions(self.model)
            served = max((v for v in versions if v not in trials), default=0)
            if any(
                digest_of(versions, v) == digest and not place.damage(self.model, v)
                for v in versions
            ):
                return 0, ""
        else:
            served = place.labels(self.model).get(self.label, 0)
        found = digest_of(versions, served)
        return (0, "") if found == digest else (served, found)
