/* A borrowed piece of text: pointer and length, not terminated, may contain
 * NULs. Passed by value; the owner of the bytes must outlive it. */
#ifndef SP_BASE_STR_H
#define SP_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p; /* borrowed; NULL only when len is 0 */
	size_t len;    /* bytes */
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_NONE     ((struct str){NULL, 0})
/* For printf's "%.*s". */
#define STR_ARG(s) (int)(s).len, (s).p != NULL ? (s).p : ""

static inline struct str
str_of(const char *p, size_t len)
{
	return (struct str){p, len};
}

/* From a terminated string; NULL becomes the empty string. */
static inline struct str
str_c(const char *s)
{
	return (struct str){s, s != NULL ? strlen(s) : 0};
}

bool str_eq(struct str a, struct str b);
bool str_eq_ci(struct str a, struct str b); /* ASCII case folded */
int str_cmp(struct str a, struct str b);    /* like memcmp, shorter strings first */
bool str_starts(struct str s, struct str prefix);
bool str_starts_ci(struct str s, struct str prefix);
bool str_ends_ci(struct str s, struct str suffix);
/* Without spaces, tabs, CR and LF at both ends. */
struct str str_trim(struct str s);
/* From byte `from` to the end; empty if from is past the end. */
struct str str_from(struct str s, size_t from);
struct str str_first(struct str s, size_t count);
/* Index of the byte, or -1. */
ptrdiff_t str_index(struct str s, char c);
ptrdiff_t str_rindex(struct str s, char c);
/* Cuts at the first `c`: *head_out is the text before it, *tail_out the text
 * after it. Returns false, with head = s and an empty tail, if there is none. */
bool str_cut(struct str s, char c, struct str *head_out, struct str *tail_out);
/* Removes the next word from *rest. Words are separated by any of the bytes in
 * `separators`. False at the end. */
bool str_next_word(struct str *rest, const char *separators, struct str *word_out);
/* Converts the whole of s as a decimal number; false if it is anything else or
 * does not fit. */
bool str_to_u64(struct str s, uint64_t *value_out);
bool str_to_i64(struct str s, int64_t *value_out);
/* On the heap, terminated; the caller frees with mem_free(). */
char *str_dup(struct str s);
/* Copies with a terminator, truncated to the size; returns false if truncated. */
bool str_copy(struct str s, char *dst, size_t size);
/* Lower-cases ASCII letters in place. */
void str_lower(char *p, size_t len);
/* True if s has only bytes 0x21-0x7e and spaces. */
bool str_is_printable_ascii(struct str s);
bool str_has_eight_bit(struct str s); /* a byte that is not ASCII */
/* True if s is well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool str_is_utf8(struct str s);
/* Length in bytes of the first character of s; 0: malformed, or s is empty. */
size_t str_utf8_sequence(struct str s);
/* At most the first len bytes, without the part of a character that the cut leaves. */
struct str str_first_utf8(struct str s, size_t len);
/* The edit distance of two names (Levenshtein), for "did you mean"; names of
 * more than 64 bytes count as far apart. */
unsigned str_distance(struct str a, struct str b);

#endif
