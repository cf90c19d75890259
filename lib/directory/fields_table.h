/* The fields of an account that describe a person: one row each.
 *
 *	F(IDENT, number, name, LDAP attribute, what)
 *
 * `name` is what operators write, and the field of the hash user:{<address>}. All
 * are text: UTF-8, at most 200 bytes, without control characters. The number is part
 * of stored entries of the address book (lib/directory/entry.h): 3 to 27, never
 * reused. The LDAP attribute (RFC 4519, RFC 2798, RFC 4524) is used by import and
 * export as LDIF. */
#ifndef SP_DIRECTORY_FIELDS_TABLE_H
#define SP_DIRECTORY_FIELDS_TABLE_H

#define DIRECTORY_TEXT_MAX 200 /* bytes */

#define DIRECTORY_PERSON_FIELDS(F) \
	F(DISPLAY_NAME, 3, "display_name", "displayName", "full name") \
	F(GIVEN_NAME, 4, "given_name", "givenName", "first name") \
	F(SURNAME, 5, "surname", "sn", "family name") \
	F(TITLE, 6, "title", "title", "position in the company") \
	F(DEPARTMENT, 7, "department", "departmentNumber", "department") \
	F(COMPANY, 8, "company", "o", "company") \
	F(PHONE, 9, "phone", "telephoneNumber", "telephone at work") \
	F(MOBILE, 10, "mobile", "mobile", "mobile telephone") \
	F(HOME_PHONE, 11, "home_phone", "homePhone", "telephone at home") \
	F(FAX, 12, "fax", "facsimileTelephoneNumber", "fax") \
	F(PAGER, 13, "pager", "pager", "pager") \
	F(STREET, 14, "street", "street", "street and number") \
	F(CITY, 15, "city", "l", "city") \
	F(STATE, 16, "state", "st", "state or province") \
	F(POSTAL_CODE, 17, "postal_code", "postalCode", "postal code") \
	F(COUNTRY, 18, "country", "co", "country") \
	F(URL, 19, "url", "labeledURI", "web page") \
	F(NOTES, 20, "notes", "description", "notes")

#endif
