"""The processes of `gpu_peers.py`, seen from the one that starts them. Imports only NumPy."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
RTOL, ATOL = 1e-4, 1e-5
"""How far the GPU may be from the CPU."""
SLICES = {"cuda": 4, "cpu": 3}
"""Processes that compute the training steps to be compared, by platform."""
XLA = "--xla_gpu_autotune_level=1 --xla_gpu_enable_triton_gemm=false"
"""Products are cuBLAS's, so XLA does not compile and try dozens of kernels for each."""


def variables(platform: str) -> dict[str, str]:
    """The environment of a worker on `cuda` or `cpu`."""
    found = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")]),
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cuda,cpu" if platform == "cuda" else "cpu",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "XLA_FLAGS": XLA,
        "TORCHINDUCTOR_COMPILE_THREADS": "4",
    }
    return found if platform == "cuda" else found | {"CUDA_VISIBLE_DEVICES": ""}


class Engine:
    """A worker process (`gpu_peers_cases.Worker`) and what it has said.

    ready: by key, what it said about work that it can run. failed: by key, why it cannot.
    """

    def __init__(self, script: str, until: float, arguments: list[str], platform: str) -> None:
        command = [sys.executable, str(HERE / script), str(until), *arguments]
        pipe, environment = subprocess.PIPE, variables(platform)
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, env=environment
        )
        self.keys = [a for a in arguments if "/" in a]
        self.ready: dict[str, dict[str, Any]] = {}
        self.failed: dict[str, str] = {}
        self.about: dict[str, Any] = {}
        self.finished = threading.Event()
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said = json.loads(line)
            if "key" in said:
                self._answers.put(said)
            elif "ready" in said:
                self.ready[said.pop("ready")] = said
            elif "failed" in said:
                self.failed[said["failed"]] = said["error"]
            elif "about" in said:
                self.about = said
            elif "done" in said:
                self.finished.set()
        self.finished.set()
        self._answers.put({"error": "the worker ended"})

    def run(self, key: str, steps: int) -> float:
        """Seconds of a number of steps.

        Raises:
            RuntimeError: they failed.
        """
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(f"{key} {steps}\n")
            self.process.stdin.flush()
            answer = self._answers.get(timeout=30)
        except (OSError, queue.Empty) as e:
            answer = {"error": f"{type(e).__name__}: {e}"}
            self.close()  # an answer that comes late would be taken for that of another question
        if "error" in answer:
            self.ready.pop(key, None)
            raise RuntimeError(answer["error"])
        return float(answer["seconds"])

    def drop(self, key: str) -> None:
        """Free what belongs to a work. A worker without any ends."""
        self.keys.remove(key)
        if not self.keys:
            self.close()
        elif self.ready.pop(key, None) and self.process.stdin is not None:
            self.process.stdin.write(f"{key} 0\n")
            self.process.stdin.flush()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


class Agreement:
    """The processes that compute on the GPU and on the CPU what has to agree."""

    def __init__(self, folder: Path, platform: str) -> None:
        self.platform, self.processes = platform, []
        self.files: dict[str, list[Path]] = {"here": [], "cpu": []}
        for side, where in (("here", platform), ("cpu", "cpu")):
            count = SLICES[where]
            for what, *part in (
                ["numbers"],
                *(["steps", str(i), str(count)] for i in range(count)),
            ):
                file = folder / f"{side}_{what}{''.join(part)}.json"
                self.files[side].append(file)
                script = str(HERE / "gpu_peers_agreement.py")
                command = [sys.executable, script, what, str(file), *part]
                self.processes.append(subprocess.Popen(command, env=variables(where)))

    def wait(self, until: float) -> None:
        for process in self.processes:
            try:
                process.wait(max(0.0, until - time.time()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def result(self) -> dict[str, Any]:
        """agree: names. differ: by name, how far. missing: by name, what a side lacks."""
        here, cpu = (self._values(side) for side in ("here", "cpu"))
        agree: list[str] = []
        differ: dict[str, dict[str, Any]] = {}
        missing: dict[str, dict[str, str]] = {}
        for name in sorted(here.keys() | cpu.keys()):
            a, b = here.get(name, "not in time"), cpu.get(name, "not in time")
            wrong = {w: v for w, v in ((self.platform, a), ("cpu", b)) if isinstance(v, str)}
            if wrong:
                missing[name] = wrong
                continue
            x, y = np.array(a), np.array(b)
            if x.shape != y.shape:
                differ[name] = {"shapes": [x.shape, y.shape]}
            elif np.allclose(x, y, RTOL, ATOL, equal_nan=True):
                agree.append(name)
            else:
                relative = np.linalg.norm(x - y) / np.linalg.norm(y)
                differ[name] = {"largest": float(abs(x - y).max()), "relative": float(relative)}
        return {"agree": agree, "differ": differ, "missing": missing}

    def _values(self, side: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for file in self.files[side]:
            if file.exists():
                found |= json.loads(file.read_text())
        return found
