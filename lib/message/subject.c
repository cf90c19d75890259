/* Base subjects, step by step as in RFC 5256, 2.1. */
#include "lib/message/subject.h"

/* After each leader the search starts again: the time grows with the square of the length. */
enum { SUBJECT_BYTES_MAX = 4000 };

/* (1) Runs of white space become one space. */
static struct str
subject_squeeze(struct str s, struct arena *arena)
{
	char *out = arena_alloc(arena, s.len + 1);
	size_t len = 0;

	for (size_t i = 0; i < s.len; i++) {
		bool space = s.p[i] == ' ' || s.p[i] == '\t' || s.p[i] == '\r' || s.p[i] == '\n';
		if (space && (len == 0 || out[len - 1] == ' '))
			continue;
		out[len++] = space ? ' ' : s.p[i];
	}
	return str_trim(str_of(out, len));
}

/* Length of a "[blob]" with the space after it; 0: none. */
static size_t
subject_blob_length(struct str s)
{
	size_t i = 1;

	if (s.len == 0 || s.p[0] != '[')
		return 0;
	while (i < s.len && s.p[i] != '[' && s.p[i] != ']')
		i++;
	if (i == s.len || s.p[i] != ']')
		return 0;
	for (i++; i < s.len && s.p[i] == ' ';)
		i++;
	return i;
}

/* Length of "Re:", "Fw[blob]:" and so on, including blobs before it; 0: none. */
static size_t
subject_refwd_length(struct str s)
{
	static const struct str words[] = {STR("Fwd"), STR("Re"), STR("Fw")};
	struct str rest = s;
	size_t blob;

	while ((blob = subject_blob_length(rest)) != 0)
		rest = str_from(rest, blob);
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct str after;
		if (!str_starts_ci(rest, words[i]))
			continue;
		after = str_from(rest, words[i].len);
		while (after.len != 0 && after.p[0] == ' ')
			after = str_from(after, 1);
		after = str_from(after, subject_blob_length(after));
		if (after.len == 0 || after.p[0] != ':')
			continue;
		after = str_from(after, 1);
		while (after.len != 0 && after.p[0] == ' ')
			after = str_from(after, 1);
		return s.len - after.len;
	}
	return 0;
}

/* (3) to (5): leaders are removed as long as there are any. */
static struct str
subject_without_leaders(struct str s, bool *is_reply)
{
	for (;;) {
		size_t len = subject_refwd_length(s);
		if (len != 0) {
			*is_reply = true;
		} else {
			len = subject_blob_length(s);
			if (len == s.len)
				return s; /* a blob alone is a subject */
		}
		if (len == 0)
			return s;
		s = str_from(s, len);
	}
}

/* (2) "(fwd)" at the end. */
static struct str
subject_without_trailers(struct str s, bool *is_reply)
{
	for (;;) {
		s = str_trim(s);
		if (!str_ends_ci(s, STR("(fwd)")))
			return s;
		s = str_first(s, s.len - 5);
		*is_reply = true;
	}
}

struct str
message_base_subject(struct str subject, struct arena *arena, bool *is_reply_out)
{
	bool is_reply = false;
	struct str s = subject_squeeze(str_first(subject, SUBJECT_BYTES_MAX), arena);

	for (;;) {
		s = subject_without_leaders(subject_without_trailers(s, &is_reply), &is_reply);
		/* (6) "[fwd: ...]" */
		if (!str_starts_ci(s, STR("[fwd:")) || s.p[s.len - 1] != ']')
			break;
		s = str_trim(str_of(s.p + 5, s.len - 6));
		is_reply = true;
	}
	if (is_reply_out != NULL)
		*is_reply_out = is_reply;
	return s;
}
