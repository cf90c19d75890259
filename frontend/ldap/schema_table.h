/* The schema, declared once: what the server knows of attributes, object classes and
 * matching rules. Lookups, filters, answers and cn=Subschema are made from it. */
#ifndef SP_FRONTEND_LDAP_SCHEMA_TABLE_H
#define SP_FRONTEND_LDAP_SCHEMA_TABLE_H

/* clang-format off */
/* A(ID, "name", "other names", "OID", supertype, syntax, equality, ordering, substrings, flags)
 * Rules are those of LDAP_RULES; NONE: the attribute has none. The supertype NAME is
 * that of RFC 4519. At most 64 rows: a set of attributes is a mask. */
#define LDAP_ATTRIBUTES(A) \
	A(OBJECT_CLASS, "objectClass", "", "2.5.4.0", NONE, OID, OBJECT_ID, NONE, NONE, 0) \
	A(NAME, "name", "", "2.5.4.41", NONE, DIRECTORY_STRING, CASE_IGNORE, NONE, CASE_IGNORE_SUB, 0) \
	A(CN, "cn", "commonName", "2.5.4.3", NAME, DIRECTORY_STRING, CASE_IGNORE, NONE, CASE_IGNORE_SUB, 0) \
	A(SN, "sn", "surname", "2.5.4.4", NAME, DIRECTORY_STRING, CASE_IGNORE, NONE, CASE_IGNORE_SUB, 0) \
	A(GIVEN_NAME, "givenName", "gn", "2.5.4.42", NAME, DIRECTORY_STRING, CASE_IGNORE, NONE, CASE_IGNORE_SUB, 0) \
	A(DISPLAY_NAME, "displayName", "", "2.16.840.1.113730.3.1.241", NONE, DIRECTORY_STRING, CASE_IGNORE, NONE, CASE_IGNORE_SUB, IS_SINGLE) \
	A(UID, "uid", "userid", "0.9.2342.19200300.100.1.1", NONE, DIRECTORY_STRING, CASE_IGNORE, NONE, CASE_IGNORE_SUB, 0) \
	A(MAIL, "mail", "rfc822Mailbox", "0.9.2342.19200300.100.1.3", NONE, IA5_STRING, CASE_IGNORE_IA5, NONE, CASE_IGNORE_IA5_SUB, 0) \
	A(TITLE, "title", "", "2.5.4.12", NAME, DIRECTORY_STRING, CASE_IGNORE, NONE, CASE_IGNORE_SUB, 0) \
	A(OU, "ou", "organizationalUnitName", "2.5.4.11", NAME, DIRECTORY_STRING, CASE_IGNORE, NONE, CASE_IGNORE_SUB, 0) \
	A(O, "o", "organizationName", "2.5.4.10", NAME, DIRECTORY_STRING, CASE_IGNORE, NONE, CASE_IGNORE_SUB, 0) \
	A(TELEPHONE, "telephoneNumber", "", "2.5.4.20", NONE, TELEPHONE_NUMBER, TELEPHONE, NONE, TELEPHONE_SUB, 0) \
	A(MOBILE, "mobile", "mobileTelephoneNumber", "0.9.2342.19200300.100.1.41", NONE, TELEPHONE_NUMBER, TELEPHONE, NONE, TELEPHONE_SUB, 0) \
	A(HOME_PHONE, "homePhone", "homeTelephoneNumber", "0.9.2342.19200300.100.1.20", NONE, TELEPHONE_NUMBER, TELEPHONE, NONE, TELEPHONE_SUB, 0) \
	A(PAGER, "pager", "pagerTelephoneNumber", "0.9.2342.19200300.100.1.42", NONE, TELEPHONE_NUMBER, TELEPHONE, NONE, TELEPHONE_SUB, 0) \
	A(FAX, "facsimileTelephoneNumber", "fax", "2.5.4.23", NONE, FACSIMILE_NUMBER, NONE, NONE, NONE, 0) \
	A(STREET, "street", "streetAddress", "2.5.4.9", NONE, DIRECTORY_STRING, CASE_IGNORE, NONE, CASE_IGNORE_SUB, 0) \
	A(L, "l", "localityName", "2.5.4.7", NAME, DIRECTORY_STRING, CASE_IGNORE, NONE, CASE_IGNORE_SUB, 0) \
	A(ST, "st", "stateOrProvinceName", "2.5.4.8", NAME, DIRECTORY_STRING, CASE_IGNORE, NONE, CASE_IGNORE_SUB, 0) \
	A(POSTAL_CODE, "postalCode", "", "2.5.4.17", NONE, DIRECTORY_STRING, CASE_IGNORE, NONE, CASE_IGNORE_SUB, 0) \
	A(CO, "co", "friendlyCountryName", "0.9.2342.19200300.100.1.43", NONE, DIRECTORY_STRING, CASE_IGNORE, NONE, CASE_IGNORE_SUB, 0) \
	A(URI, "labeledURI", "", "1.3.6.1.4.1.250.1.57", NONE, DIRECTORY_STRING, CASE_EXACT, NONE, NONE, 0) \
	A(DESCRIPTION, "description", "", "2.5.4.13", NONE, DIRECTORY_STRING, CASE_IGNORE, NONE, CASE_IGNORE_SUB, 0) \
	A(MEMBER, "member", "", "2.5.4.31", NONE, DN, DN, NONE, NONE, 0) \
	A(DC, "dc", "domainComponent", "0.9.2342.19200300.100.1.25", NONE, IA5_STRING, CASE_IGNORE_IA5, NONE, CASE_IGNORE_IA5_SUB, IS_SINGLE) \
	A(DEPARTMENT_NUMBER, "departmentNumber", "", "2.16.840.1.113730.3.1.2", NONE, DIRECTORY_STRING, CASE_IGNORE, NONE, CASE_IGNORE_SUB, 0) \
	A(JPEG_PHOTO, "jpegPhoto", "", "0.9.2342.19200300.100.1.60", NONE, JPEG, NONE, NONE, NONE, 0) \
	A(UID_NUMBER, "uidNumber", "", "1.3.6.1.1.1.1.0", NONE, INTEGER, INTEGER, INTEGER_ORDER, NONE, IS_SINGLE) \
	A(GID_NUMBER, "gidNumber", "", "1.3.6.1.1.1.1.1", NONE, INTEGER, INTEGER, INTEGER_ORDER, NONE, IS_SINGLE) \
	A(HOME_DIRECTORY, "homeDirectory", "", "1.3.6.1.1.1.1.3", NONE, IA5_STRING, CASE_EXACT_IA5, NONE, NONE, IS_SINGLE) \
	A(LOGIN_SHELL, "loginShell", "", "1.3.6.1.1.1.1.4", NONE, IA5_STRING, CASE_EXACT_IA5, NONE, NONE, IS_SINGLE) \
	A(MEMBER_UID, "memberUid", "", "1.3.6.1.1.1.1.12", NONE, IA5_STRING, CASE_EXACT_IA5, NONE, NONE, 0) \
	A(ENTRY_DN, "entryDN", "", "1.3.6.1.1.20", NONE, DN, DN, NONE, NONE, IS_SINGLE | IS_OPERATIONAL) \
	A(ENTRY_UUID, "entryUUID", "", "1.3.6.1.1.16.4", NONE, UUID, UUID, UUID_ORDER, NONE, IS_SINGLE | IS_OPERATIONAL) \
	A(CREATED, "createTimestamp", "", "2.5.18.1", NONE, TIME, TIME, TIME_ORDER, NONE, IS_SINGLE | IS_OPERATIONAL) \
	A(STRUCTURAL, "structuralObjectClass", "", "2.5.21.9", NONE, OID, OBJECT_ID, NONE, NONE, IS_SINGLE | IS_OPERATIONAL) \
	A(HAS_SUBORDINATES, "hasSubordinates", "", "2.5.18.9", NONE, BOOLEAN, BOOLEAN, NONE, NONE, IS_SINGLE | IS_OPERATIONAL) \
	A(SUBSCHEMA_ENTRY, "subschemaSubentry", "", "2.5.18.10", NONE, DN, DN, NONE, NONE, IS_SINGLE | IS_OPERATIONAL) \
	A(NAMING_CONTEXTS, "namingContexts", "", "1.3.6.1.4.1.1466.101.120.5", NONE, DN, NONE, NONE, NONE, IS_OPERATIONAL) \
	A(DEFAULT_CONTEXT, "defaultNamingContext", "", "1.2.840.113556.1.4.484", NONE, DN, DN, NONE, NONE, IS_SINGLE | IS_OPERATIONAL) \
	A(SUPPORTED_VERSION, "supportedLDAPVersion", "", "1.3.6.1.4.1.1466.101.120.15", NONE, INTEGER, NONE, NONE, NONE, IS_OPERATIONAL) \
	A(SUPPORTED_CONTROL, "supportedControl", "", "1.3.6.1.4.1.1466.101.120.13", NONE, OID, NONE, NONE, NONE, IS_OPERATIONAL) \
	A(SUPPORTED_EXTENSION, "supportedExtension", "", "1.3.6.1.4.1.1466.101.120.7", NONE, OID, NONE, NONE, NONE, IS_OPERATIONAL) \
	A(SUPPORTED_FEATURES, "supportedFeatures", "", "1.3.6.1.4.1.4203.1.3.5", NONE, OID, NONE, NONE, NONE, IS_OPERATIONAL) \
	A(SUPPORTED_SASL, "supportedSASLMechanisms", "", "1.3.6.1.4.1.1466.101.120.14", NONE, DIRECTORY_STRING, NONE, NONE, NONE, IS_OPERATIONAL) \
	A(VENDOR_NAME, "vendorName", "", "1.3.6.1.1.4", NONE, DIRECTORY_STRING, CASE_EXACT, NONE, NONE, IS_SINGLE | IS_OPERATIONAL) \
	A(OBJECT_CLASSES, "objectClasses", "", "2.5.21.6", NONE, DESCRIPTION_TEXT, NONE, NONE, NONE, IS_OPERATIONAL) \
	A(ATTRIBUTE_TYPES, "attributeTypes", "", "2.5.21.5", NONE, DESCRIPTION_TEXT, NONE, NONE, NONE, IS_OPERATIONAL) \
	A(MATCHING_RULES, "matchingRules", "", "2.5.21.4", NONE, DESCRIPTION_TEXT, NONE, NONE, NONE, IS_OPERATIONAL) \
	A(SYNTAXES, "ldapSyntaxes", "", "1.3.6.1.4.1.1466.101.120.16", NONE, DESCRIPTION_TEXT, NONE, NONE, NONE, IS_OPERATIONAL)

