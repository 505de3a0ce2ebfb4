"""A private key in the operating system's keyring.

As in ``_keys``, whatever sees a key *returns* what is wrong, and whoever raises has dropped it.
"""

from __future__ import annotations

from typing import Final

from .._core.keyring import KeyringEntry
from ..errors import ConfigurationError
from ..types import Address
from ._keys import Outcome, or_raise, read_key
from ._recover import address_of

SERVICE: Final = "opengradient"
USERNAME: Final = "default"
_INSTEAD: Final = "use a keystore file, or a RemoteSigner"


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
    outcome = _kept(or_raise(secret), KeyringEntry(service, username, _INSTEAD))
    del secret
    if isinstance(outcome, ConfigurationError):
        raise outcome
    return outcome


def read_from_keyring(service: str, username: str) -> Outcome:
    """Return the private key stored under these names, or what is wrong."""
    found = _found(KeyringEntry(service, username, _INSTEAD))
    if found is None:
        return ConfigurationError(
            f"the keyring has no key for {username!r} of {service!r}",
            hint="put it there with store_in_keyring(key), or "
            f"`keyring set {service} {username}` on the command line",
        )
    return found


def _kept(secret: bytes, entry: KeyringEntry) -> Address | ConfigurationError:
    there = _found(entry)
    if isinstance(there, ConfigurationError):
        return there
    if there is not None and there != secret:
        return ConfigurationError(
            f"the keyring already has the key of {_account(there)} for {entry.username!r} of "
            f"{entry.service!r}",
            hint="choose another username=; or, if there is a copy of that key, "
            f"`keyring del {entry.service} {entry.username}` first",
        )
    if (trouble := entry.write("0x" + secret.hex())) is not None:
        return trouble
    return _account(secret) if _found(entry) == secret else entry.kept_nothing("the key")


def _found(entry: KeyringEntry) -> Outcome | None:
    text = entry.read()
    return read_key(text.strip()) if isinstance(text, str) else text


def _account(secret: bytes) -> Address:
    from coincurve import PrivateKey

    return address_of(PrivateKey(secret).public_key.format(compressed=False))
