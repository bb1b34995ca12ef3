"""What several devices refuse. tests/integration/test_devices.py trains on two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from components.errors import RootstockError
from components.training.choices import Situation, choose
from components.training.devices import ONE_DEVICE, Devices, check_devices, devices_for
from components.training.settings import Training
from models.lazy import tf


@dataclass
class Adapted:
    pairs: Any = None


def two() -> Devices:
    devices = Devices()
    devices.count, devices.own = 2, range(2)
    return devices


def test_one_device_does_what_it_did() -> None:
    assert devices_for("auto") is devices_for("one") is ONE_DEVICE
    assert ONE_DEVICE.is_chief
    assert ONE_DEVICE.bytes_of_chief(b"x") == b"x"
    assert ONE_DEVICE.number_of_chief(3) == 3
    check_devices(
        ONE_DEVICE, choose(Training(xla=True, batch_size=1), Situation(rows=9)), Adapted()
    )  # type: ignore[arg-type]


def test_what_runs_on_one_device_has_one_though_there_are_several(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpus = [tf.config.LogicalDevice(f"/device:GPU:{i}", "GPU") for i in range(2)]
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: gpus)
    assert devices_for("auto", alone=True) is ONE_DEVICE


def test_workers_do_not_end_by_their_own_clocks() -> None:
    training, worker = choose(Training(seconds=5), Situation(rows=900)), two()
    check_devices(worker, training, Adapted())  # type: ignore[arg-type]
    worker.own = range(1, 2)
    with pytest.raises(RootstockError, match=r"training\.seconds: workers have clocks"):
        check_devices(worker, training, Adapted())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("training", "pairs", "message"),
    [
        (Training(xla=True), None, "training.xla compiles the step of one device, but 2 devices"),
        (Training(batch_size=1), None, "training.batch_size: 2 devices .* Received: 1"),
        (Training(), "pairs", "model.transfer trains the trunk on pairs"),
    ],
)
def test_what_does_not_fit_is_said(training: Training, pairs: Any, message: str) -> None:
    with pytest.raises(RootstockError, match=message) as caught:
        check_devices(two(), choose(training, Situation(rows=900)), Adapted(pairs))  # type: ignore[arg-type]
    assert "training.devices: one" in str(caught.value)
