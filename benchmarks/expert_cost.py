"""Whether each expert's graph equals its library, what each costs, and what it adds.

    python benchmarks/expert_cost.py --data DIR --work DIR [--parts equal,cost,without]
        [--sets census,sms] [--seeds N] [--rows N]

`equal`: every expert alone, exported as a SavedModel, beside its library (`expert_reference.py`) on
at most `--rows` rows, those of test first. The largest absolute difference of a margin, and the
largest margin.
`cost`: one kind of expert beside none. Seconds of the stage Experts, MB of the SavedModel, and
median milliseconds of answers to 1 and 32 rows, the models in turns. The network trains for one
epoch.
`without`: metrics on test rows of the default spec, of the same without one kind, and without any.

One JSON line for each result is appended to `<work>/expert_cost.jsonl`; what is there is not
repeated. Time on a machine that does nothing else; on a busy one only the ratios of milliseconds
can be compared.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import expert_reference as reference
import numpy as np
import pyarrow as pa
import tensorflow as tf
from best_answer_data import Problem, problem_of
from best_answer_metrics import measured
from best_answer_ours import Served, starter
from default_cost import milliseconds

from components.artifacts import Examples, ExportedModel
from components.data.raw import raw_inputs
from components.experts.fitting import experts_for
from components.export.keras_model import KerasModel, load_keras
from models.experts.base import Expert, ExpertInputs
from models.experts.layers.panel import Panel
from pipeline.run import run
from pipeline.spec.load import load_spec

SETS = {
    "equal": ("census", "sms", "mail", "enron-2000", "sick"),
    "cost": ("census", "sms", "mail", "sick"),
    "without": ("census", "sms-256", "sick", "diabetes"),
}
ALL = "all"
Line = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A data set and a seed, with a folder whose store keeps what models have in common."""

    name: str
    seed: int
    data: Path
    folder: Path
    rows: int

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def trained(self, kinds: tuple[str, ...] | None = None, quick: bool = True) -> Model:
        """Run the pipeline with some kinds of experts. kinds: None for those of `auto`."""
        problem = problem_of(self.name, self.data, self.seed)
        path = self.folder / "spec.yaml"
        if not path.exists():
            self.folder.mkdir(parents=True)
            path = starter(problem, self.folder, self.seed)
        chosen = "auto" if kinds is None else f"[{','.join(kinds)}]" if kinds else "none"
        overrides = [f"model.experts={chosen}", *(["training.epochs=1"] if quick else [])]
        with contextlib.redirect_stdout(io.StringIO()):
            result = run(path, overrides, wait=False)
        entries = sorted((self.store / "Experts").glob("*/artifact.json"), key=os.path.getmtime)
        seconds = json.loads(entries[-1].read_text())["seconds"] if chosen != "none" else 0.0
        served = Served(problem, load_spec(path)[0], result.model.saved_model)
        return Model(problem, served, result.model, round(seconds, 2))

    def kinds(self, model: Model) -> tuple[str, ...]:
        """The kinds of experts that `auto` fits."""
        features = load_keras(model.exported).record.features
        return tuple(experts_for("auto", features, (self.store / "Embed").exists()))


@dataclass(frozen=True)
class Model:
    """A trained model. seconds: of the stage Experts."""

    problem: Problem
    served: Served
    exported: ExportedModel
    seconds: float


def equal(case: Case) -> Iterator[Line]:
    """How far each expert alone, exported, is from its library."""
    with reference.recorded() as learned:
        model = case.trained()
    keras = load_keras(model.exported)
    inputs = _inputs(case, keras)
    assert keras.experts is not None
    for expert in keras.experts.experts:
        arrays = {n: v.numpy() for n, v in keras.experts.state[expert.name].items()}
        found = _alone(expert, arrays, inputs)
        rows = reference.Rows(inputs, keras.record.features, learned, arrays)
        expected = reference.expected(expert, rows)
        yield {
            "expert": expert.name,
            "rows": len(found),
            "difference": float(np.abs(found - expected).max()),
            "largest": float(np.abs(expected).max()),
        }


def _inputs(case: Case, keras: KerasModel) -> ExpertInputs:
    (folder,) = case.store.glob("ExampleGen/*/examples")
    examples = Examples(folder)
    splits = sorted(examples.splits(), key=lambda split: split != "test")
    table = pa.concat_tables([examples.read(s) for s in splits], promote_options="default")
    values = raw_inputs(table.slice(0, case.rows), keras.record.features)
    raw = {n: _sent(v) for n, v in values.items()}
    features = keras.preprocessing({n: tf.constant(v) for n, v in raw.items()})
    computed = [] if keras.blocks is None else [x.numpy() for x in keras.blocks(features)]
    return ExpertInputs(raw, {n: v.numpy() for n, v in features.items()}, *computed)


