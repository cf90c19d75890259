/* DNS messages in wire format, which are not trusted. Every read is checked
 * against the end of the message, and a compressed name may only point
 * backwards, so that no loop is possible. */
#include "lib/dns/message.h"

#include <arpa/inet.h>

#define HEADER_BYTES   12
#define RCODE_NXDOMAIN 3

struct reader {
	const uint8_t *data; /* borrowed */
	size_t len;
	size_t at;
};

static bool
read_u16(struct reader *r, uint16_t *out)
{
	if (r->len - r->at < 2)
		return false;
	*out = (uint16_t)(r->data[r->at] << 8 | r->data[r->at + 1]);
	r->at += 2;
	return true;
}

static bool
message_skip(struct reader *r, size_t count)
{
	if (r->len - r->at < count)
		return false;
	r->at += count;
	return true;
}

/* A name as text, and whether it is one of each kind (enum dns_names). */
struct name {
	char text[DNS_NAME_MAX + 1];
	size_t len;
	bool is_host, is_any;
};

/* Appends a label, lower-cased; false if it is too long. */
static bool
add_label(const uint8_t *label, size_t len, struct name *name)
{
	if (name->len + len + 1 > DNS_NAME_MAX)
		return false;
	if (name->len > 0)
		name->text[name->len++] = '.';
	for (size_t i = 0; i < len; i++) {
		char c = (char)label[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c + ('a' - 'A'));
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
			name->is_host = false;
		if (c <= ' ' || c > '~' || c == '.' || c == '\\')
			name->is_any = false;
		name->text[name->len++] = c;
	}
	return true;
}

/* Reads the name at r->at and moves past it. */
static bool
read_name(struct reader *r, struct name *out)
{
	size_t at = r->at, end = 0;
	size_t lowest = r->at; /* a pointer must go below it */

	out->len = 0;
	out->is_host = out->is_any = true;
	for (;;) {
		uint8_t n;

		if (at >= r->len)
			return false;
		n = r->data[at];
		if ((n & 0xc0) == 0xc0) {
			size_t to;

			if (at + 1 >= r->len)
				return false;
			to = (size_t)(n & 0x3f) << 8 | r->data[at + 1];
			if (end == 0)
				end = at + 2;
			if (to >= lowest)
				return false;
			at = lowest = to;
			continue;
		}
		if ((n & 0xc0) != 0 || r->len - at - 1 < n)
			return false;
		if (n == 0) {
			r->at = end != 0 ? end : at + 1;
			out->text[out->len] = '\0';
			return true;
		}
		if (!add_label(r->data + at + 1, n, out))
			return false;
		at += 1u + n;
	}
}

struct record {
	uint16_t type;
	size_t rdata; /* where it starts */
	uint16_t rdata_len;
};

static bool
message_read_record(struct reader *r, struct record *out)
{
	struct name name;
	uint16_t class;

	if (!read_name(r, &name))
		return false;
	if (!read_u16(r, &out->type) || !read_u16(r, &class) || !message_skip(r, 4) || !read_u16(r, &out->rdata_len))
		return false;
	out->rdata = r->at;
	return message_skip(r, out->rdata_len);
}

static struct str
name_keep(const struct name *name, struct arena *arena)
{
	return str_of(arena_dup(arena, name->text, name->len), name->len);
}

static bool
take_mx(struct reader *r, const struct record *rec, struct arena *arena, struct dns_mx *out, struct name *name)
{
	struct reader in = {r->data, r->len, rec->rdata};

	if (rec->rdata_len < 3 || !read_u16(&in, &out->preference) || !read_name(&in, name))
		return false;
	out->host = name_keep(name, arena);
	return true;
}

static bool
message_take_ptr(struct reader *r, const struct record *rec, struct arena *arena, struct str *out, struct name *name)
{
	struct reader in = {r->data, r->len, rec->rdata};

	if (!read_name(&in, name))
		return false;
	*out = name_keep(name, arena);
	return true;
}

static bool
message_take_srv(struct reader *r, const struct record *rec, struct arena *arena, struct dns_srv *out,
		 struct name *name)
{
	struct reader in = {r->data, r->len, rec->rdata};

	if (rec->rdata_len < 7 || !read_u16(&in, &out->priority) || !read_u16(&in, &out->weight) ||
	    !read_u16(&in, &out->port) || !read_name(&in, name))
		return false;
	out->host = name_keep(name, arena);
	return true;
}

static bool
message_take_text(struct reader *r, const struct record *rec, struct arena *arena, struct str *out)
{
	char *joined = arena_alloc(arena, (size_t)rec->rdata_len + 1);
	size_t at = rec->rdata, end = rec->rdata + rec->rdata_len, used = 0;

	while (at < end) {
		size_t n = r->data[at++];

		if (end - at < n)
			return false;
		memcpy(joined + used, r->data + at, n);
		used += n;
		at += n;
	}
	*out = str_of(joined, used);
	return true;
}

