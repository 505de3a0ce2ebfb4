"""Receipts kept in the order of their calls."""

from __future__ import annotations

from dataclasses import replace

import pytest

from opengradient_sdk.errors import LedgerError
from opengradient_sdk.ledger import Receipt, ReceiptBook
from opengradient_sdk.types import Amount

from ..payments.makers import NOW
from .receipts import a_receipt


@pytest.fixture
def book() -> ReceiptBook:
    return ReceiptBook()


def filled(book: ReceiptBook) -> list[Receipt]:
    receipts = [
        a_receipt(1, tag="a"),
        a_receipt(2, model="gpt-5-mini"),
        a_receipt(3, tag="a", model="gpt-5-mini"),
    ]
    for receipt in receipts:
        book.add(receipt)
    return receipts


def test_a_receipt_is_found_by_its_id(book: ReceiptBook) -> None:
    first, *_ = filled(book)
    assert book.get("rcpt_1") is first


def test_one_that_is_not_there_says_why(book: ReceiptBook) -> None:
    with pytest.raises(LedgerError, match="rcpt_9") as error:
        book.get("rcpt_9")
    assert "as long as the client" in error.value.hint
    assert error.value.__cause__ is None


def test_selecting(book: ReceiptBook) -> None:
    first, second, third = filled(book)
    assert list(book.select()) == [first, second, third]
    assert list(book.select(tag="a")) == [first, third]
    assert list(book.select(model="gpt-5-mini")) == [second, third]
    assert list(book.select(tag="a", model="gpt-5-mini")) == [third]
    assert list(book.select(since=NOW + 2)) == [second, third]
    assert list(book.select(tag="nobody's")) == []


def test_a_newer_one_takes_the_place_of_the_older(book: ReceiptBook) -> None:
    first, second, third = filled(book)
    fresh = replace(second, cost=Amount(7))
    book.add(fresh)
    assert list(book.select()) == [first, fresh, third]
    assert book.get("rcpt_2").cost == Amount(7)


def test_the_oldest_go_first() -> None:
    book = ReceiptBook(capacity=2)
    _, second, third = filled(book)
    assert list(book.select()) == [second, third]
    with pytest.raises(LedgerError):
        book.get("rcpt_1")
