// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title As much CBOR as an attestation document needs (RFC 8949).
/// @dev Whatever is malformed reverts: by an error of its own or by an index out of bounds.
library Cbor {
    uint8 internal constant UNSIGNED = 0;
    uint8 internal constant BYTES = 2;
    uint8 internal constant TEXT = 3;
    uint8 internal constant ARRAY = 4;
    uint8 internal constant MAP = 5;
    uint8 internal constant TAG = 6;

    /// @dev The count of an array or a map of indefinite length, which goes on until a break.
    uint256 private constant UNTIL_BREAK = type(uint256).max;
    bytes1 private constant BREAK = 0xff;

    error MalformedCbor();

    /// @return major The major type of the item at `offset`.
    /// @return argument Its number, length or count.
    /// @return next Where its content begins.
    function head(bytes calldata data, uint256 offset)
        internal
        pure
        returns (uint8 major, uint256 argument, uint256 next)
    {
        uint8 first = uint8(data[offset]);
        major = first >> 5;
        argument = first & 0x1f;
        next = offset + 1;
        if (argument == 31 && (major == ARRAY || major == MAP)) return (major, UNTIL_BREAK, next);
        if (argument > 27) revert MalformedCbor();
        if (argument >= 24) {
            uint256 size = 1 << (argument - 24);
            argument = uint256(bytes32(data[next:next + size])) >> (256 - 8 * size);
            next += size;
        }
    }

    /// @notice The content of the array, map, text or byte string at `offset`, which must be just that.
    function expect(bytes calldata data, uint256 offset, uint8 wanted)
        internal
        pure
        returns (uint256 argument, uint256 next)
    {
        uint8 major;
        (major, argument, next) = head(data, offset);
        if (major != wanted) revert MalformedCbor();
    }

    /// @notice The byte string at `offset` and where it ends.
    function takeBytes(bytes calldata data, uint256 offset)
        internal
        pure
        returns (bytes calldata value, uint256 next)
    {
        (uint256 length, uint256 start) = expect(data, offset, BYTES);
        next = start + length;
        value = data[start:next];
    }

    /// @notice Where the item at `offset` ends, whatever is nested in it.
    function skip(bytes calldata data, uint256 offset) internal pure returns (uint256 next) {
        uint8 major;
        uint256 argument;
        (major, argument, next) = head(data, offset);
        if (major == BYTES || major == TEXT) return next + argument;
        if (major == TAG) return skip(data, next);
        if (major != ARRAY && major != MAP) return next;
        for (uint256 i = 0; hasMore(data, next, i, argument); ++i) {
            next = skip(data, next);
            if (major == MAP) next = skip(data, next);
        }
        if (argument == UNTIL_BREAK) ++next;
    }

    /// @notice Whether the i-th entry of an array or a map, of which there are `count`, is at `offset`.
    function hasMore(bytes calldata data, uint256 offset, uint256 i, uint256 count) internal pure returns (bool) {
        return count == UNTIL_BREAK ? data[offset] != BREAK : i < count;
    }

    /// @notice Where the value of a text key of the map at `offset` begins; a missing key reverts.
    function find(bytes calldata data, uint256 offset, bytes memory key) internal pure returns (uint256) {
        (uint256 count, uint256 cursor) = expect(data, offset, MAP);
        for (uint256 i = 0; hasMore(data, cursor, i, count); ++i) {
            (uint256 length, uint256 start) = expect(data, cursor, TEXT);
            cursor = start + length;
            if (keccak256(data[start:cursor]) == keccak256(key)) return cursor;
            cursor = skip(data, cursor);
        }
        revert MalformedCbor();
    }
}
