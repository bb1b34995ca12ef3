"""Conclusions from evidence with a known truth, and their report."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from math import isnan
from pathlib import Path

import pytest

from pipeline.study.evidence import Evidence
from pipeline.study.findings import Findings, draw_conclusions
from pipeline.study.jobs import Cell
from pipeline.study.promises import promises
from pipeline.study.report import markdown, write_report
from pipeline.study.report.page import affinity_map, page
from tests.unit.pipeline.study.figures import evidence

NOTHING = {"up": 0.0, "side": 0.0}


@pytest.fixture
def harmful(tmp_path: Path) -> Findings:
    """Sharing helps `up` and harms `side`."""
    gains = {"single": NOTHING, "multitask": {"up": 0.05, "side": -0.05}}
    return draw_conclusions(evidence(tmp_path, gains))


def test_negative_transfer_is_named(harmful: Findings) -> None:
    outcomes = {v.task: v.outcome for v in harmful.comparisons[0].verdicts}
    assert harmful.comparisons[0].claim.name == "sharing"
    assert outcomes == {"up": "helps", "side": "hurts"}
    assert re.search(r"\*\*Negative transfer\*\*: `side` loses 0\.0(49|50)", markdown(harmful))
    assert harmful.comparisons[0].worst.task == "side"


def test_delta_m_hides_the_harm_that_the_worst_task_shows(harmful: Findings) -> None:
    comparison = harmful.comparisons[0]
    assert comparison.gain == pytest.approx(0, abs=0.3)
    assert re.search(r"worst task: side -0\.0(49|50)", markdown(harmful))


def test_the_arm_that_harms_no_task_is_recommended(harmful: Findings) -> None:
    assert harmful.recommendation is not None
    assert harmful.recommendation.arm == "single"
    assert not harmful.recommendation.confirmed  # `up` is better in the other arm


def test_of_equivalent_arms_the_one_with_fewer_models_is_recommended(tmp_path: Path) -> None:
    found = draw_conclusions(evidence(tmp_path, {"single": NOTHING, "multitask": NOTHING}))
    assert {v.outcome for v in found.comparisons[0].verdicts} == {"equivalent"}
    assert found.recommendation is not None
    assert (found.recommendation.arm, found.recommendation.confirmed) == ("multitask", True)


@pytest.mark.parametrize("ahead", [0.06, -0.06])
def test_a_classical_model_that_is_better_is_named_first(tmp_path: Path, ahead: float) -> None:
    gains = {"single": NOTHING, "multitask": NOTHING, "classical": {"up": ahead, "side": -0.06}}
    report = markdown(draw_conclusions(evidence(tmp_path, gains)))
    first = report[: report.index("## ")] if "## " in report else report
    found = re.search(
        r"\*\*`multitask` is not better than the classical model\*\* on `up` \(auc", first
    )
    assert (found is not None) == (ahead > 0)


def test_a_report_says_that_there_are_too_few_seeds(tmp_path: Path) -> None:
    more = "study: {seeds: 3}"
    given = evidence(tmp_path, {"single": NOTHING, "multitask": NOTHING}, seeds=3, more=more)
    assert "3 seeds are too few for any verdict but undecided" in markdown(draw_conclusions(given))


def test_one_seed_compares_nothing(tmp_path: Path) -> None:
    gains = {"single": NOTHING, "multitask": NOTHING}
    assert not evidence(tmp_path, gains, seeds=1).comparable
    assert evidence(tmp_path, gains, seeds=2).comparable


def test_an_arm_that_learns_faster_needs_less_data(tmp_path: Path) -> None:
    better = {"up": 0.08, "side": 0.08}
    given = evidence(tmp_path, {"single": NOTHING, "multitask": better})
    (comparison,) = [c for c in draw_conclusions(given).comparisons if c.fraction == 1.0]
    kept = {p.name: p.kept for p in promises(comparison, given)}
    assert kept["better predictions"] == "kept"
    assert kept["less data"] == "kept"
    assert kept["less overfitting"] == "no difference"


def test_if_the_fewest_rows_suffice_the_report_says_fewer_than(tmp_path: Path) -> None:
    better = {"up": 0.35, "side": 0.35}
    given = evidence(tmp_path, {"single": NOTHING, "multitask": better})
    (comparison,) = [c for c in draw_conclusions(given).comparisons if c.fraction == 1.0]
    (data,) = [p for p in promises(comparison, given) if p.name == "less data"]
    assert data.kept == "kept"
    needed = "rows needed to match `single` with all 450 rows"
    assert f"{needed}: up fewer than 45; side fewer than 45" in data.figures


def test_a_cost_is_the_mean_over_the_seeds_of_which_it_is_known(tmp_path: Path) -> None:
    given = evidence(tmp_path, {"single": NOTHING}, seeds=2)
    cells = dict(given.cells)
    (resumed,) = cells[Cell("single", 1.0, 0)].trials
    resumed = replace(resumed, costs=replace(resumed.costs, cpu_seconds=None))
    cells[Cell("single", 1.0, 0)] = replace(cells[Cell("single", 1.0, 0)], trials=(resumed,))
    assert replace(given, cells=cells).cost("single", 1.0, "cpu_seconds") == 2.5
    assert isnan(replace(given, cells=cells).cost("single", 1.0, "memory_mib"))


def with_preparation(given: Evidence, seconds: dict[str, float]) -> Evidence:
    cells = {
        cell: replace(scores, preparation=seconds.get(cell.arm, 0.0))
        for cell, scores in given.cells.items()
    }
    return replace(given, cells=cells)


def test_the_time_of_embed_counts_for_the_arm_that_needs_it(tmp_path: Path) -> None:
    """52 s of Embed and 3 s of training are more than 6 s of training two models."""
    given = evidence(tmp_path, {"single": NOTHING, "multitask": NOTHING})
    for embed, kept in ((0.0, "undecided"), (52.0, "broken")):
        found = draw_conclusions(with_preparation(given, {"multitask": embed}))
        (comparison,) = [c for c in found.comparisons if c.fraction == 1.0]
        (time,) = [p for p in promises(comparison, found.evidence) if p.name == "less time"]
        assert time.kept == kept
        assert f"of which {embed:.1f} s and 0.0 s prepare data" in time.figures
    assert "reaches the final quality of `single` after 53.5 s" in time.figures
    assert found.evidence.cost("multitask", 1.0, "seconds") == 55
    table = markdown(found).partition("## Costs")[2]
    assert re.search(r"\| multitask \| 55 \| 52 \|", table)


def test_the_time_of_tuning_is_named(tmp_path: Path) -> None:
    given = evidence(tmp_path, {"single": NOTHING, "multitask": NOTHING})
    found = draw_conclusions(replace(given, tuning={"multitask": 41.0}))
    report = markdown(found)
    assert "without tuning, which took another 41.0 s" in report
    assert "s of tuning" in report.partition("## Costs")[2]


class Tags(HTMLParser):
    """Remembers which tags are open, and what is loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br", "link"):
            self.open.append(tag)
        addresses = [v for k, v in attributes if k in ("src", "href") and v]
        self.loaded += [v for v in addresses if not v.startswith("data:")]

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        return

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_complete_and_needs_no_network(harmful: Findings) -> None:
    affinities = affinity_map(("up", "side"), ((1.0, -0.4), (0.2, 1.0)))
    html, tags = page(harmful, "name: <planted>", affinities), Tags()
    tags.feed(html)
    assert not tags.open
    assert not tags.loaded
    assert "://" not in re.sub(r"<pre>.*?</pre>", "", html)
    assert "name: &lt;planted&gt;" in html
    assert html.count("<svg") >= 6
    assert "side on up: 0.2" in html
    assert "nan" not in re.sub(r"<[^>]*>", "", html).lower().split()


def test_the_report_for_machines_holds_every_trial(harmful: Findings, tmp_path: Path) -> None:
    write_report(harmful, "name: planted", tmp_path / "report")
    report = json.loads((tmp_path / "report" / "study.json").read_text())
    assert len(report["trials"]) == 2 * 3 * 9
    assert report["recommendation"]["arm"] == "single"
    assert sorted(p.name for p in (tmp_path / "report").iterdir()) == [
        "report.html",
        "report.md",
        "study.json",
    ]


def test_reporting_imports_no_tensorflow() -> None:
    code = "import sys, pipeline.study.run; print([m for m in ('tensorflow','keras','mlflow')"
    code += " if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
