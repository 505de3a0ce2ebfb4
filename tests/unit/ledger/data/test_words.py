"""What is said to those who ask again and again: the chain's word, and what could not be read."""

from __future__ import annotations

import pytest

from opengradient_sdk.errors import ConfigurationError
from opengradient_sdk.ledger import DataState, DataStatus, Receipt
from opengradient_sdk.ledger.data.wanted import Wanted
from opengradient_sdk.ledger.data_status import SETTLED_WITHIN

from .conftest import Scene
from .mock_relay import BLOCK_TIME, promised


def wanted_of(receipt: Receipt) -> Wanted:
    wanted = Wanted.of(receipt)
    assert isinstance(wanted, Wanted)
    return wanted


async def statuses(scene: Scene, wanted: list[Wanted]) -> list[DataStatus]:
    return [word.status for word in await scene.watcher.words(wanted)]


async def test_they_are_those_of_the_receipts(scene: Scene) -> None:
    receipts = [promised(number) for number in range(3)]
    scene.settled_in(30, *receipts[:2])
    told = await statuses(scene, [wanted_of(receipt) for receipt in receipts])
    assert told == await scene.watcher.statuses(receipts)
    assert [status.state for status in told] == [DataState.FINAL] * 2 + [DataState.PROMISED]


async def test_whoever_waits_for_nothing_asks_nobody(scene: Scene) -> None:
    assert await scene.watcher.words([]) == ()
    assert scene.calls() == 0


async def test_unread_batches_are_counted_for_those_that_could_be_in_them(scene: Scene) -> None:
    receipt = promised(9)
    scene.settled_in(30, promised(1))
    scene.settled_in(31, promised(2))
    scene.store.status = 404
    blocks = int(SETTLED_WITHIN["batch"]) // BLOCK_TIME + 1
    scene.extend(blocks)
    scene.clock.advance(blocks * BLOCK_TIME)
    (word,) = await scene.watcher.words([wanted_of(receipt)])
    assert (word.status.state, word.unread) == (DataState.OVERDUE, 2)
    scene.store.status = 200
    scene.clock.advance(31)
    (word,) = await scene.watcher.words([wanted_of(receipt)])
    assert (word.status.state, word.unread) == (DataState.OVERDUE, 0)


async def test_without_a_relay_nobody_can_be_asked(scene: Scene) -> None:
    with pytest.raises(ConfigurationError, match="the relay's address is not known") as caught:
        await scene.again(relay=None).words([wanted_of(promised())])
    assert caught.value.hint == "Set OG_SETTLEMENT_RELAY."
