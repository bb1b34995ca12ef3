"""Ports of the server; see tests/integration for the whole process."""

import socket

import pytest

from serving.server.process import PortTaken, _listen


def test_a_taken_port_is_explained() -> None:
    with _listen("127.0.0.1", 0) as listener:
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(PortTaken) as caught:
            _listen("127.0.0.1", port, "gRPC")
    message = str(caught.value)
    assert message.startswith(f"gRPC port {port} of 127.0.0.1 cannot be used: Address already")
    assert "choose another port with --grpc-port (0: a free one)" in message


@pytest.mark.parametrize("port", [-1, 70000])
def test_an_impossible_port_is_explained(port: int) -> None:
    with pytest.raises(PortTaken, match=f"REST port {port} of 127.0.0.1 cannot be used"):
        _listen("127.0.0.1", port)


def test_small_responses_are_sent_at_once() -> None:
    with _listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP  # asyncio then turns off Nagle's algorithm
