"""Calls carried out: what the resources ask of the pipeline."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal

from .._core.json_in import parse_json
from ..errors import NodeProtocolError, Spent
from ..ledger.receipt import Receipt
from ..payments.budget import check_call
from ..payments.state import OpenAuthorization
from ..types import Amount
from ..verification import read_chat_answer, read_completion_answer
from .call import Call
from .callbook import Errand
from .core import Core
from .pipeline import Pipeline, Scope
from .reply import Reply, Usage, chat_reply, completion_reply, is_json_object, usage_of
from .routing import Router
from .stream import ChatStream
from .transmission import WholeTransmission
from .verdict import Answered, AnswerT


class CallWork:
    """Carries out the calls of one scope: a client's own, or those of a block or session of it."""

    def __init__(self, core: Core, router: Router, scope: Scope) -> None:
        self.core = core
        self.scope = scope
        self.pipeline = Pipeline(core, router, scope)

    async def chat(self, call: Call) -> Reply:
        """Return the verified answer to a chat call; costs and errors are those of ``create``."""
        async with self.entered(call) as entry:
            if not isinstance(entry, Reply):
                output, usage, receipt = await self._whole(call, read_chat_answer, entry)
                entry.reply = chat_reply(call.model, output, usage, receipt)
                return entry.reply
            return entry

    async def completion(self, call: Call) -> Reply:
        """Return the verified answer to a completion call."""
        async with self.entered(call) as entry:
            if not isinstance(entry, Reply):
                output, usage, receipt = await self._whole(call, read_completion_answer, entry)
                entry.reply = completion_reply(call.model, output, usage, receipt)
                return entry.reply
            return entry

    def stream(self, call: Call) -> ChatStream:
        """Return the stream of a chat call; nothing is sent before it is entered."""
        return ChatStream(self, call)

    @asynccontextmanager
    async def entered(self, call: Call) -> AsyncGenerator[Reply | Errand, None]:
        """Yield the errand of making ``call``, or the answer that its key already has.

        Raises:
            BudgetExceededError: A limit does not allow the call; nothing was signed or sent.
            LedgerError: It cannot be written down; nothing was sent.
        """
        self.core.ledger.require_writable()
        errand = await self._errand(call)
        estimate = errand.record.estimate
        try:
            if call.key is not None or call.tag in self.core.config.budget.tags:
                async with self.core.once.attempt(call, errand) as entry:
                    yield entry
            else:
                self.core.journal.begin(errand.record)
                yield errand
        finally:
            if errand.block is not None and not errand.ended:
                errand.block.answered(estimate, 0)  # it was not made

    async def opg_usd(self, node: str | None) -> Decimal:
        """Return the USD price of one OPG as the node for the next call publishes it.

        Raises:
            NetworkError: No node, or none that publishes a price.
        """
        record = await self.pipeline.router.node(node)
        price = await self.core.connection(record).opg_usd()
        if price is None:
            raise NodeProtocolError(
                f"node {record.tee_id} publishes no OPG price",
                hint="Try again, or name another node.",
            )
        return price

    async def _errand(self, call: Call) -> Errand:
        core, block, budget = self.core, self.scope.block, self.core.config.budget
        limited = budget.per_call is not None or call.tag in budget.tags
        if limited or (block is not None and block.limits_calls):
            price: Decimal | None = await self.opg_usd(call.node)
        else:
            price = core.last_opg_usd
        estimate = call.estimate(price, core.config.profile.session_cap)
        check_call(estimate, None if budget.per_call is None else budget.per_call.atoms)
        if block is not None:
            block.call(estimate)
        return Errand(core.calls.record(call, estimate=estimate), block)

    async def _whole(
        self, call: Call, read: Callable[[Mapping[str, object]], AnswerT], errand: Errand
    ) -> tuple[AnswerT, Usage | None, Receipt]:
        async with self.pipeline.serve(call, WholeTransmission, errand) as served:
            answer = _decoded(served.transmission.answer.body, served.delivery.authorization)
            counted = answer.get("usage")
            usage = usage_of(counted)
            answered = Answered(answer, lambda: read(answer), usage, counted)
            output, receipt = served.verified(answered)
            return output, usage, receipt


def _decoded(body: bytes, life: OpenAuthorization) -> Mapping[str, object]:
    try:
        answer = parse_json(body)
    except ValueError:
        answer = None
    if not is_json_object(answer):
        life.answered(None)  # billed perhaps, for nobody knows what
        raise NodeProtocolError(
            "the node answered with something that is not a JSON object",
            hint="It may have billed this call, within the session's cap. Use another node.",
            spent=Spent.MAYBE,
            amount=Amount(life.cap),
        )
    return answer
