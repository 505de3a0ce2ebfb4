"""Secrets at rest: only the same key opens them, and the key never shows."""

# ruff: noqa: ASYNC220, ASYNC240 - nothing else runs on the loop that these tests block

from __future__ import annotations

import asyncio
import base64
import copy
import os
import pickle
import stat
import subprocess
import sys
import types
from pathlib import Path

import pytest
from support.secret_search import find_secrets

from opengradient_sdk._core.vault import Vault
from opengradient_sdk.errors import ConfigurationError, LedgerError

PLAIN = b"PAYMENT-SIGNATURE: worth its cap"
ABOUT = "authorization eip155:8453/0xabc/7"

PROGRAM = """
import asyncio, sys
from opengradient_sdk._core.vault import Vault

async def main():
    vault = Vault.at(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    await vault.open()
    print(vault.key_id, vault.seal(b"from a process", "it"), flush=True)

asyncio.run(main())
"""


class FakeKeyring(types.ModuleType):
    """A mock of the ``keyring`` package: entries in a dictionary."""

    def __init__(self) -> None:
        super().__init__("keyring")
        self.entries: dict[tuple[str, str], str] = {}
        self.failure: Exception | None = None

    def get_password(self, service_name: str, username: str) -> str | None:
        if self.failure is not None:
            raise self.failure
        return self.entries.get((service_name, username))

    def set_password(self, service_name: str, username: str, password: str) -> None:
        self.entries[service_name, username] = password


@pytest.fixture
def store(tmp_path: Path) -> str:
    return str(tmp_path / "state" / "store.sqlite")


@pytest.fixture
def key_file(store: str) -> Path:
    """Where the key of ``store`` is kept."""
    return Path(f"{store}.key")


@pytest.fixture
def fake_keyring(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeKeyring:
    keyring = FakeKeyring()
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setenv("OG_STATE_DIR", str(tmp_path / "home"))
    return keyring


async def opened(store: str, key: str | None = None) -> Vault:
    vault = Vault.at(store, key)
    await vault.open()
    return vault


async def test_what_is_sealed_is_opened_by_the_same_key(store: str) -> None:
    first, second = await opened(store), await opened(store)
    sealed = first.seal(PLAIN, ABOUT)

    assert second.unseal(sealed, ABOUT) == PLAIN
    assert first.key_id == second.key_id
    assert first.seal(PLAIN, ABOUT) != sealed
    assert find_secrets(sealed, {"plain": PLAIN.decode()}) == []
    assert first.unseal(first.seal(b"", ""), "") == b""


async def test_a_change_of_any_byte_shows(store: str) -> None:
    vault = await opened(store)
    raw = bytearray(base64.b64decode(vault.seal(PLAIN, ABOUT)))
    for at in range(len(raw)):
        for bit in (0x01, 0x80):
            changed = bytearray(raw)
            changed[at] ^= bit
            with pytest.raises(LedgerError, match="cannot be opened"):
                vault.unseal(base64.b64encode(changed).decode(), ABOUT)


async def test_what_is_cut_or_longer_shows(store: str) -> None:
    vault = await opened(store)
    sealed = vault.seal(PLAIN, ABOUT)
    raw = base64.b64decode(sealed)
    for length in range(len(raw)):
        with pytest.raises(LedgerError):
            vault.unseal(base64.b64encode(raw[:length]).decode(), ABOUT)
    for text in (
        sealed + "AAAA",
        base64.b64encode(raw + b"\0").decode(),
        f" {sealed}",
        "é",
        "",
        "%",
    ):
        with pytest.raises(LedgerError):
            vault.unseal(text, ABOUT)


@pytest.mark.parametrize("about", ["", ABOUT + " ", ABOUT.upper(), "authorization", "\ud800"])
async def test_a_secret_is_about_one_thing_only(store: str, about: str) -> None:
    vault = await opened(store)
    sealed = vault.seal(PLAIN, ABOUT)

    with pytest.raises(LedgerError, match="about something else"):
        vault.unseal(sealed, about)


async def test_another_key_opens_nothing(store: str, tmp_path: Path) -> None:
    vault, other = await opened(store), await opened(store, str(tmp_path / "another"))

    assert vault.key_id != other.key_id
    with pytest.raises(LedgerError, match="another key") as info:
        other.unseal(vault.seal(PLAIN, ABOUT), ABOUT)
    assert "store_key=" in info.value.hint


async def test_a_store_in_memory_has_a_key_in_memory(tmp_path: Path) -> None:
    vault, other = await opened(":memory:"), await opened(":memory:")

    assert vault.key_id != other.key_id
    assert vault.unseal(vault.seal(PLAIN, ABOUT), ABOUT) == PLAIN
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_read_or_made_before_it_is_opened(store: str, key_file: Path) -> None:
    vault = Vault.at(store)

    assert not key_file.parent.exists()
    for use in (lambda: vault.key_id, lambda: vault.seal(PLAIN, ABOUT)):
        with pytest.raises(LedgerError, match="not open"):
            use()
    with pytest.raises(LedgerError, match="not open"):
        vault.unseal("AAAA", ABOUT)


async def test_the_file_is_for_its_owner_only(store: str, key_file: Path) -> None:
    before = os.umask(0)
    try:
        await opened(store)
    finally:
        os.umask(before)

    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(key_file.parent.stat().st_mode) == 0o700
    assert list(key_file.parent.iterdir()) == [key_file]  # no draft is left
    assert len(bytes.fromhex(key_file.read_text().strip())) == 32


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o666])
async def test_a_file_that_others_may_use_is_refused(store: str, key_file: Path, mode: int) -> None:
    await opened(store)
    key_file.chmod(mode)

    with pytest.raises(ConfigurationError, match=f"mode {mode:04o}") as info:
        await opened(store)
    assert "chmod 600" in info.value.hint


