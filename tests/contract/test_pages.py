"""Every HTML page shows names of columns, classes and slices as text, never as HTML.

Pages are found by their templates; a new page needs an example here.
"""

from __future__ import annotations

import base64
import hashlib
import html
import importlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import create_trial
from pydantic import TypeAdapter

from components.artifacts import PushRecord
from components.data.thumbnails import Picture
from components.evaluation import evaluation_page
from components.evaluation.mistakes import Mistake
from components.evaluation.task_section import sections
from components.labels import label_statistics_page
from components.labels.label_statistics import CoOccurrence, LabelBalance, SplitTasks
from components.statistics import statistics_page
from components.statistics.column_statistics import (
    BytesColumn,
    ImageColumn,
    ListColumn,
    NumericColumn,
    Range,
    SplitStatistics,
    StringColumn,
    TextColumn,
    ValueCounts,
)
from pipeline.advise import report as advice_report
from pipeline.advise.advice import TrunkScores, advise, affinity_of
from pipeline.auto import page as auto_page
from pipeline.auto.closing import Said
from pipeline.auto.importance import Fall, Importance
from pipeline.auto.next_steps import NextSteps
from pipeline.run_page import page as run_page
from pipeline.run_page.learning import curves
from pipeline.run_page.rows import Shown
from pipeline.spec.tune import Tune
from pipeline.study.findings import draw_conclusions
from pipeline.study.report.page import affinity_map
from pipeline.tune import page as tune_page
from pipeline.tune.objective import Objective
from pipeline.tune.report import SearchResult
from pipeline.tune.search import FIGURES, REASON, SECONDS, TEST
from serving.pages import ROOT, marked, render
from tests.unit.pipeline.auto.figures import board
from tests.unit.pipeline.auto.figures import trial as trial_of
from tests.unit.pipeline.study.figures import evidence, task_figures, trial

study_page = importlib.import_module("pipeline.study.report.page")
SCRIPT = '"><script>alert(1)</script>'
SCRIPTED = "serving.server.web.site"
"""It holds no names. Its own script and policy are tested in `tests/unit/serving/server/web`."""


def statistics(directory: Path) -> str:
    sizes = Range(minimum=1, mean=2.5, maximum=9)
    values = ValueCounts(counts=tuple((f"{SCRIPT}{i}", 20 - i) for i in range(15)))
    percentiles = tuple(float(i * i) for i in range(101))
    columns = [
        NumericColumn(name=f"{SCRIPT}n", type=SCRIPT, missing=2, percentiles=percentiles),
        StringColumn(name=f"{SCRIPT}s", type="string", values=values, characters=sizes),
        TextColumn(name=f"{SCRIPT}t", type="string", characters=sizes, words=sizes, distinct=9),
        ListColumn(name=f"{SCRIPT}l", type="list<item: string>", values=values, lengths=sizes),
        ImageColumn(name=f"{SCRIPT}i", type="binary", formats=values, modes=values, unreadable=1),
        BytesColumn(name=f"{SCRIPT}b", type="binary", sizes=sizes),
    ]
    split = SplitStatistics(name=SCRIPT, rows=10, columns={c.name: c for c in columns})
    picture = Picture("data:image/png;base64,", SCRIPT)
    return statistics_page.page([split, replace(split, name="test")], {f"{SCRIPT}i": [picture]})


def labels(directory: Path) -> str:
    classes = tuple((f"{SCRIPT}{i}", 20 - i) for i in range(15))
    task = LabelBalance(task=SCRIPT, kind="multiclass", labelled=9, missing=1, classes=classes)
    pair = CoOccurrence(a=SCRIPT, b=SCRIPT, both=5, counts=((SCRIPT, SCRIPT, 5),), association=0.5)
    split = SplitTasks(name=SCRIPT, rows=10, tasks=(task,), pairs=(pair,), complete=5)
    return label_statistics_page.page([split])


