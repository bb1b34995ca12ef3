"""The error of a failed request, with the status codes that gRPC and TF Serving share."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """Canonical status codes; the values are those of gRPC.

    http: the HTTP status that TF Serving responds with.
    """

    http: int

    OK = 0, 200
    CANCELLED = 1, 499
    UNKNOWN = 2, 500
    INVALID_ARGUMENT = 3, 400
    DEADLINE_EXCEEDED = 4, 504
    NOT_FOUND = 5, 404
    ALREADY_EXISTS = 6, 409
    PERMISSION_DENIED = 7, 403
    RESOURCE_EXHAUSTED = 8, 429
    FAILED_PRECONDITION = 9, 400
    ABORTED = 10, 409
    OUT_OF_RANGE = 11, 400
    UNIMPLEMENTED = 12, 501
    INTERNAL = 13, 500
    UNAVAILABLE = 14, 503
    DATA_LOSS = 15, 500
    UNAUTHENTICATED = 16, 401

    def __new__(cls, value: int, http: int = 500) -> Code:  # lookups like `Code(5)` have no http
        code = int.__new__(cls, value)
        code._value_, code.http = value, http
        return code

    @classmethod
    def of_http(cls, status: int) -> Code:
        """The most general code with this HTTP status; UNKNOWN if there is none."""
        general = {code.http: code for code in cls} | {400: cls.INVALID_ARGUMENT, 500: cls.INTERNAL}
        return general.get(status, cls.UNKNOWN)


class ServingError(Exception):
    """A request failed. code: the kind of failure. message: the reason."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(code, message)  # so that pickle can create it again
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"


def invalid(message: str) -> ServingError:
    """The error for a request that is wrong in itself."""
    return ServingError(Code.INVALID_ARGUMENT, message)
