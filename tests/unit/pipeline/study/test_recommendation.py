"""No arm is recommended that a constant answer or a classical model beats, unless that is said."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.study.evidence import Evidence, Scores
from pipeline.study.findings import draw_conclusions
from pipeline.study.jobs import Cell
from pipeline.study.recommendation import recommend
from pipeline.study.report import data, markdown
from pipeline.study.report.terminal import closing
from tests.unit.pipeline.study.figures import evidence

NOTHING = {"up": 0.0, "side": 0.0}
ARMS = {"single": NOTHING, "multitask": {"up": 0.001, "side": 0.001}}
BELOW = {"up": -0.2, "side": -0.2}
AHEAD = {"up": 0.1, "side": 0.1}


def first_part(report: str) -> str:
    return report.partition("\n## ")[0]


@pytest.mark.slow
def test_an_arm_that_a_constant_beats_on_every_task_is_not_recommended(tmp_path: Path) -> None:
    given = evidence(tmp_path, ARMS | {"majority": AHEAD, "classical": BELOW})
    found = draw_conclusions(given)
    assert found.recommendation is None
    report = markdown(found)
    assert "**Recommendation:" not in report
    assert (
        "**No recommendation**: `multitask`, the best arm, is on no task better than a constant"
        " answer: `up` (auc 0.9" in first_part(report)
    )
    sharing = report.partition("`multitask` against `single`")[2].partition("\n## ")[0]
    assert "**No better than a constant answer** on `up`: `multitask` 0.9" in sharing
    assert "This comparison then says little about the task." in sharing
    assert json.loads(data(found))["withheld"].startswith("`multitask`, the best arm, is on no")
    shown = closing(found)
    assert "No recommendation: multitask, the best arm" in shown
    assert "multitask against single:\n\nNo better than a constant answer on up" in shown
    assert re.search(r"^up +auc +\w+ +\+0\.0", shown, re.MULTILINE)
    assert not [mark for mark in ("`", "**", "## ", "| ") if mark in shown], "it is no Markdown"
    assert max(map(len, shown.partition("verdict")[2].splitlines()[:4])) <= 100


def test_an_arm_that_the_classical_model_beats_on_every_task_is_not_recommended(
    tmp_path: Path,
) -> None:
    given = evidence(tmp_path, ARMS | {"majority": BELOW, "classical": AHEAD})
    report = markdown(draw_conclusions(given))
    assert "on no task better than the classical model" in first_part(report)
    assert "No better than a constant" not in report


def test_a_task_on_which_a_constant_is_better_is_named_in_the_recommendation(
    tmp_path: Path,
) -> None:
    majority = {"up": 0.1, "side": -0.2}
    given = evidence(tmp_path, ARMS | {"majority": majority, "classical": BELOW})
    found = draw_conclusions(given)
    assert found.recommendation is not None
    first = first_part(markdown(found))
    assert "**`multitask` is not better than a constant answer** on `up` (auc 0.9" in first
    assert "`multitask` beats the classical model on all 2 tasks." in first


def test_an_arm_ahead_of_a_constant_comes_before_a_cheaper_one_that_is_not(tmp_path: Path) -> None:
    """Within the margin of each other, on either side of the constant."""
    arms = {"single": {"up": 0.002, "side": 0.002}, "multitask": {"up": -0.002, "side": -0.002}}
    given = evidence(tmp_path, arms | {"majority": NOTHING})
    recommended, _ = recommend(given)
    assert recommended is not None
    assert recommended.arm == "single"


def test_a_lead_over_a_constant_that_could_be_chance_is_called_that(tmp_path: Path) -> None:
    close = {"up": 0.0, "side": -0.2}
    given = evidence(tmp_path, ARMS | {"majority": close, "classical": BELOW})
    first = first_part(markdown(draw_conclusions(given)))
    assert "It is not shown that `multitask` beats a constant answer on `up` (auc 0.9" in first


def test_baselines_that_were_not_run_are_named(tmp_path: Path) -> None:
    given = evidence(tmp_path, ARMS, more="study: {baselines: [majority]}")
    first = first_part(markdown(draw_conclusions(given)))
    assert "`multitask` was not compared with a constant answer (it has no results)" in first
    assert "and not with the classical model (`study.baselines` leaves it out)." in first


def without(given: Evidence, arm: str, split: str) -> Evidence:
    """The same evidence, but the arm's answers were not numbers."""
    cells = dict(given.cells)
    for cell, scores in given.cells.items():
        if cell.arm == arm:
            tasks = {
                t: replace(f, **{split: dict.fromkeys(getattr(f, split))})
                for t, f in scores.tasks.items()
            }
            cells[cell] = Scores(tasks, scores.trials)
    return replace(given, cells=cells)


def test_an_arm_without_metrics_is_never_recommended(tmp_path: Path) -> None:
    """Its differences are an empty list, of which every statement is true."""
    given = without(evidence(tmp_path, ARMS), "multitask", "val")
    recommended, _ = recommend(given)
    assert recommended is not None
    assert recommended.arm == "single"


def test_without_validation_metrics_the_report_says_why_nothing_is_recommended(
    tmp_path: Path,
) -> None:
    report = markdown(draw_conclusions(without(evidence(tmp_path, ARMS), "single", "val")))
    assert "**No recommendation**: arms are compared on validation data" in first_part(report)
    assert Cell("single", 1.0, 0) in evidence(tmp_path, ARMS).cells
