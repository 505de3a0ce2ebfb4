"""What a client makes of a paid answer: its cost, its receipt, and what is kept of both."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, Final

from opengradient_sdk.client.config import Trust
from opengradient_sdk.client.reply import chat_reply, usage_of
from opengradient_sdk.client.stored import reply_from_bytes, reply_to_bytes
from opengradient_sdk.client.verdict import Answered, conclude
from opengradient_sdk.errors import VerificationError
from opengradient_sdk.ledger.impact.lineage import Lineage
from opengradient_sdk.ledger.lines import Drafting
from opengradient_sdk.ledger.receipt import Receipt
from opengradient_sdk.ledger.receipt_json import (
    documents_of,
    receipt_from_json,
    receipt_to_json,
)
from opengradient_sdk.network.records import NodeRecord, RegistrySnapshot
from opengradient_sdk.payments.challenge import HEADER, PaymentRequired, parse_402
from opengradient_sdk.payments.schemes import Authorization, authorization_for, typed_data_for
from opengradient_sdk.payments.state import OpenAuthorization
from opengradient_sdk.profiles import MAINNET, ModelPrice
from opengradient_sdk.types import Address, Bytes32, keccak256
from opengradient_sdk.verification import ChatOutput, Check, CheckStatus, UnsafeNoVerification
from opengradient_sdk.verification.statistics import VerificationLog

from ._checks import check_error
from .seeds import headers

_OWNER: Final = Address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
_PRICE: Final = ModelPrice("a provider", Decimal("15"), Decimal("75"))
_REGISTERED: Final = Check("registered", CheckStatus.PASSED, "said by nobody", "nobody")
_ATTESTED: Final = Check("attested", CheckStatus.NOT_CHECKED, "not asked for", "nobody")
_BODY: Final = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def check_conclusion(signed: Mapping[str, object], output: ChatOutput, usage: object) -> None:
    """Raise where a paid answer leaves no receipt, or one that cannot be shown and kept.

    The client around is of cardboard: it requires nothing, so that unproven answers get this far.
    """
    receipts: list[Receipt] = []
    counts = usage_of(usage)
    answered = Answered(signed, lambda: output, counts)
    try:
        said, receipt = conclude(*_cardboard(receipts), answered, started=0.0)
    except VerificationError as error:
        check_error(error)
        receipt = receipts[0]
    else:
        reply = chat_reply("m", said, counts, receipt)
        kept = reply_from_bytes(reply_to_bytes(reply))
        assert (kept.text, kept.tool_calls, kept.usage) == (reply.text, reply.tool_calls, counts)
    assert receipts == [receipt], "a paid answer has one receipt"
    f"{receipt!r} {receipt.explain()}".encode()
    line = Drafting(_OWNER, "eip155:8453", "kept").receipt(receipt, 0.0)
    assert json.loads(line.data)["id"] == receipt.id, "the ledger keeps what was answered"
    again = receipt_from_json(
        json.loads(json.dumps(receipt_to_json(receipt))), documents_of(receipt)
    )
    assert again == receipt, "a receipt changes in the store"


def _cardboard(receipts: list[Receipt]) -> tuple[Any, ...]:
    """Return core, call, errand, connection, snapshot and delivery, as far as they are asked."""
    record = _RECORD

    def nothing(*_: object) -> None: ...

    core = SimpleNamespace(
        clock=SimpleNamespace(now=lambda: 0.0),
        calls=SimpleNamespace(served=nothing),
        ledger=SimpleNamespace(record=receipts.append),
        verifications=VerificationLog(),
        conduct=SimpleNamespace(implausible_usage=nothing),
        config=SimpleNamespace(require=UnsafeNoVerification(), trust=Trust()),
        leave=nothing,
        registered=lambda *_: _REGISTERED,
        attesting=SimpleNamespace(check=lambda _: _ATTESTED, document=nothing),
    )
    call = SimpleNamespace(
        route="/v1/chat/completions", model="m", tag=None, settlement="batch", price=_PRICE,
        body=_BODY, payload=json.dumps(_BODY).encode(), longest=64, lineage=Lineage(),
    )  # fmt: skip
    errand = SimpleNamespace(
        facts=None,
        copy=1,
        record=SimpleNamespace(id=f"call_{'5a' * 12}", maybe_billed=0, estimate=None),
    )
    connection = SimpleNamespace(record=record, last_opg_usd=Decimal("0.05"))
    life = OpenAuthorization(_AUTHORIZATION, record.tee_id, call.route, signed_at=0.0, from_block=1)
    delivery = SimpleNamespace(authorization=life, resent=0)
    return core, call, errand, connection, _SNAPSHOT, delivery


_RECORD: Final = NodeRecord(
    tee_id=Bytes32(keccak256(b"")),
    owner=_OWNER,
    payment_address=_OWNER,
    endpoint="https://node",
    public_key_der=b"",
    tls_certificate_der=b"",
    pcr_hash=Bytes32(b"\x02" * 32),
    tee_type=0,
    enabled=True,
    registered_at=1,
    last_heartbeat_at=2,
)
_SNAPSHOT: Final = RegistrySnapshot(
    chain_id=1,
    registry=_OWNER,
    block_number=1,
    block_hash=Bytes32(bytes(32)),
    block_timestamp=1,
    read_at=1.0,
    rpc_urls=("https://rpc",),
    nodes=(_RECORD,),
    skipped=(),
    layout="july",
)


def _authorization() -> Authorization:
    required = parse_402({HEADER: headers()[0].decode()}, b"")
    assert isinstance(required, PaymentRequired)
    offer = required.offers[0]
    data = typed_data_for(offer, owner=_OWNER, profile=MAINNET, now=0, nonce=1)
    return authorization_for(offer, required, owner=_OWNER, data=data, signature=b"\x5a" * 65)


_AUTHORIZATION: Final = _authorization()
