"""A node whose own work is negligible: what is measured against it is the client.

It speaks the network's protocol (challenge, payment, session, signed answer) over HTTPS with
keep-alive, without any framework. It verifies no payment: every ``PAYMENT-SIGNATURE`` opens a
session, the same one opens the same session again. Answers are signed once for each body and then
kept.

``python -m benchmarks.node CHAIN_ID PAY_TO`` prints a line of JSON that says where it is and what a
registry has to know of it, and serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from opengradient_sdk.devnet.contracts import addresses
from opengradient_sdk.devnet.node.faults import Faults
from opengradient_sdk.devnet.node.identity import Enclave
from opengradient_sdk.devnet.node.offers import encode_header, payment_option, payment_required
from opengradient_sdk.devnet.node.signing import sign_statement
from opengradient_sdk.types import Address
from opengradient_sdk.verification import Mode, canonical_chat_request

ROUTE: Final = "/v1/chat/completions"
ANSWER: Final = "The benchmark's node answers every question in these words."
CAP: Final = 10**17
OPG_USD: Final = 100.0
"""Dear enough that one session outlasts a whole run."""

_RENEWED_EVERY: Final = 60.0
"""Seconds until an answer is signed again: clients refuse stale ones."""
_CLIENTS_WAITING: Final = 256


@dataclass(slots=True)
class Request:
    """One HTTP request; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""


@dataclass(slots=True)
class Books:
    """What has been asked of the node since it started."""

    requests: Counter[str] = field(default_factory=Counter)
    payments: dict[str, str] = field(default_factory=dict)
    """Session ids by payment header."""

    def as_json(self) -> dict[str, object]:
        """Return the counts, as ``GET /stats`` shows them."""
        return {"requests": dict(self.requests), "payments": len(self.payments)}


