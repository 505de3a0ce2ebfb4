"""From keyword arguments to a call: the one place where a request is put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final, TypeAlias

from ...errors import ConfigurationError
from ...ledger.impact.lineage import Lineage
from ...ledger.receipt import Receipt
from ...payments.pricing import DEFAULT_COMPLETION_TOKENS, model_price
from ...verification import wire_chat_request, wire_completion_request
from ..call import CHAT_ROUTE, COMPLETION_ROUTE, Call, bare_model, encode
from ..config import check_timeout
from ..core import Core

_LONGEST_KEY: Final = 255
Message: TypeAlias = Mapping[str, object]
Messages: TypeAlias = str | Sequence[Message]
Parents: TypeAlias = Sequence[Receipt | str] | None


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """The arguments of a chat call, named as the members of its body."""

    model: str
    messages: Messages
    max_tokens: int | None = None
    temperature: float | None = None
    stop: str | Sequence[str] | None = None
    tools: Sequence[Mapping[str, object]] | None = None
    tool_choice: str | Mapping[str, object] | None = None
    response_format: Mapping[str, object] | None = None
    web_search: bool = False
    stream: bool = False

    def call(
        self,
        core: Core,
        *,
        tag: str | None = None,
        node: str | None = None,
        timeout: float | None = None,
        key: str | None = None,
        parents: Parents = None,
    ) -> Call:
        """Return the call for this request.

        Raises:
            ConfigurationError: A member is of the wrong kind.
        """
        body = wire_chat_request(
            {
                "model": bare_model(self.model),
                "messages": self.messages,
                "max_tokens": self.max_tokens,
                "temperature": self.temperature,
                "stop": self.stop,
                "tools": self.tools,
                "tool_choice": self.tool_choice,
                "response_format": self.response_format,
                "web_search": self.web_search,
            }
        )
        if self.stream:
            body["stream"] = True
        return _call(
            core,
            CHAT_ROUTE,
            body,
            self.max_tokens,
            tag=tag,
            node=node,
            timeout=timeout,
            key=key,
            parents=parents,
        )


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """The arguments of a completion call, named as the members of its body."""

    model: str
    prompt: str
    max_tokens: int | None = None
    temperature: float | None = None
    stop: str | Sequence[str] | None = None

    def call(
        self,
        core: Core,
        *,
        tag: str | None = None,
        node: str | None = None,
        timeout: float | None = None,
        key: str | None = None,
        parents: Parents = None,
    ) -> Call:
        """Return the call for this request.

        Raises:
            ConfigurationError: A member is of the wrong kind.
        """
        body = wire_completion_request({**asdict(self), "model": bare_model(self.model)})
        longest = self.max_tokens or DEFAULT_COMPLETION_TOKENS
        return _call(
            core,
            COMPLETION_ROUTE,
            body,
            longest,
            tag=tag,
            node=node,
            timeout=timeout,
            key=key,
            parents=parents,
        )


def _call(
    core: Core,
    route: str,
    body: Mapping[str, object],
    longest: int | None,
    *,
    tag: str | None,
    node: str | None,
    timeout: float | None,
    key: str | None,
    parents: Parents,
) -> Call:
    if timeout is not None:
        check_timeout(timeout)
    check_key(key)
    model = str(body["model"])
    return Call(
        route=route,
        model=model,
        body=body,
        payload=encode(body),
        price=model_price(core.config.profile.prices, model),
        settlement=core.config.settlement,
        timeout=core.config.timeout if timeout is None else timeout,
        tag=tag,
        node=node,
        key=key,
        longest=longest,
        lineage=Lineage.here(parents),
    )


def check_key(key: object) -> None:
    """Return if ``key`` can name a call.

    Raises:
        ConfigurationError: It is neither ``None`` nor a short text.
    """
    if key is None or (isinstance(key, str) and 0 < len(key) <= _LONGEST_KEY):
        return
    raise ConfigurationError(
        f"idempotency_key is {str(key)[:64]!r}",
        hint=f"Pass a text of 1 to {_LONGEST_KEY} characters that names this one call.",
    )
