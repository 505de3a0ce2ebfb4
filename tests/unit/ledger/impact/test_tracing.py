"""From outputs to what was made from them, on both databases."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opengradient_sdk._core.store import Db, Store
from opengradient_sdk.errors import ConfigurationError, LedgerError
from opengradient_sdk.ledger.impact import Impact, ImpactQuery, Mark, impact, reading
from opengradient_sdk.types import Address, Amount, Bytes32

from ...payments.makers import NOW, OWNER, STRANGER, TEE
from .makers import AS_OF, OF_B, A, B, Writing, answered, impact_of, numbers, write

Graph = dict[int, set[int]]


async def test_everything_downstream_is_found_to_any_depth(store: Store) -> None:
    found = await impact_of(
        store,
        answered(1, build=A),
        answered(2, build=B),
        answered(3, 2),
        answered(4, 3),
        answered(5, 4, 1),
        answered(6, 1),
    )
    assert numbers(found.outputs) == [2]
    assert [(each.id, each.depth, each.via) for each in found.downstream] == [
        ("rcpt_3", 1, ("rcpt_2",)),
        ("rcpt_4", 2, ("rcpt_3",)),
        ("rcpt_5", 3, ("rcpt_4",)),
    ]
    assert found.as_of == AS_OF
    assert found.missing == ()


async def test_what_two_ways_lead_to_is_counted_once_and_by_the_shorter(store: Store) -> None:
    found = await impact_of(
        store, answered(1, build=B), answered(2, 1), answered(3, 2), answered(4, 1, 3)
    )
    assert [(each.id, each.depth) for each in found.downstream] == [
        ("rcpt_2", 1),
        ("rcpt_4", 1),
        ("rcpt_3", 2),
    ]
    assert found.downstream[1].via == ("rcpt_1", "rcpt_3")
    assert found.downstream_calls.count == 3


async def test_an_output_that_rests_on_another_is_an_output(store: Store) -> None:
    found = await impact_of(store, answered(1, build=B), answered(2, 1), answered(3, 2, build=B))
    assert numbers(found.outputs) == [1, 3]
    assert found.outputs[1].via == ("rcpt_2",)
    assert numbers(found.downstream) == [2]


async def test_cycles_end(store: Store) -> None:
    found = await impact_of(
        store, answered(1, 3, build=B), answered(2, 1), answered(3, 2), answered(4, 4)
    )
    assert numbers(found.outputs) == [1]
    assert numbers(found.downstream) == [2, 3]


async def test_parents_that_are_nowhere_are_survived(store: Store) -> None:
    found = await impact_of(store, answered(1, 77, build=B), answered(2, 1, 78))
    assert numbers(found.touched) == [1, 2]
    assert found.downstream[0].via == ("rcpt_1",)
    assert found.missing == ()


async def test_a_child_without_a_receipt_is_named_and_followed(store: Store) -> None:
    def lose(db: Db) -> None:
        db.execute("DELETE FROM ledger_receipt WHERE id = ?", ("rcpt_2",))

    await write(store, answered(1, build=B), answered(2, 1), answered(3, 2))
    await store.run(lose)
    found = await impact(store, OF_B, as_of=AS_OF)
    assert found.missing == ("rcpt_2",)
    assert numbers(found.downstream) == [3]
    assert found.downstream[0].depth == 2


async def test_nothing_in_question_touches_nothing(store: Store) -> None:
    found = await impact_of(store, answered(1), answered(2, 1))
    assert found.touched == ()
    assert found.payments == ()
    assert found.charged == Amount(0)
    assert str(found.output_calls) == "0 calls, 0 OPG"


OTHER = Bytes32(b"\x02" * 32)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"pcr_hashes": frozenset({B})}, [2, 3]),
        ({"pcr_hashes": frozenset({A, B})}, [1, 2, 3, 4]),
        ({"pcr_hashes": frozenset({B}), "version": "devnet-2"}, [2, 3]),
        ({"model": "gpt-5-mini"}, [3, 4]),
        ({"model": "gpt-5-mini", "pcr_hashes": frozenset({B})}, [3]),
        ({"tee_id": OTHER}, [1]),
        ({"tee_id": TEE, "since": NOW + 3}, [3, 4]),
        ({"tee_id": TEE, "until": NOW + 3}, [2]),
        ({"tee_id": TEE, "since": int(NOW) + 3, "until": NOW + 4}, [3]),
        ({"tee_id": TEE, "owner": OWNER}, [2, 3, 4]),
        ({"tee_id": TEE, "owner": STRANGER}, []),
        ({"tee_id": TEE, "network": "eip155:1"}, []),
    ],
)
async def test_what_is_in_question(
    store: Store, members: dict[str, Any], expected: list[int]
) -> None:
    found = await impact_of(
        store,
        answered(1, tee_id=OTHER),
        answered(2, build=B),
        answered(3, build=B, model="gpt-5-mini"),
        answered(4, model="gpt-5-mini"),
        query=ImpactQuery(**members),
    )
    assert numbers(found.outputs) == expected


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, "a build, a version, a model or a node"),
        ({"since": NOW}, "a build, a version, a model or a node"),
        ({"owner": OWNER}, "a build, a version, a model or a node"),
        ({"version": "devnet-9"}, "no build is known of the version 'devnet-9'"),
        ({"version": "devnet-9", "pcr_hashes": frozenset()}, "no build is known"),
        ({"pcr_hashes": frozenset()}, "of no builds"),
        ({"model": ""}, "model is an empty text"),
        ({"model": "m", "network": ""}, "network is an empty text"),
        ({"model": "m", "since": math.nan}, "since is a finite number"),
        ({"model": "m", "until": math.inf}, "until is a finite number"),
        ({"model": "m", "until": True}, "until is a finite number"),
        ({"model": "m", "since": "yesterday"}, "since is a finite number"),
        ({"model": "m", "since": NOW, "until": NOW}, "the period is empty"),
    ],
)
def test_no_question(members: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        ImpactQuery(**members)


async def test_runs_and_tags_are_named(store: Store) -> None:
    found = await impact_of(
        store,
        answered(1, build=B, tag="daily", run="report-1"),
        answered(2, 1, tag="daily", run="report-1/summary-2"),
        answered(3, 2, tag="weekly"),
        answered(4, tag="untouched", run="other-9"),
    )
    assert found.runs == (Mark("report-1", 1, 1), Mark("report-1/summary-2", 0, 1))
    assert found.tags == (Mark("daily", 1, 1), Mark("weekly", 0, 1))


async def test_costs_are_added_up_and_unknown_ones_counted(store: Store) -> None:
    huge = Amount(2**70)
    found = await impact_of(
        store,
        answered(1, build=B, cost=huge),
        answered(2, build=B, cost=huge),
        answered(3, build=B, cost=None),
        answered(4, 1, cost=Amount(3)),
    )
    assert found.output_calls.cost == Amount(2**71)
    assert (found.output_calls.count, found.output_calls.unpriced) == (3, 1)
    assert str(found.output_calls).endswith("and 1 of unknown cost")
    assert str(found.downstream_calls) == "1 call, 0.000000000000000003 OPG"


async def test_outputs_can_be_uncertain(store: Store) -> None:
    found = await impact_of(store, answered(1, build=B), answered(2, build=B), answered(3, 1))
    assert found.uncertain == ()
    doubted = found.doubting({"rcpt_2": "near to a change"})
    assert doubted.uncertain == ("rcpt_2",)
    assert "2 calls, 0.000000000000003 OPG (1 certain, 1 uncertain); downstream 1 call," in str(
        doubted
    )
    with pytest.raises(ConfigurationError, match="rcpt_3"):
        found.doubting({"rcpt_2": "near", "rcpt_3": "no output"})


async def test_what_only_doubted_outputs_lead_to_is_as_uncertain(store: Store) -> None:
    found = await impact_of(
        store,
        answered(1, build=B),
        answered(2, build=B),
        answered(3, 2),
        answered(4, 3),
        answered(5, 4, 1),
        answered(6, 5),
    )
    assert found.only_through_doubt == frozenset()
    doubted = found.doubting({"rcpt_2": "near to a change"})
    assert doubted.only_through_doubt == {"rcpt_3", "rcpt_4"}
    assert "downstream 4 calls, 0.000000000000006 OPG (2 certain, 2 uncertain)" in str(doubted)
    both = found.doubting({"rcpt_1": "near", "rcpt_2": "near"})
    assert both.only_through_doubt == {"rcpt_3", "rcpt_4", "rcpt_5", "rcpt_6"}


async def test_too_much_is_refused_and_never_cut(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(store, answered(1, build=B), answered(2, 1, build=B), answered(3, 2))
    monkeypatch.setattr(reading, "MOST_RECEIPTS", 1)
    with pytest.raises(ConfigurationError, match="too many") as error:
        await impact(store, OF_B, as_of=AS_OF)
    assert "since=" in error.value.hint
    monkeypatch.setattr(reading, "MOST_RECEIPTS", 2)
    with pytest.raises(ConfigurationError, match="too many"):
        await impact(store, OF_B, as_of=AS_OF)
    monkeypatch.setattr(reading, "MOST_RECEIPTS", 3)
    monkeypatch.setattr(reading, "MOST_LINKS", 1)
    with pytest.raises(ConfigurationError, match="too many"):
        await impact(store, OF_B, as_of=AS_OF)
    monkeypatch.setattr(reading, "MOST_LINKS", 2)
    assert numbers((await impact(store, OF_B, as_of=AS_OF)).touched) == [1, 2, 3]


async def test_more_than_one_chunk(store: Store) -> None:
    count = 2 * reading.CHUNK + 1
    found = await impact_of(
        store, answered(0, build=B), *(answered(n, 0, nonce=n) for n in range(1, count + 1))
    )
    assert numbers(found.downstream) == list(range(1, count + 1))
    assert len(found.payments) == count  # the first shares its session with the output


async def test_long_chains_are_followed_over_many_transactions(store: Store) -> None:
    count = 100
    found = await impact_of(
        store, answered(0, build=B), *(answered(n, n - 1) for n in range(1, count + 1))
    )
    assert [each.depth for each in found.downstream] == list(range(1, count + 1))


async def test_a_store_that_fails_says_so(store: Store) -> None:
    await write(store, answered(1, build=B))
    await store.run(lambda db: db.execute("DROP TABLE ledger_parent"))
    with pytest.raises(LedgerError):
        await impact(store, OF_B, as_of=AS_OF)


@pytest.mark.parametrize(
    ("column", "value"),
    [("nonce", "x"), ("tee_id", "0x12"), ("owner", "nobody"), ("cost", "0.5")],
)
async def test_a_row_that_cannot_be_read_says_so(store: Store, column: str, value: str) -> None:
    def spoil(db: Db) -> None:
        db.execute(f"UPDATE ledger_receipt SET {column} = ?", (value,))

    await write(store, answered(1, build=B))
    await store.run(spoil)
    with pytest.raises(LedgerError, match="'rcpt_1' cannot be read") as error:
        await impact(store, OF_B, as_of=AS_OF)
    assert "ogsdk ledger verify" in error.value.hint


async def test_many_ask_at_once(store: Store) -> None:
    await write(store, answered(1, build=B), answered(2, 1))
    first, *others = await asyncio.gather(*(impact(store, OF_B, as_of=AS_OF) for _ in range(20)))
    assert all(other == first for other in others)
    assert numbers(first.touched) == [1, 2]


async def test_other_payers_downstream_are_followed(store: Store) -> None:
    def another_pays(db: Db) -> None:
        db.execute("UPDATE ledger_receipt SET owner = ? WHERE id = ?", (STRANGER, "rcpt_2"))

    await write(store, answered(1, build=B), answered(2, 1))
    await store.run(another_pays)
    query = ImpactQuery(pcr_hashes=frozenset({B}), owner=OWNER)
    found = await impact(store, query, as_of=AS_OF)
    assert [payment.owner for payment in found.payments] == [OWNER, Address(STRANGER)]


NODES = 12


@given(
    edges=st.sets(st.tuples(st.integers(0, NODES - 1), st.integers(0, NODES - 1)), max_size=40),
    outputs=st.sets(st.integers(0, NODES - 1), max_size=4),
    lost=st.sets(st.integers(0, NODES - 1), max_size=2),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_it_finds_what_a_walk_finds(
    store: Store, edges: set[tuple[int, int]], outputs: set[int], lost: set[int]
) -> None:
    graph: Graph = {}
    for parent, child in edges:
        graph.setdefault(parent, set()).add(child)
    await store.run(_empty)
    writing = Writing(store)
    for number in range(NODES):
        if number not in lost:
            build = B if number in outputs else A
            writing.add(answered(number, build=build))
    writing.edges = [(f"rcpt_{parent}", f"rcpt_{child}") for parent, child in edges]
    await writing.write()

    found = await impact(store, OF_B, as_of=AS_OF)

    depths = _depths(graph, outputs - lost)
    assert _depths_of(found) == {n: depth for n, depth in depths.items() if n not in lost}
    assert {int(id_[5:]) for id_ in found.missing} == depths.keys() & lost
    for each in found.touched:
        number = int(each.id[5:])
        touched_parents = {p for p in depths if number in graph.get(p, ())}
        assert {int(id_[5:]) for id_ in each.via} == touched_parents


def _depths(graph: Graph, outputs: set[int]) -> dict[int, int]:
    depths: dict[int, int] = {}
    level, depth = outputs, 0
    while level:
        depths |= dict.fromkeys(level, depth)
        level = {child for n in level for child in graph.get(n, ())} - depths.keys()
        depth += 1
    return depths


def _depths_of(found: Impact) -> dict[int, int]:
    assert len({each.id for each in found.touched}) == len(found.touched)
    return {int(each.id[5:]): each.depth for each in found.touched}


def _empty(db: Db) -> None:
    for table in ("ledger_entry", "ledger_receipt", "ledger_parent"):
        db.execute(f"DELETE FROM {table}")
