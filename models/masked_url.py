"""Paths and URLs that may hold passwords: shown with `***`, and real only through `reveal`.

Whatever shows, stores or logs a `MaskedUrl` gets the masked text, because that is its value as a
string. A place that forgets `reveal` cannot log in; it never leaks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, Self
from urllib.parse import unquote_plus

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

MASK = "***"
HARMLESS = {
    *("application_name", "cache", "charset", "check_same_thread", "connect_timeout", "driver"),
    *("encrypt", "mode", "region", "region_name", "sslmode", "tf-hub-format", "timeout"),
    *("trustservercertificate", "uri", "versionid"),
}
"""Query parameters that are shown. All others are masked: every driver has secrets of its own."""

_SECRET_NAME = r"(?:\w*(?:passw|pwd|secret|token|api_?key|access_?key|credential)\w*|sig|sas)"
_NAMED = re.compile(rf"(?i)\b({_SECRET_NAME}[\"']?\s*=\s*)(\"[^\"]*\"|'[^']*'|[^\s;&,'\"]+)")
_VARIABLE = re.compile(r"\$\{\w+\}")
_CHAIN = re.compile(r"(::)(?=[\w+.-]+://)")
_IN_TEXT = re.compile(r"[A-Za-z][\w+.:-]*://[^\s'\"<>]+")
_SHORTEST = 6
"""Shorter secrets are masked in URLs, but not looked for elsewhere: they may be ordinary words."""

_known: set[str] = set()
"""The secrets of all URLs that this process has read."""


class MaskedUrl(str):
    """A path or URL. As a string it is masked: `postgresql://***@host/shop`."""

    __slots__ = ("_real",)
    _real: str

    def __new__(cls, real: str) -> Self:
        if isinstance(real, MaskedUrl):
            real = real._real
        shown, secrets = _masked(real)
        _known.update(s for s in secrets if len(s) >= _SHORTEST)
        url = super().__new__(cls, shown)
        url._real = real
        return url

    def reveal(self) -> str:
        """The real path or URL, only to connect with it."""
        return self._real

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (self._real,)  # worker processes connect too

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def masked(value: Any, text: core_schema.ValidatorFunctionWrapHandler) -> MaskedUrl:
            return value if isinstance(value, MaskedUrl) else cls(text(value))

        return core_schema.no_info_wrap_validator_function(masked, core_schema.str_schema())


def mask_fields(part: Any) -> None:
    """Mask the fields of a frozen dataclass that are marked `metadata={"path": True}`."""
    for f in fields(part):
        if f.metadata.get("path"):
            object.__setattr__(part, f.name, MaskedUrl(getattr(part, f.name)))


def without_secrets(text: str, named: bool = True) -> str:
    """A text, such as another library's error, with the secrets of all known URLs masked, and those
    of every URL in it.

    named: also mask what is named as a secret, such as `PWD=…`.
    """
    for secret in sorted(_known, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, text)
    text = _IN_TEXT.sub(_shown, text)
    return _NAMED.sub(rf"\1{MASK}", text) if named else text


def _shown(match: re.Match[str]) -> str:
    url = match[0].rstrip(").,;:]}")
    return _masked(url)[0] + match[0][len(url) :]


def _masked(url: str) -> tuple[str, list[str]]:
    """The masked text of a path or URL, and the secrets in it."""
    secrets: list[str] = []
    parts = [part if part == "::" else _part(part, secrets) for part in _CHAIN.split(url)]
    return "".join(parts), secrets


def _part(url: str, secrets: list[str]) -> str:
    """Mask one URL of a chain such as `zip://a.csv::https://…`."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    user, password, rest = _user(rest)
    login = "" if user is None else f"{user}:{password}@" if password else f"{user}@"
    if password and (password == MASK or _hidden(password, secrets) != password):
        login = f"{MASK}@"
    elif user and not password and scheme.lower().startswith(("http", "git")):
        login = f"{_hidden(user, secrets)}@"
    path, question, query = rest.partition("?")
    before, hash, fragment = (query if question else path).partition("#")
    shown = "".join(_parameters(before, secrets)) if question else before
    start = f"{scheme}://{login}{path if question else ''}{question}"
    return f"{start}{shown}{hash}{_hidden(fragment, secrets)}"


def _user(rest: str) -> tuple[str | None, str, str]:
    """User (None if there is none), password, and what follows them. A password may contain "/",
    "?", "#" and "@", which SQLAlchemy accepts.
    """
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    end = authority.rfind("@")
    if end < 0 and ":" in authority and not authority.startswith("["):
        port = re.search(r":\d*$", authority)
        end = (rest.partition("?")[0] if port else rest).rfind("@")
        if end < 0 and not port:  # a URL that was cut
            user, _, password = rest.partition(":")
            return user, password, ""
    if end < 0:
        return None, "", rest
    user, _, password = rest[:end].partition(":")
    return user, password, rest[end + 1 :]


def _parameters(query: str, secrets: list[str]) -> Iterator[str]:
    for parameter in re.split(r"([&;])", query):
        name, equals, value = parameter.partition("=")
        if parameter in ("", "&", ";") or name.lower() in HARMLESS:
            yield parameter
        elif not equals:
            yield _hidden(name, [])
        elif re.fullmatch(_SECRET_NAME, name, re.IGNORECASE):
            yield f"{name}={_hidden(value, secrets)}"
        else:
            inside = [m[2] for m in _NAMED.finditer(unquote_plus(value))]  # of odbc_connect
            secrets += inside
            yield f"{name}={_hidden(value, [])}"


def _hidden(secret: str, secrets: list[str]) -> str:
    """The mask. The name of a variable, `${NAME}`, is no secret and stays."""
    if not secret or _VARIABLE.fullmatch(secret):
        return secret
    secrets += [secret, unquote_plus(secret)]
    return MASK
