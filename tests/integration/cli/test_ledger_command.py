"""``ogsdk ledger verify`` says what is wrong with what it was given, before it accuses anybody."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from opengradient_sdk._core.store import open_store
from opengradient_sdk.cli.app import app
from opengradient_sdk.ledger.schema import SCHEMA

UNUSABLE = 2


@pytest.fixture
async def store(tmp_path: Path) -> str:
    """A store with a ledger in which nothing is recorded."""
    place = str(tmp_path / "store.sqlite")
    opened = open_store(place, SCHEMA)
    await opened.run(lambda db: db.execute("SELECT 1"))
    await opened.aclose()
    return place


def refused(*words: str) -> str:
    result = CliRunner().invoke(app, ["ledger", "verify", *words])
    assert result.exit_code == UNUSABLE, result.output
    return result.stderr


@pytest.mark.parametrize("line", ["{", "[]", '{"v": 1}', "[" * 100_000], ids=lambda t: t[:8])
def test_a_line_that_is_no_checkpoint_is_named(store: str, tmp_path: Path, line: str) -> None:
    anchor = tmp_path / "anchor.jsonl"
    anchor.write_text(f"\n{line}\n")
    said = refused("--store", store, "--anchor", str(anchor))
    assert f"line 2 of {anchor} is no checkpoint" in said.replace("\n", "")
    assert "FileAnchor" in said


@pytest.mark.parametrize("key", ["", "0x12", "g" * 64, "a" * 63])
def test_what_is_no_public_key_is_no_accusation(store: str, key: str) -> None:
    assert "is no ledger key" in refused("--store", store, "--public-key", key)


@pytest.mark.parametrize("key", ["AB" * 32, "0x" + "ab" * 32])
def test_a_key_may_be_spelled_otherwise(store: str, key: str) -> None:
    assert "nothing is recorded" in refused("--store", store, "--public-key", key)


def test_a_store_in_which_nothing_is_recorded_is_not_called_whole(store: str) -> None:
    assert "Is it the right one?" in refused("--store", store)
