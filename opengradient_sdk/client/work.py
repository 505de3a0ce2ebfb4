"""Calls carried out: what the resources ask of the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from .._core.json_in import parse_json
from ..errors import NodeProtocolError, Spent
from ..ledger.receipt import Receipt
from ..payments.state import OpenAuthorization
from ..types import Amount
from ..verification import read_chat_answer, read_completion_answer
from .call import Call
from .core import Core
from .pipeline import Pipeline
from .reply import Reply, Usage, chat_reply, completion_reply, is_json_object, usage_of
from .stream import ChatStream
from .transmission import WholeTransmission
from .verdict import Answered, AnswerT


class CallWork:
    """Carries out calls; an open client has one."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.pipeline = Pipeline(core)

    async def chat(self, call: Call) -> Reply:
        """Return the verified answer to a chat call; costs and errors are those of ``create``."""
        output, usage, receipt = await self._whole(call, read_chat_answer)
        return chat_reply(call.model, output, usage, receipt)

    async def completion(self, call: Call) -> Reply:
        """Return the verified answer to a completion call."""
        output, usage, receipt = await self._whole(call, read_completion_answer)
        return completion_reply(call.model, output, usage, receipt)

    def stream(self, call: Call) -> ChatStream:
        """Return the stream of a chat call; nothing is sent before it is entered."""
        return ChatStream(self.pipeline, call)

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

    async def _whole(
        self, call: Call, read: Callable[[Mapping[str, object]], AnswerT]
    ) -> tuple[AnswerT, Usage | None, Receipt]:
        async with self.pipeline.serve(call, WholeTransmission) as served:
            answer = _decoded(served.transmission.answer.body, served.delivery.authorization)
            usage = usage_of(answer.get("usage"))
            output, receipt = served.verified(Answered(answer, lambda: read(answer), usage))
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
