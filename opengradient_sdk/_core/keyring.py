"""Entries of the operating system's keyring: Keychain, Credential Manager, Secret Service.

The ``keyring`` package speaks to whichever there is; it comes with the extra ``[keyring]``. What
is kept there are keys, so nothing here raises: whatever sees a key *returns* what is wrong, and
whoever raises has dropped it first. The frames of a traceback keep their local variables.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Final, Protocol, TypeAlias, cast

from ..errors import ConfigurationError

Trouble: TypeAlias = ConfigurationError
"""What is wrong; never any of what was to be kept or read."""

_DIAGNOSE: Final = "`keyring diagnose` on the command line says which backend is in use"


class _Keyring(Protocol):
    """What is used of the ``keyring`` package."""

    def get_password(self, service_name: str, username: str) -> str | None: ...

    def set_password(self, service_name: str, username: str, password: str) -> None: ...


@dataclass(frozen=True, slots=True)
class KeyringEntry:
    """One entry, by its names.

    ``instead`` says what its owner can do on a system without a keyring, as the end of a hint.
    """

    service: str
    username: str
    instead: str

    def read(self) -> str | Trouble | None:
        """Return the text of the entry, ``None`` if there is none. This blocks, perhaps for long.

        The system may ask its user for a password.
        """
        keyring = self._loaded()
        if isinstance(keyring, ConfigurationError):
            return keyring
        try:
            return keyring.get_password(self.service, self.username)
        except Exception as error:  # noqa: BLE001 - backends raise their systems' own errors
            return self._unusable(error)

    def write(self, text: str) -> Trouble | None:
        """Keep ``text`` in the place of what was there. This blocks, as ``read`` does."""
        keyring = self._loaded()
        if isinstance(keyring, ConfigurationError):
            return keyring
        try:
            keyring.set_password(self.service, self.username, text)
        except Exception as error:  # noqa: BLE001 - backends raise their systems' own errors
            return self._unusable(error)
        return None

    def kept_nothing(self, what: str) -> Trouble:
        """Return what to say when what was written cannot be read back."""
        return ConfigurationError(
            f"the keyring did not keep {what}", hint=f"{_DIAGNOSE}; or {self.instead}."
        )

    def _loaded(self) -> _Keyring | Trouble:
        try:
            return cast(_Keyring, import_module("keyring"))
        except ImportError:
            return ConfigurationError(
                "the keyring package is not installed",
                hint=f"pip install 'opengradient-sdk[keyring]', or {self.instead}.",
            )

    def _unusable(self, error: Exception) -> Trouble:
        # only the kind of error is told: a backend's text may repeat what it was given
        match type(error).__name__:
            case "NoKeyringError":
                return ConfigurationError(
                    "this system has no keyring", hint=f"On servers, {self.instead}."
                )
            case "KeyringLocked":
                return ConfigurationError(
                    "the keyring is locked, and was not unlocked", hint="Unlock it and try again."
                )
            case kind:
                return ConfigurationError(
                    f"the keyring failed: {kind}", hint=f"{_DIAGNOSE}; or {self.instead}."
                )
