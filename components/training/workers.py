"""Worker processes, on one or several machines, that train one model together.

All of them run the same command; `TF_CONFIG` says who they are, as TensorFlow defines it. The first
one, the chief, runs the pipeline. The others take part in the stages that train, and read every
result from the store.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from components.errors import RootstockError

if TYPE_CHECKING:
    import tensorflow as tf

TF_CONFIG = "TF_CONFIG"
EXAMPLE = (
    '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'
)
WAIT_FOR_WORKERS_S = 300.0
"""How long the first workers to start wait for the others."""
LOOK_MS = 1000
"""How long TensorFlow waits for a text; meanwhile, nothing can interrupt it."""
HEARTBEAT_TIMEOUT_MS = 20_000
"""After so long without a sign of life, a worker counts as gone."""

started: dict[str, subprocess.Popen[bytes]] = {}
"""Workers that this process has started, by address."""
_joined: list[tf.distribute.Strategy] = []
"""The strategy of this process, once it has joined the others."""


@dataclass(frozen=True)
class Workers:
    """addresses: host:port of each worker, in their order. index: of this process."""

    addresses: tuple[str, ...]
    index: int

    @property
    def is_chief(self) -> bool:
        return self.index == 0

    @property
    def chief(self) -> str:
        return self.addresses[0]

    def __str__(self) -> str:
        return self.named(self.index)

    def named(self, index: int) -> str:
        """A worker, for messages."""
        return f"worker {index + 1} of {len(self.addresses)} ({self.addresses[index]})"

    def join(self) -> None:
        """Wait for the other workers, then connect TensorFlow to them. It must not have run yet.

        Raises:
            RootstockError: a worker is not there in time, or the port is in use.
        """
        if _joined:
            return
        self._meet()
        import tensorflow as tf
        from tensorflow.compiler.xla.tsl.protobuf import coordination_config_pb2
        from tensorflow.python.eager.context import context

        job = coordination_config_pb2.CoordinatedJob(name="worker", num_tasks=len(self.addresses))
        context().configure_coordination_service(
            service_type="standalone",
            service_leader="/job:worker/replica:0/task:0",
            coordinated_jobs=[job],
            cluster_register_timeout_in_ms=int(WAIT_FOR_WORKERS_S * 1000),
            heartbeat_timeout_in_ms=HEARTBEAT_TIMEOUT_MS,
        )
        cluster = tf.train.ClusterSpec({"worker": list(self.addresses)})
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            cluster, task_type="worker", task_id=self.index, rpc_layer="grpc"
        )
        _joined.append(tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver))

    def chief_answers(self) -> bool:
        """Whether the chief's process is there."""
        return _reached(self.chief)

    def _meet(self) -> None:
        """Return when every other worker could be reached."""
        _, port = _split(self.addresses[self.index])
        missing = [a for i, a in enumerate(self.addresses) if i != self.index]
        until = time.monotonic() + WAIT_FOR_WORKERS_S
        try:
            listener = socket.create_server(("", port), backlog=len(self.addresses))
        except OSError as e:
            raise RootstockError(
                f"{self}: cannot listen on port {port}: {e.strerror}. Stop the other program"
                f" that uses it, or name another one in {TF_CONFIG} of all workers."
            ) from e
        with listener:
            while missing := [a for a in missing if not _reached(a)]:
                if ended := [a for a, process in started.items() if process.poll() is not None]:
                    raise RootstockError(f"{self}: the worker {ended[0]} has ended: see above.")
                if time.monotonic() > until:
                    raise RootstockError(
                        f"{self}: no answer from {' and '.join(missing)} within"
                        f" {WAIT_FOR_WORKERS_S:.0f} s. Start all workers with the same command, and"
                        " check that their ports are open to each other."
                    )
                time.sleep(0.2)


