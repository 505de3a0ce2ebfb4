"""The ledger: what was recorded is found again, as it stands."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from opengradient_sdk.errors import LedgerError
from opengradient_sdk.ledger import (
    AttestedDocument,
    AuthorizationFacts,
    DataState,
    DataStatus,
    Receipt,
    RegistryFacts,
    check_ledger,
)
from opengradient_sdk.ledger.entries import encoded
from opengradient_sdk.ledger.facts import Content
from opengradient_sdk.ledger.query import ReceiptQuery
from opengradient_sdk.ledger.receipt_json import data_to_json, receipt_to_json
from opengradient_sdk.ledger.text import receipt_text
from opengradient_sdk.network.records import NodeRecord, tee_id_of
from opengradient_sdk.payments.status import PaymentState, PaymentStatus
from opengradient_sdk.types import Amount, Bytes32
from opengradient_sdk.verification import Check, CheckStatus

from ..payments.makers import NOW, PAYEE, a_life
from .books import ANSWER, QUESTION, SIGNED, Books, an_answered, open_books
from .receipts import PROVEN, a_receipt

RECORD = NodeRecord(
    tee_id=Bytes32(b"\x07" * 32),
    owner=PAYEE,
    payment_address=PAYEE,
    endpoint="https://node.example",
    public_key_der=b"key",
    tls_certificate_der=b"certificate",
    pcr_hash=Bytes32(b"\x0c" * 32),
    tee_type=0,
    enabled=True,
    registered_at=1,
    last_heartbeat_at=2,
)
REGISTERED = RegistryFacts(7, PAYEE, 9, Bytes32(b"\x09" * 32), 1, ("https://rpc.example",), RECORD)


def registered_by() -> RegistryFacts:
    """What the registry says of a node."""
    return replace(REGISTERED, record=replace(RECORD, tee_id=tee_id_of(RECORD.public_key_der)))


SETTLED = PaymentStatus(PaymentState.SETTLED, "seen in block 8", amount=Amount(900))


async def test_a_receipt_is_found_with_everything_it_said(books: Books) -> None:
    receipt = an_answered(tag="blue", run="nightly", parents=("rcpt_a", "rcpt_b"), cost=None)
    books.ledger.record(receipt)
    found = await books.ledger.get(receipt.id)
    assert found == receipt
    assert found.content == receipt.content
    assert found.life is None


async def test_the_nodes_record_is_kept_once_beside_the_receipts(books: Books) -> None:
    registered = registered_by()
    for number in (1, 2):
        books.ledger.record(an_answered(number, registered=registered))
    assert (await books.ledger.get("rcpt_2")).registered == registered
    assert len(await books.rows("SELECT hash FROM ledger_document")) == 1


async def test_what_becomes_known_later_is_an_entry_of_its_own(books: Books) -> None:
    receipt = an_answered()
    books.ledger.record(receipt)
    await books.ledger.flushed()
    first = await books.rows("SELECT writer, seq, hash, body FROM ledger_entry")
    settled = DataStatus(DataState.SETTLED, "batch", "found in block 9")
    checked = PROVEN.with_(Check("attestation", CheckStatus.PASSED, "the document holds"))
    books.clock.seconds += 5
    books.ledger.amend(receipt.id, data=data_to_json(settled), evidence=checked.to_json())
    found = await books.ledger.get(receipt.id)
    assert found == replace(receipt, data=settled, evidence=checked)
    kept = await books.rows("SELECT writer, seq, hash, body FROM ledger_entry ORDER BY seq")
    assert kept[: len(first)] == first
    assert len(kept) == len(first) + 1


async def test_a_revision_records_what_differs(books: Books) -> None:
    before = an_answered()
    after = replace(before, data=DataStatus(DataState.FINAL, "batch", "final"), as_of=NOW + 9)
    books.ledger.record(before)
    books.ledger.revise(before, after)
    books.ledger.revise(after, after)
    assert await books.ledger.get(before.id) == after
    ((body,),) = await books.rows("SELECT body FROM ledger_entry WHERE kind = 'amended'")
    assert json.loads(body)["data"].keys() == {"data", "as_of"}


async def test_the_chains_newest_word_counts_for_every_receipt_of_the_session(books: Books) -> None:
    life = a_life()
    for number in (1, 2):
        books.ledger.record(an_answered(number, life=life))
    facts = replace(AuthorizationFacts.of(life), served=Amount(77))
    books.clock.seconds += 1
    books.ledger.payment(facts, PaymentStatus(PaymentState.OPEN, "not yet"))
    books.clock.seconds += 1
    books.ledger.payment(facts, SETTLED)
    for number in (1, 2):
        found = await books.ledger.get(f"rcpt_{number}")
        assert found.payment == SETTLED
        assert found.authorization == facts
        assert found.as_of == books.clock.seconds


@pytest.mark.parametrize(
    "receipt",
    [
        a_receipt(),
        an_answered(tag='t"é', run="r\n", parents=("a", "b"), cost=None, uncovered=("x", "y")),
        an_answered(
            registered=registered_by(),
            attested=AttestedDocument(b"document", b"nonce", NOW, Bytes32(b"\x0c" * 32)),
            payment=SETTLED,
            as_of=7,
            resent=2,
            maybe_billed=Amount(3),
        ),
    ],
)
async def test_an_entry_says_what_the_receipts_json_says(books: Books, receipt: Receipt) -> None:
    said = receipt_to_json(receipt)
    del said["signed"]
    said["as_of"] = float(receipt.as_of)
    assert receipt_text(receipt, "c0", "5e") == encoded(
        said | {"commitment": "c0", "payment_signature": "5e"}
    )
    assert receipt_text(receipt, None, None) == encoded(said | {"commitment": None})
    books.ledger.record(receipt)
    await books.ledger.flushed()
    assert await books.ledger.get(receipt.id) == receipt
    ((body,),) = await books.rows("SELECT body FROM ledger_entry WHERE kind = 'receipt'")
    assert encoded(json.loads(body)) == body
    assert (await check_ledger(books.store, vault=books.vault)).ok


@pytest.mark.parametrize("change", [{"model": "other"}, {"signed": None}, {"parents": []}])
async def test_what_never_changes_cannot_be_amended(
    books: Books, change: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match="never change"):
        books.ledger.amend("rcpt_1", **change)


@pytest.mark.parametrize(
    "change",
    [{"evidence": {"checks": 1}}, {"data": {"state": "none"}}, {"as_of": None}, {"payment": {}}],
)
async def test_an_amendment_has_the_form_of_a_receipt(
    books: Books, change: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match=r"evidence|settlement|receipt says"):
        books.ledger.amend("rcpt_1", **change)
    assert await books.rows("SELECT * FROM ledger_entry") == []


async def test_there_is_no_such_receipt(books: Books) -> None:
    for ask in (books.ledger.get, books.ledger.content_of, books.ledger.forget):
        with pytest.raises(LedgerError, match="no receipt 'rcpt_7'"):
            await ask("rcpt_7")


# Looking for receipts


async def test_receipts_are_selected_by_what_they_say(books: Books) -> None:
    builds = [Bytes32(bytes([n]) * 32) for n in range(3)]
    for number in range(6):
        books.ledger.record(
            an_answered(
                number,
                model=f"model-{number % 2}",
                tag="blue" if number == 3 else None,
                run="nightly" if number > 3 else None,
                pcr_hash=builds[number % 3],
                tee_id=builds[number % 2],
                created_at=NOW + number,
            )
        )

    async def ids(**query: object) -> list[str]:
        found = await books.ledger.select(ReceiptQuery(**query))  # type: ignore[arg-type]
        return [receipt.id.removeprefix("rcpt_") for receipt in found]

    assert await ids() == ["0", "1", "2", "3", "4", "5"]
    assert await ids(newest_first=True, limit=2) == ["5", "4"]
    assert await ids(since=NOW + 2, until=NOW + 4) == ["2", "3"]
    assert await ids(model="model-1") == ["1", "3", "5"]
    assert await ids(tag="blue") == ["3"]
    assert await ids(run="nightly") == ["4", "5"]
    assert await ids(tee_id=builds[0]) == ["0", "2", "4"]
    assert await ids(pcr_hashes=(builds[0], builds[2])) == ["0", "2", "3", "5"]
    assert await ids(route="/v1/completions") == []
    assert await ids(owner=PAYEE) == []
    assert await ids(network="eip155:1") == []
    assert await books.ledger.count(ReceiptQuery(model="model-0", limit=1)) == 3


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": -1}, {"since": float("nan")}])
def test_a_query_makes_sense(query: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"limit is 1|are numbers"):
        ReceiptQuery(**query)  # type: ignore[arg-type]


async def test_texts_that_a_database_cannot_hold_are_recorded_all_the_same(books: Books) -> None:
    receipt = an_answered(tag="a\0b", run="half \ud83d", parents=("p\0",))
    books.ledger.record(receipt)
    (found,) = await books.ledger.select(ReceiptQuery(tag="a\0b", run="half \ud83d"))
    assert found == receipt


async def test_a_parent_named_twice_is_one(books: Books) -> None:
    books.ledger.record(an_answered(parents=("rcpt_a", "rcpt_a")))
    assert (await books.ledger.get("rcpt_1")).parents == ("rcpt_a", "rcpt_a")


# Content


@pytest.mark.parametrize("mode", ["kept", "encrypted", "hashed"])
async def test_content_is_kept_as_the_ledger_keeps_it(place: str, mode: str) -> None:
    async with open_books(place, content=mode) as books:  # type: ignore[arg-type]
        books.ledger.record(an_answered())
        await books.ledger.flushed()
        ((form, body),) = await books.rows("SELECT form, body FROM ledger_content")
        content, signed, salt = await books.ledger.content_of("rcpt_1")
        ((entry,),) = await books.rows("SELECT body FROM ledger_entry WHERE kind = 'receipt'")
    assert form == ("plain" if mode == "kept" else "sealed")
    assert (ANSWER in body) is (mode == "kept")
    assert signed == SIGNED
    assert salt is not None
    assert (content is None) is (mode == "hashed")
    asked, answered = (QUESTION, f"{ANSWER} (1)") if content else (None, None)
    rest = encoded(
        {
            "output": answered,
            "request": asked,
            "signed": {name: getattr(SIGNED, name) for name in SIGNED.__slots__},
        }
    )
    commitment = sha256(b"opengradient content\0" + salt + rest.encode()).hexdigest()
    assert json.loads(entry)["data"]["commitment"] == commitment
    for secret in (ANSWER, "2+2", SIGNED.request_hash, SIGNED.signature, salt.hex()):
        assert secret not in entry


async def test_forgetting_takes_the_content_and_leaves_the_entry(books: Books) -> None:
    receipt = an_answered()
    books.ledger.record(receipt)
    books.ledger.record(an_answered(2))
    await books.ledger.forget(receipt.id)
    await books.ledger.forget(receipt.id)
    found = await books.ledger.get(receipt.id)
    assert found == replace(receipt, signed=None)
    assert found.content is None
    assert await books.ledger.content_of(receipt.id) == (None, None, None)
    assert (await books.ledger.get("rcpt_2")).content is not None
    assert len(await books.rows("SELECT seq FROM ledger_entry WHERE kind = 'forgotten'")) == 1


async def test_what_was_forgotten_does_not_come_back_with_a_copy(place: str) -> None:
    async with open_books(place) as first, open_books(place, store=first.store) as second:
        first.ledger.record(an_answered())
        await first.ledger.forget("rcpt_1")
        second.ledger.record(an_answered())
        await second.ledger.flushed()
        assert (await second.ledger.get("rcpt_1")).content is None


async def test_what_was_forgotten_is_not_left_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "store.sqlite"
    answer = b"a secret that nobody guesses"

    def bytes_on_disk() -> bytes:
        return b"".join(part.read_bytes() for part in tmp_path.glob("store.sqlite*"))

    async with open_books(str(file), content="kept") as books:
        for number in range(3):
            content = Content(QUESTION, f"{answer.decode()} ({number})" * 50)
            books.ledger.record(a_receipt(number, content=content))
        await books.ledger.flushed()
        assert bytes_on_disk().count(answer) == 150
        for number in range(3):
            await books.ledger.forget(f"rcpt_{number}")
    assert answer not in bytes_on_disk()  # the write-ahead log goes when the store is closed


# Payment signatures


async def test_a_payment_signature_is_given_out_when_it_is_worth_nothing(books: Books) -> None:
    life = a_life()
    facts = AuthorizationFacts.of(life)
    books.ledger.record(an_answered(life=life))
    books.clock.seconds = facts.deadline
    assert await books.ledger.payment_signature(facts) is None
    books.clock.seconds = facts.deadline + 0.5
    assert await books.ledger.payment_signature(facts) == life.authorization.signature
    assert await books.ledger.payment_signature(replace(facts, nonce=99)) is None


async def test_a_payment_signature_is_sealed_once(books: Books) -> None:
    life = a_life()
    for number in (1, 2):
        books.ledger.record(an_answered(number, life=life))
    await books.ledger.flushed()
    ((sealed,),) = await books.rows("SELECT sealed FROM ledger_secret")
    bodies = await books.rows("SELECT body FROM ledger_entry")
    assert life.authorization.signature.hex() not in sealed + str(bodies)
    assert sum("payment_signature" in body for (body,) in bodies) == 1


async def test_a_receipt_without_its_authorization_brings_no_signature(books: Books) -> None:
    books.ledger.record(replace(an_answered(), life=None))
    await books.ledger.flushed()
    assert await books.rows("SELECT * FROM ledger_secret") == []
