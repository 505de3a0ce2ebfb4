"""Batches by their roots: read once, and held to what the chain says of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from opengradient_sdk.chain.contracts.settlement_relay import BatchSettlement
from opengradient_sdk.ledger.data import batches
from opengradient_sdk.ledger.data.batches import Batches, blob_name
from opengradient_sdk.ledger.data.blobs import Lack, Unreadable
from opengradient_sdk.verification import BatchDump

from .conftest import Scene
from .mock_relay import batch_of, leaf_of, promised


def a_batch(scene: Scene, *numbers: int) -> BatchSettlement:
    leaves = [leaf_of(promised(number)) for number in numbers]
    return BatchSettlement(*batch_of(scene.store.blobs, *leaves))


async def test_a_batch_is_read_once(scene: Scene) -> None:
    reader, batch = Batches(scene.reader, scene.clock), a_batch(scene, 1, 2)
    first, again = await reader.read(batch), await reader.read(batch)
    assert isinstance(first, BatchDump)
    assert again is first
    assert len(scene.store.asked) == 1


@pytest.mark.parametrize(
    ("wrong", "why"),
    [({"batch_size": 3}, "it has 2 leaves"), ({"merkle_root": bytes(32)}, "its root is 0x")],
)
async def test_what_the_chain_says_otherwise_is_refused(
    scene: Scene, wrong: dict[str, object], why: str
) -> None:
    reader, batch = Batches(scene.reader, scene.clock), a_batch(scene, 1, 2)
    assert isinstance(await reader.read(batch), BatchDump)
    found = await reader.read(replace(batch, **wrong))  # type: ignore[arg-type]
    assert isinstance(found, Unreadable)
    assert found.lack is Lack.REFUSED
    assert why in found.reason


async def test_the_least_used_is_forgotten(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_MOST_LEAVES", 5)
    reader = Batches(scene.reader, scene.clock)
    first, second, third = (a_batch(scene, n, n + 1) for n in (1, 3, 5))
    for batch in (first, second, first, third):
        await reader.read(batch)
    scene.store.asked.clear()
    for batch in (first, third, second):
        await reader.read(batch)
    assert scene.store.asked == [second.blob_id.decode()]


async def test_old_failures_are_forgotten(scene: Scene) -> None:
    reader = Batches(scene.reader, scene.clock)
    scene.store.status = 404
    for number in range(5):
        await reader.read(a_batch(scene, number))
        scene.clock.advance(31)
    assert len(reader._missing) == 1


def test_names_of_blobs() -> None:
    assert blob_name(b"abc") == "abc"
    assert blob_name(b"\xff") == "0xff"
