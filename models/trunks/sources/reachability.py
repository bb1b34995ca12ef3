"""Checks that a URL can be reached."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request

from models.masked_url import MaskedUrl, without_secrets

TIMEOUT_S = 3.0


def unreachable(url: MaskedUrl) -> str:
    """Why a URL cannot be read now; empty if it can be."""
    request = urllib.request.Request(url.reveal(), method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S):
            return ""
    except urllib.error.HTTPError as e:
        if e.code in (404, 410):
            return f"{url} does not exist (HTTP {e.code})"
        return ""  # the host answers, but it may refuse HEAD requests
    except (OSError, ValueError, http.client.HTTPException) as e:
        return f"{url} cannot be reached ({without_secrets(str(getattr(e, 'reason', e)))})"
