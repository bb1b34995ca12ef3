"""Portable files of a model, in its SavedModel, and what their callers have to know."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from components.artifacts import Examples
from components.data.lazy import np, pa, pq
from components.data.raw import raw_inputs
from components.errors import RootstockError
from components.export.portable.base import Core, PortableFormat
from components.export.portable_runtime import DESCRIPTION, DIRECTORY, check_installed
from components.export.settings import Export
from models.inputs.base import RESERVED, Feature
from models.lazy import Tensor
from models.tasks.base import REGIONS, TaskTarget

if TYPE_CHECKING:
    from components.export.keras_model import KerasModel

ROWS = 200
"""Training rows by which a format may choose ranges."""
_TENSOR = re.compile(r"[A-Za-z][A-Za-z0-9_.]*", re.ASCII)


def write_portable(
    served: KerasModel, formats: Sequence[PortableFormat], examples: Examples, saved_model: Path
) -> None:
    """Write a file for each format, and `portable.json`.

    examples: their training rows give ranges of values.

    Raises:
        RootstockError: the model has no core that these formats can express, or a format's
            packages are missing.
    """
    from components.export.saved_model import computation, prepared_of, static_shapes
    from models.lazy import tf

    check_installed(formats)
    _check_expressible(served)
    record, directory = served.record, saved_model / DIRECTORY
    prepared = prepared_of(served)
    inputs = tensor_names(prepared.shapes, "input")
    whole, compute = computation(served, Export(), served.features_of_prepared)
    owner = tf.Module()  # without the tables of preprocessing, which LiteRT would initialise
    owner.parts = whole.weights, whole.experts, whole.modules
    owner.numbers = [
        served.preprocessing.state[f.name] for f in record.features if f.raw == "number"
    ]
    rows = _training_rows(examples, record.features)
    raw = {n: tf.convert_to_tensor(v) for n, v in raw_inputs(rows, record.features).items()}
    features = prepared.prepare(raw)
    samples = {inputs[name]: np.asarray(values) for name, values in features.items()}
    answers = {n: v for n, v in compute(features).items() if _is_answer(n, record.targets)}
    outputs = tensor_names(answers, "output")

    def by_tensor(given: Mapping[str, Tensor]) -> dict[str, tf.Tensor]:
        found = compute({name: given[tensor] for name, tensor in inputs.items()})
        return {tensor: found[name] for name, tensor in outputs.items()}

    core = Core(
        by_tensor,
        owner,
        {inputs[n]: shape for n, shape in prepared.shapes.items()},
        {inputs[n]: dtype for n, dtype in prepared.dtypes.items()},
    )
    directory.mkdir(parents=True)
    for f in record.features:
        _write_state(f, directory)
    with static_shapes(served.model, True):
        for form in formats:
            form.write(core, samples, directory / form.file)
    content = {
        "inputs": [
            _input(f, inputs[f.name], prepared.shapes[f.name], prepared.dtypes[f.name])
            for f in record.features
        ],
        "outputs": [
            _output(name, outputs[name], np.asarray(values), record.targets)
            for name, values in answers.items()
        ],
        "files": [
            {
                "format": form.name,
                "file": form.file,
                "bytes": (directory / form.file).stat().st_size,
                "rows": form.rows_at_once,
                "answers": f"those of Keras within {form.tolerance:g}"
                if form.exact
                else "close to those of Keras",
            }
            for form in formats
        ],
    }
    text = json.dumps(content, indent=1, ensure_ascii=False)
    (directory / DESCRIPTION).write_text(text, encoding="utf-8")


def _check_expressible(served: KerasModel) -> None:
    if experts := [e.name for e in served.record.experts if not e.portable]:
        raise RootstockError(
            f"export.formats: LiteRT and ONNX cannot express the experts {', '.join(experts)} of"
            " this model. Set `model.experts: none`, or leave `export.formats` out."
        )
    if texts := [f.name for f in served.record.features if f.dtype == "string"]:
        raise RootstockError(
            f"export.formats: the trunk splits the text of {', '.join(texts)} by itself, which"
            " LiteRT and ONNX cannot. Choose another trunk, or leave `export.formats` out."
        )


def tensor_names(names: Iterable[str], otherwise: str) -> dict[str, str]:
    """The name of each tensor in a file: the name itself where all runtimes take it."""
    names, found = list(names), dict[str, str]()
    for position, name in enumerate(names):
        found[name] = name if _TENSOR.fullmatch(name) else f"{otherwise}_{position}"
        while found[name] != name and found[name] in names:
            found[name] += "_"
    return found


def _is_answer(name: str, targets: Sequence[TaskTarget]) -> bool:
    return any(name == t.name or name in {f"{t.name}.{r}" for r in REGIONS} for t in targets)


def _training_rows(examples: Examples, features: Sequence[Feature]) -> pa.Table:
    """Up to `ROWS` training rows, evenly spread."""
    columns = list(dict.fromkeys(f.column for f in features))
    step = max(1, -(-examples.num_rows("train") // ROWS))

    def batches() -> Iterator[pa.RecordBatch]:
        before = 0
        for shard in examples.shards("train"):
            for batch in pq.ParquetFile(shard).iter_batches(columns=columns):
                first = -before % step
                before += batch.num_rows
                yield batch.take(np.arange(first, batch.num_rows, step))

    return pa.Table.from_batches(list(batches())).combine_chunks()


def _write_state(feature: Feature, directory: Path) -> None:
    for file in feature.files_to_prepare:
        path = directory / feature.name / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(file.content))


def _input(feature: Feature, tensor: str, shape: tuple[int, ...], dtype: str) -> dict[str, object]:
    entry: dict[str, object] = {
        "name": feature.name,
        "tensor": tensor,
        "shape": [None, *shape],
        "dtype": dtype,
        "holds": feature.preparation,
    }
    if feature.words:
        entry |= {"words": list(feature.words), "first_id": RESERVED}
    if files := feature.files_to_prepare:
        entry["files"] = [f"{feature.name}/{file.name}" for file in files]
    return entry


def _output(
    name: str, tensor: str, values: np.ndarray, targets: Sequence[TaskTarget]
) -> dict[str, object]:
    target = next(t for t in targets if _is_answer(name, [t]))
    entry: dict[str, object] = {
        "name": name,
        "tensor": tensor,
        "task": target.name,
        "shape": [None, *values.shape[1:]],
        "dtype": values.dtype.name,
        "holds": _meaning(name, values.shape[1], target),
    }
    return entry | ({"classes": list(target.classes)} if target.classes else {})


def _meaning(name: str, width: int, target: TaskTarget) -> str:
    covered = (
        f"the right one is there in {target.task.covers:.0%} of rows" if target.task.covers else ""
    )
    if name.endswith(".set"):
        return f"whether each of `classes` is in the set of likely ones: {covered}"
    if name != target.name:
        return f"the {name.rpartition('.')[2]} end of the interval: {covered}"
    if not target.classes:
        return "the number, in the unit of the label"
    if width == 1:
        return (
            "the probability of the second of `classes`, which is the answer above"
            f" {target.decision:g}"
        )
    decided = (
        f"those above {target.decision:g} apply"
        if target.task.several
        else "the likeliest one is the answer"
    )
    return f"the probability of each of `classes`; {decided}"
