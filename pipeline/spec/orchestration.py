"""The `orchestration` section of a spec: what its stages ask of a cluster."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.spec.part import Part

TaskName = Literal[
    "ingest", "check", "transform", "pretrain", "train", "ensemble", "export", "evaluate", "push"
]
"""The tasks of a compiled pipeline: see `pipeline.phases`."""
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Cron = Annotated[str, Field(pattern=r"^[0-9A-Za-z*?/,#-]+( [0-9A-Za-z*?/,#-]+){4}$")]
Memory = Annotated[str, Field(pattern=r"^[1-9][0-9]*(K|M|G|T|Ki|Mi|Gi|Ti)$")]
SecretKey = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?/[A-Za-z0-9._-]+$")]


class Resources(Part):
    """What a task asks the cluster for.

    cpu: number of cores. memory: such as `16Gi`; a task that needs more is ended. gpus: number of
        GPUs. gpu: what Kubernetes calls them.
    """

    cpu: Annotated[float, Field(gt=0)] | None = None
    memory: Memory | None = None
    gpus: Annotated[int, Field(ge=0)] = 0
    gpu: str = "nvidia.com/gpu"


class Orchestration(Part):
    """What `rootstock compile` asks an orchestrator for. A run on this machine ignores it.

    image: the container image of all tasks, which has Rootstock.
    schedule: when runs start, as the five fields of cron: `0 6 * * *`.
    retries: further attempts of a task that fails.
    resources: by task: ingest, check, transform, pretrain, train, ensemble, export, evaluate, push.
    secrets: environment variables from secrets of Kubernetes: `DB_PASSWORD: shop/password` is the
        key `password` of the secret `shop`.
    """

    image: str | None = None
    schedule: Cron | None = None
    retries: Annotated[int, Field(ge=0)] = 0
    resources: dict[TaskName, Resources] = Field(default={})
    secrets: dict[Variable, SecretKey] = Field(default={})
