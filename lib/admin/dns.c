#include "lib/admin/dns.h"

#include "lib/admin/dns_private.h"
#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "lib/directory/directory.h"

enum { DNS_STRING_MAX = 255 };

struct dns_call {
	struct dns_records records;
	bool checked;
	bool has_key;
	unsigned due; /* answers of DNS */
};

/* ---- The result ---- */
/* "name. IN TXT "..."": texts in strings of at most 255 bytes. */
static void
dns_add_zone_line(cJSON *o, const struct dns_record *r)
{
	struct buf line = BUF_EMPTY;
	const char *type = dns_record_type(r);

	buf_printf(&line, "%.*s. IN %s ", STR_ARG(r->name), type);
	if (str_eq(str_c(type), STR("TXT")))
		for (struct str rest = r->value; rest.len != 0; rest = str_from(rest, DNS_STRING_MAX))
			buf_printf(&line, "%s\"%.*s\"", rest.p != r->value.p ? " " : "",
				   STR_ARG(str_first(rest, DNS_STRING_MAX)));
	else
		buf_add_str(&line, r->value);
	admin_add_str(o, "zone_line", buf_str(&line));
	buf_fini(&line);
}

static void
dns_add_check(cJSON *o, const struct dns_record *r)
{
	static const char *const states[] = {"unknown", "right", "missing", "wrong"};
	cJSON *found = cJSON_AddArrayToObject(o, "found");

	cJSON_AddStringToObject(o, "state", states[r->state]);
	for (unsigned i = 0; i < r->found_count; i++) {
		char *text = str_dup(r->found[i]);

		cJSON_AddItemToArray(found, cJSON_CreateString(text));
		mem_free(text);
	}
	admin_add_text(o, "problem", r->problem);
}

static cJSON *
dns_record_json(const struct dns_record *r, bool checked)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "kind", dns_record_kind(r));
	admin_add_str(o, "name", r->name);
	cJSON_AddStringToObject(o, "type", dns_record_type(r));
	if (r->value.len != 0) {
		admin_add_str(o, "value", r->value);
		dns_add_zone_line(o, r);
	}
	admin_add_text(o, "note", r->note);
	if (r->optional)
		cJSON_AddBoolToObject(o, "optional", true);
	if (checked)
		dns_add_check(o, r);
	return o;
}

static void
dns_finish(struct admin_call *call)
{
	const struct dns_call *d = call->state;
	cJSON *result = cJSON_CreateObject(), *records, *notes;
	bool good = true;

	admin_add_str(result, "domain", d->records.domain);
	records = cJSON_AddArrayToObject(result, "records");
	for (const struct dns_record *r = d->records.first; r != NULL; r = r->next) {
		cJSON_AddItemToArray(records, dns_record_json(r, d->checked));
		good = good && (r->state == DNS_RIGHT || (r->optional && r->state == DNS_MISSING));
	}
	notes = cJSON_AddArrayToObject(result, "notes");
	if (!d->has_key)
		cJSON_AddItemToArray(
			notes, cJSON_CreateString("the domain has no DKIM key: `stagepost domain dkim` makes one"));
	if (d->checked)
		cJSON_AddBoolToObject(result, "good", good);
	call->result = result;
	admin_call_end(call, NULL);
}

/* ---- The check ---- */
static void
dns_on_all_taken(struct admin_call *call)
{
	const struct dns_call *d = call->state;

	for (struct dns_record *r = d->records.first; r != NULL; r = r->next)
		dns_record_compare(r);
	dns_finish(call);
}

static void
dns_on_record(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct dns_record *r = arg;
	struct admin_call *call = r->call;
	struct dns_call *d = call->state;

	r->query = NULL;
	if (!op_back(&call->op))
		return;
	if (err != NULL)
		r->problem = arena_strdup(&call->op.arena, err->text);
	else
		dns_record_take(r, answer);
	if (--d->due == 0)
		dns_on_all_taken(call);
}

static void
dns_on_cancel(struct admin_call *call)
{
	const struct dns_call *d = call->state;

	for (struct dns_record *r = d->records.first; r != NULL; r = r->next)
		if (r->query != NULL) {
			dns_cancel(&r->query);
			op_back(&call->op);
		}
}

/* All side by side: lib/dns never answers from within. */
static void
dns_check(struct admin_call *call)
{
	struct dns_call *d = call->state;

	for (struct dns_record *r = d->records.first; r != NULL; r = r->next) {
		r->call = call;
		d->due++;
		op_hold(&call->op);
		r->query = dns_record_ask(call->admin->dns, r, dns_on_record, r);
	}
}

/* ---- Before it: the domain and its keys ---- */
static void
dns_on_keys(void *arg, const struct dkim_key *keys, unsigned count, const struct err *err)
{
	struct admin_call *call = arg;
	struct dns_call *d = call->state;

	if (!op_back(&call->op))
		return;
	if (err != NULL) {
		admin_call_end(call, err);
		return;
	}
	d->records.settings = settings_current(call->admin->settings);
	dns_records_make(&d->records);
	d->records.settings = NULL; /* a later snapshot may take its place */
	for (unsigned i = 0; i < count; i++)
		dns_records_add_key(&d->records, &keys[i]);
	d->has_key = count != 0;
	if (d->checked)
		dns_check(call);
	else
		dns_finish(call);
}

static void
dns_on_local(void *arg, bool is, const struct err *err)
{
	struct admin_call *call = arg;
	struct dns_call *d = call->state;
	struct err no_domain;

	if (!op_back(&call->op))
		return;
	if (err == NULL && !is) {
		err_set(&no_domain, ERR_NOT_FOUND, "there is no domain %.*s", STR_ARG(d->records.domain));
		err = &no_domain;
	}
	if (err != NULL) {
		admin_call_end(call, err);
		return;
	}
	op_hold(&call->op);
	dkim_keys_list(call->admin->dkim, d->records.domain, dns_on_keys, call);
}

static void
dns_run(struct op *op)
{
	struct admin_call *call = OP_OWNER(op, struct admin_call, op);
	const struct dns_call *d = call->state;
	bool is;

	op_hold(op);
	if (directory_is_local_domain(call->admin->directory, d->records.domain, &is, dns_on_local, call))
		dns_on_local(call, is, NULL);
}

struct admin_call *
admin_domain_dns(struct admin *a, struct str domain, bool checked, admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);
	struct dns_call *d = arena_new(&call->op.arena, struct dns_call);
	char name[DIRECTORY_DOMAIN_MAX];

	call->state = d;
	call->on_cancel = dns_on_cancel;
	if (!directory_canonical_domain(domain, name)) {
		admin_call_refuse(call, ERR_INVALID, "'%.*s' is not a domain", STR_ARG(domain));
		return call;
	}
	d->checked = checked;
	d->records = (struct dns_records){.arena = &call->op.arena,
					  .domain = arena_str(&call->op.arena, str_c(name)),
					  .hostname = str_c(arena_strdup(&call->op.arena, a->hostname))};
	op_later(&call->op, a->base, dns_run);
	return call;
}
