/* Lists and records, for people or, with --json, for scripts. */
#ifndef SP_CTL_OUTPUT_H
#define SP_CTL_OUTPUT_H

#include <cjson/cJSON.h>

#include "ctl/ctl.h"
#include "lib/base/str.h"

/* Prints and frees. */
void output_json(cJSON *json);
/* Names, one per line, or a JSON array. */
void output_names(const struct ctl *ctl, const struct str *names, unsigned count);
/* One record: "name: value" lines, or the JSON object. Frees it. Nested values are printed as JSON on their line. */
void output_record(const struct ctl *ctl, cJSON *object);
void output_add_str(cJSON *object, const char *name, struct str value);

/* A member of a record that is printed. Text: "" if there is none, or it is no text;
 * borrowed from o. Number: then 0. o may be NULL. */
const char *output_text(const cJSON *o, const char *name);
double output_number(const cJSON *o, const char *name);

/* FIELD=VALUE arguments, split in place; false if one has no '='. */
struct directory_field;
bool output_cut_field(const char *arg, struct str *name_out, struct str *value_out);

#endif