class BenchNode:
    """Answers requests; ``answering`` says how one that is paid for is answered."""

    def __init__(self, enclave: Enclave, chain_id: int, pay_to: Address) -> None:
        self.delay = 0.0
        self.books = Books()
        self._enclave = enclave
        self._sessions: set[str] = set()
        self._answers: dict[tuple[int, bytes], asyncio.Task[bytes]] = {}
        option = payment_option(
            network=f"eip155:{chain_id}",
            opg=addresses.OPG,
            cap=CAP,
            pay_to=pay_to,
            facilitator=str(pay_to),
        )
        challenge = payment_required(
            option, url=f"http://127.0.0.1{ROUTE}", path=ROUTE, error="Payment required"
        )
        self._challenge = _answer(402, b"{}", f"PAYMENT-REQUIRED: {encode_header(challenge)}")
        self._bare_refusal = _json_answer(402, {"error": "Session expired or exhausted"})
        feed = {"price_usd": OPG_USD, "last_error": None, "refresh_interval": 300}
        self._health = _json_answer(200, {"status": "OK", "price_feed": feed})

    def free(self, request: Request) -> bytes | None:
        """Return the answer to a request that costs nothing; ``None`` if it is paid for."""
        books = self.books
        match request.method, request.path:
            case "POST", path if path == ROUTE:
                books.requests[path] += 1
                return self._unpaid(request.headers)
            case "GET", "/health":
                books.requests[request.path] += 1
                return self._health
            case "GET", "/stats":
                return _json_answer(200, books.as_json())
            case "POST", "/delay":
                self.delay = float(request.body)
                return _answer(204, b"")
            case _:
                return _answer(404, b"")

    def _unpaid(self, headers: dict[str, str]) -> bytes | None:
        session = headers.get("x-upto-session")
        if session is not None:
            return None if session in self._sessions else self._bare_refusal
        payment = headers.get("payment-signature")
        if payment is None:
            return self._challenge
        if payment not in self.books.payments:
            self.books.payments[payment] = session = str(uuid.uuid4())
            self._sessions.add(session)
        return None

    def session_of(self, request: Request) -> str:
        """Return the session that a paid request belongs to."""
        headers = request.headers
        return headers.get("x-upto-session") or self.books.payments[headers["payment-signature"]]

    def signed(self, body: bytes, tasks: asyncio.TaskGroup) -> asyncio.Task[bytes]:
        """Return the signed answer to a body, in the making the first time it is asked for."""
        key = (int(time.time() // _RENEWED_EVERY), body)
        task = self._answers.get(key)
        if task is None:
            task = self._answers[key] = tasks.create_task(self._sign(json.loads(body)))
        return task

    async def _sign(self, asked: dict[str, Any]) -> bytes:
        statement = await sign_statement(
            self._enclave,
            Faults(),
            request_text=canonical_chat_request(asked, Mode.JULY),
            output_text=ANSWER,
            timestamp=int(time.time()),
        )
        content = {
            "id": f"chatcmpl-{uuid.uuid4()}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": asked["model"],
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": ANSWER},
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14},
            **statement.members(),
        }
        return (json.dumps(content, sort_keys=True, indent=2) + "\n").encode()


class Connection(asyncio.Protocol):
    """One keep-alive connection: requests are answered one after the other."""

    def __init__(self, node: BenchNode, tasks: asyncio.TaskGroup) -> None:
        self._node = node
        self._tasks = tasks
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, _error: Exception | None) -> None:
        """Answer nothing more."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self._received += data
        while (parsed := parse_request(self._received)) is not None:
            request, self._received = parsed
            self._answer(request)

    def _answer(self, request: Request) -> None:
        node = self._node
        answer = node.free(request)
        if answer is not None:
            self._send(answer)
            return
        head = f"X-Upto-Session: {node.session_of(request)}"
        signed = node.signed(request.body, self._tasks)
        if signed.done() and not node.delay:
            self._send(_answer(200, signed.result(), head))
        else:
            self._tasks.create_task(self._send_later(signed, head, node.delay))

    async def _send_later(self, signed: asyncio.Task[bytes], head: str, delay: float) -> None:
        await asyncio.sleep(delay)
        self._send(_answer(200, await signed, head))

    def _send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


def parse_request(data: bytes) -> tuple[Request, bytes] | None:
    """Return the first request in ``data`` and what follows it; ``None`` if it is not complete."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    first, *lines = data[:end].decode("latin-1").split("\r\n")
    method, path, _version = first.split(" ")
    headers: dict[str, str] = {}
    for line in lines:
        name, _colon, value = line.partition(":")
        headers[name.lower()] = value.strip()
    start = end + 4
    stop = start + int(headers.get("content-length", 0))
    if len(data) < stop:
        return None
    return Request(method, path, headers, data[start:stop]), data[stop:]


def _answer(status: int, body: bytes, *headers: str) -> bytes:
    lines = (
        f"HTTP/1.1 {status} x",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *headers,
    )
    return "\r\n".join((*lines, "", "")).encode("latin-1") + body


def _json_answer(status: int, content: object) -> bytes:
    return _answer(status, json.dumps(content).encode())


async def serve(chain_id: int, pay_to: Address, stop: asyncio.Event) -> None:
    """Serve on a free port, say on standard output where, and end when ``stop`` is set."""
    enclave = await Enclave.create("benchmark", time.time())
    enclave.ssl_context.num_tickets = 0  # no client here resumes sessions
    node = BenchNode(enclave, chain_id, pay_to)
    async with asyncio.TaskGroup() as tasks:
        server = await asyncio.get_running_loop().create_server(
            lambda: Connection(node, tasks),
            "127.0.0.1",
            0,
            ssl=enclave.ssl_context,
            backlog=_CLIENTS_WAITING,
        )
        port = server.sockets[0].getsockname()[1]
        print(json.dumps(_introduction(enclave, port, pay_to)), flush=True)
        await stop.wait()
        server.close()
    enclave.close()


def _introduction(enclave: Enclave, port: int, pay_to: Address) -> dict[str, str]:
    return {
        "endpoint": f"https://127.0.0.1:{port}",
        "public_key": enclave.public_key_der.hex(),
        "certificate": enclave.tls_certificate_der.hex(),
        "pay_to": pay_to,
    }


async def _main() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin, stop.set)  # readable means that the parent has closed it
    await serve(int(sys.argv[1]), Address(sys.argv[2]), stop)


if __name__ == "__main__":
    asyncio.run(_main())