/* Y(ID, "OID", "description") */
#define LDAP_SYNTAXES(Y) \
	Y(DIRECTORY_STRING, "1.3.6.1.4.1.1466.115.121.1.15", "Directory String") \
	Y(IA5_STRING, "1.3.6.1.4.1.1466.115.121.1.26", "IA5 String") \
	Y(TELEPHONE_NUMBER, "1.3.6.1.4.1.1466.115.121.1.50", "Telephone Number") \
	Y(FACSIMILE_NUMBER, "1.3.6.1.4.1.1466.115.121.1.22", "Facsimile Telephone Number") \
	Y(JPEG, "1.3.6.1.4.1.1466.115.121.1.28", "JPEG") \
	Y(DN, "1.3.6.1.4.1.1466.115.121.1.12", "DN") \
	Y(OID, "1.3.6.1.4.1.1466.115.121.1.38", "OID") \
	Y(TIME, "1.3.6.1.4.1.1466.115.121.1.24", "Generalized Time") \
	Y(UUID, "1.3.6.1.1.16.1", "UUID") \
	Y(BOOLEAN, "1.3.6.1.4.1.1466.115.121.1.7", "Boolean") \
	Y(INTEGER, "1.3.6.1.4.1.1466.115.121.1.27", "INTEGER") \
	Y(SUBSTRING, "1.3.6.1.4.1.1466.115.121.1.58", "Substring Assertion") \
	Y(DESCRIPTION_TEXT, "1.3.6.1.4.1.1466.115.121.1.3", "Attribute Type Description")

