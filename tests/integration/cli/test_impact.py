"""``ogsdk impact``: from the store alone, and after the chains were asked."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from opengradient_sdk import AsyncOpenGradient, Devnet

from .test_commands import UNUSABLE, VERIFIED, Desk


@dataclass(frozen=True)
class Shop:
    """A folder with the store of a shop that has asked ``devnet-2`` twice before its revocation."""

    desk: Desk
    early: str
    late: str
    nonce: str


@pytest.fixture
async def net() -> AsyncIterator[Devnet]:
    async with Devnet(accounts=1) as running:
        await running.approve_build("devnet-2")
        await running.upgrade(running.nodes[0], "devnet-2")
        yield running


@pytest.fixture
async def shop(net: Devnet, tmp_path: Path) -> Shop:
    async with AsyncOpenGradient(
        signer=net.accounts[0], network=net.profile, store=tmp_path / "store.sqlite"
    ) as client:
        early = (await client.chat.create(model="gpt-5", messages="price?")).receipt
        await net.advance(700)
        late = (await client.chat.create(model="gpt-5", messages="order?", parents=[early])).receipt
        await net.revoke_build("devnet-2")
        await client.timeline.history()
        await net.advance(130)
    desk = Desk(tmp_path, str(early.pcr_hash), early.id, late.id)
    return Shop(desk, early.id, late.id, str(late.authorization.nonce))


async def test_the_store_alone_says_what_nobody_was_asked(shop: Shop) -> None:
    desk = shop.desk
    code, out, _ = await desk.run(
        *("impact", "--version", "devnet-2", "--store", desk.store, "--report", "report.md")
    )
    assert code == VERIFIED
    assert "(1 certain, 1 uncertain)" in out
    assert f"◌ {shop.late}" in out
    assert f"● {shop.early}" in out
    report = (desk.folder / "report.md").read_text()
    assert report.count("- not asked: ") == 3
    assert "the registry's history was read up to block" in report
    assert f"`{shop.late}`: uncertain: version 'devnet" in report
    # what receipts list as open, as in the report of a client
    assert f"`{shop.late}`: payment: up to 0.1 OPG" in report


async def test_the_store_alone_and_a_client_write_the_same_report(net: Devnet, shop: Shop) -> None:
    desk = shop.desk
    await desk.run("impact", "--version", "devnet-2", "--store", desk.store, "--report", "cli.md",
                   "--store-key", f"{desk.store}.key")  # fmt: skip
    async with AsyncOpenGradient(
        signer=net.accounts[0], network=net.profile, store=desk.store
    ) as client:
        impact = await client.timeline.impact(version="devnet-2")
        theirs = await client.timeline.report(impact)

    def lasting(text: str) -> list[str]:
        # the client has read on in the registry, and looks at another time
        moving = ("- read at:", "- the registry's history", "- outputs were looked at", "| `devnet")
        return [line for line in text.splitlines() if not line.startswith(moving)]

    assert lasting((desk.folder / "cli.md").read_text()) == lasting(theirs)


async def test_online_asks_the_chains_first(net: Devnet, shop: Shop) -> None:
    desk = shop.desk
    words = ("impact", "--version", "devnet-2", "--store", desk.store)
    code, out, err = await desk.run(
        *words, "--online", "--format", "json", "--report", "report.md", **net.env
    )
    assert (code, err) == (VERIFIED, "")
    states = {payment["nonce"]: payment["state"] for payment in json.loads(out)["payments"]}
    assert states[shop.nonce] in ("settled", "final")
    report = (desk.folder / "report.md").read_text()
    assert report.count("- asked for this report: ") == 3
    assert "not asked" not in report.partition("### Asked, and not asked")[2]


async def test_online_without_a_wallet_says_what_is_missing(shop: Shop) -> None:
    desk = shop.desk
    code, out, err = await desk.run("impact", "--model", "gpt-5", "--store", desk.store, "--online")
    assert code == UNUSABLE
    assert out == ""
    assert "OG_PRIVATE_KEY" in err


async def test_a_store_in_which_nobody_read_the_registry_says_so(shop: Shop) -> None:
    desk = shop.desk
    with sqlite3.connect(desk.store) as db:
        for table in ("event", "pulse", "progress", "sighting"):
            db.execute(f"DELETE FROM timeline_{table}")
    code, _, err = await desk.run("impact", "--version", "devnet-2", "--store", desk.store)
    assert code == UNUSABLE
    assert "--online" in err
    code, out, _ = await desk.run(
        *("impact", "--pcr-hash", desk.build, "--store", desk.store, "--report", "report.md")
    )
    assert code == VERIFIED
    assert "uncertain)" not in out
    assert "no client has read the registry's history" in (desk.folder / "report.md").read_text()
