"""A receipt: who answered, what it cost, what is proven, and what is still open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..payments.state import OpenAuthorization
from ..payments.status import PaymentStatus
from ..types import Address, Amount, Bytes32
from ..verification import Assurance, CheckStatus, Evidence, SignedFields
from .data_status import DataState, DataStatus
from .facts import AttestedDocument, Content, RegistryFacts


@dataclass(frozen=True, slots=True)
class AuthorizationFacts:
    """The public facts of the authorization a call joined; no secret among them.

    ``max_amount`` is the cap of the whole session, ``valid_after`` and ``deadline`` are Unix
    seconds, ``spender`` is the contract that moves ``asset``. ``served`` sums the computed costs
    of the session's calls when this receipt was made or refreshed.
    """

    owner: Address
    network: str
    nonce: int
    max_amount: Amount
    recipient: Address
    facilitator: Address | None
    deadline: int
    served: Amount
    calls: int
    unpriced: int
    resent: int
    scheme: str
    asset: Address
    spender: Address
    valid_after: int

    @classmethod
    def of(cls, life: OpenAuthorization) -> AuthorizationFacts:
        """Return the facts as they are now."""
        signed = life.authorization
        return cls(
            owner=signed.owner,
            network=signed.network,
            nonce=signed.nonce,
            max_amount=Amount(signed.max_amount),
            recipient=signed.recipient,
            facilitator=signed.facilitator,
            deadline=signed.deadline,
            served=Amount(life.served),
            calls=life.calls,
            unpriced=life.unpriced,
            resent=life.resent,
            scheme=signed.scheme,
            asset=signed.asset,
            spender=signed.spender,
            valid_after=signed.valid_after,
        )


@dataclass(frozen=True, slots=True, repr=False)
class Receipt:
    """What is known about one answered call.

    ``cost`` is computed from the node's token counts, its OPG price and the list price; what was
    really charged is ``payment.amount``, for the whole session. ``created_at`` and ``latency`` are
    seconds of the client's clock, ``signed.timestamp`` of the enclave's. ``assurance`` is derived
    from ``evidence``; nothing here says more than what was checked. ``signed`` holds the node's own
    statement (hashes, time, signature), ``None`` where it made none that could be read.
    ``maybe_billed`` is what the network may have billed for copies of the request whose answers
    were lost: at most the call's estimate for each. ``repeated``: the stored answer to an
    idempotency key, as it was then; nothing was sent or paid for it now. ``as_of``: when the chain
    was last asked, in seconds of the client's clock. ``parents`` are the receipts whose answers
    this question was made from, ``run`` names the agent run it belongs to. ``registered`` is the
    registry's record of the node, ``attested`` the attestation document, where one was verified.
    ``content`` is question and answer as far as they are still here.
    """

    id: str
    route: str
    model: str
    tag: str | None
    created_at: float
    latency: float
    tee_id: Bytes32
    endpoint: str
    pcr_hash: Bytes32
    signed: SignedFields | None
    cost: Amount | None
    authorization: AuthorizationFacts
    payment: PaymentStatus
    data: DataStatus
    uncovered: tuple[str, ...]
    evidence: Evidence
    resent: int = 0
    maybe_billed: Amount = field(default_factory=lambda: Amount(0))
    repeated: bool = False
    as_of: float = 0.0
    parents: tuple[str, ...] = ()
    run: str | None = None
    registered: RegistryFacts | None = None
    attested: AttestedDocument | None = None
    content: Content | None = field(default=None, compare=False)
    life: OpenAuthorization | None = field(default=None, compare=False)

    @property
    def assurance(self) -> Assurance:
        """How much is proven about the answer, derived from the evidence."""
        return self.evidence.assurance

    @property
    def unresolved(self) -> tuple[str, ...]:
        """What is still open, and what would settle it."""
        return tuple(_unresolved(self))

    def __repr__(self) -> str:
        cost = "cost unknown" if self.cost is None else str(self.cost)
        return (
            f"Receipt({self.id}: {self.model}, {cost}, {self.assurance.name}, "
            f"payment {self.payment.state.value})"
        )

    def explain(self) -> str:
        """Return plain sentences: what was signed, what it cost, what is proven, what is open."""
        return "\n".join(_sentences(self))


def _unresolved(receipt: Receipt) -> Sequence[str]:
    from ..payments.settlement.outlook import what_settles

    facts, state = receipt.authorization, receipt.payment.state
    items: list[str] = []
    if open_ := what_settles(receipt.payment, deadline=facts.deadline, now=receipt.as_of):
        at_risk = f"up to {facts.max_amount}: " if not state.resolved else ""
        items.append(f"payment: {at_risk}{open_}")
    if receipt.resent:
        items.append(
            f"payment: the request was sent {receipt.resent + 1} times after a failure; copies "
            f"of it may have been billed for {receipt.maybe_billed}, within the same cap"
        )
    if receipt.data.state not in (DataState.NONE, DataState.FINAL):
        items.append(f"data: {receipt.data.reason}")
    items.extend(
        f"{check.name}: {check.reason}"
        for check in receipt.evidence.checks
        if check.status in (CheckStatus.PENDING, CheckStatus.FAILED)
    )
    return items


def _sentences(receipt: Receipt) -> Sequence[str]:
    facts = receipt.authorization
    cost = (
        f"computed cost {receipt.cost}" if receipt.cost is not None else "its cost is not known yet"
    )
    lines = [
        f"Model {receipt.model} was asked on node {receipt.tee_id} at {receipt.endpoint}.",
        f"A Permit2 authorization of at most {facts.max_amount} to {facts.recipient} on "
        f"{facts.network} pays for the session (nonce {facts.nonce}); this call: {cost}.",
        f"The session has served {facts.calls} call(s) for {facts.served} so far.",
        f"Payment is {receipt.payment}.",
        f"Proven about the answer: {receipt.assurance.name}.",
    ]
    lines += [f"  {c.status.value}: {c.name} – {c.reason}" for c in receipt.evidence.checks]
    if receipt.uncovered:
        lines.append("Not covered by any proof: " + ", ".join(receipt.uncovered) + ".")
    lines += [f"Still open: {item}." for item in receipt.unresolved]
    return lines
