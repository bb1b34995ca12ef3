"""Errors from test rows, and metrics that are undefined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import sqrt
from pathlib import Path

import numpy as np
import pytest

from components.experiments.trial_result import REPLICATES, TaskFigures
from pipeline.study.evidence import Evidence, Scores
from pipeline.study.findings import draw_conclusions
from pipeline.study.jobs import Cell
from pipeline.study.report import markdown
from pipeline.study.report.page import page
from tests.unit.pipeline.study.figures import evidence

NOTHING = {"up": 0.0, "side": 0.0}
BETTER = {"up": 0.05, "side": 0.05}
DRAWS = tuple(np.random.default_rng(0).normal(0.8, 0.01, REPLICATES).tolist())
Change = Callable[[Cell, TaskFigures], TaskFigures]


def changed(given: Evidence, change: Change) -> Evidence:
    cells = {
        cell: Scores({t: change(cell, f) for t, f in scores.tasks.items()}, scores.trials)
        for cell, scores in given.cells.items()
    }
    return replace(given, cells=cells)


def of_groups(count: int) -> Change:
    """Test rows of so many groups, and samples in which the shared model differs."""

    def change(cell: Cell, figures: TaskFigures) -> TaskFigures:
        drawn = {"auc": DRAWS if cell.arm == "multitask" else (0.8,) * REPLICATES}
        return replace(figures, groups={"test": count, "val": 50}, resampled=drawn)

    return change


@pytest.fixture
def given(tmp_path: Path) -> Evidence:
    more = "study: {fractions: [1.0]}"
    return evidence(tmp_path, {"single": NOTHING, "multitask": BETTER}, more=more)


def test_the_fewest_groups_limit_the_degrees_of_freedom_of_the_error(given: Evidence) -> None:
    few = changed(given, of_groups(4)).differences("multitask", "single", 1.0)
    assert [(d.groups, d.freedom) for d in few] == [(4, 3), (4, 3)]
    assert few[0].row_error == pytest.approx(np.std(DRAWS, ddof=1) * sqrt(4 / 3))
    many = changed(given, of_groups(1000)).differences("multitask", "single", 1.0)
    assert many[0].freedom == 8
    assert many[0].p_difference() < few[0].p_difference()


def test_few_groups_are_a_warning_in_the_headline(given: Evidence) -> None:
    data = given.design.spec.data.model_copy(update={"key": ("subject",)})
    spec = given.design.spec.model_copy(update={"data": data})
    for count, warned in ((19, True), (20, False)):
        keyed = replace(given, design=replace(given.design, spec=spec))
        found = draw_conclusions(changed(keyed, of_groups(count)))
        report = markdown(found)
        warning = "**Few groups of test rows (`data.key`: subject)**: `up` 19, `side` 19."
        assert (warning in report.partition("\n## ")[0]) == warned
        assert f"Groups of test rows (`data.key`: subject): `up` {count}, `side` {count}." in report
        assert f"{count} groups of test rows" in page(found, "")


def test_one_group_gives_no_verdict(given: Evidence) -> None:
    (d, _) = changed(given, of_groups(1)).differences("multitask", "single", 1.0)
    assert d.flaw == "all test rows are of one group, so their error is unknown"


def test_a_metric_undefined_on_many_samples_gives_no_verdict(given: Evidence) -> None:
    def undefined(cell: Cell, figures: TaskFigures) -> TaskFigures:
        return replace(figures, resampled={"auc": (None,) * 6 + (0.8,) * (REPLICATES - 6)})

    found = draw_conclusions(changed(given, undefined))
    verdicts = [v for c in found.comparisons for v in c.verdicts]
    assert {v.outcome for v in verdicts} == {"undecided"}
    assert "undecided: auc is undefined on many resamples of the test rows" in markdown(found)


def failed_in(seeds: tuple[int, ...]) -> Change:
    def change(cell: Cell, figures: TaskFigures) -> TaskFigures:
        failed = cell.arm == "multitask" and cell.seed in seeds
        return replace(figures, test=figures.test | {"auc": None}) if failed else figures  # type: ignore[operator]

    return change


def test_a_seed_in_which_one_arm_failed_is_not_left_out_in_silence(given: Evidence) -> None:
    report = markdown(draw_conclusions(changed(given, failed_in((2, 5)))))
    assert "`up`: undecided: auc of `multitask` is undefined in seed 3, 6." in report


def test_a_task_without_two_seeds_is_named(given: Evidence) -> None:
    found = draw_conclusions(changed(given, failed_in(tuple(range(8)))))
    assert not [c for c in found.comparisons if c.claim.name == "sharing"]
    assert "Not compared, because fewer than two seeds have both results: `multitask` against" in (
        markdown(found)
    )
