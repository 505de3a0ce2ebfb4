"""A store's key in a file that only its owner can read."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ...errors import ConfigurationError
from .key import Outcome, new_key, read, written

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_MUCH: Final = 256  # bytes: a key file is shorter
_POSIX: Final = os.name == "posix"
# without waiting for whoever would write into a pipe of that name
_LOOK: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)


class KeyFile:
    """A key in a file: 64 hex digits, mode 0600.

    A file that is there is never written to, whatever is wrong with it. A new one gets its name
    when it is complete and on disk; of two processes that make it at once, one does, and the other
    takes that key.
    """

    kind = "a file"

    def __init__(self, locate: Callable[[], Path]) -> None:
        # asked for when the key is: what a name leads to is on the disk
        self._locate = locate

    def fetch(self) -> Outcome:
        """Return the key in the file, which is made if there is none."""
        path = self._locate()
        try:
            found = _found(path)
            if found is None:
                _make(path)
                found = _found(path)
        except OSError as error:
            return _unusable(path, error)
        return _unusable(path, FileNotFoundError(2, "it vanished")) if found is None else found


def _found(path: Path) -> Outcome | None:
    try:
        file = os.open(path, _LOOK)
    except FileNotFoundError:
        return None
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            return _refused(path, "is not a file", "Pass store_key= the path of a file.")
        # a mode says nothing on Windows: there a file has the access list of its folder
        if _POSIX and status.st_mode & _OTHERS:
            return _refused(
                path,
                f"can be read or changed by others (mode {stat.S_IMODE(status.st_mode):04o})",
                f"If nobody else has read it: chmod 600 {path}",
            )
        text = os.read(file, _MUCH)
    finally:
        os.close(file)
    return read(text.decode("ascii", "replace")) or _refused(
        path,
        "is damaged: it does not hold 64 hex digits; it was left as it is",
        "Restore it from a copy. Without one, move it away: a new key is made, and what the old"
        " one sealed (open sessions, stored replies) stays closed.",
    )


def _make(path: Path) -> None:
    """Make the file with a new key, unless another process is first."""
    _make_folder(path.parent)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    try:
        _write_new_key(draft)
        try:
            # a link never takes the place of a file, and what it names is complete
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was first, and its key is the store's
    finally:
        draft.unlink(missing_ok=True)
    # also for another's: what is sealed with a key must not outlive it in a power cut
    _sync_folder(path.parent)


def _write_new_key(draft: Path) -> None:
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        # no name holds the key here: an error would carry it along in its frames
        os.write(file, f"{written(new_key())}\n".encode())
        os.fsync(file)
    finally:
        os.close(file)


def _make_folder(folder: Path) -> None:
    """Make ``folder`` and those above it that are missing, for their owner only."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    if not _POSIX:
        return  # Windows opens no folders; it writes names down by itself
    there = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(there)
    finally:
        os.close(there)


def _unusable(path: Path, error: OSError) -> ConfigurationError:
    return _refused(
        path,
        f"cannot be made or read: {error.strerror}",
        "Pass store= or store_key= a place that this user may use, set OG_STATE_DIR, or make it:"
        f" (umask 077; openssl rand -hex 32 > {path})",
    )


def _refused(path: Path, why: str, hint: str) -> ConfigurationError:
    return ConfigurationError(f"the store's key file {path} {why}", hint=hint)
