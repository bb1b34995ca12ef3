"""Status codes: gRPC's numbers, and TF Serving's HTTP statuses."""

import pickle

import grpc
import pytest

from serving.wire.errors import Code, ServingError, invalid


@pytest.mark.parametrize("code", Code)
def test_codes_are_those_of_grpc(code: Code) -> None:
    assert grpc.StatusCode[code.name].value[0] == code


@pytest.mark.parametrize("code", Code)
def test_a_status_reads_back_as_a_code_with_that_status(code: Code) -> None:
    assert Code.of_http(code.http).http == code.http


def test_statuses_that_need_no_code_are_unknown() -> None:
    assert Code.of_http(418) is Code.UNKNOWN
    assert (Code.INVALID_ARGUMENT.http, Code.RESOURCE_EXHAUSTED.http) == (400, 429)


def test_an_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(ServingError(Code.NOT_FOUND, "gone")))
    assert (error.code, error.message, str(error)) == (Code.NOT_FOUND, "gone", "NOT_FOUND: gone")
    assert invalid("wrong").code is Code.INVALID_ARGUMENT
