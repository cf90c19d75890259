/* Lists and records, for people or for scripts. */
#include "ctl/output.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/mem.h"

void
output_json(cJSON *json)
{
	char *text = cJSON_Print(json);

	printf("%s\n", text);
	free(text);
	cJSON_Delete(json);
}

void
output_add_str(cJSON *object, const char *name, struct str value)
{
	char *text = str_dup(value);

	cJSON_AddStringToObject(object, name, text);
	mem_free(text);
}

const char *
output_text(const cJSON *o, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(o, name));

	return text != NULL ? text : "";
}

double
output_number(const cJSON *o, const char *name)
{
	const cJSON *n = cJSON_GetObjectItem(o, name);

	return cJSON_IsNumber(n) ? n->valuedouble : 0;
}

void
output_names(const struct ctl *ctl, const struct str *names, unsigned count)
{
	cJSON *list = ctl->json ? cJSON_CreateArray() : NULL;

	for (unsigned i = 0; i < count; i++) {
		char *name = str_dup(names[i]);
		if (list != NULL)
			cJSON_AddItemToArray(list, cJSON_CreateString(name));
		else
			printf("%s\n", name);
		mem_free(name);
	}
	if (list != NULL)
		output_json(list);
}

void
output_record(const struct ctl *ctl, cJSON *object)
{
	const cJSON *item;

	if (ctl->json) {
		output_json(object);
		return;
	}
	cJSON_ArrayForEach (item, object) {
		char *text;
		if (cJSON_IsString(item)) {
			printf("%s: %s\n", item->string, item->valuestring);
			continue;
		}
		text = cJSON_PrintUnformatted(item);
		printf("%s: %s\n", item->string, text);
		free(text);
	}
	cJSON_Delete(object);
}

bool
output_cut_field(const char *arg, struct str *name_out, struct str *value_out)
{
	return str_cut(str_c(arg), '=', name_out, value_out) && name_out->len != 0;
}