def workers_from(environment: Mapping[str, str] = os.environ) -> Workers | None:
    """The workers that `TF_CONFIG` names; None if it is absent or names only this process.

    Raises:
        RootstockError: it is not what TensorFlow defines, or this process has no part in training.
    """
    text = environment.get(TF_CONFIG, "")
    if not text.strip():
        return None
    try:
        config = json.loads(text)
        jobs: dict[str, list[str]] = config.get("cluster", {})
        kind, index = config.get("task", {}).get("type"), config.get("task", {}).get("index")
        chiefs, others = list(jobs.get("chief", [])), list(jobs.get("worker", []))
    except (ValueError, AttributeError, TypeError) as e:
        raise _wrong(f"it cannot be read ({e})") from e
    if not jobs:
        return None
    addresses = tuple(str(a) for a in chiefs + others)
    if unknown := sorted(set(jobs) - {"chief", "worker"}):
        raise _wrong(f"the job {unknown[0]!r} has no part in training")
    if kind not in jobs or not isinstance(index, int) or not 0 <= index < len(jobs[kind]):
        raise _wrong(f"its task is {kind!r} number {index!r}, which its cluster does not have")
    if len(set(addresses)) < len(addresses):
        raise _wrong("it names an address twice")
    for address in addresses:
        host, port = _split(address)
        if not host or not 0 < port < 65536:
            raise _wrong(f"{address!r} is not host:port")
    if len(addresses) == 1:
        return None
    return Workers(addresses, index + (len(chiefs) if kind == "worker" else 0))


class Board(Protocol):
    """Where workers leave short texts for each other. Nobody replaces one."""

    def write(self, name: str, text: str) -> None: ...

    def read(self, name: str, seconds: float) -> str | None:
        """The text, for which this waits; None if nobody has written it in time."""


class ClusterBoard:
    """The one of TensorFlow's coordination service, which runs in the chief; after `join`."""

    def write(self, name: str, text: str) -> None:
        from tensorflow.python.eager.context import context

        with while_all_are_there():
            context().set_config_key_value(f"rootstock/{name}", text)

    def read(self, name: str, seconds: float) -> str | None:
        import tensorflow as tf
        from tensorflow.python.eager.context import context

        until = time.monotonic() + seconds
        while True:
            try:
                with while_all_are_there(but=(tf.errors.DeadlineExceededError,)):
                    text: str = context().get_config_key_value(f"rootstock/{name}", LOOK_MS)
                    return text
            except (tf.errors.DeadlineExceededError, tf.errors.NotFoundError):
                if time.monotonic() > until:
                    return None


def joined() -> tf.distribute.Strategy | None:
    """The strategy of the workers that this process has joined; None if it trains alone."""
    return _joined[0] if _joined else None


@contextlib.contextmanager
def while_all_are_there(but: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Raises RootstockError instead of TensorFlow's errors when another worker is gone. but: errors
    that mean something else here.
    """
    if not _joined:
        yield
        return
    import tensorflow as tf

    errors = tf.errors
    try:
        yield
    except (
        errors.UnavailableError,
        errors.AbortedError,
        errors.CancelledError,
        errors.DeadlineExceededError,
        errors.InternalError,
    ) as e:
        if isinstance(e, but):
            raise
        raise RootstockError(
            "Another worker of this training is gone or cannot be reached, so the step could not"
            f" end ({str(e).splitlines()[0][:200]}). Start all workers again with the same command:"
            " training goes on from its last checkpoint."
        ) from e


def environment_of(addresses: tuple[str, ...], index: int) -> dict[str, str]:
    """The variable that tells a process that it is this worker."""
    task = {"type": "worker", "index": index}
    return {TF_CONFIG: json.dumps({"cluster": {"worker": list(addresses)}, "task": task})}


def _wrong(why: str) -> RootstockError:
    return RootstockError(f"{TF_CONFIG}: {why}. Expected JSON such as {EXAMPLE}.")


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port) if port.isdecimal() else 0


def _reached(address: str) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(_split(address), timeout=2):
        return True
    return False
