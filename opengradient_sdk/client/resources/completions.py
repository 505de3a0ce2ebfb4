"""Text completions."""

from __future__ import annotations

from collections.abc import Sequence

from ..reply import Reply
from ..work import CallWork
from .requests import CompletionRequest, Parents


class Completions:
    """``client.completions``: a prompt continued."""

    def __init__(self, work: CallWork) -> None:
        self._work = work

    async def create(
        self,
        *,
        model: str,
        prompt: str,
        max_tokens: int | None = None,
        temperature: float | None = None,
        stop: str | Sequence[str] | None = None,
        tag: str | None = None,
        node: str | None = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
        parents: Parents = None,
    ) -> Reply:
        """Return a verified continuation of ``prompt`` with its receipt.

        Nodes assume 16 tokens and temperature 1.0; both are always sent, so that the signed
        request does not depend on what a node assumes.

        **Money** and **Trust**: as ``chat.create``; completions have a session of their own.

        Args:
            model: ``openai/gpt-5`` or just ``gpt-5``.
            prompt: The text to continue.
            max_tokens: The most tokens of the answer; 16 where it is not given.
            temperature: 0 to 2; 1.0 where it is not given.
            stop: Texts that end the answer.
            tag: A label of your own on the receipt; a budget may limit it.
            node: A tee id or an endpoint; any node where it is not given.
            timeout: Seconds for the whole answer.
            idempotency_key: A text that names this one call, in every process with this store.
                Called again with it, also after a crash, the stored answer is returned or the
                open attempt joined; nothing is paid twice.
            parents: The receipts (or their ids) whose answers this prompt was made from.

        Raises:
            OpenGradientError: As ``chat.create``.

        Example:
            >>> reply = await client.completions.create(model="gpt-5", prompt="Once upon")
            >>> reply.receipt.route
            '/v1/completions'
        """
        request = CompletionRequest(
            model=model, prompt=prompt, max_tokens=max_tokens, temperature=temperature, stop=stop
        )
        return await self._work.completion(
            request.call(
                self._work.core,
                tag=tag,
                node=node,
                timeout=timeout,
                key=idempotency_key,
                parents=parents,
            )
        )
