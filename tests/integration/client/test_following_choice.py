"""The policy says whose promises are followed; one that nothing could meet is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opengradient_sdk import (
    AllOf,
    AnyOf,
    Assurance,
    AsyncOpenGradient,
    Covered,
    Devnet,
    Sample,
    Settled,
)
from opengradient_sdk.client.required import facts_of_receipt, found_in
from opengradient_sdk.errors import AssuranceError, ConfigurationError
from opengradient_sdk.verification import Conclusion

from .following_kit import (
    WATCHED,
    following,
    later,
    looked,
    quick,
)
from .kit import CustomerFactory, after, refused
from .observing import PAST_DUE

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


class TestChoice:
    """The policy says whose hashes are followed."""

    async def test_the_draw_is_that_of_the_call(
        self, net: Devnet, customer: CustomerFactory, place: str
    ) -> None:
        policy = Sample(0.5, then=AllOf(Assurance.REGISTERED, Settled()))
        first = await customer(require=policy, store=place)
        receipts = [(await first.ask(messages=f"number {n}")).receipt for n in range(16)]
        drawn = {
            one.id
            for one in receipts
            if policy.settlement_choice(facts_of_receipt(one), found_in(one)).follow
        }
        assert set(following(first)._open) == drawn
        found = first.client.verification.statistics().settlement
        assert (found.promised, found.followed) == (16, len(drawn))
        second = await after(customer, first, require=policy, store=place)
        await looked(second)
        assert set(following(second)._open) == drawn

    async def test_without_such_a_policy_nothing_runs_and_nothing_is_asked(
        self, customer: CustomerFactory
    ) -> None:
        buyer = await customer()
        await buyer.ask()
        statistics = await buyer.client.verification.refresh()
        assert statistics.settlement.promised == 0
        assert not {"following", "data_watcher", "blobs"} & vars(buyer.client._work.core).keys()

    async def test_an_answer_that_another_part_accepts_is_not_followed(
        self, net: Devnet, customer: CustomerFactory
    ) -> None:
        buyer = await customer(require=AnyOf(Assurance.REGISTERED, Settled()))
        await buyer.ask()
        found = await looked(buyer)
        assert (found.promised, found.followed) == (1, 0)

    async def test_a_refused_answer_is_not_followed(
        self, net: Devnet, customer: CustomerFactory
    ) -> None:
        buyer = await customer(require=AllOf(Covered(), Settled()))
        with pytest.raises(AssuranceError, match="no proof covers"):
            await buyer.ask(messages=[{"role": "user", "content": [PICTURE]}])
        assert (await looked(buyer)).promised == 0

    async def test_the_first_answer_starts_it_also_if_it_is_not_drawn(
        self, net: Devnet, customer: CustomerFactory
    ) -> None:
        """Something that was left open may wait."""
        never = Sample(0, then=Settled())
        buyer = await customer(require=never, network=quick(net.profile))
        await buyer.ask()
        first = following(buyer)._task
        assert first is not None
        await first
        assert following(buyer)._earlier.are_read
        await buyer.ask(messages="another")
        assert following(buyer)._task is first

    async def test_no_more_are_followed_than_there_is_room_for(
        self, net: Devnet, customer: CustomerFactory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("opengradient_sdk.client.following._MOST_OPEN", 2)
        buyer = await customer(require=WATCHED)
        for number in range(3):
            await buyer.ask(messages=f"question {number}")
        await later(net, PAST_DUE + 300)  # those of five minutes are counted together
        found = await looked(buyer)
        assert (found.followed, found.settled, found.unclear) == (3, 2, 1)
        assert found.conclusion(1) is Conclusion.INCONCLUSIVE

    async def test_closing_waits_for_nothing(self, net: Devnet, customer: CustomerFactory) -> None:
        buyer = await customer(require=WATCHED)
        await buyer.ask()
        task = following(buyer)._task
        assert task is not None
        await buyer.client.aclose()
        assert task.done()


class TestConfiguration:
    """A policy that nothing could meet is refused when the client is made."""

    @pytest.mark.parametrize(
        ("changes", "hint"),
        [
            ({"settlement": "private"}, "settlement='batch'"),
            ({"profile": {"settlement_relay": None}}, "OG_SETTLEMENT_RELAY"),
            ({"profile": {"blob_urls": ()}}, "OG_BLOB_URL"),
        ],
        ids=["private", "no relay", "no blobs"],
    )
    async def test_what_is_never_settled_or_never_seen(
        self, net: Devnet, changes: dict[str, Any], hint: str
    ) -> None:
        network = replace(net.profile, **changes.pop("profile", {}))
        for policy in (Settled(), Sample(0.05, then=WATCHED), AnyOf(Settled(), Assurance.SIGNED)):
            with refused(ConfigurationError, "Settled()", hint=hint):
                AsyncOpenGradient(
                    signer=net.accounts[0], network=network, require=policy, **changes
                )

    async def test_individual_settlements_are_seen_without_a_store_of_blobs(
        self, net: Devnet, customer: CustomerFactory
    ) -> None:
        network = replace(net.profile, blob_urls=())
        buyer = await customer(require=WATCHED, settlement="individual", network=network)
        await buyer.ask()
        await later(net, 1)
        assert (await looked(buyer)).settled == 1
