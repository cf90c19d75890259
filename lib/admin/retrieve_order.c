/* What is asked for when a remote account is set up or changed: fields are checked, and
 * secrets sealed and wiped. */
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/admin/retrieve_private.h"

struct retrieve_order *
retrieve_order_of(struct admin_call *call)
{
	return call->state;
}

int
admin_retrieve_check(const struct directory_field *field, struct err *err)
{
	struct retrieve_account a;
	struct arena arena;
	char *colon;
	int result;

	arena_init(&arena);
	retrieve_account_init(&a, "");
	result = retrieve_account_set(&a, field->name, field->value, &arena, err);
	arena_fini(&arena);
	colon = result != 0 ? strchr(err->text, ':') : NULL;
	if (colon != NULL) {
		colon += 1 + strspn(colon + 1, " ");
		memmove(err->text, colon, strlen(colon) + 1);
	}
	return result;
}

int
retrieve_order_set_fields(struct retrieve_account *a, const struct retrieve_order *o, struct arena *arena,
			  struct err *err)
{
	for (unsigned i = 0; i < o->count; i++)
		if (retrieve_account_set(a, o->fields[i].name, o->fields[i].value, arena, err) != 0) {
			err->code = ERR_INVALID;
			return -1;
		}
	return retrieve_account_check(a, arena, err);
}

int
retrieve_order_seal(const struct admin *admin, struct retrieve_account *a, const struct retrieve_order *o,
		    struct arena *arena, struct err *err)
{
	if (o->secret.len != 0 && retrieve_seal(admin->seals, a, RETRIEVE_SECRET, o->secret, arena, err) == NULL)
		return -1;
	if (o->client_secret.len != 0 &&
	    retrieve_seal(admin->seals, a, RETRIEVE_CLIENT_SECRET, o->client_secret, arena, err) == NULL)
		return -1;
	return 0;
}

struct retrieve_order *
retrieve_order_new(struct admin_call *call, const struct admin_retrieve *wanted)
{
	struct arena *arena = &call->op.arena;
	struct retrieve_order *o = arena_new(arena, struct retrieve_order);
	struct directory_field *fields = arena_array(arena, struct directory_field, wanted->count + 1);
	struct str address;

	call->state = o;
	if (!retrieve_take_address(call, wanted->address, &address))
		return NULL;
	for (unsigned i = 0; i < wanted->count; i++)
		fields[i] = (struct directory_field){arena_str(arena, wanted->fields[i].name),
						     arena_str(arena, wanted->fields[i].value)};
	o->fields = fields;
	o->count = wanted->count;
	o->by_user = wanted->by_user;
	o->secret = arena_str(arena, wanted->secret);
	o->client_secret = arena_str(arena, wanted->client_secret);
	retrieve_account_init(&o->account, address.p);
	return o;
}

/* A change that is under way and seals later refuses what is left of them. */
static void
order_wipe(struct retrieve_order *o)
{
	OPENSSL_cleanse((void *)(uintptr_t)o->secret.p, o->secret.len);
	OPENSSL_cleanse((void *)(uintptr_t)o->client_secret.p, o->client_secret.len);
}

void
retrieve_order_refuse(struct admin_call *call, enum err_code code, const char *format, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	order_wipe(retrieve_order_of(call));
	admin_call_refuse(call, code, "%s", text);
}

void
retrieve_order_end(struct admin_call *call, const struct err *err)
{
	struct retrieve_order *o = retrieve_order_of(call);

	if (o->timer != NULL)
		event_free(o->timer);
	o->timer = NULL;
	arena_wipe(&call->op.arena);
	admin_call_end(call, err);
}

/* Nobody waits for the trial any more: it must not stay. */
void
retrieve_order_on_cancel(struct admin_call *call)
{
	struct retrieve_order *o = retrieve_order_of(call);

	if (o->timer != NULL)
		event_free(o->timer);
	o->timer = NULL;
	order_wipe(o);
	if (o->stored && o->tried)
		retrieve_delete(call->admin->redis, str_c(o->account.address), str_c(o->account.id), NULL, NULL);
}
