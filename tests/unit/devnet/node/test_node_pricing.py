"""Costs are exact, in atoms, and rounded up."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opengradient_sdk.devnet.node.models import Usage
from opengradient_sdk.devnet.node.pricing import IMAGE_USD, WEB_SEARCH_USD, PriceList
from opengradient_sdk.profiles import PRICES

_LIST = PriceList(Decimal("0.10"), "july")


def _cost(model: str, prompt: int, completion: int, **extras: int) -> int:
    rate = _LIST.rate(model)
    assert rate is not None
    return _LIST.cost(rate, Usage(prompt, completion), **extras)


def test_the_recorded_request_costs_what_was_recorded() -> None:
    assert _cost("gpt-5", 5, 3) == 362_500_000_000_000


def test_a_part_of_an_atom_is_an_atom() -> None:
    rate = _LIST.rate("gpt-5")
    assert rate is not None
    third = PriceList(Decimal(3), "july")

    # 1.25 USD per million tokens at 3 USD per OPG: 416666666666.66… atoms
    assert third.cost(rate, Usage(1, 0)) == 416_666_666_667


@pytest.mark.parametrize("name", [n for n, price in PRICES.items() if price.input is not None])
def test_a_published_price_is_the_price(name: str) -> None:
    price = PRICES[name]
    assert price.input is not None
    assert price.output is not None

    assert _cost(name, 10**6, 0, images=0) == price.input * 10**19
    assert _cost(name, 0, 10**6, images=0) == price.output * 10**19


@pytest.mark.parametrize("name", [n for n, price in PRICES.items() if price.input is None])
def test_a_model_without_a_published_price_costs_what_gpt_5_costs(name: str) -> None:
    assert _cost(name, 7, 9) == _cost("gpt-5", 7, 9)
    assert PriceList(Decimal(1), "april").rate(name) is None


def test_the_builtin_model_costs_what_gpt_5_mini_costs() -> None:
    assert _cost("echo", 7, 9) == _cost("devnet/echo", 7, 9) == _cost("gpt-5-mini", 7, 9)


def test_names_are_trimmed_and_lowered_and_nothing_else() -> None:
    assert _LIST.rate("  GPT-5 ") == _LIST.rate("gpt-5")
    assert _LIST.rate("openai/gpt-5") is None


def test_extras_are_added() -> None:
    plain = _cost("gpt-image-2", 1, 1)

    assert _cost("gpt-image-2", 1, 1, images=2) - plain == 2 * IMAGE_USD * 10**19
    assert _cost("gpt-image-2", 1, 1, searches=1) - plain == WEB_SEARCH_USD * 10**19
    assert _cost("gemini-2.5-flash-image", 1, 1, images=1) == _cost("gpt-5", 1, 1)


def test_without_usage_an_answer_is_free() -> None:
    rate = _LIST.rate("gpt-5")
    assert rate is not None
    assert _LIST.cost(rate, None, images=1, searches=1) == 0


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(1, 10**9))
def test_the_cost_is_the_smallest_integer_that_covers_the_price(
    prompt: int, completion: int, milli_usd: int
) -> None:
    prices = PriceList(Decimal(milli_usd) / 1000, "july")
    rate = prices.rate("gpt-5")
    assert rate is not None

    cost = prices.cost(rate, Usage(prompt, completion))

    # all in integers: USD·10^-8 per token, milli-USD per OPG
    exact, unit = (125 * prompt + 1000 * completion) * 10**13, milli_usd
    assert cost == -(-exact // unit)
