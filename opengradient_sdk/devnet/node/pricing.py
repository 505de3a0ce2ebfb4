"""What an answer costs: list prices, the OPG price, and rounding up to an atom.

See the protocol notes, 1.4 and 3.7. Three numbers are this node's own, because the network does not
publish them: models that are listed without a price cost what ``gpt-5`` costs, a web search costs
``WEB_SEARCH_USD``, and an image of a model that is priced per image costs ``IMAGE_USD``. The last
two are chosen so that a session's cap pays for several.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal, localcontext
from typing import Final

from ...profiles import PRICES, ModelPrice
from .models import Mode, Usage

ECHO_MODELS: Final = ("devnet/echo", "echo")
WEB_SEARCH_USD: Final = Decimal("0.002")
IMAGE_USD: Final = Decimal("0.005")

_MILLION: Final = Decimal(10**6)
_ATOMS: Final = Decimal(10**18)
# 78 digits hold any product of a uint256 with the prices; the default of 28 would round too early
_EXACT: Final = Context(prec=120)
_ECHO_PRICED_LIKE: Final = "gpt-5-mini"
_UNPRICED_LIKE: Final = "gpt-5"


@dataclass(frozen=True, slots=True)
class Rate:
    """USD per million tokens, and per image where a model is priced so."""

    input: Decimal
    output: Decimal
    image: Decimal | None = None


class PriceList:
    """The models a node answers for, and what they cost.

    ``opg_usd`` is the price of one OPG in USD. In April mode the models of the July list, which
    have no published price, are unknown.
    """

    def __init__(self, opg_usd: Decimal, mode: Mode) -> None:
        self.opg_usd = opg_usd
        self._rates = _rates(mode)

    def rate(self, model: str) -> Rate | None:
        """Return the rate of a model (spaces and case do not matter), ``None`` if unknown."""
        return self._rates.get(model.strip().lower())

    def cost(self, rate: Rate, usage: Usage | None, *, images: int = 0, searches: int = 0) -> int:
        """Return the atoms of OPG that an answer costs; without usage it is free."""
        if usage is None:
            return 0
        with localcontext(_EXACT):
            usd = (
                usage.prompt_tokens * rate.input + usage.completion_tokens * rate.output
            ) / _MILLION
            usd += (rate.image or 0) * images + WEB_SEARCH_USD * searches
            atoms = (usd * _ATOMS / self.opg_usd).to_integral_value(ROUND_CEILING)
            return max(0, int(atoms))


def _rates(mode: Mode) -> Mapping[str, Rate]:
    default = PRICES[_UNPRICED_LIKE]
    rates: dict[str, Rate] = {}
    for name, price in PRICES.items():
        if price.input is None and mode == "april":
            continue
        rates[name] = _rate(name, price, default)
    rates.update(dict.fromkeys(ECHO_MODELS, rates[_ECHO_PRICED_LIKE]))
    return rates


def _rate(name: str, price: ModelPrice, default: ModelPrice) -> Rate:
    paid_in = default.input if price.input is None else price.input
    paid_out = default.output if price.output is None else price.output
    assert paid_in is not None
    assert paid_out is not None
    per_image = IMAGE_USD if makes_images(name) and not name.startswith("gemini") else None
    return Rate(paid_in, paid_out, per_image)


def makes_images(model: str) -> bool:
    """Say whether a model of the July list answers with images."""
    return "image" in model or model.startswith("seedream")
