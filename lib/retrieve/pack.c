/* An account as it is stored. */
#include <string.h>

#include "lib/base/check.h"
#include "lib/retrieve/account.h"
#include "proto/retrieve.pb-c.h"

/* Members of the same name and kind on both sides. */
#define PACK_TEXTS(T) T(address) T(host) T(user) T(secret) T(into) T(token_url) T(client_id) T(client_secret) T(scope)
#define PACK_PLAIN(P) P(port) P(any_certificate) P(mirror) P(keep_days) P(enabled) P(once) P(trial)

void
retrieve_account_pack(const struct retrieve_account *a, struct buf *out)
{
	Stagepost__RetrieveAccount m = STAGEPOST__RETRIEVE_ACCOUNT__INIT;
	size_t len;

	m.id = (char *)a->id;
	m.protocol = (Stagepost__RetrieveAccount__Protocol)a->protocol;
	m.tls = (Stagepost__RetrieveAccount__Tls)a->tls;
	m.auth = (Stagepost__RetrieveAccount__Auth)a->auth;
	m.keep = (Stagepost__RetrieveAccount__Keep)a->keep;
	m.n_folders = a->folder_count;
	m.folders = (char **)(void *)a->folders;
	m.interval_ms = (uint64_t)a->interval_ms;
	m.created_ms = (uint64_t)a->created_ms;
#define PACK_TEXT(member) m.member = (char *)a->member;
	PACK_TEXTS(PACK_TEXT)
#undef PACK_TEXT
#define PACK_COPY(member) m.member = a->member;
	PACK_PLAIN(PACK_COPY)
#undef PACK_COPY
	len = stagepost__retrieve_account__get_packed_size(&m);
	stagepost__retrieve_account__pack(&m, (uint8_t *)buf_reserve(out, len));
	out->len += len;
	buf_add_str(out, a->later);
}

static void
pack_add_varint(struct buf *out, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		buf_add_byte(out, (char)(value | 0x80));
	buf_add_byte(out, (char)value);
}

/* What we do not know, as it was: fields may stand in any order. */
static struct str
pack_later(const Stagepost__RetrieveAccount *m, struct arena *arena)
{
	struct buf later = BUF_EMPTY;
	struct str result;

	for (unsigned i = 0; i < m->base.n_unknown_fields; i++) {
		const ProtobufCMessageUnknownField *field = &m->base.unknown_fields[i];
		pack_add_varint(&later, (uint64_t)field->tag << 3 | (uint64_t)field->wire_type);
		buf_add_str(&later, str_of((const char *)field->data, field->len));
	}
	result = arena_str(arena, buf_str(&later));
	buf_fini(&later);
	return result;
}

static bool
pack_is_sane(const Stagepost__RetrieveAccount *m)
{
	return retrieve_id_is_valid(str_c(m->id)) && m->port != 0 && m->port <= UINT16_MAX &&
	       (unsigned)m->protocol <= RETRIEVE_IMAP && (unsigned)m->tls <= RETRIEVE_TLS_NONE &&
	       (unsigned)m->auth <= RETRIEVE_OAUTH2 && (unsigned)m->keep <= RETRIEVE_DELETE_AFTER &&
	       m->n_folders <= RETRIEVE_FOLDERS_MAX;
}

static void
pack_take(const Stagepost__RetrieveAccount *m, struct arena *arena, struct retrieve_account *out)
{
	const char **folders = arena_array(arena, const char *, m->n_folders + 1);

	memset(out, 0, sizeof(*out));
	memcpy(out->id, m->id, RETRIEVE_ID_MAX);
	out->protocol = (enum retrieve_protocol)m->protocol;
	out->tls = (enum retrieve_tls)m->tls;
	out->auth = (enum retrieve_auth)m->auth;
	out->keep = (enum retrieve_keep)m->keep;
	out->interval_ms = (int64_t)m->interval_ms;
	out->created_ms = (int64_t)m->created_ms;
	for (size_t i = 0; i < m->n_folders; i++)
		folders[i] = arena_strdup(arena, m->folders[i]);
	out->folders = folders;
	out->folder_count = (unsigned)m->n_folders;
	out->later = pack_later(m, arena);
#define PACK_TEXT(member) out->member = arena_strdup(arena, m->member);
	PACK_TEXTS(PACK_TEXT)
#undef PACK_TEXT
#define PACK_COPY(member) out->member = (__typeof__(out->member))m->member;
	PACK_PLAIN(PACK_COPY)
#undef PACK_COPY
}

int
retrieve_account_unpack(struct str packed, struct arena *arena, struct retrieve_account *out, struct err *err)
{
	Stagepost__RetrieveAccount *m =
		stagepost__retrieve_account__unpack(NULL, packed.len, (const uint8_t *)packed.p);
	bool is_sane = m != NULL && pack_is_sane(m);

	if (is_sane)
		pack_take(m, arena, out);
	if (m != NULL)
		stagepost__retrieve_account__free_unpacked(m, NULL);
	return is_sane ? 0 : err_set(err, ERR_CORRUPT, "the stored remote account is damaged");
}
