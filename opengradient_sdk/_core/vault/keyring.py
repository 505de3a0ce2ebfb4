"""A store's key in the operating system's keyring."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ...errors import ConfigurationError
from ..keyring import KeyringEntry
from .key import Outcome, new_key, read, written

SERVICE: Final = "opengradient"
_INSTEAD: Final = "pass store_key= the path of a file"


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
        entry = KeyringEntry(SERVICE, self._username(), _INSTEAD)
        found = _found(entry)
        if found is not None:
            return found
        lock = self._locate_lock()
        try:
            with _alone(lock):
                found = _found(entry)
                return _made(entry) if found is None else found
        except OSError as error:
            return ConfigurationError(
                f"the lock file {lock} cannot be used: {error.strerror}",
                hint="Set OG_STATE_DIR to a folder that this user may write to.",
            )


def _made(entry: KeyringEntry) -> Outcome:
    key = new_key()
    if (trouble := entry.write(written(key))) is not None:
        return trouble
    kept = _found(entry)
    if kept is not None and (kept == key or isinstance(kept, ConfigurationError)):
        return kept
    return entry.kept_nothing("the store's key")


def _found(entry: KeyringEntry) -> Outcome | None:
    text = entry.read()
    if not isinstance(text, str):
        return text
    return read(text) or ConfigurationError(
        f"the keyring's entry {entry.username!r} of {SERVICE!r} is not a store's key; it was left"
        " as it is",
        hint=f"If nothing else needs it: `keyring del {SERVICE} {entry.username}`. A new key is"
        " made, and what the old one sealed (open sessions, stored replies) stays closed.",
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
