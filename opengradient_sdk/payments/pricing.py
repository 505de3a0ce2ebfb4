"""What a call costs: list price in USD, the node's OPG price, tokens; rounded up to an atom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal
from typing import Final

from ..errors import ConfigurationError
from ..profiles import ModelPrice
from ..types import OPG_DECIMALS, Amount

DEFAULT_MAX_TOKENS: Final = 4096
"""Output tokens a node allows when a chat request does not say."""

DEFAULT_COMPLETION_TOKENS: Final = 16
"""Output tokens a node allows when a completion request does not say."""

_MILLION: Final = Decimal(1_000_000)
_EXACT: Final = Context(prec=60)
_EXPECTED_BYTES_PER_TOKEN: Final = 4
_MESSAGE_OVERHEAD: Final = 8
_EXPECTED_OUTPUT: Final = 256


def model_price(prices: Mapping[str, ModelPrice], model: str) -> ModelPrice | None:
    """Return the list price of a wire model name; ``None`` where the list does not have it."""
    return prices.get(model.strip().lower())


def cost_atoms(price: ModelPrice, tokens_in: int, tokens_out: int, opg_usd: Decimal) -> int | None:
    """Return the atoms of OPG that a node charges; ``None`` where a needed price is not known.

    ``opg_usd`` is USD per OPG. Rounded up to an atom, as nodes do (protocol notes, typical
    amounts).

    Raises:
        ValueError: The OPG price is not positive, or a token count is negative.
    """
    if opg_usd <= 0 or tokens_in < 0 or tokens_out < 0:
        raise ValueError("an OPG price is positive and token counts are not negative")
    if price.input is None or price.output is None:
        return None
    usd = (tokens_in * price.input + tokens_out * price.output) / _MILLION
    atoms = _EXACT.divide(usd.scaleb(OPG_DECIMALS), opg_usd)
    return int(atoms.to_integral_value(ROUND_CEILING, _EXACT))


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a call may cost before it is made.

    ``minimum`` counts one output token, ``expected`` guesses a usual answer, ``maximum`` counts a
    token for every input byte and all of ``max_tokens``. Attachments and searches are not counted.
    ``authorization`` is the cap that is signed for the session (atoms never exceed it), ``opg_usd``
    the price used.
    """

    minimum: Amount
    expected: Amount
    maximum: Amount
    authorization: Amount
    opg_usd: Decimal


def estimate(
    price: ModelPrice | None, prompt: bytes, max_tokens: int | None, opg_usd: Decimal, cap: int
) -> Estimate:
    """Return the bounds of a call's cost from the bytes of its prompt.

    Raises:
        ConfigurationError: The price of the model is not published.
    """
    if price is None or price.input is None or price.output is None:
        raise ConfigurationError(
            "the price of this model is not published, so its cost cannot be estimated",
            hint=f"A call can be made: it can never cost more than the session cap, {Amount(cap)}.",
        )
    longest = max_tokens or DEFAULT_MAX_TOKENS
    size = len(prompt)
    usual = size // _EXPECTED_BYTES_PER_TOKEN + _MESSAGE_OVERHEAD

    def amount(tokens_in: int, tokens_out: int) -> Amount:
        return Amount(cost_atoms(price, tokens_in, tokens_out, opg_usd) or 0)

    return Estimate(
        minimum=amount(1, 1),
        expected=amount(usual, min(longest, _EXPECTED_OUTPUT)),
        maximum=amount(size + _MESSAGE_OVERHEAD, longest),
        authorization=Amount(cap),
        opg_usd=opg_usd,
    )
