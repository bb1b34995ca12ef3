"""Start the embedded server in a separate process, wait for it, stop it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import serving

_GREETING = re.compile(r"WARNING: All log messages before|[IW]\d{4} |.*\] failed call to cuInit")


class ServerExited(Exception):
    """The server ended before its models were available.

    code: its exit code. log: the last lines that it wrote.
    """

    def __init__(self, code: int, log: str) -> None:
        super().__init__(f"The server ended with exit code {code}: {log}")
        self.code = code
        self.log = log


class ServerProcess:
    """A server on free local ports. It ends at the end of the `with` block or of this process."""

    def __init__(self, models: Mapping[str, Path], log: Path, options: Sequence[str] = ()) -> None:
        """Start the server; it loads its models in the background.

        models: the directory of versions by model name. log: the file that receives the output of
        the server. options: further options of its command line.
        """
        self._log = log
        self._ready = log.with_name(log.name + ".ready")
        self._ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "serving.server", "--stop-with-stdin"]
        command += ["--rest-port", "0", "--grpc-port", "0", "--ready-file", str(self._ready)]
        for name, path in models.items():
            command += ["--model", f"{name}={path}"]
        source = str(Path(serving.__file__).parent.parent)
        path_variable = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, *options],
                stdin=subprocess.PIPE,  # the kernel closes it if we die, and that ends the server
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": path_variable},
            )

    def wait(self, timeout_s: float) -> dict[str, int]:
        """Wait until every model is available.

        Returns:
            The ports: {"rest": …, "grpc": …}.

        Raises:
            ServerExited: the server ended.
            TimeoutError: it is still loading.
        """
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if self._ready.exists():
                ports = json.loads(self._ready.read_text())
                return {"rest": ports["rest_port"], "grpc": ports["grpc_port"]}
            if (code := self.process.poll()) is not None:
                raise ServerExited(code, self.log_tail())
            time.sleep(0.02)
        raise TimeoutError(f"The server is not ready after {timeout_s:g} s: {self.log_tail()}")

    def log_tail(self, lines: int = 20) -> str:
        """Its last lines, without what TensorFlow says about itself at every start."""
        written = self._log.read_text(errors="replace").splitlines()
        return "\n".join([line for line in written if not _GREETING.match(line)][-lines:])

    def stop(self, grace_s: float = 10.0) -> int:
        """Stop the server, by force after `grace_s` seconds; its exit code."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.terminate()
        try:
            return self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