/* M(ID, "name", "OID", kind, form, syntax): form is the normal form in which values are
 * compared (enum ldap_form), and so decides to which attributes an extensible match
 * without an attribute applies. syntax: of the assertion. */
#define LDAP_RULES(M) \
	M(OBJECT_ID, "objectIdentifierMatch", "2.5.13.0", EQUALITY, OID_NAME, OID) \
	M(DN, "distinguishedNameMatch", "2.5.13.1", EQUALITY, DN_TEXT, DN) \
	M(CASE_IGNORE, "caseIgnoreMatch", "2.5.13.2", EQUALITY, FOLDED, DIRECTORY_STRING) \
	M(CASE_IGNORE_ORDER, "caseIgnoreOrderingMatch", "2.5.13.3", ORDERING, FOLDED, DIRECTORY_STRING) \
	M(CASE_IGNORE_SUB, "caseIgnoreSubstringsMatch", "2.5.13.4", SUBSTRINGS, FOLDED, SUBSTRING) \
	M(CASE_EXACT, "caseExactMatch", "2.5.13.5", EQUALITY, EXACT, DIRECTORY_STRING) \
	M(CASE_EXACT_ORDER, "caseExactOrderingMatch", "2.5.13.6", ORDERING, EXACT, DIRECTORY_STRING) \
	M(CASE_EXACT_SUB, "caseExactSubstringsMatch", "2.5.13.7", SUBSTRINGS, EXACT, SUBSTRING) \
	M(BOOLEAN, "booleanMatch", "2.5.13.13", EQUALITY, BOOLEAN_TEXT, BOOLEAN) \
	M(INTEGER, "integerMatch", "2.5.13.14", EQUALITY, INTEGER_TEXT, INTEGER) \
	M(INTEGER_ORDER, "integerOrderingMatch", "2.5.13.15", ORDERING, INTEGER_TEXT, INTEGER) \
	M(TELEPHONE, "telephoneNumberMatch", "2.5.13.20", EQUALITY, DIGITS, TELEPHONE_NUMBER) \
	M(TELEPHONE_SUB, "telephoneNumberSubstringsMatch", "2.5.13.21", SUBSTRINGS, DIGITS, SUBSTRING) \
	M(CASE_EXACT_IA5, "caseExactIA5Match", "1.3.6.1.4.1.1466.109.114.1", EQUALITY, IA5_EXACT, IA5_STRING) \
	M(CASE_IGNORE_IA5, "caseIgnoreIA5Match", "1.3.6.1.4.1.1466.109.114.2", EQUALITY, IA5_FOLDED, IA5_STRING) \
	M(CASE_IGNORE_IA5_SUB, "caseIgnoreIA5SubstringsMatch", "1.3.6.1.4.1.1466.109.114.3", SUBSTRINGS, IA5_FOLDED, SUBSTRING) \
	M(TIME, "generalizedTimeMatch", "2.5.13.27", EQUALITY, TIME_TEXT, TIME) \
	M(TIME_ORDER, "generalizedTimeOrderingMatch", "2.5.13.28", ORDERING, TIME_TEXT, TIME) \
	M(UUID, "uuidMatch", "1.3.6.1.1.16.2", EQUALITY, UUID_TEXT, UUID) \
	M(UUID_ORDER, "uuidOrderingMatch", "1.3.6.1.1.16.3", ORDERING, UUID_TEXT, UUID)

