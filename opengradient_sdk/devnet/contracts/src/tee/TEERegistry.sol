// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {TEERegistryBase} from "./TEERegistryBase.sol";

/// @title The registry as the July client knows it: every TEE carries the key for Oblivious HTTP.
contract TEERegistry is TEERegistryBase {
    /// @dev An empty public key means that there is none.
    struct OHTTPConfig {
        uint8 keyId;
        uint16 kemId;
        uint16 kdfId;
        uint16 aeadId;
        bytes publicKey;
        bytes keyConfig;
        uint256 registeredAt;
    }

    struct TEEInfo {
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
        OHTTPConfig ohttpConfig;
    }

    mapping(bytes32 teeId => OHTTPConfig) private _ohttpConfigs;

    /// @notice Sets the OHTTP key of a TEE. DEVNET ONLY: how the real registry gets it is not published.
    /// @param config Its registeredAt is replaced by the block's time.
    function devnetSetOhttpConfig(bytes32 teeId, OHTTPConfig calldata config) external onlyOwnerOrAdmin(teeId) {
        _ohttpConfigs[teeId] = config;
        _ohttpConfigs[teeId].registeredAt = block.timestamp;
    }

    function getActiveTEEs(uint8 teeType) external view returns (TEEInfo[] memory infos) {
        bytes32[] memory ids = _activeIds(teeType);
        infos = new TEEInfo[](ids.length);
        for (uint256 i = 0; i < ids.length; ++i) {
            infos[i] = _info(ids[i]);
        }
    }

    function getTEE(bytes32 teeId) external view returns (TEEInfo memory) {
        _requireRegistered(teeId);
        return _info(teeId);
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
            uint256, // lastHeartbeatAt
            OHTTPConfig memory // ohttpConfig
        )
    {
        _returnFlat(abi.encode(_info(teeId)));
    }

    function _info(bytes32 teeId) private view returns (TEEInfo memory) {
        TEERecord storage tee = _records[teeId];
        return TEEInfo({
            owner: tee.owner,
            paymentAddress: tee.paymentAddress,
            endpoint: tee.endpoint,
            publicKey: tee.publicKey,
            tlsCertificate: tee.tlsCertificate,
            pcrHash: tee.pcrHash,
            teeType: tee.teeType,
            enabled: tee.enabled,
            registeredAt: tee.registeredAt,
            lastHeartbeatAt: tee.lastHeartbeatAt,
            ohttpConfig: _ohttpConfigs[teeId]
        });
    }
}
