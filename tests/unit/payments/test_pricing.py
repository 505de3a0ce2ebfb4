"""What a call costs, to the atom."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opengradient_sdk.errors import ConfigurationError
from opengradient_sdk.payments.pricing import (
    DEFAULT_MAX_TOKENS,
    cost_atoms,
    estimate,
    model_price,
)
from opengradient_sdk.profiles import MAINNET, ModelPrice

CAP = 10**17
PRICE = ModelPrice("openai", Decimal("1.25"), Decimal(10))
UNPUBLISHED = ModelPrice("somebody", None, None)
HALF = ModelPrice("somebody", Decimal(1), None)


def test_a_cost_by_hand() -> None:
    # 1000 × 1.25 + 500 × 10 = 6250 USD per million = 0.00625 USD; at 0.05 USD per OPG: 0.125 OPG
    assert cost_atoms(PRICE, 1000, 500, Decimal("0.05")) == 125 * 10**15


def test_a_fraction_of_an_atom_is_a_whole_one() -> None:
    third = ModelPrice("x", Decimal("0.000001"), Decimal(0))
    # 1e-12 USD at 3 USD per OPG is 333333.33… atoms
    assert cost_atoms(third, 1, 0, Decimal(3)) == 333_334


@given(
    tokens_in=st.integers(0, 10**9),
    tokens_out=st.integers(0, 10**9),
    opg_usd=st.decimals("0.0001", "1000", places=8),
)
def test_costs_are_the_exact_fraction_rounded_up(
    tokens_in: int, tokens_out: int, opg_usd: Decimal
) -> None:
    usd = (
        tokens_in * Fraction(PRICE.input or 0) + tokens_out * Fraction(PRICE.output or 0)
    ) / 10**6
    exact = usd * 10**18 / Fraction(opg_usd)
    assert cost_atoms(PRICE, tokens_in, tokens_out, opg_usd) == ceil(exact)


@pytest.mark.parametrize("price", [UNPUBLISHED, HALF])
def test_an_unpublished_price_is_no_cost_of_zero(price: ModelPrice) -> None:
    assert cost_atoms(price, 1, 1, Decimal(1)) is None


@pytest.mark.parametrize(
    ("tokens_in", "tokens_out", "opg_usd"),
    [(-1, 0, Decimal(1)), (0, -1, Decimal(1)), (1, 1, Decimal(0)), (1, 1, Decimal(-1))],
)
def test_nonsense_is_refused(tokens_in: int, tokens_out: int, opg_usd: Decimal) -> None:
    with pytest.raises(ValueError, match="positive"):
        cost_atoms(PRICE, tokens_in, tokens_out, opg_usd)


def test_models_are_found_however_they_are_spelled() -> None:
    assert model_price(MAINNET.prices, " GPT-5 ") is MAINNET.prices["gpt-5"]
    assert model_price(MAINNET.prices, "nobody's") is None


def test_an_estimate_spans_its_cap_of_tokens() -> None:
    found = estimate(PRICE, b"x" * 400, 64, Decimal("0.05"), CAP)
    assert found.minimum.atoms == cost_atoms(PRICE, 1, 1, Decimal("0.05"))
    assert found.expected.atoms == cost_atoms(PRICE, 108, 64, Decimal("0.05"))
    assert found.maximum.atoms == cost_atoms(PRICE, 408, 64, Decimal("0.05"))
    assert found.authorization.atoms == CAP
    assert found.opg_usd == Decimal("0.05")


@given(size=st.integers(1, 10**5), longest=st.none() | st.integers(1, 10**6))
def test_estimates_are_in_order(size: int, longest: int | None) -> None:
    found = estimate(PRICE, b"x" * size, longest, Decimal("0.1"), CAP)
    assert found.minimum.atoms <= found.expected.atoms <= found.maximum.atoms


def test_without_a_limit_a_node_allows_its_default() -> None:
    given, assumed = (
        estimate(PRICE, b"x", limit, Decimal(1), CAP).maximum
        for limit in (DEFAULT_MAX_TOKENS, None)
    )
    assert given == assumed


@pytest.mark.parametrize("price", [None, UNPUBLISHED, HALF])
def test_what_has_no_price_has_no_estimate_but_a_bound(price: ModelPrice | None) -> None:
    with pytest.raises(ConfigurationError) as refused:
        estimate(price, b"x", 1, Decimal(1), CAP)
    assert "0.1 OPG" in refused.value.hint