def _sent(values: np.ndarray) -> np.ndarray:
    """As a client sends them: bytes, or float32."""
    if values.dtype != object:
        return values.astype(np.float32)
    return np.array([v.encode() if isinstance(v, str) else v for v in values], object)


def _alone(expert: Expert, arrays: dict[str, np.ndarray], inputs: ExpertInputs) -> np.ndarray:
    """What a SavedModel of one expert says, 256 rows at a time."""
    panel = Panel([expert], {expert.name: arrays})
    named = {name: values for name, values in vars(inputs).items() if values is not None}
    specs = tf.nest.map_structure(_spec, named)
    panel.serve = tf.function(
        lambda given: panel(ExpertInputs(**given)), input_signature=[specs], autograph=False
    )
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(panel, folder)
        loaded = tf.saved_model.load(folder)  # to be kept: it holds the variables
        parts = []
        for start in range(0, len(next(iter(inputs.raw.values()))), 256):
            some = slice(start, start + 256)
            parts.append(loaded.serve(tf.nest.map_structure(lambda v, s=some: v[s], named)))
    return np.concatenate(parts)


def _spec(values: np.ndarray) -> tf.TensorSpec:
    return tf.TensorSpec([None, *values.shape[1:]], tf.constant(values[:1]).dtype)


def cost(case: Case) -> Iterator[Line]:
    """Size and time of a model with one kind of expert, and of one without any."""
    none = case.trained(())
    for kind in case.kinds(none):
        one = case.trained((kind,))
        line: Line = {
            "expert": kind,
            "fit_seconds": one.seconds,
            "megabytes": [one.exported.size_mb(), none.exported.size_mb()],
        }
        for count in (1, 32):
            line[f"ms_{count}"] = milliseconds([one.served, none.served], count)
        yield line


def without(case: Case) -> Iterator[Line]:
    """Metrics on test rows with all experts, without each kind, and without any."""
    model = case.trained(quick=False)
    kinds = case.kinds(model)
    yield from _values(model, "")
    for kind in kinds:
        others = tuple(k for k in kinds if k != kind)
        yield from _values(case.trained(others, quick=False), kind)
    if len(kinds) > 1:
        yield from _values(case.trained((), quick=False), ALL)


def _values(model: Model, left_out: str) -> Iterator[Line]:
    outputs = model.served.outputs()
    for label in model.problem.labels:
        truth = label.encode(model.problem.test, label.classes(model.problem.train))
        known = ~np.isnan(truth if truth.ndim == 1 else truth[:, 0])
        answers = outputs[label.name][known]
        metric, values, _ = measured(label.kind, label.metric, truth[known], answers)
        rounded = {name: round(value, 5) for name, value in values.items()}
        yield {"without": left_out, "task": label.name, "metric": metric, "values": rounded}


PARTS = {"equal": equal, "cost": cost, "without": without}


def main() -> None:
    args = arguments()
    args.work.mkdir(parents=True, exist_ok=True)
    file = args.work / "expert_cost.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = {(r["part"], r["set"], r["seed"]) for r in lines}
    for part in args.parts:
        for name in args.sets or SETS[part]:
            for seed in range(args.seeds):
                if (part, name, seed) in done:
                    continue
                folder = args.work / part / f"{name}-{seed}"
                shutil.rmtree(folder, ignore_errors=True)
                common = {"part": part, "set": name, "seed": seed}
                found = PARTS[part](Case(name, seed, args.data, folder, args.rows))
                lines = [json.dumps(common | line) for line in found]
                with file.open("a") as stream:
                    stream.writelines(line + "\n" for line in lines)
                print("\n".join(lines), flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    absolute = lambda text: Path(os.path.abspath(text))  # noqa: E731
    listed = lambda text: text.split(",")  # noqa: E731
    parser.add_argument("--data", type=absolute, required=True)
    parser.add_argument("--work", type=absolute, required=True)
    parser.add_argument("--parts", type=listed, default=list(PARTS))
    parser.add_argument("--sets", type=listed, default=[])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--rows", type=int, default=10_000)
    return parser.parse_args()


if __name__ == "__main__":
    main()
