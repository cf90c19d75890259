#include "lib/dkim/rsa_public.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>

enum { DER_INTEGER = 0x02, DER_BIT_STRING = 0x03, DER_OID = 0x06, DER_SEQUENCE = 0x30 };

/* Takes the next element off *rest if it has this tag. Lengths of up to 65,535 bytes. */
static bool
der_take(struct str *rest, unsigned tag, struct str *content_out)
{
	const unsigned char *p = (const unsigned char *)rest->p;
	size_t length, head = 2;

	if (rest->len < 2 || p[0] != tag)
		return false;
	length = p[1];
	if (length >= 0x80) {
		size_t octets = length & 0x7f;

		if (octets < 1 || octets > 2 || rest->len < 2 + octets)
			return false;
		length = octets == 1 ? p[2] : (size_t)p[2] << 8 | p[3];
		head += octets;
	}
	if (rest->len - head < length)
		return false;
	*content_out = str_of(rest->p + head, length);
	*rest = str_from(*rest, head + length);
	return true;
}

static bool
der_take_number(struct str *rest, struct str *out)
{
	if (!der_take(rest, DER_INTEGER, out))
		return false;
	while (out->len > 0 && out->p[0] == '\0')
		*out = str_from(*out, 1);
	return out->len > 0;
}

static bool
rsa_read_bare(struct str der, struct dkim_rsa_numbers *out)
{
	struct str key;

	return der_take(&der, DER_SEQUENCE, &key) && der_take_number(&key, &out->modulus) &&
	       der_take_number(&key, &out->exponent);
}

bool
dkim_rsa_read(struct str der, struct dkim_rsa_numbers *out)
{
	static const struct str rsa_encryption = STR("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01");
	struct str rest = der, info, algorithm, oid, bits;

	if (!der_take(&rest, DER_SEQUENCE, &info))
		return false;
	if (!der_take(&info, DER_SEQUENCE, &algorithm))
		return rsa_read_bare(der, out);
	/* The first byte of a bit string counts the unused bits. */
	return der_take(&algorithm, DER_OID, &oid) && str_eq(oid, rsa_encryption) &&
	       der_take(&info, DER_BIT_STRING, &bits) && bits.len > 0 && bits.p[0] == '\0' &&
	       rsa_read_bare(str_from(bits, 1), out);
}

unsigned
dkim_rsa_bits(struct str number)
{
	unsigned bits = (unsigned)number.len * 8;

	for (unsigned top = number.len > 0 ? (unsigned char)number.p[0] : 0x80; top < 0x80; top <<= 1)
		bits--;
	return bits;
}

static EVP_PKEY *
rsa_from_params(OSSL_PARAM *params)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	EVP_PKEY *pkey = NULL;

	if (ctx != NULL && params != NULL && EVP_PKEY_fromdata_init(ctx) == 1)
		EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params);
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

EVP_PKEY *
dkim_rsa_make(const struct dkim_rsa_numbers *numbers)
{
	BIGNUM *n = BN_bin2bn((const unsigned char *)numbers->modulus.p, (int)numbers->modulus.len, NULL);
	BIGNUM *e = BN_bin2bn((const unsigned char *)numbers->exponent.p, (int)numbers->exponent.len, NULL);
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	EVP_PKEY *pkey;

	if (n != NULL && e != NULL && build != NULL && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) == 1)
		params = OSSL_PARAM_BLD_to_param(build);
	pkey = rsa_from_params(params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	BN_free(n);
	BN_free(e);
	return pkey;
}
