"""Reads spec files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from components.data.objects import is_url
from components.errors import RootstockError
from components.ingestion.readers import Reader, Source
from models.masked_url import MaskedUrl, without_secrets
from pipeline.spec.messages import sentences
from pipeline.spec.paths import absolute, located
from pipeline.spec.sections import Spec
from pipeline.spec.yaml_bounds import parse
from pipeline.spec.yaml_file import YamlFile, read_yaml
from pipeline.store.place import checked


def load_spec(
    path: Path, overrides: Sequence[str] = (), variables: Mapping[str, str] | None = None
) -> tuple[Spec, YamlFile]:
    """Read and check a spec file.

    Raises:
        RootstockError: the message names file, line and key, what was expected and what was found.
    """
    file = read_yaml(path, overrides, variables or {})
    try:
        spec = Spec.model_validate(file.content)
    except ValidationError as e:
        raise RootstockError("\n".join(sentences(e, file))) from e
    return _with_absolute_paths(spec, str(path.resolve().parent)), file


@dataclass(frozen=True)
class SpecSource:
    """A spec file with the options of the command line."""

    path: Path
    overrides: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    def spec(self, *more: str) -> Spec:
        """The spec, with more overrides."""
        return load_spec(self.path, [*self.overrides, *more], self.variables)[0]

    def of_one_model(self) -> Spec:
        """The spec, for a command that compares single models.

        Raises:
            RootstockError: it describes an ensemble.
        """
        spec = self.spec()
        if spec.ensemble:
            raise RootstockError(
                f"{self.path}: ensemble: this command compares single models. Expected a spec"
                " without it; `--set ensemble=[]` leaves it out."
            )
        return spec


@dataclass(frozen=True)
class EnsembleSpecs:
    """The models of a spec with `ensemble`, one spec for each. members: empty if there is none.
    student: the model that learns from them and is served; None if they are served.
    """

    members: tuple[Spec, ...] = ()
    student: Spec | None = None

    def mapped(self, change: Callable[[Spec], Spec]) -> EnsembleSpecs:
        """The same with other specs."""
        student = self.student and change(self.student)
        return EnsembleSpecs(tuple(map(change, self.members)), student)


NO_ENSEMBLE = EnsembleSpecs()


def ensemble_of(
    path: Path, overrides: Sequence[str] = (), variables: Mapping[str, str] | None = None
) -> EnsembleSpecs:
    """The models of a spec's ensemble.

    Raises:
        RootstockError: the changes of a member, or of the model that learns from it, do not fit.
    """
    spec, _ = load_spec(path, overrides, variables)

    def changed(values: Mapping[str, object], who: str) -> Spec:
        changes = [f"{key}={json.dumps(value)}" for key, value in values.items()]
        single = ("ensemble=[]", "distilled=null")
        try:
            own = load_spec(path, [*overrides, *changes, *single], variables)[0]
        except RootstockError as e:
            raise RootstockError(f"{path}: {who}: {e}") from e
        if (tasks := list(own.tasks)) != list(spec.tasks):
            raise RootstockError(
                f"{path}: {who}: expected the tasks of the spec, {list(spec.tasks)}. Received:"
                f" {tasks}."
            )
        return own

    members = [changed(m.set, f"ensemble, member {i}") for i, m in enumerate(spec.ensemble, 1)]
    if spec.distilled is None:
        return EnsembleSpecs(tuple(members))
    student = changed(spec.distilled.set, "distilled")
    if student.model.last_word == "experts":
        raise RootstockError(
            f"{path}: distilled: experts do not learn from an ensemble. Expected a model with"
            " `last_word: stack`."
        )
    return EnsembleSpecs(tuple(members), student)


def parse_source(text: str) -> Reader:
    """A source from YAML; its path is relative to the current directory.

    Raises:
        RootstockError: it is not a source.
    """
    value = parse(text, without_secrets(f"--source {text}"))[1]
    try:
        source: Reader = TypeAdapter(Source).validate_python(value)
    except ValidationError as e:
        raise RootstockError(without_secrets(f"--source {text}: {e}")) from e
    return source.with_absolute_path(os.getcwd())


def _with_absolute_paths(spec: Spec, base: str) -> Spec:
    destination = spec.push.destination
    if "://" not in destination:
        destination = MaskedUrl(absolute(destination, base))
    data: dict[str, Any] = {
        name: tuple(s.with_absolute_path(base) for s in getattr(spec.data, name))
        for name in ("sources", "previous", "serving")
    }
    if spec.data.schema_file:
        data["schema_file"] = absolute(spec.data.schema_file, base)
    return spec.model_copy(
        update={
            "data": spec.data.model_copy(update=data),
            "inputs": {name: located(i, base) for name, i in spec.inputs.items()},
            "model": spec.model.with_trunks(lambda trunk: located(trunk, base)),
            "push": spec.push.model_copy(update={"destination": destination}),
            "store": checked(spec.store) if is_url(spec.store) else absolute(spec.store, base),
        }
    )
