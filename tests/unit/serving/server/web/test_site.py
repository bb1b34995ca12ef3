"""The pages of the server: what browsers may do, and that names never become HTML."""

import base64
import hashlib
import re

import pytest

from serving.server.web.site import SCRIPT, page


@pytest.mark.parametrize("docs", [False, True])
def test_browsers_run_this_script_only_and_ask_this_server_only(docs: bool) -> None:
    content, headers = page(docs)
    text = content.decode()
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'; connect-src 'self'; frame-ancestors" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<[^>]* (style|on\w+)=", text.replace(script, "")), "forbidden by it"
    assert "http://" not in text.replace(script, "")


def test_names_never_become_html() -> None:
    script = SCRIPT.read_text()
    assert script.isascii()
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "write(", "eval(", "Function("):
        assert way not in script
    assert "</" not in script
