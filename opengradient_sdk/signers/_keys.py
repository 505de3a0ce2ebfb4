"""Reading a private key from what a person typed, without ever repeating it.

A reader *returns* what is wrong instead of raising it: the frames of a traceback keep their local
variables, and error reporters print them. Whoever raises has dropped the text first.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from ..errors import ConfigurationError
from ._recover import ORDER

Outcome: TypeAlias = bytes | ConfigurationError
"""The 32 bytes of a key, or what is wrong with the text (never the text itself)."""

_HEX: Final = re.compile(r"[0-9a-fA-F]+\Z")
_WORDS: Final = re.compile(r"\s*[a-zA-Z]+(?:\s+[a-zA-Z]+){11,}\s*\Z")
_HINT: Final = "a private key is 64 hex digits, with or without 0x"


def read_key(key: object) -> Outcome:
    """Return the 32 bytes of a private key given as hex text or bytes, or what is wrong with it."""
    if isinstance(key, bytes):
        return _in_range(key) if len(key) == 32 else _wrong(f"has {len(key)} bytes, not 32")
    if not isinstance(key, str):
        return _wrong(f"is a {type(key).__name__}, neither text nor bytes")
    if problem := _something_else(key):
        return problem
    digits = key[2:] if key[:2] in ("0x", "0X") else key
    if not _HEX.match(digits):
        return _wrong("holds characters that are not hex digits")
    if len(digits) != 64:
        return _wrong(f"has {len(digits)} hex digits, not 64", _likely_slip(len(digits)))
    return _in_range(bytes.fromhex(digits))


def or_raise(outcome: Outcome) -> bytes:
    """Return the key, or raise what is wrong with it.

    Raises:
        ConfigurationError: The text was no private key.
    """
    if isinstance(outcome, ConfigurationError):
        raise outcome
    return outcome


def _something_else(text: str) -> ConfigurationError | None:
    if not text.strip():
        return _wrong("is empty", "set OG_PRIVATE_KEY or pass signer=…")
    if _WORDS.match(text):
        return _wrong("is a list of words", "for a mnemonic use LocalSigner.from_mnemonic(words)")
    if text.lstrip().startswith("{"):
        return _wrong(
            "is a JSON document",
            "for a keystore file use LocalSigner.from_keystore(text_or_path, password)",
        )
    if text != text.strip():
        return _wrong(
            "has a line break or blank around it", "strip it; files often end in a line break"
        )
    return None


def _likely_slip(digits: int) -> str:
    if digits == 40:
        return "40 digits are an address; the private key of that account is needed"
    if digits in (128, 130):
        return "that many digits are a public key or a signature; the private key is needed"
    return f"{_HINT}; was one lost or doubled while copying?"


def _in_range(secret: bytes) -> Outcome:
    number = int.from_bytes(secret, "big")
    if number == 0:
        return _wrong("is zero", "zero is a placeholder, no account has it")
    if number >= ORDER:
        return _wrong("is not below the order of secp256k1", "no account has it; was it mistyped?")
    return secret


def _wrong(what: str, hint: str = _HINT) -> ConfigurationError:
    return ConfigurationError(f"the private key {what}", hint=hint)
