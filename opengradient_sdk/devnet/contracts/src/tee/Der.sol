// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title As much DER as an RSA public key needs.
library Der {
    uint8 internal constant INTEGER = 0x02;
    uint8 internal constant BIT_STRING = 0x03;
    uint8 internal constant SEQUENCE = 0x30;

    /// @notice Takes the first element off the input.
    /// @return ok False when the input is cut short, has another tag, or a length that is not the shortest form.
    /// @return body What the element holds.
    /// @return rest What follows it.
    function take(bytes calldata input, uint8 tag)
        internal
        pure
        returns (bool ok, bytes calldata body, bytes calldata rest)
    {
        if (input.length < 2 || uint8(input[0]) != tag) return (false, input[:0], input);
        uint256 length = uint8(input[1]);
        uint256 start = 2;
        if (length >= 0x80) {
            uint256 size = length & 0x7f; // bytes that hold the length; keys need no more than two
            if (size == 0 || size > 2 || input.length < 2 + size) return (false, input[:0], input);
            length = uint256(uint8(input[2]));
            if (size == 2) length = (length << 8) | uint8(input[3]);
            if (length < (size == 1 ? 0x80 : 0x100)) return (false, input[:0], input);
            start += size;
        }
        if (input.length - start < length) return (false, input[:0], input);
        return (true, input[start:start + length], input[start + length:]);
    }

    /// @notice Takes a positive INTEGER off the input, as big-endian bytes without leading zeros.
    function takePositiveInteger(bytes calldata input)
        internal
        pure
        returns (bool ok, bytes calldata value, bytes calldata rest)
    {
        (ok, value, rest) = take(input, INTEGER);
        if (!ok || value.length == 0 || uint8(value[0]) >= 0x80) return (false, value, rest);
        if (value[0] == 0) {
            value = value[1:];
            // a leading zero is there for the sign bit of the next byte, or it is not DER
            if (value.length == 0 || uint8(value[0]) < 0x80) return (false, value, rest);
        }
        return (true, value, rest);
    }
}