def evaluation_report() -> dict[str, Any]:
    """`evaluation.json`, parsed."""
    metric, interval = f"{SCRIPT}m", {"low": 0.1, "high": 0.3}
    values = {metric: 0.2, f"{SCRIPT}u": None}
    figures = {"rows": 5, "values": values, "intervals": {metric: interval}}
    task = {
        "task": SCRIPT,
        "kind": "binary",
        "classes": [SCRIPT, "other"],
        "undefined": {f"{SCRIPT}u": "one class only"},
        "confusion": [[1, 2], [3, 4]],
        "reliability": [{"confidence": 0.5, "accuracy": 0.4}],
        "roc": [[0, 0], [1, 1]],
        "precision_recall": [[0, 1], [1, 0]],
        "groups": 3,
        "support": {SCRIPT: {"rows": 2, "groups": 1}},
        "withheld": [metric],
        "changes": {metric: {"champion": 0.1, "value": 0.1, "interval": interval}},
        **figures,
    }
    return {
        "rows": 5,
        "split": "test",
        "key": [SCRIPT],
        "groups": 3,
        "level": 0.95,
        "champion": "0123456789abcdef",
        "tasks": {SCRIPT: task},
        "slices": {SCRIPT: {"tasks": {SCRIPT: figures}}, f"{SCRIPT}small": {"tasks": {}}},
    }


def evaluation(directory: Path) -> str:
    interval = {"low": 0.1, "high": 0.3}
    check = {"kind": "value", "value": 0.2, "interval": interval, "min": 0.1, "max": None}
    names = {"task": SCRIPT, "metric": SCRIPT, "slice": SCRIPT, "met": True}
    verdict = {
        "blessed": False,
        "reasons": ["too bad"],
        "warnings": [f"{SCRIPT} rows"],
        "checks": [check | names],
    }
    return evaluation_page.page(evaluation_report(), verdict)


def study(directory: Path) -> str:
    gains = {"single": {"up": 0.0, "side": 0.0}, "multitask": {"up": 0.05, "side": -0.05}}
    affinities = affinity_map((f"{SCRIPT}up", "side"), ((1.0, -0.4), (0.2, 1.0)))
    return study_page.page(draw_conclusions(evidence(directory, gains)), SCRIPT, affinities)


def advice(directory: Path) -> str:
    effects = np.array([[[1, 0.5], [-0.4, 1]]] * 4)
    affinity = affinity_of([f"{SCRIPT}a", "b"], effects, effects)
    scores = {f"{SCRIPT}a": {"LogME": 0.5}, "b": {"LogME": 0.2}}
    trunks = [TrunkScores(f"{SCRIPT}{n}", n == 0, scores) for n in range(2)]
    return advice_report.html(advise(trunks, affinity, None), SCRIPT)


def run(directory: Path) -> str:
    (section,) = sections(evaluation_report())
    classes = ((SCRIPT, 3), ("b", 2))
    balance = LabelBalance(task=SCRIPT, kind="binary", labelled=5, missing=1, classes=classes)
    row = Shown(1, (Picture("", SCRIPT), Picture("data:image/png;base64,", SCRIPT)), (SCRIPT,),
                ((SCRIPT, SCRIPT),), 2, ((SCRIPT, SCRIPT),))  # fmt: skip
    epochs = [{"loss": 2.0, "val_loss": 2.5}, {"loss": 1.0, "val_loss": 2.0}]
    content = run_page.RunPage(
        name=SCRIPT,
        when="now",
        spec=f"name: {SCRIPT}",
        inputs=[(SCRIPT, "text", SCRIPT)],
        tasks=[(SCRIPT, "binary", SCRIPT)],
        splits=[("train", "5")],
        balance=SplitTasks(name="train", rows=6, tasks=(balance,)),
        numbers={SCRIPT: SCRIPT},
        samples=[row],
        evaluated="test",
        rows=5,
        level=0.95,
        headlines=[run_page.Headline(SCRIPT, "auc", 0.9, 0.8, 0.95, 0.5, 0.7, "higher")],
        parts=[run_page.TaskPart(section, [(Mistake(1, SCRIPT, SCRIPT, 0.9, 2.0), row)])],
        curves=curves(epochs, []),
        kept=2,
        epochs=2,
        stages=[run_page.Stage("Trainer", 3.2, False)],
        warnings=[SCRIPT],
        reasons=[SCRIPT],
        pushed=PushRecord(SCRIPT, "0123", 3, SCRIPT, label=SCRIPT),
        example=f"rootstock predict {SCRIPT}",
        spec_file=SCRIPT,
    )
    return run_page.page(content)


