"""A key in the operating system's keyring: Keychain, Credential Manager, Secret Service.

The ``keyring`` package speaks to whichever there is; it comes with the extra ``[keyring]``. As in
``_keys``, whatever sees a key *returns* what is wrong, and whoever raises has dropped it first.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final, Protocol, cast

from ..errors import ConfigurationError
from ..types import Address
from ._keys import Outcome, or_raise, read_key
from ._recover import address_of

SERVICE: Final = "opengradient"
USERNAME: Final = "default"


class _Keyring(Protocol):
    """What is used of the ``keyring`` package."""

    def get_password(self, service_name: str, username: str) -> str | None: ...

    def set_password(self, service_name: str, username: str, password: str) -> None: ...


def store_in_keyring(
    key: str | bytes, *, service: str = SERVICE, username: str = USERNAME
) -> Address:
    """Put a private key into the operating system's keyring and return its account.

    ``LocalSigner.from_keyring`` with the same names finds it again. A key of another account is
    never overwritten: it may be the only copy. This blocks, and the system may ask its user for a
    password: call it before the event loop runs, or in a thread.

    Raises:
        ConfigurationError: Not a private key, no keyring or a locked one, another account's key is
            there, or what was stored cannot be read back.
    """
    secret = read_key(key)
    del key
    outcome = _kept(or_raise(secret), service, username)
    del secret
    if isinstance(outcome, ConfigurationError):
        raise outcome
    return outcome


def read_from_keyring(service: str, username: str) -> Outcome:
    """Return the private key stored under these names, or what is wrong."""
    keyring = _load()
    if isinstance(keyring, ConfigurationError):
        return keyring
    found = _found(keyring, service, username)
    if found is None:
        return ConfigurationError(
            f"the keyring has no key for {username!r} of {service!r}",
            hint="put it there with store_in_keyring(key), or "
            f"`keyring set {service} {username}` on the command line",
        )
    return found


def _kept(secret: bytes, service: str, username: str) -> Address | ConfigurationError:
    keyring = _load()
    if isinstance(keyring, ConfigurationError):
        return keyring
    there = _found(keyring, service, username)
    if isinstance(there, ConfigurationError):
        return there
    if there is not None and there != secret:
        return ConfigurationError(
            f"the keyring already has the key of {_account(there)} for {username!r} of {service!r}",
            hint="choose another username=; or, if there is a copy of that key, "
            f"`keyring del {service} {username}` first",
        )
    try:
        keyring.set_password(service, username, "0x" + secret.hex())
    except Exception as error:  # noqa: BLE001 - backends raise their systems' own errors
        return _unusable(error)
    if _found(keyring, service, username) != secret:
        return ConfigurationError(
            "the keyring did not keep the key",
            hint="`keyring diagnose` on the command line says which backend is in use",
        )
    return _account(secret)


def _found(keyring: _Keyring, service: str, username: str) -> Outcome | None:
    try:
        text = keyring.get_password(service, username)
    except Exception as error:  # noqa: BLE001 - backends raise their systems' own errors
        return _unusable(error)
    return None if text is None else read_key(text.strip())


def _load() -> _Keyring | ConfigurationError:
    try:
        return cast(_Keyring, import_module("keyring"))
    except ImportError:
        return ConfigurationError(
            "the keyring package is not installed",
            hint="pip install 'opengradient-sdk[keyring]'",
        )


def _unusable(error: Exception) -> ConfigurationError:
    # only the kind of error is told: a backend's text may repeat what it was given
    match type(error).__name__:
        case "NoKeyringError":
            return ConfigurationError(
                "this system has no keyring",
                hint="on servers use a keystore file, or a RemoteSigner",
            )
        case "KeyringLocked":
            return ConfigurationError(
                "the keyring is locked, and was not unlocked", hint="unlock it and try again"
            )
        case kind:
            return ConfigurationError(
                f"the keyring failed: {kind}",
                hint="`keyring diagnose` on the command line says which backend is in use",
            )


def _account(secret: bytes) -> Address:
    from coincurve import PrivateKey

    return address_of(PrivateKey(secret).public_key.format(compressed=False))
