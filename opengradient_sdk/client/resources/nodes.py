"""The nodes that the registry lists."""

from __future__ import annotations

from ...network.records import NodeRecord, RegistrySnapshot
from ..work import CallWork


class Nodes:
    """``client.nodes``."""

    def __init__(self, work: CallWork) -> None:
        self._work = work

    async def list(self, *, refresh: bool = False) -> tuple[NodeRecord, ...]:
        """Return the active nodes, read from the registry at most 5 minutes ago.

        **Money**: free. **Trust**: what the configured RPC endpoints say the registry says.

        Raises:
            RegistryUnavailableError: The registry could not be read.
            RegistryEmptyError: It lists no active node.

        Example:
            >>> [node.endpoint for node in await client.nodes.list()]
            ['https://...']
        """
        return (await self.snapshot(refresh=refresh)).nodes

    async def snapshot(self, *, refresh: bool = False) -> RegistrySnapshot:
        """Return the nodes with the block they were read at and what was passed over.

        Raises:
            RegistryUnavailableError, RegistryEmptyError: As ``list``.
        """
        return await self._work.core.registry.snapshot(refresh=refresh)
