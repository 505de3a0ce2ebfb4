"""What a node says of itself (its price), and its error answers."""

from __future__ import annotations

import zlib
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from opengradient_sdk._core.http import HttpResponse
from opengradient_sdk.client.status import status_error
from opengradient_sdk.network.connection import NodeConnection
from opengradient_sdk.payments.pricing import cost_atoms
from opengradient_sdk.profiles import ModelPrice
from opengradient_sdk.types import Amount

from ._checks import check_error, finished

_STATUSES = (400, 401, 402, 404, 413, 422, 429, 500, 503, 599, 200, 999)
_PRICE = ModelPrice("a provider", Decimal("0.01"), Decimal("600"))
_MANY_TOKENS = 10_000_000


def run(data: bytes) -> None:
    """Read ``data`` as the answer of ``/health``, and as the body of an error."""
    error = status_error(_STATUSES[zlib.crc32(data) % len(_STATUSES)], data)
    check_error(error)
    price = finished(_connection(data).opg_usd())
    if price is None:
        return
    for tokens in (0, 1, _MANY_TOKENS):
        cost = cost_atoms(_PRICE, tokens, tokens, price)
        assert cost is not None
        assert 0 <= cost < 2**256, "no chain holds that much"
        str(Amount(cost))


def _connection(health: bytes) -> NodeConnection:
    class ScriptedHttp:
        async def request(self, *_args: object, **_options: object) -> HttpResponse:
            return HttpResponse(200, {}, health)

    http: Any = ScriptedHttp()
    record: Any = SimpleNamespace(endpoint="https://node", tls_certificate_der=b"")
    clock: Any = SimpleNamespace(now=lambda: 0.0)
    return NodeConnection(http, record, clock)
