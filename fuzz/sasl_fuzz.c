/* SASL exchanges: the first byte chooses the mechanism and what the protocol
 * supports, then come the client's messages, one per line. The one account is
 * "a" with the password "pencil"; its store answers at once, and the server's
 * nonce is always the same, so that a seed can hold a whole SCRAM exchange. */
#include <openssl/rand.h>
#include <string.h>

#include "lib/auth/private.h"

/* The functions of other modules that the mechanisms use. */
static bool fuzz_get_user(struct directory *d, struct str address, struct directory_user *user_out, bool *found_out,
			  directory_on_user *cb, void *arg);
static struct auth_request *fuzz_check_password(struct auth *a, struct str address, struct str password,
						const struct ip *peer, auth_on_result *cb, void *arg);
static struct throttle *fuzz_wait(struct auth *a, const char *account, const struct ip *peer,
				  void (*go)(void *arg, const struct err *err), void *arg);
static void fuzz_account_name(struct str given, char out[AUTH_ADDRESS_MAX]);
#define directory_get_user	       fuzz_get_user
#define directory_cancel(d, arg)       ((void)(d), (void)(arg))
#define auth_check_password	       fuzz_check_password
#define auth_account_name	       fuzz_account_name
#define auth_takes_main_password(a, u) ((void)(a), (void)(u), true)
#define throttle_wait		       fuzz_wait
#define throttle_failed(a, name, peer) ((void)(a), (void)(name), (void)(peer))
#define throttle_succeeded(a, name)    ((void)(a), (void)(name))
#define RAND_bytes(out, len)	       (memset((out), 0, (size_t)(len)), 1)
#include "lib/auth/sasl.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of "pencil", the salt and count of RFC 7677's example. */
static const char verifier[] =
	"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
	"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

struct seen {
	bool challenged, done;
};

static void
fuzz_account_name(struct str given, char out[AUTH_ADDRESS_MAX])
{
	str_copy(given, out, AUTH_ADDRESS_MAX);
}

static bool
fuzz_get_user(struct directory *d, struct str address, struct directory_user *user_out, bool *found_out,
	      directory_on_user *cb, void *arg)
{
	(void)d, (void)cb, (void)arg;
	*user_out = (struct directory_user){.address = "a", .enabled = true, .scram_sha256 = verifier, .totp = ""};
	*found_out = str_eq(address, STR("a"));
	return true;
}

static struct auth_request *
fuzz_check_password(struct auth *a, struct str address, struct str password, const struct ip *peer, auth_on_result *cb,
		    void *arg)
{
	const struct auth_identity identity = {.address = "a"};
	bool right = str_eq(address, STR("a")) && str_eq(password, STR("pencil"));

	(void)a, (void)peer;
	cb(arg, right ? AUTH_OK : AUTH_FAILED, right ? &identity : NULL);
	return NULL;
}

static struct throttle *
fuzz_wait(struct auth *a, const char *account, const struct ip *peer, void (*go)(void *arg, const struct err *err),
	  void *arg)
{
	(void)a, (void)account, (void)peer;
	go(arg, NULL);
	return NULL;
}

static void
on_challenge(void *arg, struct str challenge)
{
	struct seen *seen = arg;

	CHECK(!seen->done && str_is_printable_ascii(challenge));
	seen->challenged = true;
}

static void
on_done(void *arg, enum auth_result result, const struct auth_identity *identity, struct str final_data)
{
	struct seen *seen = arg;

	CHECK(!seen->done && (identity != NULL) == (result == AUTH_OK));
	CHECK(result == AUTH_OK || final_data.len == 0);
	CHECK(identity == NULL || strcmp(identity->address, "a") == 0);
	seen->done = true;
}

static void
run(struct auth *a, unsigned how, struct str messages)
{
	static const struct sasl_events events = {on_challenge, on_done};
	static const unsigned char exporter[EXPORTER_BYTES] = "0123456789abcdef0123456789abcde";
	const struct ip peer = {.family = 4};
	const struct sasl_options options = {
		.peer = &peer, .success_data = (how & 16) != 0, .exporter = (how & 8) != 0 ? exporter : NULL};
	struct seen seen = {false, false};
	struct str message;
	struct sasl *s;
	bool more = str_cut(messages, '\n', &message, &messages);

	s = sasl_start(a, str_c(mechanisms[how & 3].name), (how & 4) != 0 ? &message : NULL, &options, &events, &seen);
	if (s == NULL)
		return;
	if ((how & 4) == 0)
		sasl_respond(s, message);
	while (more) {
		CHECK(seen.done || seen.challenged);
		seen.challenged = false;
		more = str_cut(messages, '\n', &message, &messages);
		sasl_respond(s, message);
	}
	sasl_free(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = str_of((const char *)data, size), decoded;
	struct scram_verifier v;
	struct auth a = {0};
	struct arena arena;
	bool aborted;

	arena_init(&arena);
	(void)sasl_decode(&arena, input, &decoded, &aborted);
	arena_fini(&arena);
	if (scram_verifier_parse(input, &v)) {
		char text[AUTH_VERIFIER_MAX];
		scram_verifier_text(&v, text);
		CHECK(scram_verifier_parse(str_c(text), &v));
	}
	if (size != 0)
		run(&a, data[0], str_from(input, 1));
	return 0;
}
