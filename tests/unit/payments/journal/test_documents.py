"""A signed authorization as sealed bytes, and back: the same header, byte for byte."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opengradient_sdk.errors import LedgerError
from opengradient_sdk.payments.journal.documents import from_document, to_document
from opengradient_sdk.payments.schemes import Authorization
from opengradient_sdk.payments.schemes.authorization import Authorization as Signed
from opengradient_sdk.types import TypedData

from ..makers import an_authorization

EXACT = {
    "scheme": "exact",
    "extra": {"assetTransferMethod": "eip3009", "name": "OPG", "version": "1"},
}


def every_member(signed: Authorization) -> dict[str, object]:
    return {name: getattr(signed, name) for name in Signed.__slots__}


@pytest.mark.parametrize("changes", [{}, EXACT], ids=["upto", "exact, with bytes in its message"])
def test_nothing_is_lost(changes: dict[str, object]) -> None:
    signed = an_authorization(2**256 - 1, **changes)
    again = from_document(to_document(signed))
    assert every_member(again) == every_member(signed)
    assert again.offer.raw == signed.offer.raw
    assert again.typed_data.digest() == signed.typed_data.digest()


def test_who_may_collect_may_be_anybody() -> None:
    signed = an_authorization(**EXACT)
    assert from_document(to_document(signed)).facilitator is None


MESSAGES = st.recursive(
    st.integers(-(2**255), 2**256) | st.text() | st.binary() | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5).filter(lambda key: key != "$bytes"), inner)
    ),
)


@settings(max_examples=40)
@given(st.dictionaries(st.text(max_size=5).filter(lambda key: key != "$bytes"), MESSAGES))
def test_every_message_comes_back_as_it_was(message: dict[str, object]) -> None:
    signed = an_authorization()
    data = TypedData((("name", "string"),), {"name": "x"}, (("P", ()),), "P", message)
    members = {**every_member(signed), "typed_data": data}
    again = from_document(to_document(Authorization(**members)))  # type: ignore[arg-type]
    assert again.typed_data == data
    assert again.typed_data.message == message


@pytest.mark.parametrize("member", ["version", "header", "offer", "typed_data", "deadline"])
@pytest.mark.parametrize("value", [None, [], "x"])
def test_what_is_of_another_version_is_refused_without_telling_it(
    member: str, value: object
) -> None:
    document = json.loads(to_document(an_authorization()))
    secret = document["header"]
    if member == "header":
        del document[member]
    else:
        document[member] = value
    with pytest.raises(LedgerError, match="cannot be read") as caught:
        from_document(json.dumps(document).encode())
    assert caught.value.__cause__ is None
    assert secret not in str(caught.value)


@pytest.mark.parametrize("document", [b"", b"{", b"[]", b"null", b"\xff\xfe"])
def test_what_is_no_document_is_refused(document: bytes) -> None:
    with pytest.raises(LedgerError, match="cannot be read"):
        from_document(document)
