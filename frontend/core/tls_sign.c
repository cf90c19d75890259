/* Signing with a certificate of this frontend (CMS, RFC 5652). */
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "frontend/core/core.h"
#include "frontend/core/tls_private.h"
#include "lib/base/mem.h"

static bool
tls_sign_with(SSL_CTX *ctx, struct str data, struct buf *out)
{
	BIO *in = BIO_new_mem_buf(data.p, (int)data.len), *der = BIO_new(BIO_s_mem());
	STACK_OF(X509) *chain = NULL;
	CMS_ContentInfo *cms;
	char *bytes;
	long len;

	SSL_CTX_get0_chain_certs(ctx, &chain);
	cms = CMS_sign(SSL_CTX_get0_certificate(ctx), SSL_CTX_get0_privatekey(ctx), chain, in, CMS_BINARY);
	if (cms != NULL && i2d_CMS_bio(der, cms) == 1 && (len = BIO_get_mem_data(der, &bytes)) > 0)
		buf_add(out, bytes, (size_t)len);
	else
		ERR_clear_error();
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	BIO_free(der);
	return out->len != 0;
}

bool
frontend_sign(struct frontend *f, struct str server_name, struct str data, struct buf *out)
{
	struct tls *t = core_of(f)->tls;
	char *name = str_dup(server_name);
	struct certificate *c = t != NULL ? tls_store_choose(t, name) : NULL;

	mem_free(name);
	return c != NULL && c->ctx != NULL && tls_sign_with(c->ctx, data, out);
}
