"""What a client's transports share: their interface, and the answers they give."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class TensorSpec:
    """data_type: TensorFlow's DataType number. shape: -1 for any size; None for any rank."""

    data_type: int
    shape: tuple[int, ...] | None


@dataclass(frozen=True)
class Signature:
    """What a signature takes and answers."""

    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]


@dataclass(frozen=True)
class VersionStatus:
    """state: UNKNOWN, START, LOADING, AVAILABLE, UNLOADING or END. error_code: OK, or why."""

    version: int
    state: str
    error_code: str
    error_message: str


@dataclass(frozen=True)
class Endpoint:
    """One model of one server. version, label: which of its versions, the newest if neither.

    timeout_s: of each call. token: a bearer token. ca: PEM certificates to trust, instead of the
    system's. secure: over TLS.
    """

    address: str
    model: str
    version: int | None = None
    label: str | None = None
    timeout_s: float = 60.0
    token: str | None = None
    ca: Path | None = None
    secure: bool = False


class Transport(ABC):
    """One way to reach one model. All methods raise `ServingError`."""

    @abstractmethod
    def predict(
        self, name: str, signature: Signature, inputs: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Answers of the signature of this name; inputs have its types already."""

    @abstractmethod
    def status(self) -> list[VersionStatus]:
        """All versions, or the one asked for."""

    @abstractmethod
    def metadata(self) -> dict[str, Signature]:
        """All signatures by name."""

    @abstractmethod
    def close(self) -> None:
        """End the connection."""
