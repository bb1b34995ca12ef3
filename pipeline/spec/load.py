"""Reads spec files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from components.errors import RootstockError
from components.ingestion.readers import Reader, Source
from pipeline.spec.messages import sentences
from pipeline.spec.paths import located
from pipeline.spec.sections import Spec
from pipeline.spec.yaml_file import YamlFile, read_yaml


def load_spec(
    path: Path,
    overrides: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
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
    return _with_absolute_paths(spec, path.resolve().parent), file


def parse_source(text: str) -> Reader:
    """A source from YAML; its path is relative to the current directory.

    Raises:
        RootstockError: it is not a source.
    """
    try:
        source: Reader = TypeAdapter(Source).validate_python(yaml.safe_load(text))
    except (ValidationError, yaml.YAMLError) as e:
        raise RootstockError(f"--source {text}: {e}") from e
    return source.with_absolute_path(os.getcwd())


def _with_absolute_paths(spec: Spec, base: Path) -> Spec:
    def absolute(p: str) -> str:
        return os.path.normpath(os.path.join(base, os.path.expanduser(p)))

    data = spec.data.model_copy(
        update={
            **{
                name: tuple(s.with_absolute_path(str(base)) for s in getattr(spec.data, name))
                for name in ("sources", "previous", "serving")
            },
            "schema_file": spec.data.schema_file and absolute(spec.data.schema_file),
        }
    )
    place = spec.push.destination
    push = spec.push.model_copy(
        update={"destination": place if "://" in place else absolute(place)}
    )
    model = spec.model.model_copy(update={"trunk": located(spec.model.trunk, str(base))})
    inputs = {name: located(i, str(base)) for name, i in spec.inputs.items()}
    return spec.model_copy(
        update={
            "data": data,
            "inputs": inputs,
            "model": model,
            "push": push,
            "store": absolute(spec.store),
        }
    )
