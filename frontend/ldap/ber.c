#include "frontend/ldap/ber.h"

#include "lib/base/check.h"

enum { LENGTH_BYTES_MAX = 4 };

enum ldap_frame
ldap_frame(struct evbuffer *in, size_t max, size_t *len_out)
{
	unsigned char head[2 + LENGTH_BYTES_MAX];
	ev_ssize_t have = evbuffer_copyout(in, head, sizeof(head));
	size_t bytes, len = 0;

	if (have >= 1 && head[0] != LBER_SEQUENCE)
		return LDAP_FRAME_MALFORMED;
	if (have < 2)
		return LDAP_FRAME_PARTIAL;
	bytes = head[1] < 0x80 ? 0 : head[1] & 0x7fU;
	/* 0x80 alone is the indefinite form, which LDAP does not have. */
	if (head[1] == 0x80 || bytes > LENGTH_BYTES_MAX)
		return LDAP_FRAME_MALFORMED;
	if ((size_t)have < 2 + bytes)
		return LDAP_FRAME_PARTIAL;
	if (bytes == 0)
		len = head[1];
	for (size_t i = 0; i < bytes; i++)
		len = len << 8 | head[2 + i];
	len += 2 + bytes;
	if (len > max)
		return LDAP_FRAME_TOO_LARGE;
	*len_out = len;
	return evbuffer_get_length(in) >= len ? LDAP_FRAME_WHOLE : LDAP_FRAME_PARTIAL;
}

/* ---- Reading ---- */

/* One for all: a loop reads one element at a time. */
static BerElement *
ber_reader(struct str text)
{
	static _Thread_local BerElement *reader;
	struct berval whole = {.bv_len = text.len, .bv_val = (char *)text.p};

	if (reader == NULL)
		reader = ber_alloc_t(LBER_USE_DER);
	CHECK(reader != NULL);
	ber_init2(reader, &whole, LBER_USE_DER);
	return reader;
}

bool
ldap_ber_next(struct str *rest, ber_tag_t *tag_out, struct str *content_out)
{
	struct berval content;
	ber_tag_t tag;
	const char *end = rest->p + rest->len;

	/* liblber knows tags of several bytes. LDAP has none. */
	if (rest->len < 2 || ((unsigned char)rest->p[0] & 0x1f) == 0x1f)
		return false;
	tag = ber_skip_element(ber_reader(*rest), &content);
	if (tag == LBER_ERROR || content.bv_len > rest->len)
		return false;
	*tag_out = tag;
	*content_out = str_of(content.bv_val, content.bv_len);
	rest->p = content.bv_val + content.bv_len;
	CHECK(rest->p <= end);
	rest->len = (size_t)(end - rest->p);
	return true;
}

bool
ldap_ber_take(struct str *rest, ber_tag_t tag, struct str *content_out)
{
	struct str saved = *rest, content;
	ber_tag_t found;

	if (!ldap_ber_next(rest, &found, &content) || found != tag) {
		*rest = saved;
		return false;
	}
	*content_out = content;
	return true;
}

bool
ldap_ber_take_int(struct str *rest, ber_tag_t tag, int32_t *value_out)
{
	struct str saved = *rest, content;
	struct berval bytes;
	ber_int_t value;

	if (!ldap_ber_take(rest, tag, &content))
		return false;
	bytes = (struct berval){.bv_len = content.len, .bv_val = (char *)content.p};
	/* liblber takes an empty INTEGER as 0; X.690 does not allow it. */
	if (content.len == 0 || ber_decode_int(&bytes, &value) != 0) {
		*rest = saved;
		return false;
	}
	*value_out = value;
	return true;
}

bool
ldap_ber_take_bool(struct str *rest, ber_tag_t tag, bool *value_out)
{
	struct str saved = *rest, content;

	if (!ldap_ber_take(rest, tag, &content) || content.len != 1) {
		*rest = saved;
		return false;
	}
	*value_out = content.p[0] != 0;
	return true;
}

/* ---- Writing ---- */

BerElement *
ldap_ber_begin(void)
{
	BerElement *ber = ber_alloc_t(LBER_USE_DER);

	CHECK(ber != NULL);
	return ber;
}

void
ldap_ber_put(BerElement *ber, ber_tag_t tag, struct str value)
{
	CHECK(ber_put_ostring(ber, value.p != NULL ? value.p : "", value.len, tag) >= 0);
}

void
ldap_ber_end(BerElement *ber, struct evbuffer *out)
{
	struct berval whole;

	/* Fails only if a sequence was left open. */
	CHECK(ber_flatten2(ber, &whole, 0) == 0);
	evbuffer_add(out, whole.bv_val, whole.bv_len);
	ber_free(ber, 1);
}
