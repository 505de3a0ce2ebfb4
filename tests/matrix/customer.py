"""A customer: a client, what it is asked to do, and what it says of it; here or in a process."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from opengradient_sdk import AsyncOpenGradient
from opengradient_sdk.errors import OpenGradientError
from opengradient_sdk.profiles import Profile
from opengradient_sdk.signers import LocalSigner

from .cells import Crash
from .recording import Recorder
from .subjects import SUBJECTS
from .wire import RecordedWallet, recorder

MODEL: Final = "openai/gpt-5"

_TIMEOUT: Final = 20.0


@dataclass(frozen=True, slots=True)
class Setting:
    """What a customer is made of; goes to other processes."""

    subject: str
    key: bytes
    profile: Profile
    store: Path
    record: Path
    budget: int
    named: bool


@dataclass(frozen=True, slots=True)
class Wish:
    """One call: the caller's key for it, and what is asked."""

    key: str
    text: str
    stream: bool
    timeout: float

    @property
    def truth(self) -> str:
        """What an honest node answers."""
        return f"[devnet/echo] You said: {self.text} (built in: no real gpt-5 here)"

    def question(self) -> dict[str, Any]:
        """The arguments of the call."""
        return {
            "model": MODEL,
            "messages": self.text,
            "max_tokens": 1000,
            "timeout": self.timeout,
            "idempotency_key": self.key,
        }


class Customer(Protocol):
    """Who makes the calls of a run."""

    async def choose(self) -> None:
        """Choose the node of the next call, without paying."""
        ...

    async def wish(self, wish: Wish, crash: Crash | None = None) -> str | None:
        """Return the answer to one call, if there is one; be killed in it where ``crash`` says."""
        ...

    async def look(self) -> None:
        """Ask the chain about everything, whether it answers or not."""
        ...

    async def settle(self) -> Mapping[str, int]:
        """Ask the chain about everything, and say what the client thinks of it."""
        ...

    async def leave(self) -> None:
        """Close the client."""
        ...


class Present:
    """A customer in this process."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._subject = SUBJECTS[setting.subject]
        self._record = Recorder(setting.record)
        self._open = AsyncExitStack()
        self._client: AsyncOpenGradient | None = None

    @classmethod
    async def come(cls, setting: Setting) -> Present:
        """Open the client."""
        customer = cls(setting)
        recorder.set(customer._record)
        customer._client = await customer._open.enter_async_context(customer._made())
        return customer

    def _made(self, **changes: Any) -> AsyncOpenGradient:
        setting, record = self._setting, self._record
        usual = {
            "signer": RecordedWallet(LocalSigner.from_key(setting.key), record),
            "network": setting.profile,
            "timeout": _TIMEOUT,
            "on_event": lambda event: record.write(f"told {type(event).__name__}"),
        }
        return AsyncOpenGradient(**usual | self._subject.arguments(setting) | changes)

    @property
    def client(self) -> AsyncOpenGradient:
        assert self._client is not None
        return self._client

    async def choose(self) -> None:
        recorder.set(self._record)
        await self.client.chat.estimate(model=MODEL, messages="how much?", max_tokens=1)

    async def wish(self, wish: Wish, crash: Crash | None = None) -> str | None:
        recorder.set(self._record)
        self._record.key = wish.key
        self._record.arm(crash)
        self._record.write("asked")
        try:
            reply = await self._subject.ask(self.client, wish, self._made)
        except OpenGradientError as error:
            kind, spent = type(error).__name__, error.spent.name
            self._record.write("raised", error=kind, spent=spent, message=error.short_message)
            return None
        else:
            self._record.write("returned", text=reply.text)
            return reply.text
        finally:
            self._record.key = ""

    async def look(self) -> None:
        recorder.set(self._record)
        try:
            await self.client.payments.resolve()
        except OpenGradientError as error:
            self._record.write("looked in vain", message=error.short_message)

    async def settle(self) -> Mapping[str, int]:
        recorder.set(self._record)
        if self._subject.resolves:
            await self.client.payments.resolve()
        standing = await self.client.budget.standing()
        return {"exposed": standing.exposed.atoms, "settled": standing.settled.atoms}

    async def leave(self) -> None:
        await self._open.aclose()
        self._record.close()
