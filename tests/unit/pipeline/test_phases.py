"""The order of stages, which the flow has to agree with: `tests/integration/test_orchestrators.py`
compares it with what a run does.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import RootstockError
from components.stage import Stage
from pipeline import flow
from pipeline.phases import ORDER, is_after, known, phases_of
from pipeline.spec.load import ensemble_of, load_spec
from tests.planted import write_spec


def test_it_has_every_stage_of_the_flow_once() -> None:
    parts = [p for p in vars(flow).values() if isinstance(p, type) and issubclass(p, Stage)]
    assert sorted(ORDER) == sorted(stage.__name__ for stage in parts)


def test_a_stage_is_after_those_before_it() -> None:
    assert is_after("Trainer", "Transform")
    assert not is_after("Transform", "Transform")
    assert not is_after("ExampleGen", "Transform")
    assert not is_after("Pusher", None)
    with pytest.raises(RootstockError, match=r"--until Trainr: expected a stage.*Trainer"):
        known("Trainr")


def of(path: Path, *overrides: str) -> dict[str, tuple[str, ...]]:
    spec, ensemble = load_spec(path, overrides)[0], ensemble_of(path, overrides)
    return {str(name): stages for name, stages in phases_of(spec, ensemble).items()}


def test_a_spec_has_the_phases_that_it_needs(tmp_path: Path) -> None:
    path = write_spec(tmp_path, ("up", "side"))
    plain = of(path)
    assert list(plain) == ["ingest", "check", "transform", "train", "export", "evaluate", "push"]
    assert (plain["ingest"], plain["train"]) == (("ExampleGen",), ("Trainer",))
    more = of(
        path,
        "data.sources.0.path=day-{SPAN}.csv",
        "data.duplicates={columns: [x0]}",
        "model.experts=auto",
        "export.formats=[onnx]",
        "model.experts=[linear]",
    )
    assert more["ingest"] == ("ExampleGen", "SpanMerger", "Deduplicator")
    assert more["train"] == ("Experts", "Trainer")
    assert more["evaluate"][-1] == "PortableValidator"


def test_an_ensemble_has_the_phases_of_its_models(tmp_path: Path) -> None:
    path = write_spec(tmp_path, ("up",))
    members = "ensemble=[{set: {seed: 1}}, {set: {model.experts: [linear]}}]"
    served = of(path, members)
    assert served["train"] == ("Experts", "Trainer")
    assert served["ensemble"] == ("Ensembler",)
    assert "export" not in served
    distilled = of(path, members, "distilled={}")
    assert distilled["ensemble"] == ("Ensembler", "Teacher")
    assert distilled["export"] == ("Exporter",)
