"""What goes over the wire, seen at the client's one door to HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opengradient_sdk._core.http import HttpClient, HttpResponse

if TYPE_CHECKING:
    import pytest


@dataclass(frozen=True, slots=True)
class Sent:
    """One POST to a node's paid route."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def is_paid(self) -> bool:
        return not {"PAYMENT-SIGNATURE", "X-Upto-Session"}.isdisjoint(self.headers)


@dataclass(slots=True)
class Tap:
    """Every paid route's POST so far, and how many were on their way at the same time."""

    sent: list[Sent] = field(default_factory=list[Sent])
    most_at_once: int = 0

    @property
    def paid(self) -> list[Sent]:
        return [one for one in self.sent if one.is_paid]

    @property
    def unpaid(self) -> list[Sent]:
        return [one for one in self.sent if not one.is_paid]


@contextmanager
def tapped(patch: pytest.MonkeyPatch) -> Iterator[Tap]:
    """Listen to everything that clients send to nodes."""
    tap, under_way = Tap(), 0
    plain = HttpClient.request

    async def request(self: HttpClient, method: str, url: str, **options: Any) -> HttpResponse:
        nonlocal under_way
        if "/v1/" not in url:
            return await plain(self, method, url, **options)
        path = "/v1/" + url.partition("/v1/")[2]
        sent = Sent(path, dict(options["headers"] or {}), json.loads(options["body"]))
        tap.sent.append(sent)
        under_way += sent.is_paid
        tap.most_at_once = max(tap.most_at_once, under_way)
        try:
            return await plain(self, method, url, **options)
        finally:
            under_way -= sent.is_paid

    with patch.context() as context:
        context.setattr(HttpClient, "request", request)
        yield tap
