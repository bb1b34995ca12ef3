"""A command that does not end by itself when it is interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil

STUBBORN = """
import subprocess, time
from pipeline.cli import interrupts

interrupts.listen()
started = [
    subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                     start_new_session=outlives)
    for outlives in (False, True)
]
while True:
    try:
        print(*(child.pid for child in started), flush=True)
        time.sleep(60)
    except KeyboardInterrupt:  # as a library may do
        pass
"""


def test_a_command_that_holds_on_is_ended_with_what_it_started() -> None:
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", STUBBORN]
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        child, outliving = map(int, process.stdout.readline().split())
        try:
            for _ in range(3):
                process.send_signal(signal.SIGINT)
                time.sleep(0.1)
            _, err = process.communicate(timeout=30)
            assert not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie"
            assert psutil.pid_exists(outliving)
        finally:
            process.kill()
            os.kill(outliving, signal.SIGKILL)
    assert process.returncode == 130
    assert err == "rootstock: interrupted; run the same command again to continue\n"
