// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {EnumerableSet} from "@openzeppelin/contracts/utils/structs/EnumerableSet.sol";
import {ApprovedPCRs} from "./ApprovedPCRs.sol";
import {ITEEVerifier} from "./ITEEVerifier.sol";

/// @title What the April and the July registry share: everything but the layout in which they tell a TEE.
/// @notice Behaves like TEERegistry of the OpenGradient chain. An id is keccak256 of the TEE's public key and is for ever.
///         A TEE is active when it is enabled, its build is approved and its last heartbeat is fresh.
abstract contract TEERegistryBase is ApprovedPCRs {
    using EnumerableSet for EnumerableSet.Bytes32Set;

    struct TEERecord {
        address owner;
        address paymentAddress;
        string endpoint;
        bytes publicKey;
        bytes tlsCertificate;
        bytes32 pcrHash;
        uint8 teeType;
        bool enabled;
        uint256 registeredAt;
        uint256 lastHeartbeatAt;
    }

    ITEEVerifier public constant VERIFIER = ITEEVerifier(0x0000000000000000000000000000000000000900);

    /// @notice The root that attestation documents are checked against, as PEM.
    bytes public awsRootCertificate;
    /// @notice Seconds until a TEE without a heartbeat counts as gone.
    uint256 public heartbeatMaxAge = 1800;

    mapping(bytes32 teeId => TEERecord) internal _records;
    mapping(uint8 teeType => EnumerableSet.Bytes32Set) private _enabled;
    mapping(uint8 teeType => bytes32[]) private _byType;
    mapping(address owner => bytes32[]) private _byOwner;

    event TEERegistered(bytes32 indexed teeId, address indexed owner, uint8 teeType);
    event TEEEnabled(bytes32 indexed teeId);
    event TEEDisabled(bytes32 indexed teeId);
    event AWSCertificateUpdated(bytes32 indexed certHash);
    event HeartbeatReceived(bytes32 indexed teeId, uint256 timestamp);

    error TEEAlreadyExists();
    error TEENotFound();
    error TEENotEnabled();
    error NotTEEOwner();
    error AttestationInvalid(string reason);
    error KeyBindingFailed(string reason);
    error HeartbeatSignatureInvalid();
    error HeartbeatTimestampTooOld();
    error HeartbeatTimestampInFuture();

    /// @dev An owner needs the operator's role still; an administrator needs nothing else.
    modifier onlyOwnerOrAdmin(bytes32 teeId) {
        _requireRegistered(teeId);
        bool isOwner = _records[teeId].owner == msg.sender && hasRole(TEE_OPERATOR, msg.sender);
        if (!isOwner && !hasRole(DEFAULT_ADMIN_ROLE, msg.sender)) revert NotTEEOwner();
        _;
    }

    function setAWSRootCertificate(bytes calldata certificate) external onlyRole(DEFAULT_ADMIN_ROLE) {
        awsRootCertificate = certificate;
        emit AWSCertificateUpdated(keccak256(certificate));
    }

    function setHeartbeatMaxAge(uint256 maxAge) external onlyRole(DEFAULT_ADMIN_ROLE) {
        heartbeatMaxAge = maxAge;
    }

    function registerTEEWithAttestation(
        bytes calldata attestationDocument,
        bytes calldata signingPublicKey,
        bytes calldata tlsCertificate,
        address paymentAddress,
        string calldata endpoint,
        uint8 teeType
    ) external onlyRole(TEE_OPERATOR) returns (bytes32 teeId) {
        _requireValidType(teeType);
        teeId = computeTEEId(signingPublicKey);
        if (_isRegistered(teeId)) revert TEEAlreadyExists();

        (bool valid, bytes32 pcrHash) =
            VERIFIER.verifyAttestation(attestationDocument, signingPublicKey, tlsCertificate, awsRootCertificate);
        if (!valid) revert AttestationInvalid("Attestation document verification failed");
        _requireApproved(teeType, pcrHash);

        _records[teeId] = TEERecord({
            owner: msg.sender,
            paymentAddress: paymentAddress,
            endpoint: endpoint,
            publicKey: signingPublicKey,
            tlsCertificate: tlsCertificate,
            pcrHash: pcrHash,
            teeType: teeType,
            enabled: true,
            registeredAt: block.timestamp,
            lastHeartbeatAt: block.timestamp
        });
        _enabled[teeType].add(teeId);
        _byType[teeType].push(teeId);
        _byOwner[msg.sender].push(teeId);
        emit TEERegistered(teeId, msg.sender, teeType);
    }

    function enableTEE(bytes32 teeId) external onlyOwnerOrAdmin(teeId) {
        TEERecord storage tee = _records[teeId];
        if (tee.enabled) return;
        _requireApproved(tee.teeType, tee.pcrHash);
        tee.enabled = true;
        _enabled[tee.teeType].add(teeId);
        emit TEEEnabled(teeId);
    }

    function disableTEE(bytes32 teeId) external onlyOwnerOrAdmin(teeId) {
        if (!_records[teeId].enabled) revert TEENotEnabled();
        _disable(teeId);
    }

    /// @notice Says that a TEE lives. Anybody may bring the signature; only the TEE can make it.
    /// @param timestamp Unix seconds, signed; what is stored is the block's time.
    function heartbeat(bytes32 teeId, uint256 timestamp, bytes calldata signature) external {
        _requireRegistered(teeId);
        TEERecord storage tee = _records[teeId];
        if (!tee.enabled) revert TEENotEnabled();
        if (timestamp > block.timestamp) revert HeartbeatTimestampInFuture();
        if (block.timestamp - timestamp > heartbeatMaxAge) revert HeartbeatTimestampTooOld();

        bytes32 messageHash = keccak256(abi.encodePacked(teeId, timestamp));
        if (!VERIFIER.verifyRSAPSS(tee.publicKey, messageHash, signature)) revert HeartbeatSignatureInvalid();
        tee.lastHeartbeatAt = block.timestamp;
        emit HeartbeatReceived(teeId, timestamp);
    }

    function getEnabledTEEs(uint8 teeType) external view returns (bytes32[] memory) {
        return _enabled[teeType].values();
    }

    function getTEEsByType(uint8 teeType) external view returns (bytes32[] memory) {
        return _byType[teeType];
    }

    function getTEEsByOwner(address owner) external view returns (bytes32[] memory) {
        return _byOwner[owner];
    }

    function isTEEEnabled(bytes32 teeId) external view returns (bool) {
        return _records[teeId].enabled;
    }

    function isTEEActive(bytes32 teeId) public view returns (bool) {
        TEERecord storage tee = _records[teeId];
        bool isFresh = block.timestamp - tee.lastHeartbeatAt <= heartbeatMaxAge;
        return tee.enabled && isFresh && isPCRApproved(tee.teeType, tee.pcrHash);
    }

    /// @notice The key of a TEE, which stays readable when the TEE is disabled; empty for an unknown id.
    function getTEEPublicKey(bytes32 teeId) external view returns (bytes memory) {
        return _records[teeId].publicKey;
    }

    function computeTEEId(bytes calldata publicKey) public pure returns (bytes32) {
        return keccak256(publicKey);
    }

    function _activeIds(uint8 teeType) internal view returns (bytes32[] memory active) {
        active = _enabled[teeType].values();
        uint256 count = 0;
        for (uint256 i = 0; i < active.length; ++i) {
            if (isTEEActive(active[i])) active[count++] = active[i];
        }
        assembly ("memory-safe") {
            mstore(active, count) // what is not active was overwritten or stands behind the end
        }
    }

    /// @dev Ends the call with the members of a struct as the return values, one by one: the encoding of a dynamic struct
    ///      is that of its members behind one offset. Eleven values are more than a return statement can hold.
    function _returnFlat(bytes memory encodedStruct) internal pure {
        assembly ("memory-safe") {
            return(add(encodedStruct, 64), sub(mload(encodedStruct), 32))
        }
    }

    function _disableAllRunning(bytes32 pcrHash, uint8 teeType) internal override {
        bytes32[] memory enabled = _enabled[teeType].values();
        for (uint256 i = 0; i < enabled.length; ++i) {
            if (_records[enabled[i]].pcrHash == pcrHash) _disable(enabled[i]);
        }
    }

    function _disable(bytes32 teeId) private {
        TEERecord storage tee = _records[teeId];
        tee.enabled = false;
        _enabled[tee.teeType].remove(teeId);
        emit TEEDisabled(teeId);
    }

    function _requireRegistered(bytes32 teeId) internal view {
        if (!_isRegistered(teeId)) revert TEENotFound();
    }

    function _isRegistered(bytes32 teeId) private view returns (bool) {
        return _records[teeId].registeredAt != 0;
    }
}
