"""The story, written by two processes into one store, and read by a third when one has crashed."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.stores import FILE, POSTGRES, location

from opengradient_sdk import Devnet
from opengradient_sdk.signers import LocalSigner

from .clients import scribe
from .elsewhere import elsewhere
from .plot import A, B, Story
from .scribe import names_of

OWN, ONE = (0, 1), (0, 0)
"""The accounts of the two writers."""

CASES = [
    pytest.param(FILE, OWN, id="file, wallets of their own"),
    pytest.param(POSTGRES, ONE, id="postgresql, one wallet"),
    pytest.param(FILE, ONE, id="file, one wallet", marks=pytest.mark.nightly),
    pytest.param(POSTGRES, OWN, id="postgresql, wallets of their own", marks=pytest.mark.nightly),
]


@pytest.mark.parametrize(("kind", "wallets"), CASES)
async def test_two_processes_write_what_a_third_reads(
    kind: str, wallets: tuple[int, int], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    store = {
        "store": location(kind, request, tmp_path),
        "store_key": str(tmp_path / "store.key"),
    }
    async with Devnet(accounts=2) as net:
        mine, theirs = (key_of(net, number) for number in wallets)
        async with (
            elsewhere(net, mine, **store) as one,
            elsewhere(net, theirs, **store) as other,
        ):
            story = await Story(net, one, other).told()
            at_once = [await each.tell({"do": "impact", "version": B}) for each in (one, other)]
            await one.kill()
        async with scribe(net, net.accounts[0], **store) as reader:
            after = {
                build: names_of(await reader.client.timeline.impact(version=build))
                for build in (A, B)
            }
            checked = await reader.client.ledger.check()
    assert at_once == [story.book.impact(B)] * 2
    assert after == {build: story.book.impact(build) for build in (A, B)}
    assert checked.ok, checked


def key_of(net: Devnet, number: int) -> str:
    signer = net.accounts[number]
    assert isinstance(signer, LocalSigner)
    return signer._key.secret.hex()
