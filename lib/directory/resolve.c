/* Whom an address belongs to: the rules, applied to records.
 *
 * 1. the domain must be local and not disabled 2. a user, then an alias, of
 * exactly this address 3. with plus addressing: a user, then an alias, of the
 * part before '+' 4. postmaster and abuse, also where their account is
 * disabled: role.c 5. the domain's catch-all */
#include "lib/directory/private.h"

/* Builds the answer; always true, as a step that is done. */
bool
resolve_is_done(struct request *req, enum directory_kind kind)
{
	req->result.kind = kind;
	return true;
}

static void
set_targets(struct request *req, const struct str *targets, unsigned count)
{
	req->result.targets = targets;
	req->result.target_count = count;
}

static bool
answer_single(struct request *req, enum directory_kind kind, struct str target)
{
	req->d->single_target = target;
	set_targets(req, &req->d->single_target, 1);
	return resolve_is_done(req, kind);
}

static uint64_t
resolve_quota(const struct directory *d, const struct record *user, struct str domain)
{
	if (user->user.has_quota)
		return user->user.quota_bytes;
	return (uint64_t)settings_mailbox(directory_settings(d), domain)->default_quota;
}

static bool
answer_user(struct request *req, const struct record *user, struct str address)
{
	str_copy(address, req->result.address, sizeof(req->result.address));
	if (!user->user.enabled)
		return resolve_is_done(req, DIR_DISABLED);
	req->result.quota_bytes = resolve_quota(req->d, user, directory_domain_of(address));
	return resolve_is_done(req, DIR_USER);
}

static bool
answer_alias(struct request *req, const struct record *alias, struct str address)
{
	str_copy(address, req->result.address, sizeof(req->result.address));
	set_targets(req, alias->alias.targets, alias->alias.count);
	return resolve_is_done(req, DIR_ALIAS);
}

/* Step 5, if no such address was found. */
static bool
fall_back(struct request *req, const struct record *domain, struct str address)
{
	struct str catch_all = str_c(domain->domain.catch_all);
	if (catch_all.len > 0 && !str_eq(catch_all, address))
		return answer_single(req, DIR_CATCH_ALL, catch_all);
	return resolve_is_done(req, DIR_UNKNOWN);
}

static bool
resolve_local(struct request *req, const struct record *domain, struct str address)
{
	const struct record *user, *alias, *base_user = NULL, *base_alias = NULL;
	struct str base = str_c(req->base);

	/* A brace would end the hash tag; no user or alias is made with one. */
	if (str_index(address, '{') >= 0 || str_index(address, '}') >= 0)
		return fall_back(req, domain, address);
	bool is_role = role_is_one(address);
	if ((user = request_lookup(req, RECORD_USER, address)) != NULL && user->exists &&
	    (user->user.enabled || !is_role))
		return answer_user(req, user, address);
	alias = request_lookup(req, RECORD_ALIAS, address);
	bool has_base = req->has_base &&
			settings_mailbox(directory_settings(req->d), directory_domain_of(address))->plus_addressing;
	if (has_base) {
		base_user = request_lookup(req, RECORD_USER, base);
		base_alias = request_lookup(req, RECORD_ALIAS, base);
	}
	if (req->outstanding > 0)
		return false;
	if (alias->exists)
		return answer_alias(req, alias, address);
	if (is_role)
		return role_step(req, domain, address);
	if (has_base && (base_user->exists || base_alias->exists)) {
		str_copy(str_c(req->detail), req->result.detail, sizeof(req->result.detail));
		return base_user->exists ? answer_user(req, base_user, base) : answer_alias(req, base_alias, base);
	}
	return fall_back(req, domain, address);
}

bool
resolve_step(struct request *req)
{
	struct str address = str_c(req->name), domain_name = directory_domain_of(address);
	if (domain_name.len == 0 || domain_name.p[0] == '[')
		return resolve_is_done(req, DIR_NOT_LOCAL);
	const struct record *domain = request_lookup(req, RECORD_DOMAIN, domain_name);
	if (domain == NULL)
		return false;
	if (!domain->exists)
		return resolve_is_done(req, DIR_NOT_LOCAL);
	if (domain->domain.disabled) {
		req->result.domain_disabled = true;
		return resolve_is_done(req, DIR_DISABLED);
	}
	return resolve_local(req, domain, address);
}

