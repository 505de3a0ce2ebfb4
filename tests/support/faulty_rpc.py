"""A JSON-RPC server that stands between the SDK and a node, and misbehaves like a real network.

    async with FaultyRpc(anvil.rpc_url, rate=0.4, seed=7) as proxy:
        rpc = Rpc([proxy.url], http, timeout=2.0)
        ...                                           # every kind of trouble hits with 0.4 / 8
        assert proxy.counts[Trouble.CUT_AFTER] > 0

    async with FaultyRpc(anvil.rpc_url) as proxy:     # rate 0: only what the test orders
        proxy.inject(Trouble.CUT_AFTER, method="eth_sendRawTransaction")

For other processes, and as one of its own (prints its URL, and the counts when stdin is closed):

    python tests/support/faulty_rpc.py http://127.0.0.1:8545 --rate 0.4 --seed 7 --port 9545

``rate`` is the probability that something goes wrong, shared equally by the ``faults``: with all
eight and a rate of 0.4, each of them hits in 5 % of all cases. A case is an HTTP exchange for
trouble with the connection, and each single call, also inside a batch, for ``PER_CALL`` trouble.
The trouble of the n-th exchange depends on ``seed`` and n alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from collections import Counter, deque
from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

import aiohttp
from aiohttp import web

Call = dict[str, Any]


class Trouble(Enum):
    """What can happen to a request."""

    DELAY = "delay"
    """Forwarded late; the answer is right."""
    DROP = "drop"
    """The connection is closed before anything is forwarded."""
    CUT_AFTER = "cut_after"
    """Forwarded, then the connection is closed in place of an answer."""
    LATE = "late"
    """Forwarded; the answer comes when the client has given up (or after ``patience``)."""
    TWICE = "twice"
    """A call is forwarded twice; the second answer ("already known") is the one returned."""
    NONCE_LIE = "nonce_lie"
    """A transaction count is off by 1 to 3; a transaction is "nonce too low" and not forwarded."""
    HTTP_429 = "http_429"
    """Too many requests, with ``Retry-After``; not forwarded."""
    HTTP_5XX = "http_5xx"
    """A gateway's error page; forwarded in the case of 504, as gateways do."""


ALL: Final = tuple(Trouble)
PER_CALL: Final = (Trouble.TWICE, Trouble.NONCE_LIE)
"""Trouble of single calls; all other is of a whole HTTP exchange."""

_REFUSED: Final = {"code": -32003, "message": "nonce too low"}
_LIABLE: Final = ("eth_getTransactionCount", "eth_sendRawTransaction")
_FORWARDED_STATUS: Final = 504


@dataclass
class _Plan:
    """What happens to one exchange; ``lies`` and ``doubled`` hold positions in the batch."""

    trouble: Trouble | None = None
    status: int = 0
    lies: dict[int, int] = field(default_factory=dict)
    doubled: list[int] = field(default_factory=list)


