"""``Budget``: everything that can be said with it, and what cannot."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from opengradient_sdk.errors import ConfigurationError
from opengradient_sdk.payments.budget.limits import Budget
from opengradient_sdk.payments.budget.pools import Limits, Pool
from opengradient_sdk.types import Amount

from .rows import CAP, NETWORK, OWNER


@pytest.mark.parametrize("money", ["0.1 OPG", "0.1", Decimal("0.1"), CAP, Amount(CAP)])
def test_money_is_text_atoms_decimals_or_an_amount(money: Any) -> None:
    budget = Budget(money, per_call=money, tags={"eval": money})
    assert budget.total == budget.per_call == budget.tags["eval"] == Amount(CAP)


def test_only_a_total_must_be_given() -> None:
    budget = Budget("1 OPG")
    assert (budget.per_call, budget.window, budget.name, budget.tags) == (None, None, None, {})


def test_unlimited_is_spelled_out() -> None:
    assert Budget("unlimited").total is None
    nothing: Any = None
    with pytest.raises(ConfigurationError, match="budget: total is None"):
        Budget(nothing)


@pytest.mark.parametrize("lossy", [0.1, True, [1]])
def test_floats_and_other_kinds_are_refused_as_everywhere(lossy: Any) -> None:
    with pytest.raises(TypeError, match="money is never a"):
        Budget(lossy)
    with pytest.raises(TypeError, match="money is never a"):
        Budget("1 OPG", per_call=lossy)
    with pytest.raises(TypeError, match="money is never a"):
        Budget("1 OPG", tags={"eval": lossy})


@pytest.mark.parametrize(
    ("member", "members"),
    [
        ("total", {"total": "1 ETH"}),
        ("total", {"total": "-1"}),
        ("total", {"total": Amount(-1)}),
        ("total", {"total": Amount(1, "OPG", 6)}),
        ("total", {"total": ""}),
        ("total", {"total": Decimal("NaN")}),
        ("per_call", {"per_call": "much"}),
        ("per_call", {"per_call": "unlimited"}),
        ("tag 'eval'", {"tags": {"eval": "0.0000000000000000001"}}),
        ("tag 'eval'", {"tags": {"eval": None}}),
        ("a tag", {"tags": {"": "1"}}),
        ("a tag", {"tags": {7: "1"}}),
        ("tags", {"tags": ["eval"]}),
        ("tags", {"tags": ()}),
        ("window", {"window": 0}),
        ("window", {"window": -1.5}),
        ("window", {"window": float("nan")}),
        ("window", {"window": float("inf")}),
        ("window", {"window": True}),
        ("window", {"window": "1h"}),
        ("window", {"window": timedelta(0)}),
        ("name", {"name": ""}),
        ("name", {"name": "x" * 65}),
        ("name", {"name": " padded"}),
        ("name", {"name": "nul\0"}),
        ("name", {"name": 17}),
    ],
)
def test_an_error_names_the_member(member: str, members: dict[str, Any]) -> None:
    total = members.pop("total", "1 OPG")
    with pytest.raises(ConfigurationError) as refused:
        Budget(total, **members)
    assert refused.value.short_message.startswith(f"budget: {member}")
    assert refused.value.hint


def test_a_window_is_seconds_or_a_timedelta() -> None:
    assert Budget("1 OPG", window=90).window == 90.0
    assert Budget("1 OPG", window=timedelta(hours=1)).window == 3600.0


def test_the_longest_name() -> None:
    assert Budget("1 OPG", name="ü" * 64).name == "ü" * 64


def test_it_is_a_value() -> None:
    def one() -> Budget:
        return Budget("1 OPG", per_call="0.01", window=60, name="job", tags={"eval": "0.5 OPG"})

    assert one() == one() != Budget("1 OPG")
    assert len({one(), one()}) == 1
    assert pickle.loads(pickle.dumps(one())) == one()
    total: Any = "total"
    with pytest.raises(FrozenInstanceError):
        setattr(one(), total, Amount(1))
    one().tags["eval"] = Amount(10**30)  # a copy: nobody widens a limit by the way


def test_its_repr_can_be_typed_in_again() -> None:
    budgets = [
        Budget("1.50 OPG"),
        Budget("unlimited", per_call=0),
        Budget(5, window=60, name="it's", tags={"eval": "0.5 OPG"}),
    ]
    for budget in budgets:
        assert eval(repr(budget), {"Budget": Budget}) == budget
    assert repr(budgets[0]) == "Budget('1.5 OPG')"


def test_a_total_below_one_cap_is_refused_with_the_reason() -> None:
    Budget(CAP).check_cap(CAP)
    Budget("unlimited").check_cap(10**60)
    with pytest.raises(ConfigurationError) as refused:
        Budget("0.05 OPG").check_cap(CAP)
    assert "covers no call" in refused.value.short_message
    assert "whole cap of 0.1 OPG" in refused.value.short_message
    assert '"0.1 OPG"' in refused.value.hint


def test_what_the_store_counts_it_by() -> None:
    budget = Budget("1 OPG", window=60, tags={"eval": 7})
    assert budget.limits() == Limits(10 * CAP, 60.0, {"eval": 7})
    assert budget.pool_of(OWNER, NETWORK) == Pool(OWNER, NETWORK, "")
    assert not budget.pool_of(OWNER, NETWORK).named
    named = Budget("unlimited", name="job-17")
    assert named.limits() == Limits(None)
    assert named.pool_of(OWNER, NETWORK) == Pool(OWNER, NETWORK, "job-17")
    assert named.pool_of(OWNER, NETWORK).named
