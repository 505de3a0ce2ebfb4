"""Token counts that cannot be true, and those that can."""

from __future__ import annotations

from typing import Any

import pytest

from opengradient_sdk.payments.usage import implausible


def judged(**changes: Any) -> str | None:
    usual: dict[str, Any] = {
        "prompt_tokens": 12,
        "completion_tokens": 40,
        "request_bytes": 120,
        "max_tokens": 64,
        "answer_bytes": 160,
        "has_attachments": False,
    }
    return implausible(**(usual | changes))


def test_the_usual_answer_is_plausible() -> None:
    assert judged() is None


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt_tokens": 0, "completion_tokens": 0},
        {"prompt_tokens": 2 * (120 + 1000)},
        # 64, a twentieth of it, and sixteen
        {"completion_tokens": 64 + 3 + 16},
        {"max_tokens": 1, "completion_tokens": 17},
        {"max_tokens": None, "completion_tokens": 4096 + 204 + 16},
        # who wrote 20,000 bytes has another default
        {"max_tokens": None, "completion_tokens": 21_016, "answer_bytes": 20_000},
        # a small picture can be thousands of tokens
        {"prompt_tokens": 10_000_000, "has_attachments": True},
        {"request_bytes": 5_000_000, "prompt_tokens": 10_000_000},
    ],
)
def test_a_count_at_its_bound_is_plausible(changes: dict[str, Any]) -> None:
    assert judged(**changes) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prompt_tokens": 2 * (120 + 1000) + 1}, "2241 prompt tokens for a request of 120 bytes"),
        ({"completion_tokens": 84}, "84 completion tokens where the limit was 64 and at most 83"),
        ({"max_tokens": 1, "completion_tokens": 18}, "the limit was 1"),
        ({"max_tokens": None, "completion_tokens": 4317}, "no limit was set and at most 4316"),
        (
            {"max_tokens": None, "completion_tokens": 21_017, "answer_bytes": 20_000},
            "at most 21016",
        ),
        ({"has_attachments": True, "completion_tokens": 84}, "completion tokens"),
    ],
)
def test_a_count_above_its_bound_is_not(changes: dict[str, Any], words: str) -> None:
    assert words in str(judged(**changes))


@pytest.mark.parametrize("name", ["prompt", "completion"])
@pytest.mark.parametrize(
    "count", [-1, 10_000_001, pytest.param(10**5000, id="huge"), 1.0, True, None, "5", [5]]
)
def test_what_is_no_count_is_not_plausible(name: str, count: object) -> None:
    words = judged(has_attachments=True, max_tokens=20_000_000, **{f"{name}_tokens": count})
    assert words == f"its count of {name} tokens is no number from 0 to 10000000"
