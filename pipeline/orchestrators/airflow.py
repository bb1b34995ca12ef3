"""Airflow 3: a DAG file, which needs only Airflow. Each task calls `rootstock` by a shell script.

With `orchestration.image` a task is a pod of Kubernetes; without it, a process of the worker, which
has the program `rootstock` (or the environment variable ROOTSTOCK, which names it).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.orchestrators.base import Compilation, Target, Task
from pipeline.spec.orchestration import Resources


@dataclass(frozen=True)
class Airflow(Target):
    """Apache Airflow."""

    name: Literal["airflow"] = "airflow"
    suffix: str = "_dag.py"

    def compiled(self, what: Compilation) -> str:
        environment = Environment(
            loader=FileSystemLoader(Path(__file__).parent),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            variable_start_string="[[",  # the file has Airflow's own {{ }}
            variable_end_string="]]",
        )
        environment.filters["python"] = _python
        return environment.get_template("dag.py.jinja").render(
            what=what,
            pods=what.settings.image is not None,
            lines=what.spec.splitlines(keepends=True),
            tasks=[(task.name, _arguments(task), _resources(task)) for task in what.tasks],
            secrets=[(name, *key.split("/")) for name, key in what.settings.secrets.items()],
        )

    def notes(self, what: Compilation) -> Iterator[str]:
        if what.settings.image is not None:
            yield "Tasks are pods: Airflow needs apache-airflow-providers-cncf-kubernetes."
            return
        yield (
            "Tasks call the program `rootstock` of Airflow's workers, or the one that their"
            " environment variable ROOTSTOCK names. With orchestration.image they are pods."
        )
        for name in what.settings.secrets:
            yield f"Every worker has to have the environment variable {name}."
        if any(task.resources != Resources() for task in what.tasks):
            yield "Warning: orchestration.resources needs pods: nothing limits a worker's process."


def _arguments(task: Task) -> str:
    """Arguments for the shell, which Airflow's Jinja leaves as they are."""
    return shlex.join(task.arguments).replace("{", "{{ '{' }}")


def _resources(task: Task) -> dict[str, dict[str, str]]:
    asked = task.resources
    limits = {"memory": asked.memory} if asked.memory else {}
    limits |= {asked.gpu: str(asked.gpus)} if asked.gpus else {}
    requests = {**limits, **({"cpu": f"{asked.cpu:g}"} if asked.cpu else {})}
    return {name: of for name, of in (("requests", requests), ("limits", limits)) if of}


def _python(value: Any) -> str:
    """A text, a number, None, or a dictionary or list of them as Python code, in double quotes."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_python(k)}: {_python(v)}" for k, v in value.items()) + "}"
    return repr(value)
