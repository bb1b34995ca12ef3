"""`rootstock run --workers`: this process is the chief, and starts the workers of this machine."""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

from components.errors import RootstockError
from components.training.workers import TF_CONFIG, environment_of, started, workers_from

WAIT_FOR_THE_END_S = 30.0
LOCAL = {"localhost", "127.0.0.1"}


@contextlib.contextmanager
def with_workers(addresses: str | None) -> Iterator[None]:
    """Be the first of these workers. Start those with an address of this machine, and print the
    command of the others.

    addresses: as on the command line; None to train alone, or as `TF_CONFIG` says.

    Raises:
        RootstockError: the addresses are wrong.
    """
    if addresses is None:
        yield
        return
    if TF_CONFIG in os.environ:
        raise RootstockError(
            f"--workers sets {TF_CONFIG}, which is set already. Use one of the two."
        )
    each = tuple(part.strip() for part in addresses.split(","))
    environments = [environment_of(each, index) for index in range(len(each))]
    workers_from(environments[0])  # checks them
    arguments = _without_workers(sys.argv[1:])
    quiet = [a for a in arguments if a not in ("-v", "--verbose", "-q", "--quiet", "--json")]
    command = [sys.executable, "-m", "pipeline.cli.main", *quiet, "--quiet"]
    os.environ |= environments[0]
    try:
        for address, environment in list(zip(each, environments, strict=True))[1:]:
            if address.rpartition(":")[0] in {*LOCAL, socket.gethostname()}:
                own = {**os.environ, **environment}
                started[address] = subprocess.Popen(command, env=own, stdout=subprocess.DEVNULL)
            else:
                task = shlex.quote(environment[TF_CONFIG])
                command_there = f"{TF_CONFIG}={task} rootstock {shlex.join(arguments)}"
                print(f"On {address}: {command_there}", file=sys.stderr)
        yield
        until = time.monotonic() + WAIT_FOR_THE_END_S
        for process in started.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(until - time.monotonic(), 0))
    finally:  # at once, if there was an error
        del os.environ[TF_CONFIG]
        for process in started.values():
            process.kill()
            process.wait()
        started.clear()


def alone(command: str) -> None:
    """Check that this process is not one of several workers, which only `run` knows.

    Raises:
        RootstockError: it is.
    """
    if workers_from() is not None:
        raise RootstockError(
            f"{TF_CONFIG} names several workers, but `rootstock {command}` trains in one process."
            f" Unset {TF_CONFIG}."
        )


def _without_workers(arguments: list[str]) -> list[str]:
    kept, skip = [], False
    for argument in arguments:
        if not skip and argument != "--workers" and not argument.startswith("--workers="):
            kept.append(argument)
        skip = argument == "--workers" and not skip
    return kept
