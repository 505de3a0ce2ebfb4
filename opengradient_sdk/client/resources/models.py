"""The models that can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ..work import CallWork


@dataclass(frozen=True, slots=True)
class Model:
    """A model and its list price in USD per million tokens (``None``: not published).

    ``id`` is ``provider/name``; calls take it with or without the provider.
    """

    id: str
    provider: str
    name: str
    input_usd: Decimal | None
    output_usd: Decimal | None


class Models:
    """``client.models``."""

    def __init__(self, work: CallWork) -> None:
        self._work = work

    async def list(self) -> tuple[Model, ...]:
        """Return the models of the network's price list, by provider and name.

        Nodes publish no list of their own: a node may know models that are not here, and refuse
        one that is. **Money**: free; nothing is sent.

        Example:
            >>> models = await client.models.list()
            >>> next(model for model in models if model.name == "gpt-5")
            Model(id='openai/gpt-5', provider='openai', name='gpt-5', input_usd=..., output_usd=...)
        """
        prices = self._work.core.config.profile.prices
        models = (
            Model(f"{price.provider}/{name}", price.provider, name, price.input, price.output)
            for name, price in prices.items()
        )
        return tuple(sorted(models, key=lambda model: model.id))
