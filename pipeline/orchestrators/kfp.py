"""Kubeflow Pipelines 2: the intermediate representation (IR) as YAML, by kfp's own compiler.

Tasks are lightweight Python components, because kfp's local runner runs nothing else without
Docker. So the image has to have `kfp` beside Rootstock: nothing is installed when a task starts.
"""

# without `from __future__ import annotations`: kfp reads the annotations of components

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

import yaml
from google.protobuf import json_format

from components.errors import RootstockError
from pipeline.orchestrators.base import Compilation, Target, Task


@dataclass(frozen=True)
class Kfp(Target):
    """Kubeflow Pipelines."""

    name: Literal["kfp"] = "kfp"
    suffix: str = ".kfp.yaml"

    def compiled(self, what: Compilation) -> str:
        try:
            from kfp import dsl
        except ImportError as e:
            raise RootstockError(
                "--to kfp: needs the package kfp, which is not installed. To install it:"
                " pip install -c constraints.lock '.[kfp]'"
            ) from e
        if what.settings.image is None:
            raise RootstockError(
                "orchestration.image: expected the container image of the tasks, such as"
                " registry.example.com/rootstock:0.1.0. The Dockerfile of Rootstock builds one with"
                " kfp."
            )
        pipeline = dsl.pipeline(_pipeline(dsl, what), name=_kfp_name(what.name))
        # kfp's own writer puts the spec, which has several lines, into a comment of one line
        documents = [json_format.MessageToDict(pipeline.pipeline_spec)]
        if platform := json_format.MessageToDict(pipeline.platform_spec):
            documents.append(platform)
        text = yaml.dump_all(documents, Dumper=_Dumper, width=1000, allow_unicode=True)
        return (
            f"# The stages of the Rootstock spec {what.name}: `rootstock compile --to kfp`\n{text}"
        )

    def notes(self, what: Compilation) -> Iterator[str]:
        if what.settings.schedule:
            yield (
                "Kubeflow keeps schedules beside pipelines. After the upload: kfp recurring-run"
                f' create --cron-expression "0 {what.settings.schedule}" … (six fields: seconds'
                " first)."
            )


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as they are."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        style = "|" if "\n" in text else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)


def _pipeline(dsl: ModuleType, what: Compilation) -> Callable[..., Any]:
    """The function that kfp traces. Its parameters are those of a run."""
    given = _parameters(what)

    def pipeline(*channels: Any) -> Any:
        values = dict.fromkeys(("data", "spans"), "") | dict(zip(given, channels, strict=True))
        done = None
        for task in what.tasks:
            component = _component(dsl, what, last=task is what.tasks[-1])
            component.component_spec.name = task.name
            step = component(
                name=what.name, arguments=list(task.arguments), spans_of=list(what.spans), **values
            )
            _ask(step, task, what)
            if done is not None:
                step.after(done)
            done = step
        return done.outputs["Output"]  # type: ignore[union-attr]

    parameters = [
        inspect.Parameter(
            name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=value, annotation=type(value)
        )
        for name, value in given.items()
    ]
    pipeline.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        parameters, return_annotation=dict
    )
    pipeline.__doc__ = f"The stages of the Rootstock spec {what.name}."
    return pipeline


def _parameters(what: Compilation) -> Mapping[str, Any]:
    """The parameters of a run, with their defaults."""
    return {
        "spec": what.spec,
        "overrides": [],
        **({} if what.data is None else {"data": what.data}),
        **({"spans": ""} if what.spans else {}),
    }


def _ask(step: Any, task: Task, what: Compilation) -> None:
    """What a task wants of the cluster."""
    step.set_caching_options(False)  # caching is ours, by content
    if what.settings.retries:
        step.set_retry(num_retries=what.settings.retries)
    asked = task.resources
    if asked.cpu:
        step.set_cpu_request(f"{asked.cpu:g}")
    if asked.memory:
        step.set_memory_request(asked.memory).set_memory_limit(asked.memory)
    if asked.gpus:
        step.set_accelerator_type(asked.gpu).set_accelerator_limit(asked.gpus)
    if secrets := what.settings.secrets:
        each = [_secret(name, *place.split("/")) for name, place in secrets.items()]
        step.platform_config["kubernetes"] = {"secretAsEnv": each}


def _secret(variable: str, secret: str, key: str) -> dict[str, Any]:
    """As the package kfp-kubernetes writes it, for older and newer versions of Kubeflow."""
    return {
        "secretName": secret,
        "secretNameParameter": {"runtimeValue": {"constant": secret}},
        "keyToEnv": [{"secretKey": key, "envVar": variable}],
    }


def _component(dsl: ModuleType, what: Compilation, last: bool) -> Any:
    """A component of some stages, or of the last ones, which has the outcome of the run."""
    # kfp copies the source of these two functions into the file, where `run_rootstock` is beside
    # them, so they import nothing from here.

    def stages(
        name: str,
        spec: str,
        arguments: list[str],
        data: str,
        spans: str,
        spans_of: list[str],
        overrides: list[str],
    ) -> list[Any]:
        run = name, spec, arguments, data, spans, spans_of, overrides
        return list(run_rootstock(*run))

    def last_stages(
        name: str,
        spec: str,
        arguments: list[str],
        data: str,
        spans: str,
        spans_of: list[str],
        overrides: list[str],
        page: dsl.Output[dsl.HTML],  # type: ignore[name-defined]
        metrics: dsl.Output[dsl.Metrics],  # type: ignore[name-defined]
    ) -> dict[str, Any]:
        run = name, spec, arguments, data, spans, spans_of, overrides
        outcome = dict(run_rootstock(*run, page.path))
        for task, values in outcome["metrics"].items():
            for metric, value in values.items():
                if isinstance(value, float):
                    metrics.log_metric(f"{task} {metric}", value)
        return outcome

    return dsl.component(
        last_stages if last else stages,
        base_image=what.settings.image,
        install_kfp_package=False,
        additional_funcs=[run_rootstock],
    )


def run_rootstock(
    name: str,
    spec: str,
    arguments: list[str],
    data: str,
    spans: str,
    spans_of: list[str],
    overrides: list[str],
    page: str = "",
) -> Any:
    """Run `rootstock run` on a spec, and return what it says at the end. A failure ends this
    process with its exit code.

    page: where to write the page of the run.
    """
    import json
    import pathlib
    import subprocess
    import sys
    import tempfile

    import fsspec

    sets = [*(f"{key}={spans}" for key in spans_of if spans), *overrides]
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, f"{name}.yaml")
        file.write_text(spec, encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "pipeline.cli.main",
            "run",
            str(file),
            "--json",
            *arguments,
        ]
        command += ["--data", data] if data else []
        command += [part for value in sets for part in ("--set", value)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(done.returncode)
    said = json.loads(done.stdout.splitlines()[-1])
    if page and said["page"]:
        try:
            with fsspec.open(said["page"], "rb") as written:
                pathlib.Path(page).write_bytes(written.read())
        except Exception as e:  # whatever it is, the model is trained and pushed
            print(f"The page of this run could not be fetched: {e!r}", file=sys.stderr)
    return said


def _kfp_name(name: str) -> str:
    """A name that Kubeflow allows: lower case, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
