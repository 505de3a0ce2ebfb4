"""Who is put to the test: the client as it is, and clients that are broken on purpose.

A broken client shows that the matrix sees what it is there to see. Each breaks one money rule, and
does everything else as the real one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit

from opengradient_sdk import AsyncOpenGradient, Budget
from opengradient_sdk._core.http import HttpClient, HttpResponse
from opengradient_sdk.client.reply import Reply
from opengradient_sdk.errors import NetworkError, OpenGradientError, Spent
from opengradient_sdk.types import Amount
from opengradient_sdk.verification import Assurance

from .wire import tapped

if TYPE_CHECKING:
    from .customer import Setting, Wish

Make = Callable[..., AsyncOpenGradient]
Ask = Callable[[AsyncOpenGradient, "Wish", Make], Awaitable[Reply]]

_STUBBORN: Final = 4
"""How often those try who never give up."""


async def ask(client: AsyncOpenGradient, wish: Wish, _make: Make) -> Reply:
    """Ask as documented."""
    return await _asked(client, wish.question(), stream=wish.stream)


def arguments(setting: Setting) -> dict[str, Any]:
    """Have a budget and a store, and all else as it comes."""
    budget = Budget(Amount(setting.budget), name="matrix" if setting.named else None)
    return {"budget": budget, "store": setting.store}


@dataclass(frozen=True, slots=True)
class Subject:
    """How a client is made and asked.

    ``breaks`` is the rule that it breaks; ``wiring`` is in place while it lives.
    """

    breaks: str = ""
    ask: Ask = ask
    arguments: Callable[[Setting], dict[str, Any]] = arguments
    resolves: bool = True
    wiring: Callable[[], AbstractContextManager[None]] = nullcontext


async def _asked(client: AsyncOpenGradient, question: dict[str, Any], *, stream: bool) -> Reply:
    if not stream:
        return await client.chat.create(**question)
    async with client.chat.stream(**question) as answer:
        return await answer.get_final_reply()


async def _afresh(client: AsyncOpenGradient, wish: Wish, make: Make) -> Reply:
    """Pay anew for what may have been paid for: a client that knows nothing of the first."""
    try:
        return await ask(client, wish, make)
    except OpenGradientError as error:
        if error.spent is not Spent.MAYBE:
            raise
        async with make(store=":memory:", budget="unlimited") as another:
            return await ask(another, wish, make)


async def _loyally(client: AsyncOpenGradient, wish: Wish, make: Make) -> Reply:
    """Sign for a node whatever it has done with the authorizations before."""
    [node, *_] = await client.nodes.list()
    for _ in range(_STUBBORN):
        async with make(store=":memory:", budget="unlimited") as another:
            try:
                question = wish.question() | {"node": node.endpoint}
                return await _asked(another, question, stream=wish.stream)
            except OpenGradientError:
                continue  # the next one is signed, whatever became of this
    return await ask(client, wish, make)


async def _without_key(client: AsyncOpenGradient, wish: Wish, _make: Make) -> Reply:
    """Forget that the same thing has been asked before."""
    question = wish.question()
    del question["idempotency_key"]
    return await _asked(client, question, stream=wish.stream)


@contextmanager
def _sent_elsewhere() -> Iterator[None]:
    """Send a request whose answer was lost to another node, with the same payment."""
    pins: dict[str, bytes | None] = {}

    async def elsewhere(plain: Request, url: str, options: dict[str, Any]) -> HttpResponse:
        parts = urlsplit(url)
        pins[parts.netloc] = options.get("pin")
        try:
            return await plain(url, options)
        except NetworkError:
            others = [netloc for netloc in pins if netloc != parts.netloc]
            if not others or not _is_paid(options):
                raise
            other = urlunsplit(parts._replace(netloc=others[0]))
            return await plain(other, options | {"pin": pins[others[0]]})

    with _rewired(elsewhere):
        yield


@contextmanager
def _sent_again_and_again() -> Iterator[None]:
    """Send a request whose answer was lost until there is one."""

    async def again(plain: Request, url: str, options: dict[str, Any]) -> HttpResponse:
        for _ in range(_STUBBORN if _is_paid(options) else 0):
            try:
                return await plain(url, options)
            except NetworkError:
                continue
        return await plain(url, options)

    with _rewired(again):
        yield


Request = Callable[[str, dict[str, Any]], Awaitable[HttpResponse]]


@contextmanager
def _rewired(
    send: Callable[[Request, str, dict[str, Any]], Awaitable[HttpResponse]],
) -> Iterator[None]:
    """Have ``send`` decide how requests to nodes are sent."""
    request = HttpClient.request

    async def rewired(self: HttpClient, method: str, url: str, **options: Any) -> HttpResponse:
        async def plain(url: str, options: dict[str, Any]) -> HttpResponse:
            return await request(self, method, url, **options)

        if "/v1/" not in url:
            return await plain(url, options)
        return await send(plain, url, options)

    HttpClient.request = rewired  # type: ignore[method-assign]
    try:
        yield
    finally:
        HttpClient.request = request  # type: ignore[method-assign]


def _is_paid(options: Mapping[str, Any]) -> bool:
    return not {"PAYMENT-SIGNATURE", "X-Upto-Session"}.isdisjoint(options.get("headers") or {})


async def _knowing_both(client: AsyncOpenGradient, wish: Wish, make: Make) -> Reply:
    """Have spoken to every node before: who sends elsewhere must know where that is."""
    for node in await client.nodes.list():
        await client.payments.challenge(node, {"model": wish.question()["model"], "messages": "?"})
    return await ask(client, wish, make)


def _unlimited(setting: Setting) -> dict[str, Any]:
    return arguments(setting) | {"budget": "unlimited"}


def _believing(setting: Setting) -> dict[str, Any]:
    return arguments(setting) | {"require": Assurance.UNVERIFIED}


def _forgetful(setting: Setting) -> dict[str, Any]:
    return arguments(setting) | {"store": ":memory:"}


HONEST: Final = "as it is"

SUBJECTS: Final[Mapping[str, Subject]] = {
    HONEST: Subject(),
    "pays anew for what may be paid": Subject("no second authorization", _afresh),
    "sends to another node": Subject(
        "byte for byte to the same node", _knowing_both, wiring=_sent_elsewhere
    ),
    "sends until it is answered": Subject("sent again once", wiring=_sent_again_and_again),
    "signs whatever a node asks": Subject("few open", _loyally),
    "ignores the budget": Subject("within the budget", arguments=_unlimited),
    "writes nothing down": Subject("written down first", arguments=_forgetful),
    "never asks the chain": Subject("charged as written, to the atom", resolves=False),
    "keeps no replies": Subject("no reply lost", _without_key),
    "believes everything": Subject("no false reply", arguments=_believing),
}
"""Every subject by name."""


@contextmanager
def watched(subject: str) -> Iterator[None]:
    """Write down what a subject sends, wired as it is."""
    with tapped(), SUBJECTS[subject].wiring():
        yield
