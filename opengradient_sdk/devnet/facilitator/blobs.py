"""A blob store that answers as a Walrus publisher and aggregator do, in memory."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Final

_TOTAL_BYTES: Final = 256 * 1024 * 1024


class BlobStoreFullError(Exception):
    """The store holds as many bytes as it may."""


@dataclass(slots=True)
class BlobStore:
    """Blobs by id; ids are 32 bytes in base64url, 43 characters.

    A real Walrus id commits to the erasure coding of the blob; here it is a plain hash.
    """

    _blobs: dict[str, bytes] = field(default_factory=dict[str, bytes], repr=False)
    _end_epochs: dict[str, int] = field(default_factory=dict[str, int], repr=False)

    def put(self, blob: bytes, *, epochs: int = 10) -> dict[str, object]:
        """Keep ``blob`` and return the publisher's answer.

        Raises:
            BlobStoreFullError: There is no room left.
        """
        blob_id = blob_id_of(blob)
        if blob_id in self._blobs:
            end = self._end_epochs[blob_id] = max(self._end_epochs[blob_id], epochs)
            return {"alreadyCertified": {"blobId": blob_id, "endEpoch": end}}
        if sum(map(len, self._blobs.values())) + len(blob) > _TOTAL_BYTES:
            raise BlobStoreFullError(f"the blob store holds at most {_TOTAL_BYTES} bytes")
        self._blobs[blob_id], self._end_epochs[blob_id] = blob, epochs
        stored = {
            "blobId": blob_id,
            "size": len(blob),
            "storage": {"startEpoch": 0, "endEpoch": epochs},
        }
        return {"newlyCreated": {"blobObject": stored}}

    def get(self, blob_id: str) -> bytes | None:
        """Return the blob of that id, if it is here."""
        return self._blobs.get(blob_id)


def blob_id_of(blob: bytes) -> str:
    """Return the id under which ``blob`` is kept."""
    digest = hashlib.blake2b(blob, digest_size=32).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
