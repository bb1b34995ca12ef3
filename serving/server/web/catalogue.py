"""What is served, for the page that asks it: models, versions, labels, inputs and answers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from serving.server.models import Models
from serving.server.served_model import Target, VersionStatus
from serving.wire.errors import ServingError
from serving.wire.names import State

Json = dict[str, Any]


def catalogue(models: Models, grpc_port: int | None) -> Json:
    """All models that answer now, with their available versions, newest first.

    grpc_port: where gRPC listens; None if it does not.
    """
    described = []
    for name in models.names():
        versions: list[Json] = []
        for status in _status(models, name):
            try:
                with models.use(Target(name, status.number)) as (number, model):
                    versions.append({"version": number, **asdict(model.interface)})
            except ServingError:  # it was unloaded meanwhile
                continue
        described.append({"name": name, "labels": models.labels(name), "versions": versions})
    return {"grpc_port": grpc_port, "models": described}


def _status(models: Models, name: str) -> list[VersionStatus]:
    try:
        return [v for v in models.status(Target(name)) if v.state is State.AVAILABLE]
    except ServingError:  # no version was ever there
        return []
