// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {TEEInferenceVerifier} from "./TEEInferenceVerifier.sol";

/// @title Whether a TEE signed this input and this output, however long ago.
/// @notice Behaves like TEEBatchVerifier of the OpenGradient chain: batches are checked when they are old.
contract TEEBatchVerifier is TEEInferenceVerifier {
    constructor(address registry_) TEEInferenceVerifier(registry_) {}

    function verifySignatureNoTimestamp(
        bytes32 teeId,
        bytes32 inputHash,
        bytes32 outputHash,
        uint256 timestamp,
        bytes calldata signature
    ) external view returns (bool) {
        return _isSigned(teeId, inputHash, outputHash, timestamp, signature);
    }
}
