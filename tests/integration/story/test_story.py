"""The rollback, told with an own book: what the timeline names is that, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import pytest
from support.secret_search import find_secrets

from opengradient_sdk import Assurance, AsyncOpenGradient, CheckStatus, Devnet
from opengradient_sdk.ledger.impact import mermaid, report, to_json, tree
from opengradient_sdk.payments.status import PaymentState
from opengradient_sdk.signers import LocalSigner
from opengradient_sdk.types import Amount

from .clients import scribe
from .plot import A, B, Story
from .scribe import Scribe, names_of

OUTPUTS = {"price", "price from the plan", "order", "check of the order"}
BILLS, NOTES = ({f"{name} {n}" for n in range(3)} for name in ("bill", "note"))
DOWNSTREAM = {"left", "right", "both", "summary", "mail", "reminder", *BILLS}
UNTOUCHED = {"plain", "plan", "facts", "fresh", "new facts", *NOTES}


@dataclass(frozen=True)
class Told:
    """A story that is over, and where it was written."""

    story: Story
    store: Mapping[str, str]
    at_once: Mapping[str, Any]
    secrets: Mapping[str, str]

    def again(self) -> AbstractAsyncContextManager[Scribe]:
        """A new client on the same store: it remembers nothing."""
        net = self.story.net
        return scribe(net, net.accounts[0], **self.store)


@pytest.fixture(scope="module")
async def told(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Told]:
    folder = tmp_path_factory.mktemp("story")
    store = {"store": str(folder / "store.sqlite"), "store_key": str(folder / "key")}
    async with Devnet(accounts=2) as net:
        async with (
            scribe(net, net.accounts[0], **store) as one,
            scribe(net, net.accounts[1], **store) as other,
        ):
            story = await Story(net, one, other).told()
            at_once = await one.tell({"do": "impact", "version": B})
            secrets = secrets_of(net, one.client, other.client)
        yield Told(story, store, at_once, secrets)


def secrets_of(net: Devnet, *clients: AsyncOpenGradient) -> dict[str, str]:
    """Return keys, payment headers and session ids by what they are."""
    found: dict[str, str] = {}
    for number, signer in enumerate(net.accounts):
        assert isinstance(signer, LocalSigner)
        found[f"key {number}"] = signer._key.secret.hex()
    for one, client in enumerate(clients):
        for life in client._work.core.lives._known.values():
            found[f"header {len(found)} of {one}"] = life.authorization.header
    for node in net.nodes:
        found |= {f"session {len(found) + n}": s.id for n, s in enumerate(node.sessions)}
    return found


def test_the_story_is_the_one_that_was_planned(told: Told) -> None:
    book = told.story.book
    assert book.of(B) == OUTPUTS
    assert book.downstream(B) == DOWNSTREAM
    assert book.untouched(B) == UNTOUCHED
    assert {book.answers[name].build for name in DOWNSTREAM | UNTOUCHED} == {A}
    assert len({answer.nonce for answer in book.answers.values()}) == 7
    assert len(book.impact(B)["payments"]) == 5


def test_the_impact_is_what_the_book_says(told: Told) -> None:
    assert told.at_once == told.story.book.impact(B)


async def test_a_new_client_says_the_same(told: Told) -> None:
    async with told.again() as one:
        for build in (A, B):
            impact = await one.client.timeline.impact(version=build)
            assert names_of(impact) == told.story.book.impact(build)


async def test_a_diamond_is_met_once_and_by_both_ways(told: Told) -> None:
    book = told.story.book
    async with told.again() as one:
        impact = await one.client.timeline.impact(version=B)
    by_id = {each.id: each for each in impact.touched}
    (both,) = (by_id[id_] for id_ in book.ids("both"))
    assert (both.depth, set(both.via)) == (2, book.ids("left", "right"))
    (right,) = (by_id[id_] for id_ in book.ids("right"))
    assert set(right.via) == book.ids("price from the plan")  # the plan itself is A's
    depths = {name: by_id[book.answers[name].id].depth for name in ("summary", "mail", "reminder")}
    assert depths == {"summary": 3, "mail": 4, "reminder": 5}


async def test_the_timeline_knows_who_was_valid_when(told: Told) -> None:
    times = told.story.times
    async with told.again() as one:
        valid = {name: await one.client.timeline.at(time) for name, time in times.items()}
    builds = {name: [each.version for each in found.versions] for name, found in valid.items()}
    assert builds == {"A": [A], "B": [A, B], "nobody": [A], "A again": [A]}
    nodes = {name: [node.tee_id for node in found.nodes] for name, found in valid.items()}
    assert {name: len(ids) for name, ids in nodes.items()} == {
        "A": 1,
        "B": 1,
        "nobody": 0,
        "A again": 1,
    }
    ((first,), (second,), (third,)) = (nodes[name] for name in ("A", "B", "A again"))
    assert len({first, second, third}) == 3
    assert third == told.story.net.nodes[0].tee_id


async def test_what_was_proven_then_stays_and_what_came_since_stands_beside_it(told: Told) -> None:
    book = told.story.book
    owner = told.story.net.accounts[0].address
    mine = [each for each in book.answers.values() if each.owner == owner]
    async with told.again() as one:
        for answer in mine:
            before = await one.client.receipts.get(answer.id)
            after = await one.client.receipts.refresh(answer.id)
            assert before.assurance is after.assurance is Assurance.REGISTERED
            assert before.pcr_hash == after.pcr_hash
            assert before.registered == after.registered
            since = after.evidence.get("build_since")
            assert since is not None
            wanted = CheckStatus.FAILED if answer.build == B else CheckStatus.PASSED
            assert since.status is wanted, since
            told_open = any("build_since" in item for item in after.unresolved)
            assert told_open is (answer.build == B)
        impact = await one.client.timeline.impact(version=B)
    assert names_of(impact) == book.impact(B)


async def test_the_payment_in_between_is_named_with_what_the_chain_charged(told: Told) -> None:
    book, nonce = told.story.book, told.story.book.answers["price"].nonce
    (paid,) = [
        each
        for each in told.story.net.facilitator.records.settled
        if str(each.nonce) == nonce and each.payer == told.story.net.accounts[0].address
    ]
    async with told.again() as one:
        impact = await one.client.timeline.impact(version=B)
    by_nonce = {str(payment.nonce): payment for payment in impact.payments}
    charged = by_nonce[nonce]
    assert charged.status is not None
    assert charged.status.state in (PaymentState.SETTLED, PaymentState.FINAL)
    assert charged.status.transaction == paid.transaction
    assert charged.charged == Amount(paid.amount)
    # both calls of the session are B's: here the charge is the price of what is in question
    assert (charged.outputs.count, charged.downstream.count, charged.others) == (2, 0, 0)
    assert charged.charged == charged.outputs.cost
    mixed = by_nonce[book.answers["both"].nonce]
    # "fresh" shares the session of six that are touched: it is counted, and not named
    assert (mixed.outputs.count, mixed.downstream.count, mixed.others) == (0, 6, 1)
    assert mixed.charged is None
    assert not mixed.settled


async def test_the_report_names_all_of_it_and_gives_nothing_away(told: Told) -> None:
    book = told.story.book
    async with told.again() as one:
        impact = await one.client.timeline.impact(version=B)
        versions = [each for each in await one.client.timeline.versions() if each.version == B]
        shown = {
            "report": report(impact, builds=versions),
            "tree": tree(impact),
            "mermaid": mermaid(impact),
            "json": str(to_json(impact)),
        }
    for text in shown.values():
        assert all(id_ in text for id_ in book.ids(*OUTPUTS, *DOWNSTREAM))
        assert not any(id_ in text for id_ in book.ids(*UNTOUCHED))
        assert "please" not in text  # no word of question or answer
        assert find_secrets(text, told.secrets) == []
    for name in OUTPUTS | DOWNSTREAM:
        assert book.answers[name].nonce in shown["report"]
    settled = [each for each in impact.payments if each.settled]
    assert settled
    assert all(str(each.status.transaction) in shown["report"] for each in settled if each.status)
    for heading in ("# What a rollback touches", "## Payments", "## What this cannot show"):
        assert heading in shown["report"]
    assert len(told.secrets) > 5
