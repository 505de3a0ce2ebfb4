// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Der} from "./Der.sol";

/// @title The RSA public key inside a DER SubjectPublicKeyInfo.
library RsaPublicKey {
    using Der for bytes;

    /// @dev AlgorithmIdentifier body: OID 1.2.840.113549.1.1.1 (rsaEncryption) and NULL.
    bytes32 private constant RSA_ENCRYPTION = keccak256(hex"06092a864886f70d0101010500");

    /// @return ok False for anything but one well-formed rsaEncryption key with nothing after it.
    /// @return modulus Big-endian, no leading zeros.
    /// @return exponent Big-endian, no leading zeros.
    function parse(bytes calldata publicKey)
        internal
        pure
        returns (bool ok, bytes calldata modulus, bytes calldata exponent)
    {
        modulus = publicKey[:0];
        exponent = modulus;

        (bool found, bytes calldata info, bytes calldata rest) = publicKey.take(Der.SEQUENCE);
        if (!found || rest.length != 0) return (false, modulus, exponent);

        bytes calldata algorithm;
        (found, algorithm, info) = info.take(Der.SEQUENCE);
        if (!found || keccak256(algorithm) != RSA_ENCRYPTION) return (false, modulus, exponent);

        (found, info, rest) = info.take(Der.BIT_STRING);
        if (!found || rest.length != 0 || info.length == 0 || info[0] != 0) return (false, modulus, exponent);

        (found, info, rest) = Der.take(info[1:], Der.SEQUENCE);
        if (!found || rest.length != 0) return (false, modulus, exponent);

        (found, modulus, info) = info.takePositiveInteger();
        if (!found) return (false, modulus, exponent);
        (found, exponent, info) = info.takePositiveInteger();
        ok = found && info.length == 0;
    }
}
