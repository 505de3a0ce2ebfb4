"""List prices: the node software's table of April 2026 and the model names of July 2026.

USD per million tokens, input / output. A model without a published price is listed with ``None``:
it can be called, and its cost is then unknown until the chain shows the session's charge.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from ._model import ModelPrice

_TABLE: Final = """
openai
  2 8        gpt-4.1-2025-04-14 gpt-4.1
  1.1 4.4    o4-mini
  1.25 10    gpt-5
  0.25 2     gpt-5-mini
  1.75 14    gpt-5.2
  ? ?        gpt-4.1-mini gpt-4.1-nano o3 gpt-5.4 gpt-5.4-mini gpt-5.4-nano gpt-5.5 gpt-image-2
anthropic
  3 15       claude-sonnet-4-5 claude-sonnet-4-6 claude-sonnet-4-0 claude-4.0-sonnet
  1 5        claude-haiku-4-5
  5 25       claude-opus-4-5 claude-opus-4-6
  ? ?        claude-opus-4-7 claude-opus-4-8
google
  0.3 2.5    gemini-2.5-flash
  1.25 10    gemini-2.5-pro
  0.1 0.4    gemini-2.5-flash-lite
  0.5 3      gemini-3-flash-preview
  ? ?        gemini-3.1-pro-preview gemini-3.1-flash-lite-preview gemini-3.5-flash
  ? ?        gemini-2.5-flash-image gemini-3.1-flash-image
x-ai
  3 15       grok-4 grok-3 grok-3-beta
  0.2 0.5    grok-4-fast grok-4-1-fast grok-4.1-fast grok-4-1-fast-non-reasoning
  0.3 0.5    grok-3-mini grok-3-mini-beta
  ? ?        grok-4.20-reasoning grok-4.20-non-reasoning grok-code-fast-1 grok-2-image
bytedance
  ? ?        seed-1.6 seed-1.8 seed-2.0-lite deepseek-v4-flash deepseek-v4-pro
  ? ?        seedream-4.0 seedance-4.5
nous
  ? ?        hermes-4-405b hermes-4-70b
zai
  ? ?        glm-5.2 glm-image
"""


def _read_table() -> Mapping[str, ModelPrice]:
    table: dict[str, ModelPrice] = {}
    provider = ""
    for line in _TABLE.strip().splitlines():
        if not line.startswith(" "):
            provider = line
            continue
        paid_in, paid_out, *names = line.split()
        price = ModelPrice(provider, _usd(paid_in), _usd(paid_out))
        table.update(dict.fromkeys(names, price))
    return MappingProxyType(table)


def _usd(text: str) -> Decimal | None:
    return None if text == "?" else Decimal(text)


PRICES: Final = _read_table()
