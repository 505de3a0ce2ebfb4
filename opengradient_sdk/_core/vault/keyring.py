"""A store's key in the operating system's keyring; the extra ``[keyring]`` speaks to it."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Final, Protocol, cast

from ...errors import ConfigurationError
from .key import Outcome, new_key, read, written

SERVICE: Final = "opengradient"


class _Keyring(Protocol):
    """What is used of the ``keyring`` package."""

    def get_password(self, service_name: str, username: str) -> str | None: ...

    def set_password(self, service_name: str, username: str, password: str) -> None: ...


class KeyInKeyring:
    """A key in the keyring of whoever runs this process, under a name made from the store's place.

    An entry that is there is never overwritten. Processes take turns on the lock file
    ``locate_lock`` names, since a keyring cannot say "unless there is one".
    """

    kind = "the keyring"

    def __init__(self, username: Callable[[], str], locate_lock: Callable[[], Path]) -> None:
        self._username = username
        self._locate_lock = locate_lock

    def fetch(self) -> Outcome:
        """Return the key in the keyring, which is put there if there is none."""
        keyring = _load()
        if isinstance(keyring, ConfigurationError):
            return keyring
        username = self._username()
        found = _found(keyring, username)
        if found is not None:
            return found
        lock = self._locate_lock()
        try:
            with _alone(lock):
                found = _found(keyring, username)
                return _made(keyring, username) if found is None else found
        except OSError as error:
            return ConfigurationError(
                f"the lock file {lock} cannot be used: {error.strerror}",
                hint="Set OG_STATE_DIR to a folder that this user may write to.",
            )


def _made(keyring: _Keyring, username: str) -> Outcome:
    key = new_key()
    try:
        keyring.set_password(SERVICE, username, written(key))
    except Exception as error:  # noqa: BLE001 - backends raise their systems' own errors
        return _unusable(error)
    kept = _found(keyring, username)
    if kept is not None and (kept == key or isinstance(kept, ConfigurationError)):
        return kept
    return ConfigurationError(
        "the keyring did not keep the store's key",
        hint="`keyring diagnose` on the command line says which backend is in use; or pass"
        " store_key= the path of a file.",
    )


def _found(keyring: _Keyring, username: str) -> Outcome | None:
    try:
        text = keyring.get_password(SERVICE, username)
    except Exception as error:  # noqa: BLE001 - backends raise their systems' own errors
        return _unusable(error)
    if text is None:
        return None
    return read(text) or ConfigurationError(
        f"the keyring's entry {username!r} of {SERVICE!r} is not a store's key; it was left as it"
        " is",
        hint=f"If nothing else needs it: `keyring del {SERVICE} {username}`. A new key is made,"
        " and what the old one sealed (open sessions, stored replies) stays closed.",
    )


@contextmanager
def _alone(lock: Path) -> Generator[None]:
    """Hold ``lock`` against other processes; it is let go when this one dies, too.

    Windows has no such lock for a file that is not read or written: there, two processes that make
    a key for the same store at once may end with different ones. The store then refuses one.
    """
    lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if os.name == "posix":
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _load() -> _Keyring | ConfigurationError:
    try:
        return cast(_Keyring, import_module("keyring"))
    except ImportError:
        return ConfigurationError(
            "the keyring package is not installed",
            hint="pip install 'opengradient-sdk[keyring]', or pass store_key= the path of a file",
        )


def _unusable(error: Exception) -> ConfigurationError:
    # only the kind of error is told: a backend's text may repeat what it was given
    match type(error).__name__:
        case "NoKeyringError":
            return ConfigurationError(
                "this system has no keyring",
                hint="On servers the store's key is in a file: pass store_key= its path.",
            )
        case "KeyringLocked":
            return ConfigurationError(
                "the keyring is locked, and was not unlocked", hint="Unlock it and try again."
            )
        case kind:
            return ConfigurationError(
                f"the keyring failed: {kind}",
                hint="`keyring diagnose` on the command line says which backend is in use; or pass"
                " store_key= the path of a file.",
            )
