/* Addresses as the directory sees them: a canonical address stays as it is, and
 * can neither break out of a key's hash tag nor contain a line end. */
#include "lib/base/check.h"
#include "lib/directory/directory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_of((const char *)data, size);
	char once[DIRECTORY_ADDRESS_MAX], twice[DIRECTORY_ADDRESS_MAX];
	char domain[DIRECTORY_DOMAIN_MAX], same[DIRECTORY_DOMAIN_MAX];

	if (directory_canonical_domain(text, domain)) {
		CHECK(directory_canonical_domain(str_c(domain), same));
		CHECKF(strcmp(domain, same) == 0, "%s → %s", domain, same);
		CHECK(strpbrk(domain, "{}\r\n@ ") == NULL);
	}
	if (!directory_canonical_address(text, once))
		return 0;
	CHECKF(directory_canonical_address(str_c(once), twice), "%s", once);
	CHECKF(strcmp(once, twice) == 0, "%s → %s", once, twice);
	CHECK(strpbrk(once, "\r\n") == NULL && strchr(once, '@') != NULL);
	CHECK(strpbrk(directory_domain_of(str_c(once)).p, "{}") == NULL || once[strlen(once) - 1] == ']');
	return 0;
}
