import time

from pipeline.tracking.events import SystemSample, Tracker
from pipeline.tracking.system import sampling


class Heard(Tracker):
    def __init__(self):
        self.samples = []

    def record(self, event):
        assert isinstance(event, SystemSample)
        self.samples.append(event.values)


def test_samples_while_the_block_runs_and_not_after():
    heard = Heard()
    with sampling(heard, every_s=0.05):
        deadline = time.monotonic() + 10
        while len(heard.samples) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
    count = len(heard.samples)
    time.sleep(0.2)
    assert len(heard.samples) == count >= 2
    sample = heard.samples[-1]
    assert 0 <= sample["cpu_utilization_percentage"] <= 100
    assert sample["system_memory_usage_megabytes"] > 10
    assert 10 < sample["process_memory_megabytes"] < 1e6


def test_a_short_block_ends_at_once():
    began = time.monotonic()
    with sampling(Heard(), every_s=60):
        pass
    assert time.monotonic() - began < 1
