"""URLs whose credentials are sent, and shown nowhere."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import SplitResult, unquote, urlsplit


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """An http(s) URL, taken apart so that what is shown of it holds no secret.

    ``name`` is for messages: providers put API keys into the path and the query, so it has neither.
    ``address`` is what is asked, without the login that may stand before the host; that travels in
    ``authorization`` (the value of a Basic header, empty where there is none).
    """

    name: str
    address: str = field(repr=False)
    authorization: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the parts of ``text``.

        Raises:
            ValueError: Not an http(s) URL with a host; the message does not repeat it.
        """
        parts = _split(text)
        login = "" if parts.username is None else _basic(parts)
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if login else text
        return cls(_masked(parts), bare, login)


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http(s) URL")
    return parts


def _basic(parts: SplitResult) -> str:
    login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(login.encode()).decode()


def _masked(parts: SplitResult) -> str:
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port else ""
    hidden = "/…" if parts.path.strip("/") or parts.query else ""
    return f"{parts.scheme}://{host}{port}{hidden}"
