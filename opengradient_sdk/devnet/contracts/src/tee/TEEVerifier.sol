// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {MockAttestation} from "./MockAttestation.sol";
import {RsaPss} from "./RsaPss.sol";

/// @title The verifier at 0x900 of a devnet whose EVM has no native one.
/// @notice Signatures are really verified; attestation documents are NOT (see MockAttestation).
contract TEEVerifier is MockAttestation {
    uint256 private constant MAX_SIGNATURE_LENGTH = 1024;

    /// @dev The 32 bytes are the message of PSS, so they are hashed once more, as the original does.
    function verifyRSAPSS(bytes calldata publicKey, bytes32 messageHash, bytes calldata signature)
        external
        view
        returns (bool)
    {
        if (signature.length > MAX_SIGNATURE_LENGTH) return false;
        return RsaPss.verify(publicKey, sha256(abi.encodePacked(messageHash)), signature);
    }
}
