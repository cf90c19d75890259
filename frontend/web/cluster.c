/* The cluster's status, and its queue: looked at, and given orders. */
#include "frontend/web/private.h"
#include "lib/admin/certificates.h"
#include "lib/admin/history.h"
#include "lib/admin/queue.h"
#include "lib/admin/status.h"

enum { CLUSTER_PAGE = 100, CLUSTER_PAGE_MAX = 1000 };

void
web_status(struct web_request *w)
{
	w->call = admin_status(&w->web->admin, web_on_result, w);
}

static void
cluster_on_certificates(void *arg, cJSON *result, const struct err *err)
{
	cJSON *object = NULL;

	if (err == NULL) {
		object = cJSON_CreateObject();
		cJSON_AddItemToObject(object, "certificates", result);
	}
	web_on_result(arg, object, err);
}

void
web_certificates(struct web_request *w)
{
	w->call = admin_certificate_list(&w->web->admin, cluster_on_certificates, w);
}

void
web_history(struct web_request *w)
{
	w->call = admin_history(&w->web->admin, web_on_result, w);
}

/* ---- The queue ---- */

/* NULL: refused. */
static struct admin_brokers *
cluster_brokers(struct web_request *w)
{
	struct err err;
	struct admin_brokers *b = web_brokers(w->web, &err);

	if (b == NULL)
		web_fail(w, &err);
	return b;
}

static bool
cluster_limit(struct web_request *w, uint64_t *limit_out)
{
	struct str text;

	*limit_out = CLUSTER_PAGE;
	if (!http_parameter(w->r, STR("limit"), &text) ||
	    (str_to_u64(text, limit_out) && *limit_out >= 1 && *limit_out <= CLUSTER_PAGE_MAX))
		return true;
	web_refuse(w, 422, "limit is 1 to %d", CLUSTER_PAGE_MAX);
	return false;
}

/* False: refused. */
static bool
cluster_filter(struct web_request *w, Stagepost__QueueFilter *filter)
{
	struct str value;
	struct err err;

	stagepost__queue_filter__init(filter);
	for (unsigned i = 0; admin_filter_names[i] != NULL; i++)
		if (http_parameter(w->r, str_c(admin_filter_names[i]), &value) && value.len != 0 &&
		    admin_filter_set(filter, admin_filter_names[i], arena_dup(http_arena(w->r), value.p, value.len),
				     &err) != 0) {
			web_fail(w, &err);
			return false;
		}
	return true;
}

void
web_queue_list(struct web_request *w)
{
	struct admin_brokers *b = cluster_brokers(w);
	Stagepost__QueueFilter filter;
	struct str after = STR("");
	uint64_t limit;

	if (b == NULL || !cluster_limit(w, &limit) || !cluster_filter(w, &filter))
		return;
	http_parameter(w->r, STR("after"), &after);
	w->call = admin_queue_list(b, &filter, arena_dup(http_arena(w->r), after.p != NULL ? after.p : "", after.len),
				   limit, web_on_result, w);
}

void
web_queue_summary(struct web_request *w)
{
	struct admin_brokers *b = cluster_brokers(w);
	Stagepost__QueueFilter filter;
	uint64_t limit;

	if (b == NULL || !cluster_limit(w, &limit) || !cluster_filter(w, &filter))
		return;
	w->call = admin_queue_summary(b, &filter, limit, web_on_result, w);
}

void
web_queue_show(struct web_request *w)
{
	struct admin_brokers *b = cluster_brokers(w);

	if (b != NULL)
		w->call = admin_queue_show(b, arena_dup(http_arena(w->r), w->args[0].p, w->args[0].len), web_on_result,
					   w);
}

/* The result of an order to one message: see admin_queue_order(). */
static bool
cluster_is_done(const cJSON *result)
{
	const cJSON *first = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(result, "messages"), 0);

	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(first, "done"));
}

static void
cluster_on_ordered(void *arg, cJSON *result, const struct err *err)
{
	struct web_request *w = arg;

	if (err == NULL && cluster_is_done(result))
		web_audit(w, arena_printf(http_arena(w->r), "queue %.*s", STR_ARG(w->args[1])),
			  arena_dup(http_arena(w->r), w->args[0].p, w->args[0].len), NULL);
	if (web_is_still_there(w, result))
		web_on_result(w, result, err);
}

void
web_queue_order(struct web_request *w)
{
	static const char *const verbs[] = {"retry", "hold", "release", "delete"};
	const char *id = arena_dup(http_arena(w->r), w->args[0].p, w->args[0].len);
	struct admin_brokers *b;

	for (unsigned i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (!str_eq(w->args[1], str_c(verbs[i])))
			continue;
		b = cluster_brokers(w);
		if (b == NULL)
			return;
		http_hold(w->r);
		admin_queue_order(b, verbs[i], &id, 1, cluster_on_ordered, w);
		return;
	}
	web_refuse(w, 404, "the order is one of retry, hold, release and delete");
}