class FaultyRpc:
    """The proxy, listening on a port of its own while its ``async with`` block runs.

    ``delay`` and ``patience`` are in seconds. ``rate`` may be changed at any time; ``counts`` says
    how often each kind of trouble has hit, ``exchanges`` and ``calls`` what came in at all.
    """

    def __init__(
        self,
        upstream_url: str,
        rate: float = 0.0,
        seed: int = 0,
        faults: Collection[Trouble] = ALL,
        *,
        delay: float = 0.2,
        patience: float = 15.0,
        retry_after: str = "1",
        port: int = 0,
    ) -> None:
        self.rate = rate
        self.faults = tuple(kind for kind in Trouble if kind in faults)
        self.counts: Counter[Trouble] = Counter()
        self.exchanges = 0
        self.calls = 0
        self.url = ""
        self._upstream_url = upstream_url
        self._seed = seed
        self._delay = delay
        self._patience = patience
        self._retry_after = retry_after
        self._port = port
        self._ordered: deque[tuple[Trouble, str | None]] = deque()
        self._forwarding: set[asyncio.Task[bytes]] = set()

    async def __aenter__(self) -> FaultyRpc:
        async with AsyncExitStack() as stack:
            connector = aiohttp.TCPConnector(limit=0)
            self._upstream = await stack.enter_async_context(
                aiohttp.ClientSession(connector=connector)
            )
            stack.push_async_callback(self._end_forwarding)
            await self._listen(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def inject(self, *troubles: Trouble, method: str | None = None) -> None:
        """Order trouble for the next exchanges, one each, in which ``method`` is called."""
        self._ordered.extend((trouble, method) for trouble in troubles)

    async def _listen(self, stack: AsyncExitStack) -> None:
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/{tail:.*}", self._handle)
        runner = web.AppRunner(
            app,
            handler_cancellation=True,  # a client that goes away cancels: that is how LATE knows
            access_log=None,
            shutdown_timeout=0.1,
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", self._port, backlog=1024).start()
        self.url = "http://{}:{}".format(*runner.addresses[0][:2])

    async def _end_forwarding(self) -> None:
        for task in tuple(self._forwarding):
            task.cancel()
        await asyncio.gather(*self._forwarding, return_exceptions=True)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._suffer(request)
        except aiohttp.ClientError:  # the node behind is gone
            return _error_page(502)

    async def _suffer(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        calls: list[Call] = body if isinstance(body, list) else [body]
        self.exchanges += 1
        self.calls += len(calls)
        plan = self._plan(calls)
        self._count(plan)
        match plan.trouble:
            case Trouble.DROP:
                return _cut(request)
            case Trouble.HTTP_429:
                return web.Response(status=429, headers={"Retry-After": self._retry_after})
            case Trouble.HTTP_5XX if plan.status != _FORWARDED_STATUS:
                return _error_page(plan.status)
            case Trouble.DELAY:
                await asyncio.sleep(self._delay)
            case _:
                pass
        answers = await self._answers(calls, plan)
        match plan.trouble:
            case Trouble.CUT_AFTER:
                return _cut(request)
            case Trouble.HTTP_5XX:
                return _error_page(plan.status)
            case Trouble.LATE:
                await asyncio.sleep(self._patience)
            case _:
                pass
        return web.json_response(answers if isinstance(body, list) else answers[0])

    def _plan(self, calls: Sequence[Call]) -> _Plan:
        dice = random.Random(f"{self._seed}/{self.exchanges}")
        if (ordered := self._take_order(calls)) is not None:
            return _Plan(
                None if ordered in PER_CALL else ordered,
                _gateway_status(dice),
                _lies(calls, dice) if ordered is Trouble.NONCE_LIE else {},
                list(range(len(calls))) if ordered is Trouble.TWICE else [],
            )
        share = self.rate / len(self.faults) if self.faults else 0.0
        plan = _Plan(status=_gateway_status(dice))
        of_exchanges = [kind for kind in self.faults if kind not in PER_CALL]
        drawn = int(dice.random() / share) if share else len(of_exchanges)
        if drawn < len(of_exchanges):
            plan.trouble = of_exchanges[drawn]
        if Trouble.TWICE in self.faults:
            plan.doubled = [at for at in range(len(calls)) if dice.random() < share]
        if Trouble.NONCE_LIE in self.faults:
            lies = _lies(calls, dice)
            plan.lies = {at: lie for at, lie in lies.items() if dice.random() < share}
        return plan

    def _take_order(self, calls: Sequence[Call]) -> Trouble | None:
        if not self._ordered:
            return None
        trouble, method = self._ordered[0]
        if method is not None and all(call["method"] != method for call in calls):
            return None
        self._ordered.popleft()
        return trouble

    def _count(self, plan: _Plan) -> None:
        if plan.trouble is not None:
            self.counts[plan.trouble] += 1
        self.counts[Trouble.TWICE] += len(plan.doubled)
        self.counts[Trouble.NONCE_LIE] += len(plan.lies)

    async def _answers(self, calls: Sequence[Call], plan: _Plan) -> list[Any]:
        """Return the answers to ``calls``, in order, after what ``plan`` does to them."""
        refused = {
            at: {"jsonrpc": "2.0", "id": call["id"], "error": _REFUSED}
            for at, call in enumerate(calls)
            if at in plan.lies and call["method"] == "eth_sendRawTransaction"
        }
        if doubled := [calls[at] for at in plan.doubled if at not in refused]:
            await self._forward(doubled)
        passed_on = [call for at, call in enumerate(calls) if at not in refused]
        said = iter(await self._forward(passed_on) if passed_on else ())
        answers = [refused[at] if at in refused else next(said) for at in range(len(calls))]
        for at, lie in plan.lies.items():
            if "result" in answers[at]:
                answers[at]["result"] = hex(max(0, int(answers[at]["result"], 16) + lie))
        return answers

    async def _forward(self, calls: Sequence[Call]) -> list[Any]:
        task = asyncio.create_task(self._post(calls))
        self._forwarding.add(task)
        task.add_done_callback(self._forwarded)
        # what is under way arrives, also when the client has gone
        answers = json.loads(await asyncio.shield(task))
        by_id = {one["id"]: one for one in (answers if isinstance(answers, list) else [answers])}
        return [by_id[call["id"]] for call in calls]

    def _forwarded(self, task: asyncio.Task[bytes]) -> None:
        self._forwarding.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked may have gone: nobody else looks at it

    async def _post(self, calls: Sequence[Call]) -> bytes:
        body = list(calls) if len(calls) > 1 else calls[0]
        async with self._upstream.post(self._upstream_url, json=body) as response:
            return await response.read()


def _lies(calls: Sequence[Call], dice: random.Random) -> dict[int, int]:
    """Return, for each call that can be lied about, by how much the count is off."""
    return {
        at: dice.choice((-3, -2, -1, 1, 2, 3))
        for at, call in enumerate(calls)
        if call["method"] in _LIABLE
    }


def _gateway_status(dice: random.Random) -> int:
    return dice.choice((500, 502, 503, _FORWARDED_STATUS))


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()  # nobody hears it


def _error_page(status: int) -> web.Response:
    return web.Response(status=status, text="<html>bad gateway</html>", content_type="text/html")


async def _serve(options: argparse.Namespace) -> None:
    async with FaultyRpc(
        options.upstream, options.rate, options.seed, options.faults, port=options.port
    ) as proxy:
        print(proxy.url, flush=True)
        await asyncio.to_thread(sys.stdin.read)
        print(json.dumps({kind.value: proxy.counts[kind] for kind in Trouble}), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A JSON-RPC proxy that misbehaves.")
    parser.add_argument("upstream")
    parser.add_argument("--rate", type=float, default=0.4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--faults", nargs="*", type=Trouble, default=ALL)
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(_serve(_options()))
