"""From handles to directories: archives, URLs and their errors."""

from __future__ import annotations

import io
import tarfile
import threading
import warnings
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from models.masked_url import MaskedUrl
from models.trunks.base import TrunkError
from models.trunks.sources.hub_handles import MODEL, check_module, module_directory


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A server of the files in `tmp_path` that ignores the query."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def archive(path: Path, members: dict[str, bytes], link: str = "") -> str:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        if link:
            info = tarfile.TarInfo("link")
            info.type, info.linkname = tarfile.SYMTYPE, link
            tar.addfile(info)
    return str(path)


def left(cache: Path) -> list[str]:
    return sorted(p.name for p in cache.iterdir()) if cache.exists() else []


@pytest.mark.parametrize("folder", ["", "module/", "./"])
def test_an_archive_is_unpacked_once(tmp_path: Path, cache: Path, folder: str) -> None:
    handle = archive(
        tmp_path / "m.tar.gz", {f"{folder}{MODEL}": b"x", f"{folder}variables/v": b"y"}
    )
    assert check_module(MaskedUrl(handle)) == []
    found = module_directory(MaskedUrl(handle))
    assert (found / MODEL).read_bytes() == b"x"
    assert (found / "variables" / "v").read_bytes() == b"y"
    assert left(cache) == [found.name]
    (found / "mark").touch()
    assert (module_directory(MaskedUrl(handle)) / "mark").exists()


def test_an_archive_with_new_content_is_another_module(tmp_path: Path) -> None:
    handle = archive(tmp_path / "m.tar.gz", {MODEL: b"old"})
    module_directory(MaskedUrl(handle))
    archive(tmp_path / "m.tar.gz", {MODEL: b"new"})
    assert (module_directory(MaskedUrl(handle)) / MODEL).read_bytes() == b"new"


@pytest.mark.parametrize(
    ("members", "link", "message"),
    [
        ({MODEL: b"", "../escaped": b"!"}, "", "'../escaped'"),
        ({MODEL: b"", "/tmp/escaped": b"!"}, "", "'/tmp/escaped'"),
        ({MODEL: b""}, "/etc", "'link'"),
        ({"other": b""}, "", f"expected {MODEL}"),
    ],
)
def test_archives_with_unsafe_paths_or_without_a_module_are_refused(
    tmp_path: Path, cache: Path, members: dict[str, bytes], link: str, message: str
) -> None:
    handle = archive(tmp_path / "bad.tgz", members, link)
    with pytest.raises(TrunkError, match=message) as e:
        module_directory(MaskedUrl(handle))
    assert "bad.tgz" in str(e.value)
    assert left(cache) == []
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize("keep", [0, 40, -20])
def test_a_corrupt_archive_leaves_nothing_behind(tmp_path: Path, cache: Path, keep: int) -> None:
    handle = archive(tmp_path / "cut.tar.gz", {MODEL: bytes(range(256)) * 100})
    whole = Path(handle).read_bytes()
    Path(handle).write_bytes(whole[:keep])
    with pytest.raises(TrunkError, match=r"cut.tar.gz"):
        module_directory(MaskedUrl(handle))
    assert left(cache) == []
    Path(handle).write_bytes(whole)
    assert module_directory(MaskedUrl(handle)).is_dir()


def test_a_missing_handle(tmp_path: Path) -> None:
    missing = str(tmp_path / "nowhere")
    assert "No such file" in check_module(MaskedUrl(missing))[0]
    with pytest.raises(TrunkError, match="No such file"):
        module_directory(MaskedUrl(missing))
    assert f"expected {MODEL}" in check_module(MaskedUrl(str(tmp_path)))[0]


def test_a_url_is_downloaded_once(tmp_path: Path, cache: Path, url: str) -> None:
    archive(tmp_path / "module", {MODEL: b"x"})
    handle = f"{url}/module"
    assert check_module(MaskedUrl(handle)) == []
    found = module_directory(MaskedUrl(handle))
    assert (found / MODEL).exists()
    (tmp_path / "module").unlink()
    assert module_directory(MaskedUrl(handle)) == found  # the network is not needed again
    assert check_module(MaskedUrl(handle)) == []


def test_a_download_lies_where_the_library_looks_for_it(tmp_path: Path, url: str) -> None:
    with warnings.catch_warnings(action="ignore"):  # it still imports pkg_resources
        from tensorflow_hub import resolve

    archive(tmp_path / "module.tar.gz", {MODEL: b"x"})
    found = module_directory(MaskedUrl(f"{url}/module.tar.gz"))
    (tmp_path / "module.tar.gz").unlink()
    assert Path(resolve(f"{url}/module.tar.gz")) == found


def test_a_url_that_does_not_exist_or_cannot_be_reached(cache: Path, url: str) -> None:
    assert "does not exist" in check_module(MaskedUrl(f"{url}/nothing"))[0]
    with pytest.raises(TrunkError, match="404"):
        module_directory(MaskedUrl(f"{url}/nothing"))
    unknown = "http://no-such-host.invalid/module"
    assert "cannot be reached" in check_module(MaskedUrl(unknown))[0]
    with pytest.raises(TrunkError, match="cannot be downloaded"):
        module_directory(MaskedUrl(unknown))
    assert left(cache) == []
