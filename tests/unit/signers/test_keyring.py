"""A key in the operating system's keyring, through the keyring package's own interface."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail, null
from keyring.errors import KeyringLocked

from opengradient_sdk.errors import ConfigurationError
from opengradient_sdk.signers import LocalSigner, store_in_keyring

from .test_guard import OTHER_KEY
from .test_local import ADDRESS, BAD_KEYS, KEY, everything_shown


class FakeKeyring(KeyringBackend):
    """A fake operating system's keyring: a dictionary that can be locked."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_password(self, service: str, username: str) -> str | None:
        self._unlock()
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._unlock()
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.entries[service, username]

    def _unlock(self) -> None:
        if self.locked:
            raise KeyringLocked("dismissed")


@pytest.fixture
def use() -> Iterator[Callable[[KeyringBackend], None]]:
    """Make a backend the system's for the test."""
    before = keyring.get_keyring()
    yield keyring.set_keyring
    keyring.set_keyring(before)


@pytest.fixture
def fake(use: Callable[[KeyringBackend], None]) -> FakeKeyring:
    backend = FakeKeyring()
    use(backend)
    return backend


def test_what_is_stored_is_found_again(fake: FakeKeyring) -> None:
    assert store_in_keyring(KEY) == ADDRESS
    assert LocalSigner.from_keyring().address == ADDRESS
    assert list(fake.entries) == [("opengradient", "default")]


def test_entries_are_told_apart_by_their_names(fake: FakeKeyring) -> None:
    store_in_keyring(bytes.fromhex(KEY[2:]), service="shop", username="till")
    assert LocalSigner.from_keyring("shop", "till").address == ADDRESS
    with pytest.raises(ConfigurationError, match="no key for 'default' of 'shop'") as caught:
        LocalSigner.from_keyring("shop")
    assert "keyring set shop default" in caught.value.hint
    assert len(fake.entries) == 1


def test_an_entry_made_by_hand_may_end_in_a_line_break(fake: FakeKeyring) -> None:
    fake.entries["opengradient", "default"] = KEY[2:] + "\n"
    assert LocalSigner.from_keyring().address == ADDRESS


def test_another_accounts_key_is_never_overwritten(fake: FakeKeyring) -> None:
    store_in_keyring(KEY)
    assert store_in_keyring(KEY) == ADDRESS, "the same one may be stored again"
    with pytest.raises(ConfigurationError, match=f"already has the key of {ADDRESS}") as caught:
        store_in_keyring(OTHER_KEY)
    assert LocalSigner.from_keyring().address == ADDRESS
    shown = everything_shown(caught.value)
    assert OTHER_KEY[2:] not in shown
    assert KEY[2:] not in shown


@pytest.mark.parametrize("name", ["63 digits", "mnemonic", "placeholder"])
def test_what_is_no_key_is_neither_stored_nor_read_nor_repeated(
    fake: FakeKeyring, name: str
) -> None:
    bad, why = BAD_KEYS[name]
    with pytest.raises(ConfigurationError, match=why) as caught:
        store_in_keyring(bad)
    assert str(bad) not in everything_shown(caught.value)
    assert fake.entries == {}
    fake.entries["opengradient", "default"] = bad
    for look in (LocalSigner.from_keyring, lambda: store_in_keyring(KEY)):
        with pytest.raises(ConfigurationError, match=why) as caught:
            look()
        assert str(bad) not in everything_shown(caught.value)
    assert fake.entries["opengradient", "default"] == bad


def test_a_locked_keyring_is_explained(fake: FakeKeyring) -> None:
    fake.locked = True
    with pytest.raises(ConfigurationError, match="is locked"):
        LocalSigner.from_keyring()
    with pytest.raises(ConfigurationError, match="is locked") as caught:
        store_in_keyring(KEY)
    assert KEY[2:] not in everything_shown(caught.value)


def test_a_keyring_that_locks_before_it_stores_is_explained(
    fake: FakeKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    def set_password(service: str, username: str, password: str) -> None:
        raise OSError(f"cannot store {password}")

    monkeypatch.setattr(fake, "set_password", set_password)
    with pytest.raises(ConfigurationError, match="failed: OSError") as caught:
        store_in_keyring(KEY)
    assert KEY[2:] not in everything_shown(caught.value)


def test_a_system_without_a_keyring_is_explained(use: Any) -> None:
    use(fail.Keyring())  # what the package falls back to on a server
    with pytest.raises(ConfigurationError, match="has no keyring") as caught:
        LocalSigner.from_keyring()
    assert "keystore file" in caught.value.hint


def test_a_keyring_that_keeps_nothing_is_noticed(use: Any) -> None:
    use(null.Keyring())
    with pytest.raises(ConfigurationError, match="did not keep the key") as caught:
        store_in_keyring(KEY)
    assert KEY[2:] not in everything_shown(caught.value)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    for look in (LocalSigner.from_keyring, lambda: store_in_keyring(KEY)):
        with pytest.raises(ConfigurationError, match="not installed") as caught:
            look()
        assert "opengradient-sdk[keyring]" in caught.value.hint
        assert KEY[2:] not in everything_shown(caught.value)