def tuning(directory: Path) -> str:
    texts = CategoricalDistribution([json.dumps(f"{SCRIPT}{i}") for i in range(3)])
    rates = FloatDistribution(1e-4, 1e-1, log=True)
    values = {SCRIPT: {"auc": 0.8}}
    attributes = {FIGURES: values, TEST: values, SECONDS: 1.5, REASON: SCRIPT}
    trials = [
        create_trial(
            value=float(i),
            params={"model.a": texts.choices[i % 3], "training.b": 1e-4 * 2**i},
            distributions={"model.a": texts, "training.b": rates},
            user_attrs=attributes,
        )
        for i in range(8)
    ]
    space = {"model.a": [f"{SCRIPT}{i}" for i in range(3)], "training.b": {"low": 1, "high": 2}}
    tune = TypeAdapter(Tune).validate_python({"space": space})
    spec: Any = SimpleNamespace(name=SCRIPT, tune=tune)
    objective = Objective({SCRIPT: "auc"}, {SCRIPT: 1}, {SCRIPT: 0.7})
    base = trial({SCRIPT: task_figures(0.7)}, rows=10)
    return tune_page.page(SearchResult(spec, objective, base, trials))


def search(directory: Path) -> str:
    names = [f"{n}{SCRIPT}" for n in ("default", "b", "c", "d")]
    falls = [Fall(f"{SCRIPT}{i}", SCRIPT, "auc", 0.1 * i, 0.1 * i - 0.1, 0.4) for i in range(4)]
    found = [trial_of(n, 0.8 + 0.02 * i, i, task=SCRIPT) for i, n in enumerate(names[:3])]
    steps = NextSteps((SCRIPT,), columns=Importance(falls, (), 400, "test"))
    own = board(*found, names=names, task=SCRIPT, next_steps=steps, answers=(SCRIPT,))
    return auto_page.page(own, [Said(own.why()), Said(SCRIPT, warns=True)], f"name: {SCRIPT}")


PAGES: Mapping[str, Callable[[Path], str]] = {
    "components.statistics.statistics_page": statistics,
    "components.labels.label_statistics_page": labels,
    "components.evaluation.evaluation_page": evaluation,
    "pipeline.study.report.page": study,
    "pipeline.advise.report": advice,
    "pipeline.auto.page": search,
    "pipeline.run_page.page": run,
    "pipeline.tune.page": tuning,
}


def own_script(module: str) -> str:
    """The script beside the module of a page; empty if it has none."""
    file = ROOT / f"{module.replace('.', '/')}.js"
    return file.read_text() if file.exists() else ""


def hostile(value: Any) -> Any:
    """The content of a page with a script appended to every text."""
    if isinstance(value, str):
        return value if SCRIPT in value else value + SCRIPT
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: hostile(getattr(value, f.name)) for f in fields(value)})
    if isinstance(value, Mapping):
        return {key: hostile(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(hostile, value))
    return value


def test_every_page_has_an_example() -> None:
    templates = {
        str(file.relative_to(ROOT)).removesuffix(".html.jinja").replace("/", ".")
        for package in ("components", "models", "pipeline", "serving")
        for file in (ROOT / package).rglob("*.html.jinja")
    }
    assert templates - {"serving.pages", SCRIPTED} == set(PAGES)


@pytest.mark.parametrize("module", PAGES)
def test_a_script_in_a_text_is_only_text(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents: list[object] = []

    def keep(name: str, page: object) -> str:
        contents.append(page)
        return render(name, page)

    monkeypatch.setattr(importlib.import_module(module), "render", keep)
    plain = PAGES[module](tmp_path)
    (content,) = contents
    page = render(module, hostile(content))
    for text in (plain, page):
        assert "<script" not in text.replace(f"<script>{own_script(module)}</script>", "")
        assert "&lt;script&gt;" in text
    assert page.count("&lt;script&gt;") > 15
    assert not re.search(r'(src|href)="(?!#|data:image/)', page)


@pytest.mark.parametrize("module", PAGES)
def test_browsers_run_no_script_and_load_nothing(module: str, tmp_path: Path) -> None:
    page = PAGES[module](tmp_path)
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="(.*)">', page)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    expected = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src 'sha256-{digest}'"
    )
    if script := own_script(module):
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        expected += f"; script-src 'sha256-{digest}'"
    assert html.unescape(policy) == expected
    assert page.index("Content-Security-Policy") < page.index("<style>")
    assert not re.search(r"<[^>]* (style|on\w+)=", page), "the policy forbids these"


def test_a_template_that_reads_what_is_not_there_fails() -> None:
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError, match="title"):
        render("serving.pages", object())


def test_marks_without_a_partner_are_text() -> None:
    assert marked("a `b` c", "`") == [(False, "a "), (True, "b"), (False, " c")]
    assert marked("a `b` c ` d", "`") == [(False, "a "), (True, "b"), (False, " c ` d")]
