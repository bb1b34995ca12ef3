"""Sends a study or a search to the MLflow of its spec."""

from __future__ import annotations

import sys
from pathlib import Path

from models.masked_url import without_secrets
from pipeline.spec.sections import Spec
from pipeline.spec.trunk_lookup import tracking_uri
from pipeline.store.place import local
from pipeline.tracking.groups import Group, send


def record_group(spec: Spec, group: Group, report: Path) -> None:
    """Send a group and the directory of its report, unless the spec has no tracking.

    A failure is only printed: the report is complete without MLflow.
    """
    if spec.tracking.backend == "none":
        return
    experiment = spec.tracking.experiment or spec.name
    try:
        send(group, report, tracking_uri(spec).reveal(), experiment, local(spec.store))
    except Exception as e:
        message = f"MLflow does not have {group.name} yet ({without_secrets(str(e))})."
        print(f"{message} Run the same command again to send it.", file=sys.stderr)
