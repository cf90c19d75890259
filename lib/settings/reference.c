/* docs/settings.md, made from the table. */
#include "lib/settings/private.h"

static const char *const type_names[] = {
	[SETTING_BOOL] = "boolean", [SETTING_INT] = "number",	   [SETTING_DURATION] = "duration",
	[SETTING_SIZE] = "size",    [SETTING_TEXT] = "text",	   [SETTING_ENUM] = "word",
	[SETTING_LIST] = "list",    [SETTING_CIDRS] = "addresses",
};

const char *
settings_type_name(enum settings_type type)
{
	return type_names[type];
}

/* A '|' would end the cell. */
static void
add_cell(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '|')
			buf_add_byte(out, '\\');
		buf_add_byte(out, *text);
	}
	buf_add_c(out, " | ");
}

static void
add_default(struct buf *out, const struct settings_row *row)
{
	if (*row->default_text == '\0') {
		buf_add_c(out, "empty | ");
		return;
	}
	buf_printf(out, "`%s", row->default_text);
	/* A duration without a unit would be ambiguous. */
	if (row->type == SETTING_DURATION && strcmp(row->default_text, "0") != 0)
		buf_add_c(out, row->unit);
	buf_add_c(out, "` | ");
}

static void
add_row(struct buf *out, const struct settings_row *row)
{
	char allowed[200];
	settings_describe_allowed(row, allowed, sizeof(allowed));
	buf_printf(out, "| `%s` | %s | ", row->field, type_names[row->type]);
	add_default(out, row);
	add_cell(out, allowed);
	add_cell(out, row->scope == SCOPE_DOMAIN ? "domain" : "global");
	if (row->planned)
		buf_add_c(out, "*Planned: not used yet.* ");
	add_cell(out, row->help);
	out->data[--out->len] = '\0';
	buf_add_byte(out, '\n');
}

static void
add_group(struct buf *out, const struct settings_group *group)
{
	unsigned count;
	const struct settings_row *rows = settings_group_rows(group, &count);
	buf_printf(out, "\n## settings:%s\n\n%s.\n\n", group->name, group->help);
	buf_add_c(out, "| field | type | default | allowed | scope | meaning |\n");
	buf_add_c(out, "|---|---|---|---|---|---|\n");
	for (unsigned i = 0; i < count; i++)
		add_row(out, &rows[i]);
}

static const char introduction[] =
	"# Settings\n"
	"\n"
	"This page is generated from the table in `lib/settings/table.h`; a test fails when it is stale.\n"
	"\n"
	"Each group is a hash in Redis, `settings:<group>`. Every running process applies a change within one\n"
	"second, without a restart. An absent field has its default:\n"
	"\n"
	"    redis-cli HSET settings:pop banner \"+OK #HostName# ready\" max_connections 2000\n"
	"    redis-cli HDEL settings:pop banner\n"
	"    redis-cli HSET settings:smtp-out:example.com outbound_ipv4 192.0.2.7\n"
	"\n"
	"The last line overrides a field for one domain. Only fields with the scope \"domain\" allow that.\n"
	"`stagepost settings` does the same and checks the value first.\n"
	"\n"
	"- *Durations* are whole numbers with a unit: `500ms`, `90s`, `15m`, `2h`, `7d`, `2w`. A bare number is\n"
	"  in the unit shown under \"allowed\".\n"
	"- *Sizes* accept `K`, `M`, `G`, `T` (powers of 1024); a bare number is in bytes.\n"
	"- *Booleans* are `on`/`off`, `true`/`false`, `yes`/`no` or `1`/`0`; words are case-insensitive.\n"
	"- *Lists* are separated by spaces or commas.\n"
	"- An invalid value changes nothing: the last good one stays in force. Each process logs one line, and\n"
	"  the hash `settings:errors` has a field `<group>.<field>` or `<group>:<domain>.<field>` with the reason\n"
	"  until the value is corrected. An unknown field or group is reported in the same way, with the\n"
	"  nearest name.\n"
	"- A changed limit never ends a session that is already open.\n";

void
settings_reference(struct buf *out)
{
	buf_add_c(out, introduction);
	for (unsigned i = 0; i < GROUP_COUNT; i++)
		add_group(out, &settings_groups[i]);
}
