"""What a paid request must pass before it is worked on (protocol notes 3, 3.6).

In the order of the node software: the pricing gate, the bearer token, the schema.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .exchange import Services
from .offers import CHAT
from .pricing import Rate
from .responses import Refusal, compact, error, problem
from .schema import check_chat, check_completion, parse_body
from .shapes import JsonObject

if TYPE_CHECKING:
    from aiohttp import web


async def pass_gates(
    services: Services, request: web.BaseRequest, path: str
) -> tuple[JsonObject, Rate]:
    """Return the body of a request to the paid route ``path``, and what its model costs.

    Raises:
        Refusal: 415 not JSON, 400 unknown model, 503 no OPG price, 401 no bearer token, 400 not the
            described body; the first of these.
    """
    body, unreadable = _parsed(await request.read())
    rate = _price(services, request, body)
    if not request.headers.get("Authorization", "").startswith("Bearer "):
        raise problem(401, "No authorization token provided")
    if unreadable is not None:
        raise unreadable
    if path == CHAT:
        check_chat(body, services.mode)
    else:
        check_completion(body)
    assert rate is not None, "a body without a model has passed the schema"
    return body, rate


def _parsed(raw: bytes) -> tuple[JsonObject, Refusal | None]:
    """Return a body, or an empty one and why: two gates come before that is an error."""
    try:
        return parse_body(raw), None
    except Refusal as refusal:
        return {}, refusal


def _price(services: Services, request: web.BaseRequest, body: JsonObject) -> Rate | None:
    """Return the rate of the model asked for; ``None`` where the schema will refuse."""
    if not request.content_type.endswith("json"):
        reason = {
            "error": "Unsupported Media Type",
            "message": "Content-Type must be application/json",
        }
        raise Refusal(415, compact(reason))
    model: object = body.get("model")
    if not isinstance(model, str):
        return None
    rate = services.prices.rate(model)
    if rate is None:
        raise error(400, f"Model {model!r} is not supported")
    if services.faults.price_unavailable:
        raise error(
            503,
            "Pricing unavailable: OPG price not yet available — price feed has not completed "
            "a successful fetch",
        )
    return rate
