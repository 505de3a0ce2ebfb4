// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ITEEVerifier} from "./ITEEVerifier.sol";
import {Cbor} from "./Cbor.sol";

/// @title NOT A VERIFICATION: reads an attestation document and believes it.
/// @notice The EVM has no P-384 and no X.509, so on an EVM without a native verifier a devnet registers nodes by this
///         contract. It reads the measurements and the two key hashes from a document of the real layout.
///
///         CHECKED: the CBOR is well formed; user_data names this signing key and this TLS certificate; sizes.
///         NOT CHECKED: the COSE signature, the certificate chain, the root certificate, every time, debug mode.
///
///         Anybody can write a document that passes. A chain that holds this contract attests nothing.
abstract contract MockAttestation is ITEEVerifier {
    using Cbor for bytes;

    uint256 private constant MAX_DOCUMENT_LENGTH = 16 * 1024;
    uint256 private constant MAX_KEY_LENGTH = 8 * 1024;
    uint256 private constant MAX_CERTIFICATE_LENGTH = 8 * 1024;

    /// @notice So that nobody mistakes the chain for one that attests.
    bool public constant IS_MOCK_ATTESTATION = true;

    function verifyAttestation(
        bytes calldata document,
        bytes calldata signingKey,
        bytes calldata tlsCertificate,
        bytes calldata rootCertificate
    ) external view returns (bool, bytes32) {
        if (document.length > MAX_DOCUMENT_LENGTH || signingKey.length > MAX_KEY_LENGTH) return (false, 0);
        if (tlsCertificate.length > MAX_CERTIFICATE_LENGTH) return (false, 0);
        if (rootCertificate.length > MAX_CERTIFICATE_LENGTH) return (false, 0);
        // called from outside, so that a malformed document is an answer and not a revert
        try this.readUnverified(document) returns (bytes32 pcrHash, bytes32 certificateHash, bytes32 keyHash) {
            bool bound = certificateHash == sha256(tlsCertificate) && keyHash == sha256(signingKey);
            return bound ? (true, pcrHash) : (false, bytes32(0));
        } catch {
            return (false, 0);
        }
    }

    /// @notice What a document says, true or not. Reverts when it cannot be read.
    /// @return pcrHash keccak256(PCR0 || PCR1 || PCR2).
    /// @return certificateHash SHA-256 of the TLS certificate: bytes 2 to 33 of user_data.
    /// @return keyHash SHA-256 of the signing key: bytes 36 to 67 of user_data.
    function readUnverified(bytes calldata document)
        external
        pure
        returns (bytes32 pcrHash, bytes32 certificateHash, bytes32 keyHash)
    {
        bytes calldata payload = _payload(document);
        pcrHash = _pcrHash(payload, payload.find(0, "pcrs"));
        (bytes calldata userData,) = payload.takeBytes(payload.find(0, "user_data"));
        certificateHash = bytes32(userData[2:34]);
        keyHash = bytes32(userData[36:68]);
    }

    /// @dev COSE_Sign1: an array of protected header, unprotected header, payload and signature.
    function _payload(bytes calldata document) private pure returns (bytes calldata payload) {
        (uint256 count, uint256 cursor) = document.expect(0, Cbor.ARRAY);
        if (count != 4) revert Cbor.MalformedCbor();
        cursor = document.skip(document.skip(cursor));
        (payload, cursor) = document.takeBytes(cursor);
        if (document.skip(cursor) != document.length) revert Cbor.MalformedCbor();
    }

    function _pcrHash(bytes calldata payload, uint256 offset) private pure returns (bytes32) {
        (uint256 count, uint256 cursor) = payload.expect(offset, Cbor.MAP);
        bytes[3] memory pcrs;
        for (uint256 i = 0; payload.hasMore(cursor, i, count); ++i) {
            uint256 index;
            bytes calldata value;
            (index, cursor) = payload.expect(cursor, Cbor.UNSIGNED);
            (value, cursor) = payload.takeBytes(cursor);
            if (index < 3) pcrs[index] = value;
        }
        if (pcrs[0].length != 48 || pcrs[1].length != 48 || pcrs[2].length != 48) revert Cbor.MalformedCbor();
        return keccak256(abi.encodePacked(pcrs[0], pcrs[1], pcrs[2]));
    }
}
