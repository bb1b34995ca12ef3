"""Anomalies: problems of the examples, as a TFX proto and as sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from components.artifacts import Anomalies

FILE = "anomalies.pbtxt"
Severity = Literal["ERROR", "WARNING"]


@dataclass(frozen=True)
class Finding:
    """One problem.

    subject: a column name, `inputs.<name>` or `tasks.<name>`. column: the affected column.
    type: the name of an `AnomalyInfo.Type`. sentence: describes the problem completely.
    """

    subject: str
    column: str
    type: str
    sentence: str
    severity: Severity = "ERROR"


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
    anomalies_proto = text_format.Parse(text, anomalies_pb2.Anomalies())
    level = anomalies_pb2.AnomalyInfo.Severity.Value(severity)
    return [
        reason.description
        for _, info in sorted(anomalies_proto.anomaly_info.items())
        if info.severity == level
        for reason in info.reason
    ]


errors = partial(_sentences, severity="ERROR")
"""Problems that make the data unusable, one sentence each."""
warnings = partial(_sentences, severity="WARNING")
"""Problems that do not prevent training, one sentence each."""
