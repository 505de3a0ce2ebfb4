"""The client: calls that pay for themselves and prove their answers."""

from __future__ import annotations

from .async_client import AsyncOpenGradient
from .config import ClientConfig, Trust
from .reply import ParsedReply, Reply, Usage
from .stream import ChatStream
from .sync_client import OpenGradient

__all__ = [
    "AsyncOpenGradient",
    "ChatStream",
    "ClientConfig",
    "OpenGradient",
    "ParsedReply",
    "Reply",
    "Trust",
    "Usage",
]
