"""The rules of the Devnet's EVM: Prague, with four differences that a test network needs.

1. Two blocks may have the same timestamp. Every transaction gets a block of its own, and a chain
   that adds at least a second per block would be five minutes ahead after 300 transactions, which
   is the whole life of a payment permit.
2. The base fee does not move, so that the same transaction costs the same in every run.
3. The verifier at 0x…0900 runs as native code.
4. The system contracts of the beacon chain are absent: there is no beacon chain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from eth.vm.forks.prague import PragueVM
from eth.vm.forks.prague.computation import (
    PRAGUE_PRECOMPILES,  # pyright: ignore[reportUnknownVariableType]
    PragueComputation,
)
from eth.vm.forks.prague.state import PragueState
from eth_typing import Address as CanonicalAddress

from ..contracts import addresses
from .precompiles import tee_verifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eth.abc import BlockHeaderAPI

BASE_FEE: Final = 10**7
"""The base fee of every block, in wei per gas (0.01 gwei)."""

GAS_LIMIT: Final = 60_000_000
"""The gas limit of every block."""

_STANDARD: Final = cast("Mapping[CanonicalAddress, Any]", PRAGUE_PRECOMPILES)


class _Computation(PragueComputation):
    _precompiles = {  # noqa: RUF012 - py-evm's own type for it is not a ClassVar
        **_STANDARD,
        CanonicalAddress(addresses.TEE_VERIFIER.to_bytes()): tee_verifier,
    }


class _State(PragueState):
    computation_class = _Computation

    def set_system_contracts(self) -> None:
        """Install nothing: see the fourth difference above."""


class DevnetVM(PragueVM):
    """Prague under the rules of a test network."""

    _state_class = _State

    @classmethod
    def validate_header(cls, header: BlockHeaderAPI, parent_header: BlockHeaderAPI) -> None:
        """Accept what this process builds; it is the only builder of this chain.

        Raises:
            ValueError: The header does not follow its parent.
        """
        if header.block_number != parent_header.block_number + 1:
            raise ValueError(
                f"block {header.block_number} after block {parent_header.block_number}"
            )
        if header.timestamp < parent_header.timestamp:
            raise ValueError(f"time runs backwards in block {header.block_number}")
