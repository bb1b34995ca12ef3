"""How arms stand against the baselines."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.study.standing import figures, not_compared, standings
from tests.unit.pipeline.study.figures import evidence

NOTHING = {"up": 0.0, "side": 0.0}


def test_an_arm_is_behind_a_baseline_that_is_as_good_or_better(tmp_path: Path) -> None:
    given = evidence(tmp_path, {"single": NOTHING, "majority": {"up": 0.1, "side": -0.1}})
    for split in ("test", "val"):
        known = standings(given, "single", split)
        assert [(s.task, s.behind) for s in known] == [("up", True), ("side", False)]
        assert [s.mean for s in known] == pytest.approx([-0.1, 0.1], abs=0.002)
    assert "`up` (auc 0.9" in figures(known)
    assert [s.behind for s in standings(given, "majority")] == [True, True]


def test_what_was_not_compared_is_named_with_the_reason(tmp_path: Path) -> None:
    given = evidence(tmp_path, {"single": NOTHING, "majority": NOTHING})
    known = [s for s in standings(given, "single") if s.task == "up"]
    assert not_compared(given, known) == [
        "a constant answer on `side` (the metric is undefined)",
        "the classical model (it has no results)",
    ]
