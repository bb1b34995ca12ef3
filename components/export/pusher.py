"""Pusher: a blessed model becomes the next version that servers pick up."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Annotated

from pydantic import Field

from components.artifacts import Blessing, ExportedModel, Pushed, PushRecord
from components.errors import RootstockError
from components.stage import Context, Stage
from serving.versions.destination import destination
from serving.versions.labels import STABLE


@dataclass(frozen=True)
class PusherInputs:
    """model: to push. blessings: all of them have to be given."""

    model: ExportedModel
    blessings: tuple[Blessing, ...]


@dataclass(frozen=True)
class PusherOutputs:
    """pushed: where the model went, or why it did not go."""

    pushed: Pushed


@dataclass(frozen=True, kw_only=True)
class Pusher(Stage[PusherInputs, PusherOutputs]):
    """Puts the SavedModel at `<destination>/<model>/<version>/`, all at once.

    A model goes there at most once: the same model pushed again keeps its version.

    model: the name servers know it by. destination: a directory, made if missing, or an fsspec URL.
    keep: how many versions stay there, besides labelled ones and the one to go back to; None: all.
    label: of the version.
    """

    model: str
    destination: str
    keep: Annotated[int, Field(ge=1)] | None = None
    label: str | None = None

    def run(self, inputs: PusherInputs, context: Context) -> PusherOutputs:
        """See `Stage.run`. A model without all blessings stays where it is, and that is no error.

        Raises:
            RootstockError: the destination cannot be written, or the model's name cannot be used.
        """
        reasons = [
            reason
            for blessing in inputs.blessings
            if not blessing.blessed()
            for reason in blessing.reasons() or ["It was not blessed."]
        ]
        record = PushRecord(self.model, inputs.model.digest, reasons=tuple(reasons))
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
        """Whether the version is still where it was pushed to, and has the label."""
        assert isinstance(outputs, PusherOutputs)
        record = outputs.pushed.load()
        if not record.pushed:
            return True
        place = destination(self.destination)
        origin = place.history(self.model).get(record.version)
        if origin is None or origin.digest != record.digest:
            return False
        return not self.label or place.labels(self.model).get(self.label) == record.version

    def _push(self, model: ExportedModel) -> tuple[int, str, bool]:
        """The version, its place, and whether it was made now. Before the first trial, what was
        served until then is labelled stable.
        """
        try:
            place = destination(self.destination)
            there = place.history(self.model)
            trial = self.label not in (None, STABLE)
            if there and trial and STABLE not in place.labels(self.model):
                place.label(self.model, STABLE, max(there))
            version = place.push(self.model, model.saved_model, model.digest, self.keep)
            if self.label is not None:
                place.label(self.model, self.label, version)
            return version, place.location(self.model, version), version not in there
        except (ValueError, ImportError) as error:
            raise RootstockError(f"push: {error}") from error
        except OSError as error:
            raise RootstockError(
                f"{self.destination}: the model cannot be pushed there "
                f"({error.strerror or error}). Nothing was left behind. Make it a directory that "
                "can be written and has room, or choose another push destination, and run again."
            ) from error
