"""A spec in Python: from a file, or from keyword arguments."""

from __future__ import annotations

import hashlib
import html
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import yaml

from components.data.atomic import write_whole
from components.errors import RootstockError
from pipeline.spec.load import SpecSource, load_spec
from pipeline.spec.runnable import set_paths
from pipeline.spec.sections import Spec as Sections
from pipeline.store.place import local

Section = Mapping[str, Any]
Sources = Sequence[Section]


class Spec:
    """What to train, on what data: see docs/spec.md for every key.

    A spec is checked when it is made. It does not change: `with_values` makes another one.
    """

    def __init__(
        self,
        *,
        name: str,
        data: Section | Sources,
        inputs: Mapping[str, str | Section],
        tasks: Mapping[str, str | Section],
        model: Section | None = None,
        training: Section | None = None,
        evaluation: Section | None = None,
        thresholds: Sequence[Section] = (),
        export: Section | None = None,
        push: Section | None = None,
        study: Section | None = None,
        tune: Section | None = None,
        tracking: Section | None = None,
        seed: int = 0,
        store: str = ".rootstock",
        **others: Any,
    ) -> None:
        """Make a spec in code; its relative paths start at the working directory.

        It is written into its store, as a file that the command line reads too: see `path`.

        data: the section, or its `sources` alone. inputs, tasks: by name; `"numeric"` is short for
            `{"kind": "numeric"}`. others: any other section.

        Raises:
            RootstockError: the message names the key, what was expected and what was received.
        """
        sections: dict[str, Any] = {
            "name": name,
            "seed": seed,
            "data": dict(data) if isinstance(data, Mapping) else {"sources": list(data)},
            "inputs": dict(inputs),
            "tasks": dict(tasks),
            "model": model,
            "training": training,
            "evaluation": evaluation,
            "thresholds": list(thresholds),
            "export": export,
            "push": push,
            "study": study,
            "tune": tune,
            "tracking": tracking,
            "store": store,
            **others,
        }
        written = {key: value for key, value in sections.items() if value not in (None, [])}
        self._source = SpecSource(_written(written, Path.cwd()))
        self._sections = self._source.spec()

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        data: str | os.PathLike[str] | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> Self:
        """Read a spec file.

        data: value of `${DATA}`. values: of keys that override the file, such as
            `{"training.epochs": 5}`.

        Raises:
            RootstockError: the message names file, line and key.
        """
        variables = {} if data is None else {"DATA": str(Path(data).absolute())}
        return cls._of(SpecSource(Path(path), _overrides(values or {}), variables))

    @classmethod
    def guess(
        cls,
        data: str | os.PathLike[str],
        *labels: str,
        path: str | os.PathLike[str] = "spec.yaml",
        group: str | None = None,
    ) -> Self:
        """Write a first spec for a data file or folder, as `rootstock init` does, and read it.

        labels: the columns to predict. path: the new file.

        Raises:
            RootstockError: the file exists; the data cannot be read; a label is no column.
        """
        from pipeline.spec.starter import write_starter

        write_starter(Path(data), labels, Path(path), group)
        return cls.load(path)

    @classmethod
    def _of(cls, source: SpecSource) -> Self:
        spec = cls.__new__(cls)
        spec._source, spec._sections = source, source.spec()
        return spec

    def with_values(self, values: Mapping[str, Any]) -> Self:
        """The same spec with other values of some keys, dotted: `{"training.epochs": 5}`."""
        old = self._source
        more = (*old.overrides, *_overrides(values))
        return self._of(SpecSource(old.path, more, old.variables))

    @property
    def source(self) -> SpecSource:
        """The file with its overrides, as the command line has them."""
        return self._source

    @property
    def path(self) -> Path:
        """The file, for the command line: `rootstock serve <path>`."""
        return self._source.path

    @property
    def sections(self) -> Sections:
        """The checked sections with all defaults: `spec.sections.training.epochs`."""
        return self._sections

    @property
    def name(self) -> str:
        return self._sections.name

    @property
    def tasks(self) -> list[str]:
        return list(self._sections.tasks)

    @property
    def inputs(self) -> list[str]:
        return list(self._sections.inputs)

    def check(self) -> list[str]:
        """Compare the spec with its data, as `rootstock validate` does.

        Returns:
            What may be as intended, one sentence each.

        Raises:
            RootstockError: what has to be corrected.
        """
        from pipeline.spec.validate import check

        checked = check(self._sections)
        if checked.problems:
            raise RootstockError("\n".join(checked.problems))
        return checked.notes

    def __repr__(self) -> str:
        return f"Spec({self.name!r}, inputs={self.inputs}, tasks={self.tasks}, path={self.path})"

    def _repr_html_(self) -> str:
        text = html.escape(self.path.read_text(encoding="utf-8"))
        changed = "".join(
            f"<div><code>{html.escape(o)}</code></div>" for o in self.source.overrides
        )
        return (
            f"<b>{html.escape(self.name)}</b> <small>{self.path}</small>{changed}<pre>{text}</pre>"
        )


def _overrides(values: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(f"{key}={json.dumps(value)}" for key, value in values.items())


def _written(content: Mapping[str, Any], base: Path) -> Path:
    """The file of a spec, in its store, with absolute paths instead of those relative to `base`.

    Raises:
        RootstockError: it is invalid.
    """
    plain: dict[str, Any] = json.loads(json.dumps(content, default=_as_json))
    with tempfile.NamedTemporaryFile("w", dir=base, prefix=".", suffix=".yaml") as file:
        yaml.safe_dump(plain, file, sort_keys=False, allow_unicode=True)
        file.flush()
        try:
            spec, read = load_spec(Path(file.name))
        except RootstockError as e:
            raise RootstockError(str(e).replace(file.name, "Spec")) from None
    set_paths(plain, spec, read.unexpanded)
    text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    path = local(spec.store) / "specs" / f"{spec.name}-{digest}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text)
    return path


def _as_json(value: object) -> object:
    """Values that people write in Python and not in YAML: paths, NumPy numbers and arrays."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise RootstockError(f"Spec: expected text, numbers, lists and mappings. Received: {value!r}.")
