package cryptoki

// The table: every function of PKCS#11 2.40, then those that 3.0 added, then
// those of 3.2, in the order of the function lists. A line is the name, "@" and
// who answers where it is not the generated edge, "@ends" where an error ends an
// operation, and the parameters as kind:name or kind:name,name.
const table = `-- 2.40
C_Initialize @byHand initargs:pInitArgs
C_Finalize @byHand reserved:pReserved
C_GetInfo info:pInfo
C_GetFunctionList @byHand functionlist:ppFunctionList
C_GetSlotList @toGoByHand bool:tokenPresent slots:pSlotList,pulCount
C_GetSlotInfo slot:slotID slotinfo:pInfo
C_GetTokenInfo slot:slotID tokeninfo:pInfo
C_GetMechanismList @toGoByHand slot:slotID mechtypes:pMechanismList,pulCount
C_GetMechanismInfo slot:slotID mechtype:mechanism mechinfo:pInfo
C_InitToken slot:slotID pin:pPin,ulPinLen label:pLabel
C_InitPIN session:hSession pin:pPin,ulPinLen
C_SetPIN session:hSession pin:pOldPin,ulOldLen pin:pNewPin,ulNewLen
C_OpenSession @toGoByHand slot:slotID flags:flags callback:pApplication,Notify newsession:phSession
C_CloseSession session:hSession
C_CloseAllSessions slot:slotID
C_GetSessionInfo session:hSession sessioninfo:pInfo
C_GetOperationState session:hSession out:pOperationState,pulOperationStateLen
C_SetOperationState session:hSession in:pOperationState,ulOperationStateLen object:hEncryptionKey object:hAuthenticationKey
C_Login session:hSession user:userType pin:pPin,ulPinLen
C_Logout session:hSession
C_CreateObject session:hSession template:pTemplate,ulCount newobject:phObject
C_CopyObject session:hSession object:hObject template:pTemplate,ulCount newobject:phNewObject
C_DestroyObject session:hSession object:hObject
C_GetObjectSize session:hSession object:hObject size:pulSize
C_GetAttributeValue @toGoByHand session:hSession object:hObject attrs:pTemplate,ulCount
C_SetAttributeValue session:hSession object:hObject template:pTemplate,ulCount
C_FindObjectsInit session:hSession template:pTemplate,ulCount
C_FindObjects @ends @toGoByHand session:hSession objects:phObject,ulMaxObjectCount,pulObjectCount
C_FindObjectsFinal @ends session:hSession
C_EncryptInit session:hSession startmech:pMechanism object:hKey
C_Encrypt @ends session:hSession in:pData,ulDataLen out:pEncryptedData,pulEncryptedDataLen
C_EncryptUpdate @ends session:hSession in:pPart,ulPartLen out:pEncryptedPart,pulEncryptedPartLen
C_EncryptFinal @ends session:hSession out:pLastEncryptedPart,pulLastEncryptedPartLen
C_DecryptInit session:hSession startmech:pMechanism object:hKey
C_Decrypt @ends session:hSession in:pEncryptedData,ulEncryptedDataLen out:pData,pulDataLen
C_DecryptUpdate @ends session:hSession in:pEncryptedPart,ulEncryptedPartLen out:pPart,pulPartLen
C_DecryptFinal @ends session:hSession out:pLastPart,pulLastPartLen
C_DigestInit session:hSession startmech:pMechanism
C_Digest @ends session:hSession in:pData,ulDataLen out:pDigest,pulDigestLen
C_DigestUpdate @ends session:hSession in:pPart,ulPartLen
C_DigestKey @ends session:hSession object:hKey
C_DigestFinal @ends session:hSession out:pDigest,pulDigestLen
C_SignInit session:hSession startmech:pMechanism object:hKey
C_Sign @ends session:hSession in:pData,ulDataLen out:pSignature,pulSignatureLen
C_SignUpdate @ends session:hSession in:pPart,ulPartLen
C_SignFinal @ends session:hSession out:pSignature,pulSignatureLen
C_SignRecoverInit session:hSession startmech:pMechanism object:hKey
C_SignRecover @ends session:hSession in:pData,ulDataLen out:pSignature,pulSignatureLen
C_VerifyInit session:hSession startmech:pMechanism object:hKey
C_Verify @ends session:hSession in:pData,ulDataLen in:pSignature,ulSignatureLen
C_VerifyUpdate @ends session:hSession in:pPart,ulPartLen
C_VerifyFinal @ends session:hSession in:pSignature,ulSignatureLen
C_VerifyRecoverInit session:hSession startmech:pMechanism object:hKey
C_VerifyRecover @ends session:hSession in:pSignature,ulSignatureLen out:pData,pulDataLen
C_DigestEncryptUpdate @ends session:hSession in:pPart,ulPartLen out:pEncryptedPart,pulEncryptedPartLen
C_DecryptDigestUpdate @ends session:hSession in:pEncryptedPart,ulEncryptedPartLen out:pPart,pulPartLen
C_SignEncryptUpdate @ends session:hSession in:pPart,ulPartLen out:pEncryptedPart,pulEncryptedPartLen
C_DecryptVerifyUpdate @ends session:hSession in:pEncryptedPart,ulEncryptedPartLen out:pPart,pulPartLen
C_GenerateKey session:hSession mech:pMechanism template:pTemplate,ulCount newobject:phKey
C_GenerateKeyPair session:hSession mech:pMechanism template:pPublicKeyTemplate,ulPublicKeyAttributeCount template:pPrivateKeyTemplate,ulPrivateKeyAttributeCount newobject:phPublicKey newobject:phPrivateKey
C_WrapKey session:hSession mech:pMechanism object:hWrappingKey object:hKey out:pWrappedKey,pulWrappedKeyLen
C_UnwrapKey session:hSession mech:pMechanism object:hUnwrappingKey in:pWrappedKey,ulWrappedKeyLen template:pTemplate,ulAttributeCount newobject:phKey
C_DeriveKey session:hSession mech:pMechanism object:hBaseKey template:pTemplate,ulAttributeCount newobject:phKey
C_SeedRandom session:hSession in:pSeed,ulSeedLen
C_GenerateRandom session:hSession fill:RandomData,ulRandomLen
C_GetFunctionStatus @notParallel session:hSession
C_CancelFunction @notParallel session:hSession
C_WaitForSlotEvent flags:flags newslot:pSlot reserved:pReserved
-- 3.0
C_GetInterfaceList @byHand interfaces:pInterfacesList,pulCount
C_GetInterface @byHand interfacename:pInterfaceName version:pVersion interface:ppInterface flags:flags
C_LoginUser session:hSession user:userType pin:pPin,ulPinLen pin:pUsername,ulUsernameLen
C_SessionCancel session:hSession flags:flags
C_MessageEncryptInit session:hSession messagemech:pMechanism object:hKey
C_EncryptMessage @ends session:hSession message:pParameter,ulParameterLen in:pAssociatedData,ulAssociatedDataLen in:pPlaintext,ulPlaintextLen out:pCiphertext,pulCiphertextLen
C_EncryptMessageBegin session:hSession message:pParameter,ulParameterLen in:pAssociatedData,ulAssociatedDataLen
C_EncryptMessageNext @ends session:hSession message:pParameter,ulParameterLen in:pPlaintextPart,ulPlaintextPartLen out:pCiphertextPart,pulCiphertextPartLen flags:flags
C_MessageEncryptFinal session:hSession
C_MessageDecryptInit session:hSession messagemech:pMechanism object:hKey
C_DecryptMessage @ends session:hSession message:pParameter,ulParameterLen in:pAssociatedData,ulAssociatedDataLen in:pCiphertext,ulCiphertextLen out:pPlaintext,pulPlaintextLen
C_DecryptMessageBegin session:hSession message:pParameter,ulParameterLen in:pAssociatedData,ulAssociatedDataLen
C_DecryptMessageNext @ends session:hSession message:pParameter,ulParameterLen in:pCiphertextPart,ulCiphertextPartLen out:pPlaintextPart,pulPlaintextPartLen flags:flags
C_MessageDecryptFinal session:hSession
C_MessageSignInit session:hSession startmech:pMechanism object:hKey
C_SignMessage @ends session:hSession opaque:pParameter,ulParameterLen in:pData,ulDataLen out:pSignature,pulSignatureLen
C_SignMessageBegin session:hSession opaque:pParameter,ulParameterLen
C_SignMessageNext @ends session:hSession opaque:pParameter,ulParameterLen in:pData,ulDataLen lastout:pSignature,pulSignatureLen
C_MessageSignFinal session:hSession
C_MessageVerifyInit session:hSession startmech:pMechanism object:hKey
C_VerifyMessage @ends session:hSession opaque:pParameter,ulParameterLen in:pData,ulDataLen in:pSignature,ulSignatureLen
C_VerifyMessageBegin session:hSession opaque:pParameter,ulParameterLen
C_VerifyMessageNext @ends session:hSession opaque:pParameter,ulParameterLen in:pData,ulDataLen in:pSignature,ulSignatureLen
C_MessageVerifyFinal session:hSession
-- 3.2
C_EncapsulateKey session:hSession mech:pMechanism object:hPublicKey template:pTemplate,ulAttributeCount out:pCiphertext,pulCiphertextLen newencapsulated:phKey
C_DecapsulateKey session:hSession mech:pMechanism object:hPrivateKey template:pTemplate,ulAttributeCount in:pCiphertext,ulCiphertextLen newobject:phKey
C_VerifySignatureInit session:hSession startmech:pMechanism object:hKey in:pSignature,ulSignatureLen
C_VerifySignature @ends session:hSession in:pData,ulDataLen
C_VerifySignatureUpdate @ends session:hSession in:pPart,ulPartLen
C_VerifySignatureFinal @ends session:hSession
C_GetSessionValidationFlags session:hSession validation:flagType validationflags:pFlags
C_AsyncComplete @unsupported session:hSession text:pFunctionName async:pResult
C_AsyncGetID @unsupported session:hSession text:pFunctionName size:pulID
C_AsyncJoin @unsupported session:hSession text:pFunctionName id:ulID in:pData,ulData
C_WrapKeyAuthenticated session:hSession wrapmech:pMechanism object:hWrappingKey object:hKey in:pAssociatedData,ulAssociatedDataLen out:pWrappedKey,pulWrappedKeyLen
C_UnwrapKeyAuthenticated session:hSession wrapmech:pMechanism object:hUnwrappingKey in:pWrappedKey,ulWrappedKeyLen template:pTemplate,ulAttributeCount in:pAssociatedData,ulAssociatedDataLen newobject:phKey
`
