"""Error answers of nodes as exceptions."""

from __future__ import annotations

import pytest

from opengradient_sdk.client.exchange import Delivery
from opengradient_sdk.client.pipeline import _refused
from opengradient_sdk.client.status import status_error
from opengradient_sdk.errors import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    RateLimitedError,
    ServerError,
    Spent,
)
from opengradient_sdk.types import Amount

from ..payments.makers import a_life


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequestError),
        (401, AuthenticationError),
        (403, AuthenticationError),
        (404, NotFoundError),
        (405, BadRequestError),
        (415, BadRequestError),
        (418, APIStatusError),
        (422, BadRequestError),
        (429, RateLimitedError),
        (500, ServerError),
        (599, ServerError),
    ],
)
def test_every_status_has_its_class(status: int, kind: type[APIStatusError]) -> None:
    error = status_error(status, b"{}")
    assert type(error) is kind
    assert error.status_code == status
    assert error.spent is Spent.NO
    assert str(status) in error.short_message


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": "Model x"}', "Model x"),
        (b'{"detail": "why"}', "why"),
        (b'{"title": "No", "message": "other"}', "No"),
        (b'{"error": {"nested": 1}, "message": "plain"}', "plain"),
        (b"plain text ", "plain text"),
        (b"[1]", ""),
        (b"", ""),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_what_the_node_said_is_told(body: bytes, said: str) -> None:
    message = status_error(500, body).short_message
    assert message == (f"the node answered 500: {said}" if said else "the node answered 500")


def test_a_long_story_is_cut() -> None:
    assert len(status_error(500, b"x" * 10_000).short_message) < 400


def test_the_body_is_kept_as_it_is() -> None:
    assert status_error(400, b'{"error": "no", "code": 7}').body == {"error": "no", "code": 7}
    assert status_error(400, b"<html>").body == "<html>"


@pytest.mark.parametrize(
    ("status", "body", "hint"),
    [
        (400, b'{"error": "Model \'x\' is not supported"}', "client.models.list()"),
        (503, b"{}", "OPG price"),
        (500, b"{}", "do not bill"),
    ],
)
def test_hints_say_what_to_do(status: int, body: bytes, hint: str) -> None:
    assert hint in status_error(status, body).hint


@pytest.mark.parametrize(("resent", "spent"), [(0, Spent.NO), (1, Spent.MAYBE)])
def test_an_error_after_a_lost_request_may_have_cost_its_cap(resent: int, spent: Spent) -> None:
    life = a_life()
    error = _refused(Delivery(life, 500, resent), b"{}")
    assert error.spent is spent
    assert error.amount == (Amount(life.cap) if resent else None)
