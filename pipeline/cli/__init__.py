"""The command line."""

import time

STARTED = time.monotonic()
"""When the command began: importing what it needs takes time of its budget too."""
