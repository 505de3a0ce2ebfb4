"""``ogsdk verify``, ``ledger verify`` and ``impact``, as somebody types them."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from opengradient_sdk import AsyncOpenGradient, Devnet
from opengradient_sdk.ledger.anchors import FileAnchor

VERIFIED, REFUSED, UNUSABLE = 0, 1, 2


@dataclass(frozen=True)
class Desk:
    """A folder with a store, a bundle, an anchor and the Devnet's root."""

    folder: Path
    build: str
    asked: str
    made_from_it: str

    @property
    def store(self) -> str:
        return str(self.folder / "store.sqlite")

    async def run(self, *words: str, **environment: str) -> tuple[int, str, str]:
        """Run ``ogsdk`` with these words; return its exit code and what it said."""
        bare = {name: value for name, value in os.environ.items() if not name.startswith("OG_")}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "opengradient_sdk.cli",
            *words,
            cwd=self.folder,
            env={**bare, "OG_STATE_DIR": str(self.folder / "state"), **environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert b"Traceback" not in err, err.decode()
        return process.returncode or 0, out.decode(), err.decode()


@pytest.fixture(scope="module")
async def net() -> AsyncIterator[Devnet]:
    async with Devnet() as running:
        yield running


@pytest.fixture
async def desk(net: Devnet, tmp_path: Path) -> Desk:
    wallet = await net.new_account(opg="10")
    async with AsyncOpenGradient(
        signer=wallet, network=net.profile, store=tmp_path / "store.sqlite", trust=net.trust
    ) as client:
        first = await client.chat.create(model="gpt-5", messages="first", tag="news")
        second = await client.chat.create(model="gpt-5", messages="second", parents=[first.receipt])
        (build,) = net.trust.measurements
        await client.timeline.versions()
        bundle = await client.receipts.export(second.receipt)
        (tmp_path / "bundle.json").write_text(json.dumps(bundle))
        await client.ledger.checkpoint(FileAnchor(tmp_path / "anchor.jsonl"))
    return Desk(tmp_path, str(build), first.receipt.id, second.receipt.id)


async def test_a_bundle_is_verified(desk: Desk) -> None:
    code, out, _ = await desk.run("verify", "bundle.json")
    assert code == VERIFIED
    assert desk.made_from_it in out
    assert "SIGNED" in out


async def test_an_altered_bundle_is_refused(desk: Desk) -> None:
    path = desk.folder / "bundle.json"
    bundle = json.loads(path.read_text())
    bundle["output"]["text"] += "!"
    path.write_text(json.dumps(bundle))
    code, out, _ = await desk.run("verify", "bundle.json")
    assert code == REFUSED
    assert out.startswith("REFUSED")
    assert "output" in out


@pytest.mark.parametrize(
    "words",
    [
        ("verify", "nowhere.json"),
        ("verify", "bundle.json", "--measurement", "0x12"),
        ("verify", "bundle.json", "--root", "nowhere.pem"),
        ("ledger", "verify", "--store", "nowhere.sqlite"),
        ("ledger", "verify", "--store", "store.sqlite", "--anchor", "nowhere"),
        ("impact", "--store", "store.sqlite"),
        ("impact", "--store", "store.sqlite", "--version", "devnet-9"),
        ("impact", "--store", "store.sqlite", "--pcr-hash", "0x12"),
        ("impact", "--store", "nowhere.sqlite", "--model", "gpt-5"),
    ],
    ids=" ".join,
)
async def test_what_cannot_be_looked_at_says_why(desk: Desk, words: tuple[str, ...]) -> None:
    code, out, err = await desk.run(*words)
    assert code == UNUSABLE
    assert out == ""
    assert err.startswith("error: ")


async def test_a_whole_ledger_is_whole(desk: Desk) -> None:
    code, out, _ = await desk.run("ledger", "verify", "--store", desk.store)
    assert code == VERIFIED
    assert "Nothing is wrong" in out
    assert "cut off" in out  # without an anchor that cannot be seen
    code, out, _ = await desk.run(
        "ledger", "verify", "--store", desk.store, "--anchor", "anchor.jsonl",
        "--store-key", f"{desk.store}.key",
    )  # fmt: skip
    assert code == VERIFIED
    assert "cut off" not in out


async def test_a_changed_entry_is_named(desk: Desk) -> None:
    with sqlite3.connect(desk.store) as db:
        ((writer, seq),) = db.execute(
            "SELECT writer, seq FROM ledger_entry WHERE subject = ? AND kind = 'receipt'",
            (desk.asked,),
        ).fetchall()
        db.execute(
            "UPDATE ledger_entry SET body = replace(body, '\"news\"', '\"olds\"') WHERE seq = ?",
            (seq,),
        )
    code, out, _ = await desk.run("ledger", "verify", "--store", desk.store)
    assert code == REFUSED
    assert f"writer {writer}, entry {seq}" in out


async def test_a_cut_off_end_shows_against_the_anchor(desk: Desk) -> None:
    with sqlite3.connect(desk.store) as db:
        for table in ("ledger_entry", "ledger_writer", "ledger_receipt", "ledger_parent",
                      "ledger_content", "ledger_checkpoint"):  # fmt: skip
            db.execute(f"DELETE FROM {table}")
    code, _, err = await desk.run("ledger", "verify", "--store", desk.store)
    assert code == UNUSABLE
    assert "nothing is recorded" in err
    anchored = ("ledger", "verify", "--store", desk.store, "--anchor", "anchor.jsonl")
    code, out, _ = await desk.run(*anchored)
    assert code == REFUSED
    assert "Wrong" in out


async def test_the_impact_of_a_version(desk: Desk) -> None:
    words = ("impact", "--version", "devnet-1", "--store", desk.store)
    code, out, _ = await desk.run(*words, "--report", "report.md")
    assert code == VERIFIED
    assert out.index(desk.asked) < out.index(desk.made_from_it)
    report = (desk.folder / "report.md").read_text()
    assert all(word in report for word in (desk.asked, desk.made_from_it, desk.build, "devnet-1"))
    code, out, _ = await desk.run(*words, "--format", "json")
    assert {output["id"] for output in json.loads(out)["outputs"]} == {
        desk.asked,
        desk.made_from_it,
    }
    code, out, _ = await desk.run(*words, "--format", "mermaid")
    assert out.startswith(("flowchart", "graph"))
