from pathlib import Path

import pytest

from components.data.cache import cache


def test_the_cache_is_where_variables_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("ROOTSTOCK_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache() == Path("/home/me/.cache/rootstock")
    monkeypatch.setenv("XDG_CACHE_HOME", "/fast")
    assert cache() == Path("/fast/rootstock")
    monkeypatch.setenv("ROOTSTOCK_CACHE", "~/mine")
    assert cache() == Path("/home/me/mine")
