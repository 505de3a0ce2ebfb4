"""One paid request on its way through the node, and what every answer to it has in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..._core.clock import Clock
from ...verification.canonical import Mode as CanonicalMode
from .data_settlement import DataSettlement, SettlementKind
from .facilitator_client import FacilitatorError
from .faults import Faults
from .identity import Enclave
from .models import Mode, Model, Usage
from .pricing import PriceList, Rate
from .sessions import Session
from .shapes import JsonObject
from .signing import Statement, sign_statement

if TYPE_CHECKING:
    from aiohttp import web

_JOB_HEADERS: Final = {
    "jobId": "X-Settlement-Job-ID",
    "queue": "X-Settlement-Queue",
    "status": "X-Settlement-Status",
    "settlementType": "X-Settlement-Type",
    "queueNonce": "X-Settlement-Queue-Nonce",
    "signerAddress": "X-Settlement-Signer-Address",
    "txHash": "X-Settlement-Tx-Hash",
    "walrusBlobId": "X-Settlement-Walrus-Blob-ID",
}


@dataclass(frozen=True, slots=True)
class Services:
    """What answering needs: keys, prices, a model, and where the records go."""

    enclave: Enclave
    prices: PriceList
    model: Model
    records: DataSettlement
    clock: Clock
    faults: Faults
    mode: Mode

    @property
    def canonical_mode(self) -> CanonicalMode:
        """The canonical form of requests that this node hashes."""
        return CanonicalMode(self.mode)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that was paid for and is well formed, with its rate and its session."""

    services: Services
    request: web.BaseRequest
    body: JsonObject
    session: Session
    rate: Rate
    kind: SettlementKind

    async def sign(self, request_text: str, output_text: str) -> Statement:
        """Return the enclave's statement about the canonical request and the output text."""
        services = self.services
        return await sign_statement(
            services.enclave,
            services.faults,
            request_text=request_text,
            output_text=output_text,
            timestamp=int(services.clock.now() + services.faults.clock_skew),
        )

    def charge(self, usage: Usage | None, *, images: int = 0, searches: int = 0) -> None:
        """Add the cost of the answer to the session."""
        cost = self.services.prices.cost(self.rate, usage, images=images, searches=searches)
        self.session.charge(cost)

    async def record(self, statement: Statement, answer: JsonObject) -> dict[str, str]:
        """Settle the hashes as the client asked; return the headers that tell about it."""
        if self.services.faults.unsigned or self.kind is SettlementKind.PRIVATE:
            return {}
        if self.kind is SettlementKind.BATCH:
            self.services.records.batch(statement)
            return {}
        headers = {
            "X-TEE-Signature": statement.signature,
            "X-TEE-ID": statement.tee_id,
            "X-TEE-Timestamp": str(statement.timestamp),
            "X-TEE-Request-Hash": "0x" + statement.request_hash,
            "X-TEE-Output-Hash": "0x" + statement.output_hash,
        }
        try:
            job = await self.individual(statement, answer)
        except FacilitatorError:
            return headers  # the answer is served; that it was not settled shows in their absence
        told = ((name, job.get(member)) for member, name in _JOB_HEADERS.items())
        return headers | {name: str(value) for name, value in told if value is not None}

    async def individual(self, statement: Statement, answer: JsonObject) -> JsonObject:
        """Have request and answer settled on their own; return the job.

        Raises:
            FacilitatorError: It was not accepted.
        """
        return await self.services.records.individual(
            statement, request=self.body, answer=answer, payment=self.session.payment
        )

    def signed_members(self, statement: Statement) -> JsonObject:
        """Return the ``tee_*`` members of the answer."""
        return {} if self.services.faults.unsigned else statement.members()
