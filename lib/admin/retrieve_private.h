/* Private to lib/admin/retrieve*.c. */
#ifndef SP_ADMIN_RETRIEVE_PRIVATE_H
#define SP_ADMIN_RETRIEVE_PRIVATE_H

#include "lib/admin/private.h"
#include "lib/admin/retrieve.h"
#include "lib/retrieve/store.h"

struct retrieve_order {
	struct retrieve_account account;
	struct str id; /* of the account that is changed */
	const struct directory_field *fields;
	unsigned count;
	struct str secret, client_secret; /* wiped with the order */
	bool by_user;
	/* Of a trial: */
	bool tried;
	bool stored; /* there is something to remove again */
	admin_retrieve_on_step *on_step;
	const char *step; /* told last */
	int64_t begun_ms;
	int64_t trial_ms;    /* how long it may take */
	struct event *timer; /* owner */
};

struct retrieve_order *retrieve_order_of(struct admin_call *call);
/* call->state from now on. NULL: refused. */
struct retrieve_order *retrieve_order_new(struct admin_call *call, const struct admin_retrieve *wanted);
/* The fields, and the account as a whole. -1: err, ERR_INVALID. */
int retrieve_order_set_fields(struct retrieve_account *a, const struct retrieve_order *o, struct arena *arena,
			      struct err *err);
/* The secrets that are given. -1: err. */
int retrieve_order_seal(const struct admin *admin, struct retrieve_account *a, const struct retrieve_order *o,
			struct arena *arena, struct err *err);
/* The end. The arena is wiped. */
void retrieve_order_end(struct admin_call *call, const struct err *err);
/* The same, later, before anything was begun; the secrets are wiped. */
__attribute__((format(printf, 3, 4))) void retrieve_order_refuse(struct admin_call *call, enum err_code code,
								 const char *format, ...);
/* For call->on_cancel: a trial must not stay. */
void retrieve_order_on_cancel(struct admin_call *call);

cJSON *retrieve_tell(const struct retrieve_entry *entry);
/* Canonical, in the call's arena. False: the call is refused. */
bool retrieve_take_address(struct admin_call *call, struct str address, struct str *out);

#endif
