// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {ITEEVerifier} from "../tee/ITEEVerifier.sol";

/// @notice As much of a registry, April or July, as it takes to verify an inference.
interface ITEEKeys {
    function isTEEEnabled(bytes32 teeId) external view returns (bool);
    function getTEEPublicKey(bytes32 teeId) external view returns (bytes memory);
}

/// @title Whether a TEE signed this input and this output.
/// @notice Behaves like TEEInferenceVerifier of the OpenGradient chain. It asks whether the TEE is *enabled*: a TEE
///         without a fresh heartbeat still counts.
contract TEEInferenceVerifier is AccessControl {
    ITEEVerifier public constant VERIFIER = ITEEVerifier(0x0000000000000000000000000000000000000900);
    uint256 public constant MAX_INFERENCE_AGE = 3600;
    uint256 public constant FUTURE_TOLERANCE = 300;

    ITEEKeys public registry;

    event RegistryUpdated(address indexed oldRegistry, address indexed newRegistry);

    error InvalidRegistryAddress();

    constructor(address registry_) {
        if (registry_ == address(0)) revert InvalidRegistryAddress();
        registry = ITEEKeys(registry_);
        _grantRole(DEFAULT_ADMIN_ROLE, msg.sender);
    }

    function setRegistry(address registry_) external onlyRole(DEFAULT_ADMIN_ROLE) {
        if (registry_ == address(0)) revert InvalidRegistryAddress();
        emit RegistryUpdated(address(registry), registry_);
        registry = ITEEKeys(registry_);
    }

    /// @param timestamp Unix seconds by the TEE's clock: at most an hour old and five minutes ahead of the block.
    function verifySignature(
        bytes32 teeId,
        bytes32 inputHash,
        bytes32 outputHash,
        uint256 timestamp,
        bytes calldata signature
    ) external view returns (bool) {
        // written so that no timestamp, however large, can overflow
        if (timestamp < block.timestamp && block.timestamp - timestamp > MAX_INFERENCE_AGE) return false;
        if (timestamp > block.timestamp + FUTURE_TOLERANCE) return false;
        return _isSigned(teeId, inputHash, outputHash, timestamp, signature);
    }

    /// @notice The hash that the TEE signs.
    function computeMessageHash(bytes32 inputHash, bytes32 outputHash, uint256 timestamp)
        public
        pure
        returns (bytes32)
    {
        return keccak256(abi.encodePacked(inputHash, outputHash, timestamp));
    }

    function _isSigned(
        bytes32 teeId,
        bytes32 inputHash,
        bytes32 outputHash,
        uint256 timestamp,
        bytes calldata signature
    ) internal view returns (bool) {
        if (!registry.isTEEEnabled(teeId)) return false;
        bytes memory publicKey = registry.getTEEPublicKey(teeId);
        return VERIFIER.verifyRSAPSS(publicKey, computeMessageHash(inputHash, outputHash, timestamp), signature);
    }
}
