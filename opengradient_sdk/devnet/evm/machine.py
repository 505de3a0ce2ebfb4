"""A chain in this process: py-evm's state transition, one block per transaction, nothing pruned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from eth._utils.db import apply_state_dict
from eth.consensus.context import ConsensusContext
from eth.constants import BLANK_ROOT_HASH
from eth.db.atomic import AtomicDB
from eth.db.chain import ChainDB
from eth.rlp.headers import BlockHeader
from eth.vm.chain_context import ChainContext
from eth.vm.forks.prague.blocks import PragueBlock
from eth.vm.forks.prague.headers import create_prague_header_from_parent
from eth.vm.forks.prague.transactions import PragueTransactionBuilder
from eth.vm.spoof import SpoofTransaction
from eth_typing import Address as CanonicalAddress
from eth_typing import BlockNumber, Hash32

from ...types import keccak256
from .fork import BASE_FEE, GAS_LIMIT, DevnetVM
from .records import MinedBlock, MinedTransaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eth.abc import BlockHeaderAPI, ComputationAPI, SignedTransactionAPI, StateAPI
    from eth.typing import AccountDetails

    from ..._core.clock import Clock
    from .interface import Alloc, GenesisAccount

_EMPTY_TRIE = BLANK_ROOT_HASH
_CREATE = CanonicalAddress(b"")


@dataclass(frozen=True, slots=True)
class Call:
    """A message call that is executed and forgotten. ``value`` is in wei; gas is free."""

    sender: bytes
    to: bytes
    data: bytes
    value: int
    gas: int
    access_list: tuple[tuple[bytes, tuple[int, ...]], ...] = ()


class Machine:
    """The blocks, the state and the rules of one chain. Not thread-safe: one thread uses it.

    Block timestamps are the clock's, never before the parent's.
    """

    def __init__(self, *, chain_id: int, alloc: Alloc, clock: Clock) -> None:
        self.chain_id = chain_id
        self._clock = clock
        self._context = ChainContext(chain_id)
        self._db = AtomicDB()
        self._chaindb = ChainDB(self._db)
        self._consensus = ConsensusContext(self._db)
        self._next_timestamp: int | None = None
        self._last_state: StateAPI | None = None
        genesis = self._genesis(alloc)
        self.blocks: list[MinedBlock] = [genesis]
        self.by_hash: dict[bytes, MinedBlock] = {genesis.hash: genesis}
        self.transactions: dict[bytes, tuple[MinedBlock, MinedTransaction]] = {}

    @property
    def head(self) -> MinedBlock:
        """The newest block."""
        return self.blocks[-1]

    def now(self) -> int:
        """Return the timestamp (seconds) that a block mined now would have."""
        if self._next_timestamp is not None:
            return self._next_timestamp
        return max(int(self._clock.now()), self.head.header.timestamp)

    def set_next_timestamp(self, timestamp: int) -> None:
        """Give the next block exactly this timestamp.

        Raises:
            ValueError: It lies before the newest block.
        """
        if timestamp < self.head.header.timestamp:
            raise ValueError(f"the newest block is at {self.head.header.timestamp}")
        self._next_timestamp = timestamp

    def decode(self, raw: bytes) -> SignedTransactionAPI:
        """Return the transaction that ``raw`` encodes, of any type the fork knows."""
        return PragueTransactionBuilder.decode(raw)

    def state_of(self, block: MinedBlock) -> StateAPI:
        """Return the state after ``block``, to be read only."""
        return self._state_after(block.header)

    def mine(self, *transactions: SignedTransactionAPI) -> MinedBlock:
        """Append a block with ``transactions``, which must be valid in this order."""
        header = self.pending_header()
        self._next_timestamp = None
        vm = DevnetVM(
            header=header,
            chaindb=self._chaindb,
            chain_context=self._context,
            consensus_context=self._consensus,
        )
        filled, receipts, computations = vm.apply_all_transactions(transactions, header)
        draft = vm.set_block_transactions_and_withdrawals(
            vm.get_block(), filled, transactions, receipts
        )
        block = vm.mine_block(draft).block
        self._chaindb.persist_header(block.header)

        mined: list[MinedTransaction] = []
        gas_before = first_log = 0
        for index, transaction in enumerate(transactions):
            receipt = receipts[index]
            creates = transaction.to == _CREATE and not computations[index].is_error
            mined.append(
                MinedTransaction(
                    transaction=transaction,
                    hash=transaction.hash,
                    sender=transaction.sender,
                    receipt=receipt,
                    index=index,
                    first_log=first_log,
                    gas_used=receipt.gas_used - gas_before,
                    effective_gas_price=min(
                        transaction.max_fee_per_gas,
                        transaction.max_priority_fee_per_gas + BASE_FEE,
                    ),
                    contract_address=computations[index].msg.storage_address if creates else None,
                )
            )
            gas_before = receipt.gas_used
            first_log += len(receipt.logs)
        return self._append(MinedBlock(block, block.header.hash, tuple(mined)))

    def pending_header(self) -> BlockHeaderAPI:
        """Return the header on which the next block would be built."""
        parent = self.head.header
        header = _new_header(parent, timestamp=self.now(), gas_limit=parent.gas_limit)
        # PREVRANDAO has no beacon chain to come from: any value that differs per block will do.
        return header.copy(base_fee_per_gas=BASE_FEE, mix_hash=keccak256(self.head.hash))

    def present_header(self) -> BlockHeaderAPI:
        """Return the newest header at the clock's time.

        A contract that is asked now must see now. The newest block may be an hour old here, since
        blocks come with transactions only.
        """
        return self.head.header.copy(timestamp=self.now())

    def execution_state(self, header: BlockHeaderAPI) -> StateAPI:
        """Return a state for calls in the context of ``header``, in which gas costs nothing."""
        state = self._state_after(header)
        state.execution_context = DevnetVM.create_execution_context(
            header.copy(base_fee_per_gas=0),
            self._hashes_before(header.block_number),
            self._context,
        )
        return state

    def run(self, state: StateAPI, call: Call) -> ComputationAPI:
        """Execute ``call`` on ``state`` and take its effects back."""
        unsigned = PragueTransactionBuilder.new_unsigned_dynamic_fee_transaction(
            chain_id=self.chain_id,
            nonce=state.get_nonce(CanonicalAddress(call.sender)),
            max_priority_fee_per_gas=0,
            max_fee_per_gas=0,
            gas=call.gas,
            to=CanonicalAddress(call.to),
            value=call.value,
            data=call.data,
            access_list=[(CanonicalAddress(a), slots) for a, slots in call.access_list],
        )
        state.lock_changes()
        snapshot = state.snapshot()
        try:
            spoofed = SpoofTransaction(unsigned, from_=call.sender)
            return state.apply_transaction(cast("SignedTransactionAPI", spoofed))
        finally:
            state.revert(snapshot)

    def _genesis(self, alloc: Alloc) -> MinedBlock:
        nothing = BlockHeader(difficulty=0, block_number=BlockNumber(-1), gas_limit=0)
        state = DevnetVM.build_state(self._db, nothing, self._context)
        apply_state_dict(
            state, {CanonicalAddress(a.to_bytes()): _plain(v) for a, v in alloc.items()}
        )
        state.persist()
        header = _new_header(
            None,
            gas_limit=GAS_LIMIT,
            timestamp=int(self._clock.now()),
            state_root=state.state_root,
            base_fee_per_gas=BASE_FEE,
            transaction_root=_EMPTY_TRIE,
            receipt_root=_EMPTY_TRIE,
        )
        self._chaindb.persist_header(header)
        return MinedBlock(PragueBlock(header, transactions=(), uncles=()), header.hash)

    def _state_after(self, header: BlockHeaderAPI) -> StateAPI:
        """Return the state of ``header``: the last one again, where that is it.

        Half the work of a call is reading tries, and a state keeps what it has read.
        """
        state = self._last_state
        if state is None or state.state_root != header.state_root:
            state = DevnetVM.build_state(self._db, header, self._context)
            self._last_state = state
        return state

    def _append(self, block: MinedBlock) -> MinedBlock:
        self.blocks.append(block)
        self.by_hash[block.hash] = block
        for transaction in block.transactions:
            self.transactions[transaction.hash] = (block, transaction)
        return block

    def _hashes_before(self, number: int) -> Iterator[Hash32]:
        return (Hash32(self.blocks[n].hash) for n in range(number - 1, -1, -1))


def _new_header(parent: BlockHeaderAPI | None, **fields: object) -> BlockHeaderAPI:
    create = cast("Callable[..., BlockHeaderAPI]", create_prague_header_from_parent)
    return create(parent, **fields)


def _plain(account: GenesisAccount) -> AccountDetails:
    return {
        "balance": account.balance,
        "nonce": account.nonce,
        "code": account.code,
        "storage": dict(account.storage),
    }
