"""One endpoint: what it takes at once, and whose answers count."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from opengradient_sdk._core.http import HttpClient
from opengradient_sdk._core.urls import ServerUrl
from opengradient_sdk.chain.endpoint import Endpoint, EndpointFailure


@pytest.fixture
def endpoint(node: Any, http: HttpClient) -> Endpoint:
    node.results["echo"] = lambda value: value
    return Endpoint(node.url, http, timeout=5.0)


def echo(*numbers: int) -> list[tuple[str, list[int]]]:
    return [("echo", [number]) for number in numbers]


async def test_ids_are_never_used_twice(node: Any, endpoint: Endpoint) -> None:
    await endpoint.exchange(echo(1, 2))
    await endpoint.exchange(echo(3))
    await endpoint.exchange(echo(4, 5))
    calls = [call for body in node.bodies for call in (body if isinstance(body, list) else [body])]
    assert [call["id"] for call in calls] == [0, 1, 2, 3, 4]


async def test_the_answer_to_an_earlier_request_is_none_to_this_one(
    node: Any, endpoint: Endpoint
) -> None:
    await endpoint.exchange(echo(1))
    node.http = [web.json_response({"jsonrpc": "2.0", "id": 0, "result": 1})]
    with pytest.raises(EndpointFailure, match="another request"):
        await endpoint.exchange(echo(2))


@pytest.mark.parametrize("form", ["an error", "a list", "413"])
async def test_batches_shrink_until_the_server_takes_them(
    form: str, node: Any, endpoint: Endpoint
) -> None:
    real = node.handle
    error = {"code": -32600, "message": "batch too large"}

    async def at_most_30(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if not isinstance(body, list) or len(body) <= 30:
            return await real(request)
        refusal = {"jsonrpc": "2.0", "id": None, "error": error}
        if form == "413":
            return web.Response(status=413)
        return web.json_response(
            [{**refusal, "id": body[0]["id"]}] if form == "a list" else refusal
        )

    endpoint._server, runner = await _serve(at_most_30)
    try:
        numbers = range(100)
        assert await endpoint.exchange(echo(*numbers)) == list(numbers)
        assert [len(request) for request in node.requests] == [25, 25, 25, 25]
        assert await endpoint.exchange(echo(*numbers)) == list(numbers)
        assert [len(request) for request in node.requests] == [25] * 8
        assert [value for body in node.bodies for call in body for value in call["params"]] == [
            *numbers,
            *numbers,
        ]
    finally:
        await runner.cleanup()


async def _serve(handler: Any) -> tuple[ServerUrl, web.AppRunner]:
    app = web.Application()
    app.router.add_post("/", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return ServerUrl.parse("http://{}:{}".format(*runner.addresses[0][:2])), runner


@pytest.mark.parametrize(
    ("answer", "arrived"),
    [(web.Response(status=429), False), (web.Response(status=502), True)],
    ids=["not let in", "behind a gateway"],
)
async def test_a_failure_says_whether_the_calls_may_have_been_carried_out(
    answer: web.Response, arrived: bool, node: Any, endpoint: Endpoint
) -> None:
    node.http = [answer]
    with pytest.raises(EndpointFailure) as caught:
        await endpoint.exchange(echo(1))
    assert caught.value.may_have_arrived is arrived


async def test_without_a_connection_nothing_has_arrived(http: HttpClient) -> None:
    with pytest.raises(EndpointFailure) as caught:
        await Endpoint("http://127.0.0.1:1", http, timeout=5.0).exchange(echo(1))
    assert not caught.value.may_have_arrived


@pytest.mark.parametrize("body", ['{"message": "no such app"}', "not found"])
async def test_an_error_page_is_only_its_status(body: str, node: Any, endpoint: Endpoint) -> None:
    node.http = [web.Response(status=404, text=body)]
    with pytest.raises(EndpointFailure, match=r"^HTTP 404$"):
        await endpoint.exchange(echo(1))


async def test_an_error_status_with_an_answer_is_an_answer(node: Any, endpoint: Endpoint) -> None:
    answer = {"jsonrpc": "2.0", "id": 0, "result": 1}
    node.http = [web.json_response(answer, status=400)]
    assert await endpoint.exchange(echo(1)) == [1]


async def test_the_pace_is_one_of_calls_not_of_requests(
    node: Any, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[int] = []

    async def turn(calls: int) -> None:
        turns.append(calls)

    monkeypatch.setattr(endpoint._pacer, "turn", turn)
    await endpoint.exchange(echo(1, 2, 3))
    await endpoint.exchange(echo(1))
    assert turns == [3, 1]
