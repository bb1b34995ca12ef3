"""A request to the REST API and the response that TF Serving gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PREDICT = "/v1/models/half_plus_two:predict"
CLASSIFY = "/v1/models/classes:classify"
REGRESS = "/v1/models/half_plus_two:regress"


@dataclass(frozen=True)
class RestCase:
    """expected: the JSON of the response if `status` is 200, else a part of the error."""

    path: str
    body: bytes
    expected: Any
    status: int = 200
    method: str = "POST"
    headers: tuple[tuple[str, str], ...] = ()
