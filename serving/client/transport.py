"""The interface of a client's transports, and the types of their results."""

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
    """The inputs and outputs of a signature by name."""

    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]


@dataclass(frozen=True)
class VersionStatus:
    """state: UNKNOWN, START, LOADING, AVAILABLE, UNLOADING or END.

    error_code: OK, or why the version could not be loaded.
    """

    version: int
    state: str
    error_code: str
    error_message: str


@dataclass(frozen=True)
class Endpoint:
    """One model of one server.

    version, label: choose a version; by default the newest. timeout_s: of each call. token: a
    bearer token. ca: a PEM file with the certificates to trust; None: the system's. secure: use
    TLS.
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
    """A protocol to call one model. All methods raise `ServingError`."""

    @abstractmethod
    def predict(
        self, name: str, signature: Signature, inputs: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """The outputs of the signature `name`. The inputs have the right types already."""

    @abstractmethod
    def status(self) -> list[VersionStatus]:
        """The status of the chosen version, or of all versions."""

    @abstractmethod
    def metadata(self) -> dict[str, Signature]:
        """All signatures by name."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""
