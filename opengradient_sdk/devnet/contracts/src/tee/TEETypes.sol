// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";

/// @title The kinds of TEE that a registry knows, and its administration.
abstract contract TEETypes is AccessControl {
    struct TEETypeInfo {
        string name;
        uint256 addedAt;
    }

    bytes32 public constant TEE_OPERATOR = keccak256("TEE_OPERATOR");

    mapping(uint8 typeId => TEETypeInfo) public teeTypes;
    uint8[] private _teeTypeList;

    event TEETypeAdded(uint8 indexed typeId, string name);

    error TEETypeExists();
    error TEETypeNotFound();
    error InvalidTEEType();

    constructor() {
        _grantRole(DEFAULT_ADMIN_ROLE, msg.sender);
        _grantRole(TEE_OPERATOR, msg.sender);
    }

    function addTEEType(uint8 typeId, string calldata name) external onlyRole(DEFAULT_ADMIN_ROLE) {
        if (isValidTEEType(typeId)) revert TEETypeExists();
        teeTypes[typeId] = TEETypeInfo({name: name, addedAt: block.timestamp});
        _teeTypeList.push(typeId);
        emit TEETypeAdded(typeId, name);
    }

    function getTEETypes() external view returns (uint8[] memory typeIds, TEETypeInfo[] memory infos) {
        typeIds = _teeTypeList;
        infos = new TEETypeInfo[](typeIds.length);
        for (uint256 i = 0; i < typeIds.length; ++i) {
            infos[i] = teeTypes[typeIds[i]];
        }
    }

    function isValidTEEType(uint8 typeId) public view returns (bool) {
        return teeTypes[typeId].addedAt != 0;
    }

    function _requireValidType(uint8 typeId) internal view {
        if (!isValidTEEType(typeId)) revert InvalidTEEType();
    }
}
