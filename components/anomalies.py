"""Anomalies as sentences for people."""

from __future__ import annotations

from components.artifacts import Anomalies


def errors(anomalies: Anomalies) -> list[str]:
    """What makes the data unusable, one sentence each; empty when all is well."""
    return _sentences(anomalies, "ERROR")


def warnings(anomalies: Anomalies) -> list[str]:
    """What a person should know although training can go on, one sentence each."""
    return _sentences(anomalies, "WARNING")


def _sentences(anomalies: Anomalies, severity: str) -> list[str]:
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    text = (anomalies.path / "anomalies.pbtxt").read_text()
    found = text_format.Parse(text, anomalies_pb2.Anomalies())
    return [
        reason.description
        for _, info in sorted(found.anomaly_info.items())
        if anomalies_pb2.AnomalyInfo.Severity.Name(info.severity) == severity
        for reason in info.reason
    ]
