"""What can be forgotten: question, answer and the node's statement, apart from the entries.

An entry holds only a salted commitment to them. The node's statement is among them because its
hashes have no salt: a short prompt could be guessed from them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from hashlib import sha256
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, Final, Literal, cast

from .._core.json_in import parse_json
from .._core.vault import Vault
from ..verification import SignedFields
from .entries import encoded
from .facts import Content
from .receipt import Receipt

ContentMode = Literal["kept", "encrypted", "hashed"]
"""What is kept of question and answer: their text, their text sealed with the store's key, or only
the node's statement of their hashes (sealed, too)."""

Form = Literal["plain", "sealed"]

_DOMAIN: Final = b"opengradient content\0"
_SALT: Final = 32  # bytes
_MEMBERS: Final = frozenset({"salt", "signed", "request", "output"})


@dataclass(frozen=True, slots=True)
class Forgettable:
    """What a content row says; ``salt`` is as secret as the rest until it is shown with it."""

    salt: bytes = field(repr=False)
    signed: SignedFields | None = field(repr=False)
    content: Content | None = field(repr=False)


def with_commitment(receipt: Receipt, mode: ContentMode) -> tuple[str | None, str | None]:
    """Return the text of a receipt's content row, and the commitment to it (hex).

    Both are ``None`` where there is nothing to keep.
    """
    content = receipt.content if mode != "hashed" else None
    if content is None and receipt.signed is None:
        return None, None
    salt = os.urandom(_SALT)
    output = "null" if content is None else quoted(content.output)
    request = "null" if content is None else encoded(content.request)
    signed = "null" if receipt.signed is None else _signed_text(receipt.signed)
    row = f'{{"output":{output},"request":{request},"salt":"{salt.hex()}","signed":{signed}}}'
    return row, _commitment(salt, f'{{"output":{output},"request":{request},"signed":{signed}}}')


def commitment_of(row: str) -> str:
    """Return the commitment to the text of a content row (hex).

    Raises:
        ValueError: It is no such text.
    """
    members = _members(row)
    salt = bytes.fromhex(members.pop("salt"))
    return _commitment(salt, encoded(members))


def read_content(row: str) -> Forgettable:
    """Return what the text of a content row says.

    Raises:
        ValueError: It is no such text.
    """
    members = _members(row)
    signed, request = members["signed"], members["request"]
    try:
        return Forgettable(
            bytes.fromhex(members["salt"]),
            None if signed is None else SignedFields(**signed),
            None if request is None else Content(request, members["output"]),
        )
    except TypeError as error:
        raise ValueError("not the content of a receipt") from error


def form_in(mode: ContentMode) -> Form:
    """Return how content rows are written."""
    return "plain" if mode == "kept" else "sealed"


def closed(row: str, receipt_id: str, form: Form, vault: Vault) -> str:
    """Return the body of a content row."""
    if form == "plain":
        return row
    return vault.seal(row.encode(), about_content(receipt_id))


def opened(body: str, receipt_id: str, form: str, vault: Vault) -> str:
    """Return the text of a content row.

    Raises:
        LedgerError: It is sealed, and this vault cannot open it.
    """
    if form == "plain":
        return body
    return vault.unseal(body, about_content(receipt_id)).decode()


def about_content(receipt_id: str) -> str:
    """Return the one place that a sealed content belongs to."""
    return f"content {receipt_id}"


def _signed_text(signed: SignedFields) -> str:
    return (
        f'{{"output_hash":{quoted(signed.output_hash)},"request_hash":{quoted(signed.request_hash)}'
        f',"signature":{quoted(signed.signature)},"tee_id":{quoted(signed.tee_id)}'
        f',"timestamp":{signed.timestamp}}}'
    )


def _commitment(salt: bytes, rest: str) -> str:
    return sha256(_DOMAIN + salt + rest.encode()).hexdigest()


def _members(row: str) -> dict[str, Any]:
    value = parse_json(row)
    if not isinstance(value, dict):
        raise ValueError("not the content of a receipt")
    members = cast(dict[str, Any], value)
    if members.keys() != _MEMBERS or not isinstance(members["salt"], str):
        raise ValueError("not the content of a receipt")
    return members
