"""The client over gRPC, against a server in this process."""

import numpy as np
import pytest

from serving.client.client import Client
from serving.wire.errors import Code, ServingError


def test_predict_status_and_metadata(urls: dict[str, str]) -> None:
    with Client(urls["grpc"], "m") as client:
        outputs = client.predict({"age": [0, 0], "text": ["abc", b"\xff"]})
        assert outputs["sure"].tolist() == [[0.5], [0.5]]
        assert outputs["size"].tolist() == [3.0, 1.0]
        assert outputs["size"].dtype == np.float32
        (version,) = client.status()
        assert (version.version, version.state, version.error_code) == (1, "AVAILABLE", "OK")
        signature = client.metadata()["size"]
        assert signature.inputs.keys() == {"age", "text"}
        assert signature.outputs["size"].shape == (-1,)


def test_a_version_and_a_signature_can_be_chosen(urls: dict[str, str]) -> None:
    with Client(urls["grpc"], "m", version=1, signature="size") as client:
        assert client.predict({"age": [0], "text": ["ab"]}).keys() == {"size"}


@pytest.mark.parametrize(
    ("version", "label", "code", "message"),
    [
        (9, None, Code.NOT_FOUND, r"Specific\(m, 9\)"),
        (None, "none", Code.INVALID_ARGUMENT, "Unrecognized servable version label: none"),
    ],
)
def test_errors_keep_their_code_and_message(
    urls: dict[str, str], version: int | None, label: str | None, code: Code, message: str
) -> None:
    with Client(urls["grpc"], "m", version, label=label) as client:
        with pytest.raises(ServingError, match=message) as caught:
            client.metadata()
        assert caught.value.code is code
