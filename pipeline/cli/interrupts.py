"""One Ctrl-C ends a command and all processes that it started, within seconds.

More Ctrl-C change nothing. A killed command continues from the store, so nothing has to be waited
for.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

from pipeline.library_output import terminal

EXIT_CODE = 130
GRACE_S = 1.5
"""Time for a command to end by itself: to close its journal and restore the terminal."""

_interrupted = threading.Event()
_not_printed = threading.Lock()


def listen() -> None:
    """Raise KeyboardInterrupt at the first interrupt only, and make sure that the process ends.

    A process that was started with interrupts ignored keeps ignoring them.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _on_interrupt)
        threading.Thread(target=_end, daemon=True).start()


@contextlib.contextmanager
def outranking() -> Iterator[None]:
    """Turn errors after an interrupt, such as those of terminated workers, into the interrupt."""
    try:
        yield
    except Exception as e:
        if _interrupted.is_set():
            raise KeyboardInterrupt from e
        raise


def print_once() -> None:
    """Print, once, that the command was interrupted."""
    if _not_printed.acquire(blocking=False):
        show_cursor = "\x1b[?25h" if os.isatty(terminal()) else ""  # a display may have hidden it
        message = "rootstock: interrupted; run the same command again to continue\n"
        text = f"{show_cursor}{message}"
        os.write(terminal(), text.encode())  # the stream's own lock may be held


def end_children() -> None:
    """End the processes that this one started, except those with a session of their own."""
    import psutil

    session = os.getsid(0)
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getsid(child.pid) == session:
                child.terminate()  # multiprocessing's resource tracker ignores it, and tidies up


def _on_interrupt(number: int, frame: FrameType | None) -> None:
    if not _interrupted.is_set():
        _interrupted.set()
        logging.disable()  # Beam and its threads log errors at length after an interrupt
        threading.excepthook = lambda _: None
        raise KeyboardInterrupt


def _end() -> None:
    _interrupted.wait()
    try:
        end_children()
        time.sleep(GRACE_S)
        end_children()
    finally:
        with contextlib.suppress(OSError):
            print_once()
        os._exit(EXIT_CODE)
