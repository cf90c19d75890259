/* postmaster and abuse: addresses that every domain here has, from its creation
 * on (RFC 5321, 4.5.1; RFC 2142).
 *
 * If no account or alias has the name, the mail goes to whoever is responsible
 * for the domain: its admins, its catch-all, the setting mailbox.postmaster.
 * Only recipients that accept mail count, so that a disabled admin, or a
 * setting with an unknown address, does not cause a refusal: in that case the
 * mail is kept. */
#include "lib/directory/private.h"

#include <stdio.h>

bool
role_is_one(struct str address)
{
	return str_starts(address, STR("postmaster@")) || str_starts(address, STR("abuse@"));
}

static void
role_add(struct request *req, struct str address)
{
	struct directory *d = req->d;
	unsigned count = req->result.target_count;

	if (count == ROLE_TARGETS_MAX)
		return;
	str_copy(address, d->role_text[count], sizeof(d->role_text[count]));
	d->role_targets[count] = str_c(d->role_text[count]);
	req->result.targets = d->role_targets;
	req->result.target_count = count + 1;
}

/* Counts the enabled accounts among the domain's admins. Like the others here,
 * complete only if nothing is outstanding. */
static unsigned
role_count_admins(struct request *req, const struct record *domain, bool add)
{
	struct str admins = str_c(domain->domain.admins), admin;
	unsigned found = 0;

	for (unsigned i = 0; i < ROLE_TARGETS_MAX && str_next_word(&admins, " ", &admin); i++) {
		if (admin.len >= DIRECTORY_ADDRESS_MAX)
			continue;
		const struct record *user = request_lookup(req, RECORD_USER, admin);
		if (user == NULL || !user->exists || !user->user.enabled)
			continue;
		found++;
		if (add)
			role_add(req, admin);
	}
	return found;
}

/* Is there an account or an alias of this name? */
static bool
role_has_mailbox(struct request *req, struct str address)
{
	const struct record *user = request_lookup(req, RECORD_USER, address);
	const struct record *alias = request_lookup(req, RECORD_ALIAS, address);

	if (user == NULL || alias == NULL)
		return false;
	return user->exists ? user->user.enabled : alias->exists;
}

/* Does mail for this canonical address arrive anywhere? Remote addresses are
 * assumed to. */
static bool
role_takes_mail(struct request *req, struct str address)
{
	const struct record *domain = request_lookup(req, RECORD_DOMAIN, directory_domain_of(address));
	char base[DIRECTORY_ADDRESS_MAX], detail[DIRECTORY_DETAIL_MAX];

	if (domain == NULL || str_index(address, '{') >= 0 || str_index(address, '}') >= 0)
		return false;
	if (!domain->exists)
		return true;
	if (domain->domain.disabled)
		return false;
	bool takes = role_has_mailbox(req, address);
	if (settings_mailbox(directory_settings(req->d), directory_domain_of(address))->plus_addressing &&
	    names_split_detail(address, base, detail))
		takes |= role_has_mailbox(req, str_c(base));
	if (role_is_one(address))
		takes |= role_count_admins(req, domain, false) > 0;
	return takes;
}

/* The setting, canonical; false: there is none. */
static bool
role_setting(struct request *req, char out[DIRECTORY_ADDRESS_MAX])
{
	return directory_canonical_address(str_c(settings_mailbox(directory_settings(req->d), STR_NONE)->postmaster),
					   out);
}

/* Requests everything that may be needed at once. */
bool
role_step(struct request *req, const struct record *domain, struct str address)
{
	char setting[DIRECTORY_ADDRESS_MAX];
	struct str catch_all = str_c(domain->domain.catch_all);
	bool has_setting = role_setting(req, setting);

	req->result.target_count = 0;
	unsigned admins = role_count_admins(req, domain, true);
	bool is_caught = catch_all.len > 0 && !str_eq(catch_all, address) && role_takes_mail(req, catch_all);
	bool is_set = has_setting && !str_eq(str_c(setting), address) && role_takes_mail(req, str_c(setting));
	if (req->outstanding > 0)
		return false;
	if (admins > 0)
		return resolve_is_done(req, DIR_ALIAS);
	if (is_caught) {
		role_add(req, catch_all);
		return resolve_is_done(req, DIR_CATCH_ALL);
	}
	if (is_set) {
		role_add(req, str_c(setting));
		return resolve_is_done(req, DIR_ALIAS);
	}
	return resolve_is_done(req, DIR_UNCLAIMED);
}

/* ---- Without a domain ---- */
static bool
role_go_on_at(struct request *req, struct str domain)
{
	snprintf(req->name, sizeof(req->name), "postmaster@%.*s", STR_ARG(domain));
	str_copy(str_c(req->name), req->result.address, sizeof(req->result.address));
	req->step = resolve_step;
	return resolve_step(req);
}

static bool
role_is_open(const struct record *domain)
{
	return domain->exists && !domain->domain.disabled;
}

/* First finds the domain of this postmaster. The hostname and its parents are
 * requested together; then it continues as for an address. */
bool
role_step_without_domain(struct request *req)
{
	enum { LEVELS_MAX = 8 };
	struct str names[LEVELS_MAX], rest = str_c(req->d->hostname), head;
	const struct record *records[LEVELS_MAX];
	char setting[DIRECTORY_ADDRESS_MAX];
	unsigned levels = 0;

	for (; rest.len > 0 && levels < LEVELS_MAX; levels++) {
		names[levels] = rest;
		records[levels] = request_lookup(req, RECORD_DOMAIN, rest);
		str_cut(rest, '.', &head, &rest);
	}
	const struct record *first = request_lookup(req, RECORD_FIRST_DOMAIN, STR_NONE);
	bool is_set = role_setting(req, setting) && role_takes_mail(req, str_c(setting));
	if (req->outstanding > 0)
		return false;
	for (unsigned i = 0; i < levels; i++)
		if (role_is_open(records[i]))
			return role_go_on_at(req, names[i]);
	if (is_set) {
		req->result.target_count = 0;
		role_add(req, str_c(setting));
		return resolve_is_done(req, DIR_ALIAS);
	}
	if (first->exists && strlen(first->first_domain) < DIRECTORY_DOMAIN_MAX)
		return role_go_on_at(req, str_c(first->first_domain));
	return resolve_is_done(req, DIR_UNCLAIMED);
}
