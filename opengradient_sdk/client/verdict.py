"""Verifying an answer and writing its receipt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, Protocol, TypeVar, cast

from ..errors import Spent, VerificationError
from ..ledger.data_status import SETTLED_WITHIN, DataMode, DataState, DataStatus
from ..ledger.facts import Content, RegistryFacts
from ..ledger.receipt import AuthorizationFacts, Receipt
from ..network.connection import NodeConnection
from ..network.records import NodeRecord, RegistrySnapshot
from ..payments.pricing import cost_atoms
from ..payments.usage import implausible
from ..types import Amount
from ..verification import (
    Assurance,
    Check,
    CheckStatus,
    Evidence,
    SignedFields,
    uncovered_request,
    verify_answer,
)
from ..verification.policy import CallFacts
from .call import Call
from .callbook import Errand, receipt_id_of
from .core import Core
from .exchange import Delivery
from .reply import Usage, is_json_object
from .required import check_required, facts_of


class Output(Protocol):
    """What an answer says, as far as its verification needs to know."""

    @property
    def signed_text(self) -> str:
        """The text whose hash the node signed."""
        ...

    @property
    def uncovered(self) -> tuple[str, ...]:
        """What of the answer the signature does not bind."""
        ...


AnswerT = TypeVar("AnswerT", bound=Output)


@dataclass(frozen=True, slots=True)
class Answered(Generic[AnswerT]):
    """What a node answered, before it is verified.

    ``signed`` has the ``tee_*`` members; ``read`` says what the answer says, or refuses it.
    ``counted`` is what the node wrote as its token counts, ``usage`` what can be understood of it.
    """

    signed: object
    read: Callable[[], AnswerT]
    usage: Usage | None
    counted: object = None


@dataclass(frozen=True, slots=True)
class _Verdict(Generic[AnswerT]):
    output: AnswerT | None
    fields: SignedFields | None
    evidence: Evidence
    uncovered: tuple[str, ...]
    failure: VerificationError | None


def conclude(
    core: Core,
    call: Call,
    errand: Errand,
    connection: NodeConnection,
    snapshot: RegistrySnapshot,
    delivery: Delivery,
    answered: Answered[AnswerT],
    *,
    started: float,
) -> tuple[AnswerT, Receipt]:
    """Verify an answer; its cost is counted and its receipt kept whatever comes out.

    Raises:
        VerificationError: A check failed or the assurance is too low; the call was paid.
    """
    record, life = connection.record, delivery.authorization
    verdict = _verify(call, record, answered, core.clock.now())
    cost = _cost(call, answered, connection.last_opg_usd, verdict.uncovered)
    life.answered(cost)
    core.calls.served(errand, cost)
    receipt = Receipt(
        id=receipt_id_of(errand.record.id, errand.copy),
        route=call.route,
        model=call.model,
        tag=call.tag,
        created_at=started,
        latency=core.clock.now() - started,
        tee_id=record.tee_id,
        endpoint=record.endpoint,
        pcr_hash=record.pcr_hash,
        signed=verdict.fields,
        cost=None if cost is None else Amount(cost),
        authorization=AuthorizationFacts.of(life),
        payment=life.status,
        data=_promised(call, verdict.fields),
        uncovered=verdict.uncovered,
        evidence=_with_node(
            _with_usage(verdict, core, call, record, answered), core, snapshot, record
        ),
        resent=delivery.resent,
        maybe_billed=Amount(errand.record.maybe_billed),
        as_of=core.clock.now(),
        parents=call.lineage.parents,
        run=call.lineage.run,
        registered=RegistryFacts(
            snapshot.chain_id,
            snapshot.registry,
            snapshot.block_number,
            snapshot.block_hash,
            snapshot.block_timestamp,
            snapshot.rpc_urls,
            snapshot.find(record.tee_id) or record,
        ),
        attested=core.attesting.document(record),
        content=None if verdict.output is None else Content(call.body, verdict.output.signed_text),
        life=life,
    )
    core.ledger.record(receipt)
    call.lineage.answered(receipt.id)
    facts = errand.facts or facts_of(errand.record.id, errand.record.estimate)
    core.verifications.add(
        receipt.evidence,
        choice=core.config.require.choice(facts, record.pcr_hash),
        receipt_id=receipt.id,
        tee_id=record.tee_id,
        pcr_hash=record.pcr_hash,
    )
    _require(core, facts, receipt, verdict)
    if core.config.require.may_follow:
        core.following.answered(receipt, facts)
    assert verdict.output is not None  # a reader that failed has been raised
    return verdict.output, receipt


def _promised(call: Call, fields: SignedFields | None) -> DataStatus:
    """Return what the node was asked to do with the hashes; nothing is on chain yet."""
    mode = cast(DataMode, call.settlement)
    if mode == "private":
        return DataStatus(DataState.NONE, mode, "nothing was to be settled")
    if fields is None:
        return DataStatus(DataState.NONE, mode, "the node signed nothing that could be settled")
    return DataStatus(
        DataState.PROMISED,
        mode,
        "the node promised to settle the hashes; nothing has been seen on chain",
        due_at=fields.timestamp + SETTLED_WITHIN[mode],
    )


def _verify(
    call: Call, record: NodeRecord, answered: Answered[AnswerT], now: float
) -> _Verdict[AnswerT]:
    output: AnswerT | None = None
    fields: SignedFields | None = None
    try:
        output = answered.read()
        fields = SignedFields.from_json(answered.signed)
        evidence = verify_answer(
            request_body=call.body,
            answer_fields=fields,
            output_text=output.signed_text,
            public_key_der=record.public_key_der,
            expected_tee_id=record.tee_id,
            now=now,
        )
    except VerificationError as error:
        found = error.evidence
        evidence = found if isinstance(found, Evidence) else Evidence()
        return _Verdict(output, fields, evidence, output.uncovered if output else (), error)
    beside = uncovered_request(call.body, fields.request_hash)
    return _Verdict(output, fields, evidence, (*output.uncovered, *beside), None)


def _cost(
    call: Call,
    answered: Answered[AnswerT],
    opg_usd: Decimal | None,
    uncovered: tuple[str, ...],
) -> int | None:
    if call.body.get("web_search") or "images" in uncovered:
        return None  # searches and images cost extra, and nodes publish no price for them
    usage = answered.usage
    if usage is None:
        # nodes bill by the token counts they report: nothing without them, and nobody knows what
        # by counts that are none
        return 0 if answered.counted is None else None
    if call.price is None or opg_usd is None:
        return None
    return cost_atoms(call.price, usage.prompt_tokens, usage.completion_tokens, opg_usd)


def _require(core: Core, facts: CallFacts, receipt: Receipt, verdict: _Verdict[AnswerT]) -> None:
    failure, floor = verdict.failure, core.config.require.floor
    if failure is not None and (floor > Assurance.UNVERIFIED or verdict.output is None):
        core.leave(receipt.tee_id, failure.short_message)
        raise type(failure)(
            failure.short_message,
            hint=failure.hint,
            evidence=receipt.evidence,
            receipt_id=receipt.id,
            spent=Spent.YES,
            amount=receipt.cost,
        ) from failure
    check_required(core.config, receipt, facts)


def _with_usage(
    verdict: _Verdict[AnswerT],
    core: Core,
    call: Call,
    record: NodeRecord,
    answered: Answered[AnswerT],
) -> Evidence:
    """Add what is wrong with the node's token counts, and leave a node that makes them up."""
    what = _wrong_with(verdict, call, answered)
    if what is None:
        return verdict.evidence
    core.conduct.implausible_usage(record.tee_id, what)
    core.leave(record.tee_id, what)
    return verdict.evidence.with_(Check("usage", CheckStatus.FAILED, what, "the node's answer"))


def _wrong_with(verdict: _Verdict[AnswerT], call: Call, answered: Answered[AnswerT]) -> str | None:
    usage = answered.usage
    if usage is None:
        return None if answered.counted is None else "its token counts are no counts"
    text = "" if verdict.output is None else verdict.output.signed_text
    return implausible(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        request_bytes=len(call.payload),
        max_tokens=call.longest,
        answer_bytes=len(text.encode("utf-8", "replace")),  # JSON can spell half a surrogate pair
        has_attachments=_has_attachments(call),
    )


def _has_attachments(call: Call) -> bool:
    messages = call.body.get("messages")
    return isinstance(messages, list) and any(
        not is_json_object(message) or not isinstance(message.get("content"), str | None)
        for message in cast(list[object], messages)
    )


def _with_node(
    evidence: Evidence, core: Core, snapshot: RegistrySnapshot, record: NodeRecord
) -> Evidence:
    """Add what is known about the node itself."""
    return Evidence(
        (*evidence.checks, core.registered(snapshot, record), core.attesting.check(record))
    )
