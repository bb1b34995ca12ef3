"""Anomalies: what is found wrong with examples, its TFX proto, and sentences for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from components.artifacts import Anomalies

FILE = "anomalies.pbtxt"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong.

    subject: a column name, or `inputs.<name>` or `tasks.<name>`. column: the column concerned.
    type: the name of an `AnomalyInfo.Type`. sentence: says all of it by itself.
    """

    subject: str
    column: str
    sentence: str
    severity: Literal["ERROR", "WARNING"] = "ERROR"
    type: str = "CUSTOM_VALIDATION"


def errors(anomalies: Anomalies) -> list[str]:
    """What makes the data unusable, one sentence each; empty when all is well."""
    return _sentences(anomalies, "ERROR")


def warnings(anomalies: Anomalies) -> list[str]:
    """What a person should know although training can go on, one sentence each."""
    return _sentences(anomalies, "WARNING")


def save_anomalies(findings: Sequence[Finding], directory: Path) -> None:
    """Write `anomalies.pbtxt` into an existing directory: one entry per subject and severity."""
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    result = anomalies_pb2.Anomalies()
    for finding in findings:
        warning = finding.severity == "WARNING"
        key = f"{finding.subject} (warning)" if warning else finding.subject
        info = result.anomaly_info[key]
        if not info.path.step:
            info.path.step.append(finding.column)
        info.severity = anomalies_pb2.AnomalyInfo.Severity.Value(finding.severity)
        info.reason.add(
            type=anomalies_pb2.AnomalyInfo.Type.Value(finding.type),
            short_description=finding.type.capitalize().replace("_", " "),
            description=finding.sentence,
        )
        several = len(info.reason) > 1
        info.short_description = "Multiple reasons" if several else info.reason[0].short_description
        info.description = " ".join(r.description for r in info.reason)
    (directory / FILE).write_text(text_format.MessageToString(result), encoding="utf-8")


def _sentences(anomalies: Anomalies, severity: str) -> list[str]:
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    text = (anomalies.path / FILE).read_text(encoding="utf-8")
    found = text_format.Parse(text, anomalies_pb2.Anomalies())
    wanted = anomalies_pb2.AnomalyInfo.Severity.Value(severity)
    return [
        reason.description
        for _, info in sorted(found.anomaly_info.items())
        if info.severity == wanted
        for reason in info.reason
    ]
