"""Money never loses an atom."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opengradient_sdk.types import Amount

ATOMS = st.integers(0, 2**256 - 1)


@given(ATOMS)
def test_text_there_and_back_keeps_every_atom(atoms: int) -> None:
    amount = Amount(atoms)
    assert Amount.parse(str(amount)) == amount
    assert Amount.parse(amount.tokens) == amount
    assert Amount.parse(atoms) == amount
    assert Amount.parse(amount) == amount


@given(ATOMS, ATOMS)
def test_amounts_behave_like_their_atoms(left: int, right: int) -> None:
    one, other = Amount(left), Amount(right)
    assert (one + other).atoms == left + right
    assert (one - other).atoms == left - right
    assert (one < other, one <= other) == (left < right, left <= right)
    assert (one > other, one >= other) == (left > right, left >= right)
    assert bool(one) is bool(left)
    assert hash(one) == hash(Amount(left))


@pytest.mark.parametrize(
    ("text", "atoms"),
    [
        ("1", 10**18),
        ("0.1 OPG", 10**17),
        ("0.1OPG", 10**17),
        (" 4.35 opg ", 4_350_000_000_000_000_000),
        ("1_000", 10**21),
        ("0.000000000000000001", 1),
        ("1.0000000000000000000000", 10**18),
        ("0", 0),
    ],
)
def test_what_a_person_writes(text: str, atoms: int) -> None:
    assert Amount.parse(text).atoms == atoms


@pytest.mark.parametrize(
    ("atoms", "text"),
    [
        (0, "0 OPG"),
        (1, "0.000000000000000001 OPG"),
        (10**17, "0.1 OPG"),
        (-(10**18), "-1 OPG"),
        (12 * 10**18, "12 OPG"),
    ],
)
def test_how_it_is_printed(atoms: int, text: str) -> None:
    assert str(Amount(atoms)) == text


@pytest.mark.parametrize("value", [1.0, 4.35, True, None, [1], b"1"])
def test_what_is_no_money_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="money is never"):
        Amount.parse(value)


@pytest.mark.parametrize("value", [1.0, True, "1", None])
def test_atoms_are_an_int(value: Any) -> None:
    with pytest.raises(TypeError, match="whole number of atoms"):
        Amount(value)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("", "not an amount"),
        ("-1", "not an amount"),
        ("1e18", "needed, not of e|not an amount"),
        ("1,5", "not an amount"),
        ("٣", "not an amount"),
        ("1 ETH", "not of ETH"),
        (-1, "not negative"),
        (Decimal("-0.1"), "not negative"),
        (Decimal("NaN"), "finite"),
        (Decimal("Infinity"), "finite"),
        ("0.0000000000000000001", "finer than an atom"),
        (Decimal("1E-999999999"), "finer than an atom"),
        (Decimal("1E+999999999"), "no chain holds"),
        ("9" * 100, "no chain holds"),
    ],
)
def test_what_is_no_amount_is_refused(value: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Amount.parse(value)


def test_nothing_is_nothing_however_it_is_written() -> None:
    spellings: list[Any] = [0, "0", "0.0", Decimal("-0"), Decimal("0E-99999"), Decimal("0E+99999")]
    assert {Amount.parse(value).atoms for value in spellings} == {0}


def test_assets_do_not_mix() -> None:
    opg, ether = Amount(1), Amount(1, "ETH")
    assert opg != ether
    for mix in (opg.__add__, opg.__sub__, opg.__lt__, opg.__le__, opg.__gt__, opg.__ge__):
        with pytest.raises(ValueError, match="do not mix"):
            mix(ether)
    with pytest.raises(ValueError, match="not of ETH"):
        Amount.parse(ether)


def test_other_decimals_are_respected() -> None:
    usdc = Amount.parse("1.5", symbol="USDC", decimals=6)
    assert (usdc.atoms, str(usdc)) == (1_500_000, "1.5 USDC")
    assert str(Amount(5, "VOTES", 0)) == "5 VOTES"
