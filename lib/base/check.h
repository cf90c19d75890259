/* Invariants that are always on, in production too.
 *
 * A failed CHECK is a bug of ours, never bad input and never a failing
 * disk or network: the process prints the state and stops, and its
 * supervisor starts it again. */
#ifndef SP_BASE_CHECK_H
#define SP_BASE_CHECK_H

__attribute__((noreturn, format(printf, 4, 5))) void check_failed(const char *file, int line, const char *condition,
								  const char *format, ...);

#define CHECK(condition) \
	do { \
		if (__builtin_expect(!(condition), 0)) \
			check_failed(__FILE__, __LINE__, #condition, "%s", ""); \
	} while (0)

/* The same, with state to print, as for printf. */
#define CHECKF(condition, ...) \
	do { \
		if (__builtin_expect(!(condition), 0)) \
			check_failed(__FILE__, __LINE__, #condition, __VA_ARGS__); \
	} while (0)

#endif
