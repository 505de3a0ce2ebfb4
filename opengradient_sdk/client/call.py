"""One logical call, before it is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from ..errors import ConfigurationError
from ..ledger.impact.lineage import Lineage
from ..payments.pricing import estimate
from ..profiles import ModelPrice

CHAT_ROUTE: Final = "/v1/chat/completions"
COMPLETION_ROUTE: Final = "/v1/completions"


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked: ``body`` is hashed and verified, ``payload`` are its bytes on the wire.

    ``timeout`` is in seconds, for the answer (or, streamed, for each further piece of it).
    ``longest`` is the ``max_tokens`` that was asked for, ``key`` the caller's idempotency key.
    ``lineage`` says which answers it was made from, and in which agent run.
    """

    route: str
    model: str
    body: Mapping[str, object] = field(repr=False)
    payload: bytes = field(repr=False)
    price: ModelPrice | None
    settlement: str
    timeout: float
    tag: str | None = None
    node: str | None = None
    key: str | None = None
    longest: int | None = None
    lineage: Lineage = field(default_factory=Lineage)

    def estimate(self, opg_usd: Decimal | None, cap: int) -> int | None:
        """Return the most that one answer costs by its tokens, in atoms; ``None`` if unknown."""
        if opg_usd is None or self.price is None or self.body.get("web_search"):
            return None
        prompt = encode({name: self.body[name] for name in _PROMPT if name in self.body})
        try:
            return estimate(self.price, prompt, self.longest, opg_usd, cap).maximum.atoms
        except ConfigurationError:  # the price of this model is not published
            return None

    @property
    def headers(self) -> dict[str, str]:
        """The headers that belong to the call, without any payment."""
        return {"X-SETTLEMENT-TYPE": self.settlement}


_PROMPT: Final = ("messages", "prompt", "tools", "response_format")

_to_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def encode(body: Mapping[str, object]) -> bytes:
    """Return the bytes of a request body: compact UTF-8 JSON.

    Raises:
        ConfigurationError: A text in it has no UTF-8 form.
    """
    try:
        return _to_json(body).encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError(
            f"the request has a text without a UTF-8 form: {error.reason}",
            hint="Replace lone surrogates; nothing was sent or signed.",
        ) from None


def bare_model(model: object) -> object:
    """Return a model name as nodes know it: without its provider (``openai/gpt-5`` → ``gpt-5``)."""
    return model.rpartition("/")[2] if isinstance(model, str) else model
