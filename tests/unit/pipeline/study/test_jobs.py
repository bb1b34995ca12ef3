"""What a study knows about its trials before it runs them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from components.artifacts import Batches, Examples, Preprocessing
from components.errors import RootstockError
from components.ingestion.splits import HashSplits
from components.training.recipe import TrainerInputs
from pipeline.spec.load import SpecSource
from pipeline.store.fingerprint import Identity
from pipeline.store.store import Store
from pipeline.study.design import design
from pipeline.study.jobs import Cell, Prepared, with_split
from tests.planted import write_spec


@dataclass(frozen=True)
class Made:
    batches: Batches


def published(store: Store, stage: str, seconds: float) -> Batches:
    """Batches in the store that a stage made in so many seconds."""
    identity = Identity(stage, "", {}, {})
    with store.attempt(identity) as attempt:
        batches = Batches(attempt.output / "batches")
        batches.path.mkdir()
        entry = store.publish(identity, attempt, Made(batches), {}, seconds)
    return entry.load(Made).batches


def test_an_arm_needs_the_seconds_of_transform_and_embed_and_a_baseline_none(
    tmp_path: Path,
) -> None:
    """Of the run that computed them: this run finds them in the store."""
    store = Store(tmp_path / "store").open()
    transformed = published(store, "Transform", 3.0)
    embedded = published(store, "Embed", 52.0)
    raw = Examples(tmp_path, "e"), Preprocessing(tmp_path, "p")
    inputs = {
        ("single", 0): TrainerInputs(*raw, transformed),
        ("multitask", 0): TrainerInputs(*raw, transformed, embeddings=embedded),
    }
    planned = design(SpecSource(write_spec(tmp_path, ("up", "side"))))
    prepared = Prepared(planned, inputs, 450)
    arms = "single", "multitask", "multitask_shuffled", "classical"
    found = [prepared.preparation(Cell(arm, 1.0, 4), store) for arm in arms]
    assert found == pytest.approx([3.0, 55.0, 55.0, 0.0])


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("one", [(0, None)] * 4),
        ("resampled", [(0, None), (1, None), (2, None), (3, None)]),
        ("folds", [(0, 0), (0, 1), (1, 0), (1, 1)]),  # of two folds, as test is 0.4
    ],
)
def test_every_seed_has_the_split_that_the_study_says(
    tmp_path: Path, rule: str, expected: list[tuple[int, int | None]]
) -> None:
    spec = SpecSource(write_spec(tmp_path, ("up",)), (f"study.splits={rule}",)).spec()
    found = [with_split(spec, seed).data.splits for seed in range(4)]
    assert all(isinstance(s, HashSplits) for s in found)
    assert [(s.seed, s.fold) for s in found if isinstance(s, HashSplits)] == expected


def test_folds_without_test_rows_are_explained(tmp_path: Path) -> None:
    own = ("study.splits=folds", "data.splits={train: 0.9, val: 0.1, test: 0}")
    spec = SpecSource(write_spec(tmp_path, ("up",)), own).spec()
    with pytest.raises(RootstockError, match=r"`folds` needs data\.splits\.test"):
        with_split(spec, 0)