/* C(ID, "name", "OID", superclass, "kind", "required attributes", "optional attributes") */
#define LDAP_CLASSES(C) \
	C(TOP, "top", "2.5.6.0", TOP, "ABSTRACT", "objectClass", "") \
	C(DC_OBJECT, "dcObject", "1.3.6.1.4.1.1466.344", TOP, "AUXILIARY", "dc", "") \
	C(ORGANIZATION, "organization", "2.5.6.4", TOP, "STRUCTURAL", "o", "description $ l $ st $ street $ postalCode $ telephoneNumber") \
	C(UNIT, "organizationalUnit", "2.5.6.5", TOP, "STRUCTURAL", "ou", "description") \
	C(PERSON, "person", "2.5.6.6", TOP, "STRUCTURAL", "sn $ cn", "telephoneNumber $ description") \
	C(ORG_PERSON, "organizationalPerson", "2.5.6.7", PERSON, "STRUCTURAL", "", \
	  "title $ facsimileTelephoneNumber $ street $ postalCode $ ou $ st $ l") \
	C(INET_PERSON, "inetOrgPerson", "2.16.840.1.113730.3.2.2", ORG_PERSON, "STRUCTURAL", "", \
	  "displayName $ givenName $ homePhone $ labeledURI $ mail $ mobile $ o $ pager $ uid $ co $ departmentNumber $ jpegPhoto") \
	C(GROUP, "groupOfNames", "2.5.6.9", TOP, "STRUCTURAL", "cn", "member $ description $ mail $ displayName") \
	C(POSIX_ACCOUNT, "posixAccount", "1.3.6.1.1.1.2.0", TOP, "AUXILIARY", "cn $ uid $ uidNumber $ gidNumber $ homeDirectory", \
	  "loginShell $ description") \
	C(POSIX_GROUP, "posixGroup", "1.3.6.1.1.1.2.2", TOP, "AUXILIARY", "cn $ gidNumber", "memberUid $ description") \
	C(SUBSCHEMA, "subschema", "2.5.20.1", TOP, "AUXILIARY", "", "objectClasses $ attributeTypes $ matchingRules $ ldapSyntaxes")
/* clang-format on */

#endif
