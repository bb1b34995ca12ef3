"""`evaluation.html`: the evaluation and its verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.evaluation.task_section import TaskSection, sections
from serving.pages import render

Json = Mapping[str, Any]


@dataclass(frozen=True)
class EvaluationPage:
    """What the template reads. report, verdict: `evaluation.json` and `blessing.json`, parsed."""

    report: Json
    verdict: Json
    title: str = "Evaluation"

    @property
    def sections(self) -> list[TaskSection]:
        return sections(self.report)


def page(report: Json, verdict: Json) -> str:
    """The page as HTML. report, verdict: `evaluation.json` and `blessing.json`, parsed."""
    return render(__name__, EvaluationPage(report, verdict))
