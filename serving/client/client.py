"""A client of the embedded server and of TF Serving, over REST or gRPC, without TensorFlow.

>>> client = Client("grpc://localhost:8500", "digits")         # doctest: +SKIP
>>> client.predict({"image": [open("7.png", "rb").read()]})    # doctest: +SKIP
{'digit': array([[0.01, …]], dtype=float32), 'odd': array([[0.97]], dtype=float32)}
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from serving.client.rest_transport import RestTransport
from serving.client.transport import Endpoint, Signature, TensorSpec, Transport, VersionStatus
from serving.wire.errors import Code, ServingError, invalid
from serving.wire.names import DEFAULT_SIGNATURE
from serving.wire.tensors import STRING, as_bytes, numpy_type, type_name

__all__ = ["Client", "Code", "ServingError", "Signature", "VersionStatus"]

_SCHEMES = ("http", "https", "grpc", "grpcs")
_FIRST_PAUSE_S = 0.1
T = TypeVar("T")


class Client:
    """Calls one model of one server. Do not share a client between threads."""

    def __init__(
        self,
        url: str,
        model: str,
        version: int | None = None,
        signature: str | None = None,
        timeout_s: float = 60.0,
        *,
        label: str | None = None,
        retries: int = 0,
        token: str | None = None,
        ca: Path | None = None,
    ) -> None:
        """The first call opens the connection.

        Args:
            url: `http://host:port` or `grpc://host:port`; with TLS `https://` or `grpcs://`.
            model: the name of the model.
            version: the version to call; None: the newest.
            signature: the signature that `predict` calls; None: the one of all tasks.
            timeout_s: of each attempt.
            label: call the version with this label, such as `stable`.
            retries: how often to repeat a call if the server is unavailable. The first pause is
                0.1 s; each further pause is twice as long.
            token: the bearer token, if the server needs one.
            ca: a PEM file with the certificates to trust; None: the system's.

        Raises:
            ValueError: another kind of URL, or both a version and a label.
        """
        scheme, separator, address = url.partition("://")
        address = address.rstrip("/")
        if scheme not in _SCHEMES or not separator or not address or "/" in address:
            raise ValueError(f"Expected http://host:port or grpc://host:port. Received: {url!r}")
        if version is not None and label is not None:
            raise ValueError("Expected a version or a label, not both.")
        secure = scheme in ("https", "grpcs")
        endpoint = Endpoint(address, model, version, label, timeout_s, token, ca, secure)
        self._transport: Transport
        if scheme.startswith("http"):
            self._transport = RestTransport(endpoint)
        else:
            from serving.client.grpc_transport import GrpcTransport

            self._transport = GrpcTransport(endpoint)
        self._retries = retries
        self.signature = signature or DEFAULT_SIGNATURE
        self._signatures: dict[str, Signature] | None = None

    def predict(self, inputs: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
        """Call the signature.

        Args:
            inputs: a batch per input: numbers, or text or bytes for string inputs. Numbers are
                converted to the type of the input.

        Returns:
            The outputs, [batch, ...] in the type of the output; strings are object arrays of bytes.

        Raises:
            ServingError: with the server's code and message. INVALID_ARGUMENT: an input cannot be
                converted. UNAVAILABLE: the server cannot be reached. DEADLINE_EXCEEDED: timeout.
        """
        signature = self._signature()
        arrays = {name: _convert(name, value, signature) for name, value in inputs.items()}
        name = self.signature
        return self._with_retries(lambda: self._transport.predict(name, signature, arrays))

    def class_probabilities(self, inputs: Mapping[str, ArrayLike]) -> dict[str, dict[str, float]]:
        """The probability of every class of one example, by task and class name, in the
        order of the model's classes.

        It asks the model's signatures `classify_<task>`. Tasks without one, such as regression,
        are left out, and so is everything that the signature of `predict` does not answer.

        inputs: as for `predict`, one row.

        Raises:
            ServingError: see `predict`.
        """
        signature = self._signature()
        arrays = {name: _convert(name, value, signature) for name, value in inputs.items()}
        found = {}
        for task in signature.outputs:
            name = f"classify_{task}"
            known = (self._signatures or {}).get(name)
            if known is not None and known.inputs.keys() == {"inputs"}:
                example = {"inputs": np.array([_example(arrays)], object)}
                call = partial(self._transport.predict, name, known, example)
                answer = self._with_retries(call)
                names = [bytes(c).decode() for c in answer["classes"][0]]
                pairs = zip(names, answer["scores"][0].tolist(), strict=True)
                found[task] = dict(pairs)
        return found

    def status(self) -> list[VersionStatus]:
        """The status of the model's versions, newest first. Raises ServingError."""
        return self._with_retries(self._transport.status)

    def metadata(self) -> dict[str, Signature]:
        """The model's signatures by name. Raises ServingError."""
        return self._with_retries(self._transport.metadata)

    @property
    def inputs(self) -> Mapping[str, TensorSpec]:
        """The types and shapes of the inputs of `predict`. Raises ServingError."""
        return self._signature().inputs

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _with_retries(self, call: Callable[[], T]) -> T:
        for attempt in range(self._retries):
            try:
                return call()
            except ServingError as error:
                if error.code is not Code.UNAVAILABLE:
                    raise
            time.sleep(_FIRST_PAUSE_S * 2**attempt)
        return call()

    def _signature(self) -> Signature:
        if self._signatures is None:
            self._signatures = self.metadata()
        if self.signature not in self._signatures:
            known = ", ".join(sorted(self._signatures))
            message = f"The model has no signature {self.signature!r}. It has: {known}"
            raise ServingError(Code.FAILED_PRECONDITION, message)
        return self._signatures[self.signature]


def _convert(name: str, value: ArrayLike | Sequence[bytes], signature: Signature) -> np.ndarray:
    """Convert a batch to the type of the input. The server checks its shape."""
    if name not in signature.inputs:
        raise invalid(f"There is no input {name!r}. Inputs: {', '.join(sorted(signature.inputs))}")
    data_type = signature.inputs[name].data_type
    if data_type == STRING:
        texts = np.asarray(value, dtype=object)
        flat = np.empty(texts.size, object)
        flat[:] = [as_bytes(item) for item in texts.ravel().tolist()]
        return flat.reshape(texts.shape)
    array = np.asarray(value)
    try:
        if array.dtype.kind in "SU":
            raise ValueError
        return array.astype(numpy_type(data_type))
    except (TypeError, ValueError):
        expected = type_name(data_type)
        raise invalid(f"Input {name!r} takes {expected}. Received: {array.dtype}") from None


def _example(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The first row as a serialised `tf.train.Example`."""
    from serving.wire.protos import Example

    example = Example()
    for name, array in arrays.items():
        feature = example.features.feature[name]
        if array.dtype == object:
            feature.bytes_list.value.append(array[0])
        else:
            feature.float_list.value.append(float(array[0]))
    return bytes(example.SerializeToString(deterministic=True))