@pytest.mark.parametrize("left", [0, 1, 63])
async def test_a_truncated_file_is_refused_and_left_as_it_is(
    store: str, key_file: Path, left: int
) -> None:
    await opened(store)
    text = key_file.read_text()[:left]
    key_file.write_text(text)

    with pytest.raises(ConfigurationError, match="is damaged") as info:
        await opened(store)

    assert key_file.read_text() == text
    if left > 1:
        assert find_secrets(info.value, {"rest": text}) == []


async def test_a_folder_in_the_place_of_the_file_is_refused(store: str, key_file: Path) -> None:
    key_file.mkdir(parents=True)

    with pytest.raises(ConfigurationError, match="is not a file"):
        await opened(store)


async def test_a_place_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(ConfigurationError, match="cannot be made or read"):
        await opened(str(tmp_path / "store"), str(tmp_path / "file" / "key"))


@pytest.mark.parametrize("key", ["", "  ", "ab" * 32], ids=["empty", "blank", "the key itself"])
def test_what_names_no_place_is_refused(store: str, key: str) -> None:
    with pytest.raises(ConfigurationError, match="store_key is") as info:
        Vault.at(store, key)
    if key.strip():
        assert find_secrets(info.value, {"key": key}) == []


async def test_of_processes_that_make_a_key_at_once_one_does(store: str, key_file: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, store],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [process.communicate()[0].split() for process in processes]

    vault = await opened(store)
    assert {key_id for key_id, _ in told} == {vault.key_id}
    assert all(vault.unseal(sealed, "it") == b"from a process" for _, sealed in told)
    assert list(key_file.parent.iterdir()) == [key_file]


async def test_a_vault_that_is_opened_by_many_has_one_key(store: str) -> None:
    vault = Vault.at(store)
    await asyncio.gather(*(vault.open() for _ in range(10)))

    assert vault.key_id == (await opened(store)).key_id


async def test_the_keyring_keeps_the_key(
    store: str, key_file: Path, fake_keyring: FakeKeyring
) -> None:
    first, second = await opened(store, "keyring"), await opened(store, "keyring")

    assert second.unseal(first.seal(PLAIN, ABOUT), ABOUT) == PLAIN
    assert len(fake_keyring.entries) == 1
    assert not key_file.exists()


async def test_a_keyring_that_fails_is_named_without_what_it_said(
    store: str, fake_keyring: FakeKeyring
) -> None:
    fake_keyring.failure = OSError("the entry was 0123456789abcdef")

    with pytest.raises(ConfigurationError, match="the keyring failed: OSError") as info:
        await opened(store, "keyring")
    assert find_secrets(info.value, {"said": "0123456789abcdef"}) == []


async def test_an_entry_that_is_no_key_is_left_as_it_is(
    store: str, fake_keyring: FakeKeyring
) -> None:
    await opened(store, "keyring")
    (name,) = fake_keyring.entries
    fake_keyring.entries[name] = "somebody else's"

    with pytest.raises(ConfigurationError, match="is not a store's key"):
        await opened(store, "keyring")
    assert fake_keyring.entries[name] == "somebody else's"


async def test_the_key_shows_nowhere(store: str, key_file: Path) -> None:
    vault = await opened(store)
    secrets = {"key": key_file.read_text().strip()}

    assert find_secrets(vault, secrets) == []
    assert find_secrets(vault.key_id, secrets) == []
    with pytest.raises(LedgerError) as info:
        vault.unseal("AAAA", ABOUT)
    assert find_secrets(info.value, secrets) == []
    key_file.chmod(0o644)
    with pytest.raises(ConfigurationError) as refused:
        await opened(store)
    assert find_secrets(refused.value, secrets) == []


async def test_a_vault_is_neither_copied_nor_pickled(store: str) -> None:
    vault = await opened(store)
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            copied(vault)
