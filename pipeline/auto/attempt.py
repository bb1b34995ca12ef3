"""What `rootstock auto` does in its worker: read the data, and train one candidate."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.errors import RootstockError
from components.experiments.scorer import ScoreFigures, Scorer, ScorerInputs, load_scores
from pipeline.display import Quiet
from pipeline.flow import prepare, train
from pipeline.runner import Runner
from pipeline.spec.load import SpecSource
from pipeline.spec.trunk_lookup import with_trunk_looked_up
from pipeline.store.store import Store


@dataclass(frozen=True)
class Survey:
    """The data after ingestion. rows: by split. digest: of all of them."""

    rows: Mapping[str, int]
    digest: str


@dataclass(frozen=True)
class Attempt:
    """A candidate that was trained, or why it was not.

    seconds: from raw data to scores. place: the artifact with its answers to validation rows.
    """

    seconds: float
    scores: ScoreFigures | None = None
    place: str = ""
    reason: str = ""


def survey(source: SpecSource) -> Survey:
    """Run the stages before training.

    Raises:
        RootstockError: the data does not fit the spec.
    """
    spec = source.spec()
    with Runner(Store(Path(spec.store)).open(), display=Quiet()) as run:
        examples = prepare(spec, run).examples
    rows = {split: examples.num_rows(split) for split in examples.splits()}
    return Survey(rows, examples.digest)


def attempt(source: SpecSource, overrides: Sequence[str]) -> Attempt:
    """Train a candidate and measure it on validation rows; stages with results are not repeated."""
    from models.lazy import keras

    keras.backend.clear_session()
    began = time.monotonic()

    def seconds() -> float:
        return time.monotonic() - began

    try:
        spec = with_trunk_looked_up(source.spec(*overrides))
        with Runner(Store(Path(spec.store)).open(), display=Quiet()) as run:
            prepared, trained = train(spec, run)
            stage, inputs = Scorer(key=spec.data.key), ScorerInputs(trained, prepared.examples)
            made = run(stage, inputs).scores
            scores = load_scores(made)
    except RootstockError as e:
        return Attempt(seconds(), reason=str(e))
    except Exception:  # one candidate must not end the search
        return Attempt(seconds(), reason=traceback.format_exc().strip())
    return Attempt(seconds(), scores, str(made.path))
