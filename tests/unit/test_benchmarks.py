"""The benchmarks' own parts: a node that speaks the protocol, and a table that says what is met.

Nothing here looks at a clock: how fast anything is, is for the benchmarks to say.
"""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from benchmarks import report
from benchmarks.chain import CHAIN_ID, PAYEE, NodeRecord
from benchmarks.install import measured
from benchmarks.node import CAP, OPG_USD, ROUTE, parse_request
from benchmarks.processes import contenders, running_node
from opengradient_sdk._core.http import HttpClient, HttpResponse
from opengradient_sdk.payments.challenge import BareRefusal, PaymentRequired, parse_402
from opengradient_sdk.verification import SignedFields, read_chat_answer, verify_answer
from opengradient_sdk.verification.signature import tee_id_of

BODY = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}], "temperature": 0.0}


class _Asking:
    """Requests to the running node, over the pinned connection of the package itself."""

    def __init__(self, record: NodeRecord, http: HttpClient) -> None:
        self.record = record
        self._http = http

    async def post(self, path: str = ROUTE, body: object = BODY, **headers: str) -> HttpResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self._request("POST", path, named, json.dumps(body).encode())

    async def get(self, path: str) -> Mapping[str, object]:
        answer: Mapping[str, object] = json.loads((await self._request("GET", path, {}, None)).body)
        return answer

    async def _request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> HttpResponse:
        return await self._http.request(
            method,
            self.record.endpoint + path,
            headers=headers,
            body=body,
            pin=self.record.certificate,
            timeout=30.0,
        )


@pytest_asyncio.fixture(scope="module")
async def node() -> AsyncIterator[_Asking]:
    http = HttpClient()
    async with running_node() as record:
        yield _Asking(record, http)
        await http.aclose()


async def test_an_unpaid_request_gets_the_challenge_that_clients_pay(node: _Asking) -> None:
    answer = await node.post()
    required = parse_402(answer.headers, answer.body)
    assert answer.status == 402
    assert isinstance(required, PaymentRequired)
    (offer,) = required.offers
    assert (offer.scheme, offer.network) == ("upto", f"eip155:{CHAIN_ID}")
    assert (offer.amount, offer.pay_to) == (CAP, PAYEE)


async def test_one_payment_is_one_session_however_often_it_is_sent(node: _Asking) -> None:
    before = (await node.get("/stats"))["payments"]
    first, again, other = [await node.post(PAYMENT_SIGNATURE=p) for p in ("a", "a", "b")]
    sessions = [answer.headers["X-Upto-Session"] for answer in (first, again, other)]
    assert sessions[0] == sessions[1] != sessions[2]
    assert (await node.get("/stats"))["payments"] == int(str(before)) + 2
    joined = await node.post(X_Upto_Session=sessions[0])
    assert (joined.status, joined.headers["X-Upto-Session"]) == (200, sessions[0])


async def test_an_unknown_session_is_refused_without_a_challenge(node: _Asking) -> None:
    answer = await node.post(X_Upto_Session="nobody's")
    assert answer.status == 402
    assert isinstance(parse_402(answer.headers, answer.body), BareRefusal)


async def test_answers_are_signed_by_the_registered_key(node: _Asking) -> None:
    answer = json.loads((await node.post(PAYMENT_SIGNATURE="signed")).body)
    key = node.record.public_key
    evidence = verify_answer(
        request_body=BODY,
        answer_fields=SignedFields.from_json(answer),
        output_text=read_chat_answer(answer).signed_text,
        public_key_der=key,
        expected_tee_id=tee_id_of(key),
        now=time.time(),
    )
    assert evidence.assurance.name == "SIGNED"


async def test_every_request_is_counted_and_the_price_is_published(node: _Asking) -> None:
    before = (await node.get("/stats"))["requests"]
    health = await node.get("/health")
    await node.post()
    after = (await node.get("/stats"))["requests"]
    assert health["price_feed"] == {
        "price_usd": OPG_USD,
        "last_error": None,
        "refresh_interval": 300,
    }
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert {path: after[path] - before.get(path, 0) for path in after} == {ROUTE: 1, "/health": 1}


def test_requests_may_arrive_in_pieces_and_several_at_once() -> None:
    one = b"POST /x HTTP/1.1\r\nContent-Length: 2\r\nA: b\r\n\r\nhi"
    assert all(parse_request(one[:end]) is None for end in range(len(one)))
    parsed = parse_request(one + one)
    assert parsed is not None
    request, rest = parsed
    assert (request.method, request.path, request.body) == ("POST", "/x", b"hi")
    assert request.headers["a"] == "b"
    assert rest == one


def test_the_table_says_what_is_met_and_how_many_times_better_it_is() -> None:
    published = [{"warm_ms": 2.0, "calls_per_second": 500}] * 3
    ours = [{"warm_ms": ms, "calls_per_second": 1000} for ms in (0.9, 1.0, 1.1)]
    warm, throughput = report.table(published, ours)
    assert warm == (
        "warm paid call",
        "2.00 ms",
        "1.00 ms (0.90–1.10)",
        "2×",
        "≤ 1.2 ms",
        "met",
    )
    assert throughput[3:] == ("2×", "≥ 1500", "NOT MET")
    slow = report.table([{"warm_ms": 16.0}], [{"warm_ms": 9.0}])
    assert slow[0][3:] == ("1.8×", "≤ 1.2 ms", "ratio met")
    assert "| warm paid call | 2.00 ms |" in report.as_markdown([warm])


def test_a_row_that_was_not_measured_is_left_out() -> None:
    assert report.table([], []) == []


def test_what_pip_brings_does_not_count_as_installed(tmp_path: Path) -> None:
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    for entry in ("pip-1.dist-info", "pip", "thing-1.dist-info", "thing/__pycache__"):
        (packages / entry).mkdir(parents=True)
    (packages / "pip" / "big.py").write_bytes(bytes(5000))
    (packages / "thing" / "code.py").write_bytes(bytes(1000))
    (packages / "thing" / "__pycache__" / "code.pyc").write_bytes(bytes(2000))
    size = measured(tmp_path)
    assert size.distributions == 1
    assert size.megabytes == pytest.approx(0.003)
    assert size.megabytes_without_bytecode == pytest.approx(0.001)


def test_both_clients_have_a_script_and_neither_is_imported_here() -> None:
    for contender in contenders(Path("somewhere")):
        assert contender.script.is_file()
    for name in ("document", "ours", "published", "startup", "workload", "__main__"):
        assert importlib.import_module(f"benchmarks.{name}").__doc__
