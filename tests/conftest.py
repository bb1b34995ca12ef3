"""Settings for all tests."""

from __future__ import annotations

import signal

# Ignored where tests run in the background of a shell, and so in the commands that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
