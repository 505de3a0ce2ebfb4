// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {TEETypes} from "./TEETypes.sol";

/// @title The enclave builds that a registry accepts, per kind of TEE.
abstract contract ApprovedPCRs is TEETypes {
    struct PCRMeasurements {
        bytes pcr0;
        bytes pcr1;
        bytes pcr2;
    }

    struct ApprovedPCR {
        bool approved;
        uint8 teeType;
        uint256 approvedAt;
        string version;
    }

    struct PCRKey {
        bytes32 pcrHash;
        uint8 teeType;
    }

    mapping(uint8 teeType => mapping(bytes32 pcrHash => ApprovedPCR)) public pcrRecords;
    PCRKey[] private _pcrList;

    event PCRApproved(bytes32 indexed pcrHash, uint8 indexed teeType, string version);
    event PCRRevoked(bytes32 indexed pcrHash, uint8 indexed teeType);

    error PCRNotApproved();
    error PCRAlreadyExists();

    function approvePCR(PCRMeasurements calldata pcrs, string calldata version, uint8 teeType)
        external
        onlyRole(DEFAULT_ADMIN_ROLE)
    {
        _requireValidType(teeType);
        bytes32 pcrHash = computePCRHash(pcrs);
        ApprovedPCR storage record = pcrRecords[teeType][pcrHash];
        if (record.approved) revert PCRAlreadyExists();

        // a build that was revoked and is approved again is in the list already
        if (record.approvedAt == 0) _pcrList.push(PCRKey({pcrHash: pcrHash, teeType: teeType}));
        pcrRecords[teeType][pcrHash] =
            ApprovedPCR({approved: true, teeType: teeType, approvedAt: block.timestamp, version: version});
        emit PCRApproved(pcrHash, teeType, version);
    }

    /// @notice Withdraws a build and disables every enabled TEE of that kind that runs it.
    function revokePCR(bytes32 pcrHash, uint8 teeType) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _requireApproved(teeType, pcrHash);
        pcrRecords[teeType][pcrHash].approved = false;
        _disableAllRunning(pcrHash, teeType);
        emit PCRRevoked(pcrHash, teeType);
    }

    function getApprovedPCRs() external view returns (PCRKey[] memory approved) {
        approved = new PCRKey[](_pcrList.length);
        uint256 count = 0;
        for (uint256 i = 0; i < _pcrList.length; ++i) {
            PCRKey memory key = _pcrList[i];
            if (isPCRApproved(key.teeType, key.pcrHash)) approved[count++] = key;
        }
        assembly ("memory-safe") {
            mstore(approved, count) // the array was made for all of them
        }
    }

    function isPCRApproved(uint8 teeType, bytes32 pcrHash) public view returns (bool) {
        return pcrRecords[teeType][pcrHash].approved;
    }

    function computePCRHash(PCRMeasurements calldata pcrs) public pure returns (bytes32) {
        return keccak256(abi.encodePacked(pcrs.pcr0, pcrs.pcr1, pcrs.pcr2));
    }

    function _requireApproved(uint8 teeType, bytes32 pcrHash) internal view {
        if (!isPCRApproved(teeType, pcrHash)) revert PCRNotApproved();
    }

    function _disableAllRunning(bytes32 pcrHash, uint8 teeType) internal virtual;
}
