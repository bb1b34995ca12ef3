"""Our model in `best_answer.py`: the spec that `rootstock init` writes, run and served.

Nothing in the spec is tuned. Added are the test file, a name, places to write to, and the seed.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml
from best_answer_data import Problem

from components.data.raw import raw_inputs
from components.export.classes_file import read_classes
from components.inference.bulk_inferrer import load_model
from components.ingestion.readers.base import BadRecord
from models.tasks.binary import BinaryTask
from pipeline.run import run
from pipeline.spec.load import load_spec
from pipeline.spec.sections import Spec
from pipeline.spec.starter import write_starter
from serving.server.saved_model import SavedModel
from serving.wire.names import DEFAULT_SIGNATURE

Outputs = Mapping[str, np.ndarray]
FIGURES = ("epochs", "best_epoch", "parameters", "experts", "stack")
"""Figures of stages that say how the model was made, as far as there are any."""


def starter(problem: Problem, folder: Path, seed: int) -> Path:
    """Write the files of a problem, and the spec of `init` for them."""
    train, test = problem.write(folder / "files")
    path = folder / "spec.yaml"
    folder_of_classes = problem.form == "image_folder"
    write_starter(train, [] if folder_of_classes else [la.name for la in problem.labels], path)
    spec: dict[str, Any] = yaml.safe_load(path.read_text())
    spec["name"] = "best-answer"
    (source,) = spec["data"]["sources"]
    tested = source | {"path": f"files/{test.name}", "split": "test"}
    spec["data"]["sources"] = [source, tested]
    spec["data"]["splits"] = {"train": 0.9, "val": 0.1, "test": 0.0}  # as for folders train, test
    spec |= {"seed": seed, "store": "store", "tracking": {"backend": "none"}}
    spec["push"] = {"destination": "pushed"}
    if problem.model:
        spec["model"] = dict(problem.model)
    path.write_text(yaml.safe_dump(spec, sort_keys=False))
    return path


class Served:
    """A SavedModel and the test rows as a client would send them."""

    def __init__(self, problem: Problem, spec: Spec, path: Path) -> None:
        self.problem, self.spec, self.path = problem, spec, path
        self.model: SavedModel = load_model(str(path))
        self.rows = {
            name: _bytes(a) for name, a in raw_inputs(_tested(spec), _inputs(spec)).items()
        }

    def answer(self, rows: slice) -> Mapping[str, np.ndarray]:
        """The raw answers for some of the test rows."""
        part = {name: values[rows] for name, values in self.rows.items()}
        return self.model.predict(DEFAULT_SIGNATURE, part)

    def outputs(self) -> Outputs:
        """For all test rows, by label: see `best_answer_peers`."""
        count = len(self.problem.test)
        parts = [self.answer(slice(i, i + 256)) for i in range(0, count, 256)]
        answers = {task: np.concatenate([p[task] for p in parts]) for task in parts[0]}
        classes = read_classes(self.path)
        outputs = {}
        for name, task in self.spec.tasks.items():
            label = next(la for la in self.problem.labels if la.name == task.label)
            answer = answers[name].reshape(count, -1).astype(np.float64)
            if label.kind in ("multiclass", "multilabel"):
                wanted = label.classes(self.problem.train)
                result = np.zeros((count, len(wanted)))
                for i, of_class in enumerate(classes[name]):
                    result[:, wanted.index(of_class)] = answer[:, i]
                outputs[label.name] = result
                continue
            assert answer.shape[1] == 1, f"{name}: init chose {task.kind} for a {label.kind} label"
            column = answer[:, 0]
            if isinstance(task, BinaryTask) and label.positive not in map(str, task.positive):
                column = 1 - column
            outputs[label.name] = column
        return outputs


def trained(problem: Problem, folder: Path, seed: int) -> tuple[Served, dict[str, Any]]:
    """Run the pipeline. Returns the served model, and figures on how it was made."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = starter(problem, folder, seed)
    with contextlib.redirect_stdout(io.StringIO()):
        result = run(path, wait=False)
    figures: dict[str, Any] = {}
    entry = json.loads((result.trained.path.parent / "artifact.json").read_text())
    figures["trainer_seconds"] = round(entry["seconds"], 1)
    figures |= {name: entry["figures"][name] for name in FIGURES if name in entry["figures"]}
    return Served(problem, load_spec(path)[0], result.model.saved_model), figures


def _tested(spec: Spec) -> pa.Table:
    """The rows of the test file, in its order."""
    source = spec.data.sources[1]
    place = Path(source.path)
    schema = source.schema(place)
    batches = []
    for unit in source.units(place):
        for batch in source.read(unit, schema):
            if isinstance(batch, BadRecord):
                raise SystemExit(f"{source.place}: {batch}")
            batches.append(batch)
    return pa.Table.from_batches(batches)


def _inputs(spec: Spec) -> tuple[Any, ...]:
    return tuple(spec.inputs.values())


def _bytes(array: np.ndarray) -> np.ndarray:
    if array.dtype != object:
        return array
    return np.array([v.encode() if isinstance(v, str) else v for v in array], object)
