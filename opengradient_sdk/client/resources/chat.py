"""Chat: ask, stream, estimate, parse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from ...payments.pricing import Estimate, estimate
from ..call import encode
from ..parsing import parse_as, response_format_for
from ..reply import ParsedReply, Reply
from ..stream import ChatStream
from ..work import CallWork
from .requests import ChatRequest, Messages, Parents

if TYPE_CHECKING:
    import pydantic

    M = TypeVar("M", bound=pydantic.BaseModel)
else:
    M = TypeVar("M")


class Chat:
    """``client.chat``: conversations with a model."""

    def __init__(self, work: CallWork) -> None:
        self._work = work

    async def create(
        self,
        *,
        model: str,
        messages: Messages,
        max_tokens: int | None = None,
        temperature: float | None = None,
        stop: str | Sequence[str] | None = None,
        tools: Sequence[Mapping[str, object]] | None = None,
        tool_choice: str | Mapping[str, object] | None = None,
        response_format: Mapping[str, object] | None = None,
        web_search: bool = False,
        tag: str | None = None,
        node: str | None = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
        parents: Parents = None,
    ) -> Reply:
        """Return a verified answer with its receipt.

        **Money**: joins the open session of the chosen node, or signs one authorization of up to
        the session cap (0.1 OPG on the real network) first. An answered call costs what the
        receipt computes; a request of unknown outcome is sent again once under the same
        authorization (``on_ambiguous``).

        **Trust**: proves what ``reply.receipt.assurance`` says, at least what the client requires.
        What no proof covers is listed in ``reply.receipt.uncovered``.

        Args:
            model: ``openai/gpt-5`` or just ``gpt-5``; ``client.models.list()`` has the names.
            messages: A text, or messages as OpenAI's chat format has them; content parts with
                images and files are sent as they are.
            max_tokens: The most tokens of the answer.
            temperature: 0 to 2; 0.0 where it is not given.
            stop: Texts that end the answer (signed, but without effect on nodes of April 2026).
            tools: Functions that the model may call, in OpenAI's format.
            tool_choice: Which of them; not covered by the signature.
            response_format: ``json_object`` or ``json_schema``, in OpenAI's format.
            web_search: Let the model search; costs extra on nodes that support it.
            tag: A label of your own on the receipt; a budget may limit it.
            node: A tee id or an endpoint; any node where it is not given.
            timeout: Seconds for the whole answer.
            idempotency_key: A text that names this one call, in every process with this store.
                Called again with it, also after a crash, the stored answer is returned or the
                open attempt joined; nothing is paid twice.
            parents: The receipts (or their ids) whose answers this question was made from. They
                are written down, so that ``client.timeline.impact`` finds what came of an answer.

        Raises:
            ConfigurationError: The request is not one that a node could answer; nothing was sent.
            IdempotencyConflictError: The key belongs to a call with other parameters.
            PaymentError, NetworkError: See ``spent`` on the error for what it may have cost.
            APIStatusError: The node refused or failed; nodes do not bill these.
            VerificationError: The answer is not what it claims to be; it was paid and is kept
                from you. ``receipt_id`` names its receipt.

        Example:
            >>> reply = await client.chat.create(model="openai/gpt-5", messages="hi")
            >>> reply.receipt.assurance.name
            'REGISTERED'
        """
        request = ChatRequest(
            model=model,
            messages=messages,
            max_tokens=max_tokens,
            temperature=temperature,
            stop=stop,
            tools=tools,
            tool_choice=tool_choice,
            response_format=response_format,
            web_search=web_search,
        )
        call = request.call(
            self._work.core,
            tag=tag,
            node=node,
            timeout=timeout,
            key=idempotency_key,
            parents=parents,
        )
        return await self._work.chat(call)

    def stream(
        self,
        *,
        model: str,
        messages: Messages,
        max_tokens: int | None = None,
        temperature: float | None = None,
        stop: str | Sequence[str] | None = None,
        tools: Sequence[Mapping[str, object]] | None = None,
        tool_choice: str | Mapping[str, object] | None = None,
        response_format: Mapping[str, object] | None = None,
        web_search: bool = False,
        tag: str | None = None,
        node: str | None = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
        parents: Parents = None,
    ) -> ChatStream:
        """Return a stream to be used with ``async with``; its text is provisional until the end.

        **Money**: as ``create``; the node bills what it produced, also when nobody reads it.

        **Trust**: nothing is proven before ``get_final_reply`` returns.

        Args and Raises: as ``create``; ``timeout`` is for each further piece. A stream that ends
        before its signed frame raises ``StreamInterruptedError``.

        Example:
            >>> async with client.chat.stream(model="openai/gpt-5", messages="hi") as stream:
            ...     pieces = [piece async for piece in stream.text_stream]
            ...     reply = await stream.get_final_reply()
            >>> "".join(pieces) == reply.text
            True
        """
        request = ChatRequest(
            model=model,
            messages=messages,
            max_tokens=max_tokens,
            temperature=temperature,
            stop=stop,
            tools=tools,
            tool_choice=tool_choice,
            response_format=response_format,
            web_search=web_search,
            stream=True,
        )
        call = request.call(
            self._work.core,
            tag=tag,
            node=node,
            timeout=timeout,
            key=idempotency_key,
            parents=parents,
        )
        return self._work.stream(call)

    async def estimate(
        self,
        *,
        model: str,
        messages: Messages,
        max_tokens: int | None = None,
        tools: Sequence[Mapping[str, object]] | None = None,
        response_format: Mapping[str, object] | None = None,
        node: str | None = None,
    ) -> Estimate:
        """Return what a call may cost: minimum, expected and maximum.

        **Money**: free; asks the node for its OPG price and signs nothing.

        Raises:
            ConfigurationError: The model's price is not published, or the request is not usable.
            NetworkError: No node, or none that publishes an OPG price.

        Example:
            >>> estimate = await client.chat.estimate(
            ...     model="openai/gpt-5", messages="hi", max_tokens=64
            ... )
            >>> print(estimate.expected, "of", estimate.maximum)
            0.0066375 OPG of 0.0070625 OPG
        """
        request = ChatRequest(
            model=model,
            messages=messages,
            max_tokens=max_tokens,
            tools=tools,
            response_format=response_format,
        )
        core = self._work.core
        call = request.call(core, node=node)
        opg_usd = await self._work.opg_usd(node)
        prompt = encode({k: v for k, v in call.body.items() if k in _PROMPT_MEMBERS})
        return estimate(call.price, prompt, max_tokens, opg_usd, core.config.profile.session_cap)

    async def parse(
        self,
        *,
        model: str,
        messages: Messages,
        response_model: type[M],
        max_tokens: int | None = None,
        temperature: float | None = None,
        tag: str | None = None,
        node: str | None = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
        parents: Parents = None,
    ) -> ParsedReply[M]:
        """Return a verified answer as an object of a pydantic class.

        The class's JSON schema travels as ``response_format``.

        **Money** and **Trust**: as ``create``. The answer was paid also when it does not fit.

        Raises:
            ConfigurationError: ``response_model`` is not a pydantic class.
            ResponseFormatError: The verified text is not an object of that class; ``reply`` has it.

        Example:
            >>> from pydantic import BaseModel
            >>> class City(BaseModel):
            ...     name: str
            ...     inhabitants: int
            >>> answer = await client.chat.parse(
            ...     model="openai/gpt-5", messages="Describe Lisbon.", response_model=City
            ... )
            >>> answer.parsed
            City(name='name', inhabitants=1)
        """
        reply = await self.create(
            model=model,
            messages=messages,
            max_tokens=max_tokens,
            temperature=temperature,
            response_format=response_format_for(response_model),
            tag=tag,
            node=node,
            timeout=timeout,
            idempotency_key=idempotency_key,
            parents=parents,
        )
        return ParsedReply(parse_as(response_model, reply), reply)


_PROMPT_MEMBERS = ("messages", "tools", "response_format")
