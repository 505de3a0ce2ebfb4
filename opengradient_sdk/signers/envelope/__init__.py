"""The bytes of a transaction: made here, compared with what a signer returned, and read back.

Small and our own because the paid path signs approvals: eth_account costs half a second of import.
Held to eth_account by the tests, byte for byte, for every type of ``TxType``.
"""

from __future__ import annotations

from .sealing import check_signed, read_signed, seal, sign, unsigned_bytes

__all__ = ["check_signed", "read_signed", "seal", "sign", "unsigned_bytes"]
