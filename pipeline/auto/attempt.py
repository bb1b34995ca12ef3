"""What `rootstock auto` does in its worker: read the data, and train one candidate."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from timeit import repeat
from typing import TYPE_CHECKING

from components.artifacts import ExportedModel, TrainedModel
from components.errors import RootstockError
from components.experiments.scorer import ScoreFigures, Scorer, ScorerInputs, load_scores
from components.export.expected_outputs import read_expected
from components.training.recipe import TrainerInputs
from models.lazy import load
from pipeline.display import Quiet
from pipeline.flow import exported, prepare, train
from pipeline.runner import Runner
from pipeline.spec.load import SpecSource, ensemble_of, load_spec
from pipeline.spec.sections import Spec
from pipeline.spec.trunk_lookup import with_trunk_looked_up
from pipeline.store.place import local
from pipeline.store.store import Store
from serving.wire.names import DEFAULT_SIGNATURE

if TYPE_CHECKING:
    from serving.server.saved_model import SavedModel

WARM_UP, TIMED_CALLS = 5, 50


@dataclass(frozen=True)
class Survey:
    """The data after ingestion. rows: by split. labelled: training rows with a label, by the column
    of the label. digest: of all of them. start_s: seconds in which the process imported
    TensorFlow: how fast this machine is now.
    """

    rows: Mapping[str, int]
    labelled: Mapping[str, int]
    digest: str
    start_s: float = 0.0


@dataclass(frozen=True)
class Attempt:
    """A candidate that was trained, or why it was not.

    seconds: from raw data to scores. place: the artifact with its answers to validation rows.
    served_ms: for one row, of the exported model; None if it was not exported.
    """

    seconds: float
    scores: ScoreFigures | None = None
    place: str = ""
    reason: str = ""
    served_ms: float | None = None


def survey(source: SpecSource) -> Survey:
    """Run the stages before training.

    Raises:
        RootstockError: the data does not fit the spec.
    """
    began = time.monotonic()
    load("tensorflow")  # trials need it, and its time is what is measured
    start_s = time.monotonic() - began
    spec = source.spec()
    with Runner(Store(local(spec.store)), display=Quiet()) as run:
        examples = prepare(spec, run).examples
    rows = {split: examples.num_rows(split) for split in examples.splits()}
    labels = list(dict.fromkeys(task.label for task in spec.tasks.values()))
    table = examples.read("train", labels)
    labelled = {label: table.num_rows - table.column(label).null_count for label in labels}
    return Survey(rows, labelled, examples.digest, start_s)


def latency_of(path: Path) -> float:
    """Export the model of a spec, and measure it: see `one_row_ms`."""
    spec = with_trunk_looked_up(load_spec(path)[0])
    ensemble = ensemble_of(path).mapped(with_trunk_looked_up)
    with Runner(Store(local(spec.store)), display=Quiet()) as run:
        return _served_ms(exported(spec, run, ensemble)[2])


def one_row_ms(served: SavedModel, model: ExportedModel) -> float:
    """The median time in which a SavedModel answers one raw row, without a server around it.

    served: the loaded SavedModel of `model`.
    """
    raw, _ = read_expected(model.expected)
    one = {name: values[:1] for name, values in raw.items()}

    def answer() -> None:
        served.predict(DEFAULT_SIGNATURE, one)

    repeat(answer, number=1, repeat=WARM_UP)
    return round(1000 * median(repeat(answer, number=1, repeat=TIMED_CALLS)), 3)


def _served_ms(model: ExportedModel) -> float:
    from serving.server.saved_model import SavedModel

    return one_row_ms(SavedModel(model.saved_model), model)


def distil(path: Path) -> Attempt:
    """Train the model that learns from the ensemble of a spec; measure it as `attempt` does."""
    ensemble = ensemble_of(path).mapped(with_trunk_looked_up)
    return _attempted(lambda spec, run: exported(spec, run, ensemble), lambda: load_spec(path)[0])


def attempt(
    source: SpecSource, overrides: Sequence[str], timed: bool = False, ends: float = math.inf
) -> Attempt:
    """Train a candidate and measure it on validation rows; stages with results are not repeated.

    timed: export it too, and measure how fast it answers. ends: see `Runner`.
    """

    def unexported(spec: Spec, run: Runner) -> tuple[TrainerInputs, TrainedModel, None]:
        return *train(spec, run), None

    return _attempted(exported if timed else unexported, lambda: source.spec(*overrides), ends)


def _attempted(
    trained: Callable[[Spec, Runner], tuple[TrainerInputs, TrainedModel, ExportedModel | None]],
    load: Callable[[], Spec],
    ends: float = math.inf,
) -> Attempt:
    """Train a model and measure it on validation rows. load: its spec. ends: see `Runner`."""
    from models.lazy import keras, tf

    keras.backend.clear_session()
    began = time.monotonic()

    def seconds() -> float:
        return time.monotonic() - began

    try:
        spec = with_trunk_looked_up(load())
        with Runner(Store(local(spec.store)), display=Quiet(), ends=ends) as run:
            prepared, model, served = trained(spec, run)
            made = run(Scorer(key=spec.data.key), ScorerInputs(model, prepared.examples)).scores
            scores = load_scores(made)
        ms = None if served is None else _served_ms(served)
    except RootstockError as e:
        return Attempt(seconds(), reason=str(e))
    except Exception as e:  # one candidate must not end the search
        reason = traceback.format_exc().strip()
        if isinstance(e, MemoryError | tf.errors.ResourceExhaustedError):
            said = str(e).strip().splitlines() or [type(e).__name__]
            reason = f"memory ran out: {said[0]}"
        return Attempt(seconds(), reason=reason)
    return Attempt(seconds(), scores, str(made.path), served_ms=ms)
