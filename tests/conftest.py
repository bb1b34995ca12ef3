"""Settings for all tests."""

from __future__ import annotations

import gc
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.shared import Trained

# Ignored where tests run in the background of a shell, and so in the commands that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Graphs of TensorFlow are many objects that stay: to look through them again and again takes time.
gc.set_threshold(20_000, 20, 20)

# No test asserts a time: the first example of a property may import Arrow on a busy machine.
settings.register_profile("rootstock", deadline=None)
settings.load_profile("rootstock")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole pipelines, servers and studies are slow, without a mark in each file."""
    for item in items:
        if item.path.parent.name == "integration":
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """What has been imported until now stays until the end."""
    gc.freeze()


@pytest.fixture(scope="session")
def shared_model(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A model of every kind of input and task, trained once for all workers."""
    from tests.shared import trained

    return trained(tmp_path_factory)
