"""Real examples of every kind of input, out of the vectors."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

_VECTORS = Path(__file__).parents[2] / "assets" / "vectors"
_HEALTH = (
    {"status": "healthy", "price_feed": {"price_usd": 0.0521, "age_seconds": 12.5}},
    {"price_feed": {"price_usd": "0.05"}},
    {"price_feed": None},
)


def vectors(name: str) -> Any:
    """Return a file of the vectors."""
    return json.loads((_VECTORS / f"{name}.json").read_text())


def headers() -> list[bytes]:
    """Challenge headers that were observed, and malformed ones."""
    cases = vectors("payment_required")
    observed = [dict(case["headers"]).get("PAYMENT-REQUIRED", "") for case in cases["challenges"]]
    malformed = [case["header"] or "" for case in cases["malformed"]]
    return [text.encode() for text in (*observed, *malformed)]


def challenges() -> list[bytes]:
    """The documents in challenge headers, and the bodies beside them."""
    cases = vectors("payment_required")
    bodies = [case["body"].encode() for case in cases["challenges"]]
    return [*filter(None, map(_document, headers())), *bodies]


def answers() -> list[bytes]:
    """Plain answers, the honest and the tampered ones."""
    cases = vectors("response_verify")
    honest = [case["response"] for case in cases["responses"] if "response" in case]
    tampered = [case["response"] for case in cases["tampered"] if "response" in case]
    return [json.dumps(answer).encode() for answer in (*honest, *tampered)]


def streams() -> list[bytes]:
    """The bodies of streamed answers."""
    cases = vectors("response_verify")["responses"]
    return [case["raw_response"].encode() for case in cases if case["stream"]]


def node_answers() -> list[bytes]:
    """Answers of ``/health``, and the bodies of error answers."""
    errors = [case["body"] for case in vectors("errors")["http"] if "body" in case]
    texts = [body if isinstance(body, str) else json.dumps(body) for body in errors]
    return [*(json.dumps(health).encode() for health in _HEALTH), *(t.encode() for t in texts)]


def _document(header: bytes) -> bytes:
    try:
        return base64.b64decode(header, validate=True)
    except ValueError:
        return b""  # a malformed header of the vectors: it is a seed of `header` only
