"""What a study knows about its trials before it runs them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from components.artifacts import Batches, Examples, Preprocessing
from components.training.recipe import TrainerInputs
from pipeline.spec.load import SpecSource
from pipeline.store.fingerprint import Identity
from pipeline.store.store import Store
from pipeline.study.design import design
from pipeline.study.jobs import Cell, Prepared
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
