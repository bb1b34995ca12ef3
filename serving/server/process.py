"""The server process: start, listen, stop."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import cast

import grpc
import uvicorn

from serving.files import write_atomically
from serving.server.api import grpc_api, rest
from serving.server.api.http_protocol import bounded_http
from serving.server.batching import Batcher
from serving.server.exit_codes import UNLOADABLE
from serving.server.models import Models
from serving.server.monitoring import Monitoring
from serving.server.options import batching_of, configs, limits_of, parse
from serving.server.saved_model import SavedModel
from serving.server.warmup import warm_up

_GRACE_S = 30.0
_KEEP_ALIVE_S = 60


class PortTaken(Exception):
    """The server cannot listen on a port."""


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT.

    Once every model is available, the server writes one line of JSON to standard output and to the
    ready file: `{"host", "rest_port", "grpc_port", "pid"}`.

    Returns:
        The exit code: 0 after SIGTERM, 130 after SIGINT, 2 if a port cannot be used, 3 if a model
        cannot be loaded and `--exit-on-failure` is set.
    """
    options = parse(arguments)
    limits, threads = limits_of(options), options.threads or max(8, 2 * (os.cpu_count() or 1))
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("serving").setLevel(logging.INFO)
    stop = _Stop()
    monitoring = Monitoring()
    load = _loader(options, monitoring)
    models = Models(configs(options), load, monitoring, options.poll_seconds)
    try:
        listener = _listen(options.host, options.rest_port)
        grpc_server = grpc_api.server(models, limits, threads)
        grpc_port = _bind(grpc_server, options)
    except PortTaken as error:
        print(error, file=sys.stderr)
        return 2
    web = uvicorn.Server(
        uvicorn.Config(
            rest.RestApplication(models, limits, threads, grpc_port),
            http=cast(type[asyncio.Protocol], bounded_http(limits)),
            ssl_certfile=options.tls_cert,
            ssl_keyfile=options.tls_key,
            lifespan="off",
            log_level="warning",
            timeout_graceful_shutdown=int(_GRACE_S),
            timeout_keep_alive=_KEEP_ALIVE_S,
        )
    )
    web_thread = Thread(target=web.run, args=([listener],), name="rest")
    web_thread.start()
    grpc_server.start()
    models.start()
    ports = (listener.getsockname()[1], grpc_port)
    Thread(target=_announce, args=(models, options, *ports), daemon=True).start()
    if options.stop_with_stdin:
        Thread(target=stop.when_stdin_closes, daemon=True).start()
    if options.exit_on_failure:
        Thread(target=stop.when_unloadable, args=(models,), daemon=True).start()
    stop.wait()
    web.should_exit = True
    grpc_server.stop(_GRACE_S).wait()
    web_thread.join()
    models.stop()
    return stop.exit_code


def _announce(models: Models, options: argparse.Namespace, rest_port: int, grpc_port: int) -> None:
    models.wait_available()
    ports = {"rest_port": rest_port, "grpc_port": grpc_port}
    line = json.dumps({"host": options.host, **ports, "pid": os.getpid()})
    print(line, flush=True)
    if options.ready_file:
        write_atomically(options.ready_file, line + "\n")


class _Stop:
    """Waits until the server has to stop."""

    def __init__(self) -> None:
        self.exit_code = 0
        self._event = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._received)

    def wait(self) -> None:
        self._event.wait()

    def when_stdin_closes(self) -> None:
        """Stop once the parent process has ended or has closed our standard input."""
        while os.read(0, 4096):  # not through `sys.stdin`: its lock must be free at exit
            pass
        self._event.set()

    def when_unloadable(self, models: Models) -> None:
        """Stop once a model cannot be loaded."""
        models.wait_failed()
        self.exit_code = UNLOADABLE
        self._event.set()

    def _received(self, number: int, frame: object) -> None:
        self.exit_code = 130 if number == signal.SIGINT else 0
        self._event.set()


def _bind(server: grpc.Server, options: argparse.Namespace) -> int:
    host, port = options.host, options.grpc_port
    if port:  # gRPC's own error does not name the reason
        _listen(host, port, "gRPC").close()
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if options.tls_cert is None:
        return int(server.add_insecure_port(address))
    pair = (options.tls_key.read_bytes(), options.tls_cert.read_bytes())
    return int(server.add_secure_port(address, grpc.ssl_server_credentials([pair])))


def _loader(options: argparse.Namespace, monitoring: Monitoring) -> Callable[[Path], SavedModel]:
    batching = batching_of(options)
    batcher = None if batching is None else Batcher(batching, monitoring.count_batch)

    def load(path: Path) -> SavedModel:
        model = SavedModel(path, batcher)
        try:
            warm_up(model, path)
        except BaseException:
            model.close()
            raise
        return model

    return load


def _listen(host: str, port: int, api: str = "REST") -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # only with the protocol named does asyncio turn off Nagle's algorithm, which delays by 40 ms
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except (OSError, OverflowError) as error:
        bound.close()
        reason = error.strerror if isinstance(error, OSError) else error
        raise PortTaken(
            f"{api} port {port} of {host} cannot be used: {reason}. Stop the program that listens "
            f"there, or choose another port with --{api.lower()}-port (0: a free one)."
        ) from None
    return bound