static bool
take_tlsa(struct reader *r, const struct record *rec, struct arena *arena, struct dns_tlsa *out)
{
	const uint8_t *p = r->data + rec->rdata;

	if (rec->rdata_len < 3)
		return false;
	out->usage = p[0];
	out->selector = p[1];
	out->matching = p[2];
	out->data = str_of(arena_dup(arena, (const char *)p + 3, rec->rdata_len - 3u), rec->rdata_len - 3u);
	return true;
}

/* Collected while the answer section is read. */
struct lists {
	struct dns_mx *mx;
	struct ip *ips;
	struct str *texts; /* or names */
	struct dns_tlsa *tlsa;
	struct dns_srv *srv;
	unsigned count;
};

static bool
take_record(struct reader *r, const struct record *rec, enum dns_type type, enum dns_names names, struct arena *arena,
	    struct lists *l)
{
	struct name name = {.is_host = true, .is_any = true};

	switch (type) {
	case DNS_MX:
		if (!take_mx(r, rec, arena, &l->mx[l->count], &name))
			return false;
		break;
	case DNS_A:
	case DNS_AAAA:
		if (rec->rdata_len != (type == DNS_A ? 4 : 16))
			return false;
		l->ips[l->count].family = type == DNS_A ? 4 : 6;
		memcpy(l->ips[l->count].bytes, r->data + rec->rdata, rec->rdata_len);
		break;
	case DNS_TXT:
		if (!message_take_text(r, rec, arena, &l->texts[l->count]))
			return false;
		break;
	case DNS_TLSA:
		if (!take_tlsa(r, rec, arena, &l->tlsa[l->count]))
			return false;
		break;
	case DNS_SRV:
		if (!message_take_srv(r, rec, arena, &l->srv[l->count], &name))
			return false;
		break;
	case DNS_PTR:
		if (!message_take_ptr(r, rec, arena, &l->texts[l->count], &name))
			return false;
		break;
	case DNS_CNAME: return true;
	}
	l->count += names == DNS_HOST_NAMES ? name.is_host : name.is_any;
	return true;
}

static bool
read_answers(struct reader *r, unsigned count, enum dns_type type, enum dns_names names, struct arena *arena,
	     struct dns_answer *answer)
{
	struct lists l = {.count = 0};
	unsigned room = count < DNS_RECORDS_MAX ? count : DNS_RECORDS_MAX;

	l.mx = type == DNS_MX ? arena_array(arena, struct dns_mx, room + 1) : NULL;
	l.ips = type == DNS_A || type == DNS_AAAA ? arena_array(arena, struct ip, room + 1) : NULL;
	l.texts = type == DNS_TXT || type == DNS_PTR ? arena_array(arena, struct str, room + 1) : NULL;
	l.srv = type == DNS_SRV ? arena_array(arena, struct dns_srv, room + 1) : NULL;
	l.tlsa = type == DNS_TLSA ? arena_array(arena, struct dns_tlsa, room + 1) : NULL;
	for (unsigned i = 0; i < count && l.count < room; i++) {
		struct record rec;

		if (!message_read_record(r, &rec))
			return false;
		if (rec.type == DNS_CNAME) {
			struct reader in = {r->data, r->len, rec.rdata};
			struct name name;

			if (!read_name(&in, &name))
				return false;
			answer->canonical = name_keep(&name, arena);
		}
		if (rec.type == type && !take_record(r, &rec, type, names, arena, &l))
			return false;
	}
	answer->mx = l.mx;
	answer->mx_count = l.mx != NULL ? l.count : 0;
	answer->ips = l.ips;
	answer->ip_count = l.ips != NULL ? l.count : 0;
	*(type == DNS_PTR ? &answer->names : &answer->texts) = l.texts;
	*(type == DNS_PTR ? &answer->name_count : &answer->text_count) = l.texts != NULL ? l.count : 0;
	answer->tlsa = l.tlsa;
	answer->tlsa_count = l.tlsa != NULL ? l.count : 0;
	answer->srv = l.srv;
	answer->srv_count = l.srv != NULL ? l.count : 0;
	return true;
}

int
dns_message_read(struct str packet, enum dns_type type, enum dns_names names, struct arena *arena,
		 struct dns_answer *answer, struct err *err)
{
	struct reader r = {(const uint8_t *)packet.p, packet.len, 0};
	uint16_t id, flags, questions, answers;
	unsigned rcode;

	memset(answer, 0, sizeof(*answer));
	if (!read_u16(&r, &id) || !read_u16(&r, &flags) || !read_u16(&r, &questions) || !read_u16(&r, &answers) ||
	    !message_skip(&r, 4))
		return err_set(err, ERR_CORRUPT, "malformed DNS answer");
	rcode = flags & 0x0f;
	if (rcode != 0 && rcode != RCODE_NXDOMAIN)
		return err_set(err, ERR_UNAVAILABLE, "the name server answered with code %u", rcode);
	for (unsigned i = 0; i < questions; i++) {
		struct name name;

		if (!read_name(&r, &name) || !message_skip(&r, 4))
			return err_set(err, ERR_CORRUPT, "malformed DNS answer");
	}
	answer->exists = rcode != RCODE_NXDOMAIN;
	if (!read_answers(&r, answers, type, names, arena, answer))
		return err_set(err, ERR_CORRUPT, "malformed DNS answer");
	return 0;
}
