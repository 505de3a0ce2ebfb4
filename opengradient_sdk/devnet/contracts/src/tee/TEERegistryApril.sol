// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {TEERegistryBase} from "./TEERegistryBase.sol";

/// @title The registry as the April node software and the TypeScript client know it: no OHTTP configuration.
contract TEERegistryApril is TEERegistryBase {
    function getActiveTEEs(uint8 teeType) external view returns (TEERecord[] memory infos) {
        bytes32[] memory ids = _activeIds(teeType);
        infos = new TEERecord[](ids.length);
        for (uint256 i = 0; i < ids.length; ++i) {
            infos[i] = _records[ids[i]];
        }
    }

    function getTEE(bytes32 teeId) external view returns (TEERecord memory) {
        _requireRegistered(teeId);
        return _records[teeId];
    }

    /// @notice As the getter of a public mapping tells it: flat, and zeros for an unknown id.
    function tees(bytes32 teeId)
        external
        view
        returns (
            address, // owner
            address, // paymentAddress
            string memory, // endpoint
            bytes memory, // publicKey
            bytes memory, // tlsCertificate
            bytes32, // pcrHash
            uint8, // teeType
            bool, // enabled
            uint256, // registeredAt
            uint256 // lastHeartbeatAt
        )
    {
        _returnFlat(abi.encode(_records[teeId]));
    }
}
