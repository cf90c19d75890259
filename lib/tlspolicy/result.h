/* The TLS result of one session, in the terms of TLS reports (RFC 8460, section
 * 4.3). */
#ifndef SP_TLSPOLICY_RESULT_H
#define SP_TLSPOLICY_RESULT_H

#define TLS_RESULTS(R) \
	R(OK, "") \
	R(STARTTLS_NOT_SUPPORTED, "starttls-not-supported") \
	R(CERTIFICATE_HOST_MISMATCH, "certificate-host-mismatch") \
	R(CERTIFICATE_EXPIRED, "certificate-expired") \
	R(CERTIFICATE_NOT_TRUSTED, "certificate-not-trusted") \
	R(VALIDATION_FAILURE, "validation-failure") \
	R(TLSA_INVALID, "tlsa-invalid") \
	R(DNSSEC_INVALID, "dnssec-invalid") \
	R(DANE_REQUIRED, "dane-required") \
	R(STS_POLICY_FETCH_ERROR, "sts-policy-fetch-error") \
	R(STS_POLICY_INVALID, "sts-policy-invalid") \
	R(STS_WEBPKI_INVALID, "sts-webpki-invalid")

#define TLS_RESULT_ENUM(name, text) TLS_RESULT_##name,
enum tls_result { TLS_RESULTS(TLS_RESULT_ENUM) TLS_RESULT_COUNT };
#undef TLS_RESULT_ENUM

const char *tls_result_name(enum tls_result result); /* OK: empty */

#endif
