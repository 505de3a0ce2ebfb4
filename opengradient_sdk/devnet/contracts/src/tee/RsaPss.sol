// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {RsaPublicKey} from "./RsaPublicKey.sol";

/// @title RSASSA-PSS with SHA-256, MGF1-SHA-256 and a salt of 32 bytes (RFC 8017, 8.1.2 and 9.1.2).
/// @notice Really verified: the exponentiation is done by the modexp precompile, the rest here.
library RsaPss {
    uint256 private constant HASH_LENGTH = 32;
    uint256 private constant SALT_LENGTH = 32;
    uint256 private constant MIN_BITS = 2048;
    uint256 private constant MAX_BITS = 8192;
    uint256 private constant MAX_EXPONENT_LENGTH = 8;
    address private constant MODEXP = address(5);

    /// @param messageHash SHA-256 of the signed message.
    /// @return False for a key, a signature or a padding that is wrong in any way: nothing reverts.
    function verify(bytes calldata publicKey, bytes32 messageHash, bytes calldata signature)
        internal
        view
        returns (bool)
    {
        (bool ok, bytes calldata modulus, bytes calldata exponent) = RsaPublicKey.parse(publicKey);
        if (!ok || !_isUsable(modulus, exponent)) return false;
        if (signature.length != modulus.length || !_isBelow(signature, modulus)) return false;

        (bool computed, bytes memory encoded) = _power(signature, exponent, modulus);
        return computed && _isEncodingOf(encoded, _bitLength(modulus) - 1, messageHash);
    }

    function _isUsable(bytes calldata modulus, bytes calldata exponent) private pure returns (bool) {
        uint256 bits = _bitLength(modulus);
        if (bits < MIN_BITS || bits > MAX_BITS || !_isOdd(modulus)) return false;
        bool isOne = exponent.length == 1 && exponent[0] == 0x01;
        return exponent.length <= MAX_EXPONENT_LENGTH && _isOdd(exponent) && !isOne;
    }

    function _isOdd(bytes calldata number) private pure returns (bool) {
        return uint8(number[number.length - 1]) & 1 == 1;
    }

    /// @dev For big-endian bytes without leading zeros.
    function _bitLength(bytes calldata number) private pure returns (uint256 bits) {
        bits = 8 * (number.length - 1);
        for (uint256 top = uint8(number[0]); top != 0; top >>= 1) {
            ++bits;
        }
    }

    /// @dev Compares big-endian numbers of the same number of bytes, a word at a time.
    function _isBelow(bytes calldata left, bytes calldata right) private pure returns (bool) {
        for (uint256 i = 0; i < left.length; i += 32) {
            uint256 end = i + 32 < left.length ? i + 32 : left.length;
            bytes32 leftWord = bytes32(left[i:end]);
            bytes32 rightWord = bytes32(right[i:end]);
            if (leftWord != rightWord) return leftWord < rightWord;
        }
        return false;
    }

    /// @return The result has as many bytes as the modulus (EIP-198).
    function _power(bytes calldata base, bytes calldata exponent, bytes calldata modulus)
        private
        view
        returns (bool, bytes memory)
    {
        return MODEXP.staticcall(
            abi.encodePacked(base.length, exponent.length, modulus.length, base, exponent, modulus)
        );
    }

    /// @dev EMSA-PSS-VERIFY. The encoded message is maskedDB || H || 0xbc; DB is zeros || 0x01 || salt.
    function _isEncodingOf(bytes memory encoded, uint256 bits, bytes32 messageHash) private pure returns (bool) {
        if (bits % 8 == 0) {
            // the modulus has one byte more than the encoding
            if (encoded[0] != 0) return false;
            encoded = _tail(encoded, 1);
        }
        uint256 unusedBits = (8 - (bits % 8)) % 8;
        uint256 dbLength = encoded.length - HASH_LENGTH - 1;
        if (encoded[encoded.length - 1] != 0xbc || uint8(encoded[0]) >> (8 - unusedBits) != 0) return false;

        bytes32 hash = _wordAt(encoded, dbLength);
        _unmask(encoded, dbLength, hash);
        encoded[0] &= bytes1(uint8(0xff >> unusedBits));

        uint256 saltStart = dbLength - SALT_LENGTH;
        if (!_isPadding(encoded, saltStart)) return false;
        bytes32 salt = _wordAt(encoded, saltStart);
        return hash == sha256(abi.encodePacked(bytes8(0), messageHash, salt));
    }

    /// @dev Zeros up to a one: that the one stands right before the last 32 bytes is what fixes the salt's length.
    function _isPadding(bytes memory db, uint256 end) private pure returns (bool) {
        for (uint256 i = 0; i < end - 1; ++i) {
            if (db[i] != 0) return false;
        }
        return db[end - 1] == 0x01;
    }

    /// @dev XORs the first `length` bytes with MGF1-SHA-256 of the seed, a hash at a time.
    function _unmask(bytes memory data, uint256 length, bytes32 seed) private pure {
        for (uint32 counter = 0; counter * HASH_LENGTH < length; ++counter) {
            bytes32 mask = sha256(abi.encodePacked(seed, counter));
            uint256 start = counter * HASH_LENGTH;
            uint256 left = length - start;
            if (left < HASH_LENGTH) mask &= ~(bytes32(type(uint256).max) >> (8 * left));
            assembly ("memory-safe") {
                let slot := add(add(data, 32), start)
                mstore(slot, xor(mload(slot), mask))
            }
        }
    }

    function _wordAt(bytes memory data, uint256 offset) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := mload(add(add(data, 32), offset))
        }
    }

    function _tail(bytes memory data, uint256 offset) private pure returns (bytes memory tail) {
        tail = new bytes(data.length - offset);
        assembly ("memory-safe") {
            mcopy(add(tail, 32), add(add(data, 32), offset), mload(tail))
        }
    }
}
