/* DNS answers: any bytes that a name server may send. */
#include "lib/base/check.h"
#include "lib/dns/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum dns_type types[] = {DNS_A, DNS_AAAA, DNS_MX, DNS_TXT, DNS_SRV, DNS_PTR, DNS_TLSA};

	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct dns_answer answer;
		struct arena arena;

		arena_init(&arena);
		if (dns_message_read(str_of((const char *)data, size), types[i], DNS_ANY_NAMES, &arena, &answer,
				     NULL) == 0) {
			CHECK(answer.mx_count <= DNS_RECORDS_MAX && answer.ip_count <= DNS_RECORDS_MAX);
			for (unsigned m = 0; m < answer.mx_count; m++)
				CHECK(answer.mx[m].host.len <= DNS_NAME_MAX);
			for (unsigned t = 0; t < answer.tlsa_count; t++)
				CHECK(answer.tlsa[t].data.len <= size);
			for (unsigned s = 0; s < answer.srv_count; s++)
				CHECK(answer.srv[s].host.len <= DNS_NAME_MAX);
		}
		arena_fini(&arena);
	}
	return 0;
}
