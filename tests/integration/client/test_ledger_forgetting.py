"""What is forgotten stays forgotten, everywhere, and what is kept tells nothing of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from opengradient_sdk.errors import OpenGradientError

from .conftest import HeldRefreshes
from .kit import CustomerFactory, beside


async def test_what_is_forgotten_while_it_is_refreshed_stays_forgotten(
    customer: CustomerFactory, refreshes: HeldRefreshes
) -> None:
    one = await customer()
    receipt = (await one.ask(messages="a secret")).receipt
    refreshing = asyncio.create_task(one.client.receipts.refresh(receipt))
    await refreshes.begun.wait()
    forgetting = asyncio.create_task(one.client.receipts.forget(receipt))
    for _ in range(50):
        await asyncio.sleep(0)
    refreshes.go_on.set()
    await asyncio.gather(refreshing, forgetting)

    kept = await one.client.receipts.get(receipt.id)
    assert kept.content is None
    assert kept.signed is None


async def test_what_another_client_has_forgotten_is_forgotten_here(
    customer: CustomerFactory, place: str
) -> None:
    one = await customer(store=place)
    two = await beside(customer, one, store=place)
    receipt = (await one.ask(messages="a secret")).receipt
    await one.client.receipts.list()

    await two.client.receipts.forget(receipt.id)

    kept = await one.client.receipts.get(receipt.id)
    assert kept.content is None
    (listed,) = await one.client.receipts.list()
    assert listed.content is None


async def test_a_forgotten_file_holds_no_byte_of_it(
    customer: CustomerFactory, tmp_path: Path
) -> None:
    place = tmp_path / "store.sqlite"
    one = await customer(store=str(place), content="kept")
    receipt = (await one.ask(messages="xyzzy-forget-me")).receipt
    await one.client.receipts.list()
    await one.client.receipts.forget(receipt)
    await one.client.aclose()

    assert await asyncio.to_thread(_files_with, b"xyzzy-forget-me", tmp_path) == []


def _files_with(text: bytes, folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir() if text in file.read_bytes()]


async def test_no_hash_of_a_forgotten_question_is_left(customer: CustomerFactory) -> None:
    one = await customer()
    receipt = (await one.ask(idempotency_key="k")).receipt
    await one.client.receipts.forget(receipt)

    rows = await one.client._work.core.store.run(
        lambda db: db.execute("SELECT fingerprint, reply FROM payment_call")
    )

    assert rows == [("", None)]


async def test_a_key_whose_answer_was_forgotten_says_so(customer: CustomerFactory) -> None:
    one = await customer()
    receipt = (await one.ask(idempotency_key="k")).receipt
    await one.client.receipts.forget(receipt)
    signed = one.signer.count

    with pytest.raises(OpenGradientError, match="forgotten") as caught:
        await one.ask(idempotency_key="k")

    assert "refused" not in caught.value.short_message
    assert one.signer.count == signed


async def test_equal_contents_have_salts_of_their_own(customer: CustomerFactory) -> None:
    one = await customer()
    ids = [(await one.ask()).receipt.id for _ in range(2)]

    salts = {(await one.client._work.core.ledger.content_of(each))[2] for each in ids}

    assert None not in salts
    assert len(salts) == 2