void
resolve_request_init(struct request *req, struct directory *d, struct str address)
{
	request_init(req, d);
	req->result.domain_disabled = false;
	req->result.detail[0] = '\0';
	req->result.quota_bytes = 0;
	set_targets(req, NULL, 0);
	if (str_eq_ci(address, STR("postmaster")))
		req->step = role_step_without_domain;
	else {
		req->step = resolve_step;
		if (!directory_canonical_address(address, req->name))
			req->name[0] = '\0';
		req->has_base = req->name[0] != '\0' && str_index(address, '+') >= 0 &&
				names_split_detail(address, req->base, req->detail);
	}
	/* The address as asked for, if nothing better was found. */
	str_copy(req->name[0] != '\0' ? str_c(req->name) : address, req->result.address, sizeof(req->result.address));
}

/* ---- Public ---- */
static void
deliver_resolved(struct request *req, const struct err *err)
{
	((directory_on_resolved *)req->cb)(req->arg, err == NULL ? &req->result : NULL, err);
}

bool
directory_resolve(struct directory *d, struct str address, struct directory_result *result_out,
		  directory_on_resolved *cb, void *arg)
{
	struct request req;
	resolve_request_init(&req, d, address);
	req.deliver = deliver_resolved;
	req.cb = (void (*)(void))cb;
	req.arg = arg;
	bool is_done = request_start(&req);
	if (is_done)
		*result_out = req.result;
	request_fini(&req);
	return is_done;
}

static bool
step_is_local(struct request *req)
{
	if (req->name[0] == '\0') {
		req->is = false;
		return true;
	}
	const struct record *domain = request_lookup(req, RECORD_DOMAIN, str_c(req->name));
	if (domain == NULL)
		return false;
	req->is = domain->exists;
	return true;
}

static void
deliver_bool(struct request *req, const struct err *err)
{
	((directory_on_bool *)req->cb)(req->arg, err == NULL && req->is, err);
}

bool
directory_is_local_domain(struct directory *d, struct str domain, bool *is_out, directory_on_bool *cb, void *arg)
{
	struct request req;
	request_init(&req, d);
	if (!directory_canonical_domain(domain, req.name))
		req.name[0] = '\0';
	req.step = step_is_local;
	req.deliver = deliver_bool;
	req.cb = (void (*)(void))cb;
	req.arg = arg;
	bool is_done = request_start(&req);
	if (is_done)
		*is_out = req.is;
	request_fini(&req);
	return is_done;
}

struct directory_user
resolve_user(const struct directory *d, const struct record *user, struct str domain)
{
	return (struct directory_user){
		.enabled = user->user.enabled,
		.is_disabled_itself = !user->user.enabled,
		.created_ms = user->user.created_ms,
		.is_in_book = user->user.is_in_book,
		.person = user->user.person,
		.display_name = user->user.display_name,
		.has_quota = user->user.has_quota,
		.quota_bytes = resolve_quota(d, user, domain),
		.password = user->user.password,
		.password_id = user->user.password_id,
		.scram_sha256 = user->user.scram_sha256,
		.roles = user->user.roles,
		.totp = user->user.totp,
		.totp_recovery = user->user.totp_recovery,
		.totp_changed = user->user.totp_changed,
		.credentials = user->user.credentials,
		.credential_count = user->user.credential_count,
	};
}

static bool
step_get_user(struct request *req)
{
	struct str address = str_c(req->name), domain_name = directory_domain_of(address);
	req->found = false;
	if (domain_name.len == 0 || domain_name.p[0] == '[' || str_index(address, '{') >= 0 ||
	    str_index(address, '}') >= 0)
		return true;
	const struct record *domain = request_lookup(req, RECORD_DOMAIN, domain_name);
	const struct record *user = request_lookup(req, RECORD_USER, address);
	if (req->outstanding > 0)
		return false;
	if (!domain->exists || !user->exists)
		return true;
	req->found = true;
	req->user = resolve_user(req->d, user, domain_name);
	req->user.enabled = user->user.enabled && !domain->domain.disabled;
	return true;
}

static void
deliver_user(struct request *req, const struct err *err)
{
	req->user.address = req->name;
	((directory_on_user *)req->cb)(req->arg, err == NULL && req->found ? &req->user : NULL, err);
}

bool
directory_get_user(struct directory *d, struct str address, struct directory_user *user_out, bool *found_out,
		   directory_on_user *cb, void *arg)
{
	struct request req;
	request_init(&req, d);
	if (!directory_canonical_address(address, req.name))
		req.name[0] = '\0';
	req.step = step_get_user;
	req.deliver = deliver_user;
	req.cb = (void (*)(void))cb;
	req.arg = arg;
	bool is_done = request_start(&req);
	if (is_done && (*found_out = req.found)) {
		*user_out = req.user;
		str_copy(str_c(req.name), d->last_address, sizeof(d->last_address));
		user_out->address = d->last_address;
	}
	request_fini(&req);
	return is_done;
}
