"""One Ctrl-C ends a command and all that it started, within seconds; more of them change nothing.

Whatever is killed goes on from the store, so nothing needs to be waited for.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

EXIT_CODE = 130
GRACE_S = 1.5
"""For a command to end by itself: to close its records and give the terminal back."""

_heard = threading.Event()
_untold = threading.Lock()


def listen() -> None:
    """Raise KeyboardInterrupt at the first interrupt only, and see to it that the process ends.

    A process that was started to ignore interrupts goes on ignoring them.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _hear)
        threading.Thread(target=_end, daemon=True).start()


@contextlib.contextmanager
def outranking() -> Iterator[None]:
    """What goes wrong after an interrupt, as with processes that were ended, is the interrupt."""
    try:
        yield
    except Exception as e:
        if _heard.is_set():
            raise KeyboardInterrupt from e
        raise


def tell() -> None:
    """Say, once, that the command was interrupted."""
    if _untold.acquire(blocking=False):
        show_cursor = "\x1b[?25h" if sys.stderr.isatty() else ""  # a display may have hidden it
        told = f"{show_cursor}rootstock: interrupted; run the same command to go on from here\n"
        os.write(sys.stderr.fileno(), told.encode())  # the stream's own lock may be held


def end_children() -> None:
    """End what this process has started, but not what is to outlive it in a session of its own."""
    import psutil

    session = os.getsid(0)
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getsid(child.pid) == session:
                child.terminate()  # multiprocessing's resource tracker ignores it, and tidies up


def _hear(number: int, frame: FrameType | None) -> None:
    if not _heard.is_set():
        _heard.set()
        logging.disable()  # what an interrupt breaks, Beam and its threads tell at length
        threading.excepthook = lambda _: None
        raise KeyboardInterrupt


def _end() -> None:
    _heard.wait()
    try:
        end_children()
        time.sleep(GRACE_S)
        end_children()
    finally:
        with contextlib.suppress(OSError):
            tell()
        os._exit(EXIT_CODE)
