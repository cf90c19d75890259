/* What belongs to one backup. */
#include "lib/backup/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/hex.h"
#include "lib/base/mem.h"

#define MANIFEST_FILE "manifest.json"

enum { MANIFEST_FORMAT = 1, MANIFEST_BYTES_MAX = 1024 * 1024, READ_BYTES = 256 * 1024 };

/* ---- Files and their digests ---- */

static int
manifest_digest(const char *path, struct backup_file *file, struct err *err)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *sha = EVP_MD_CTX_new();
	char *buffer = mem_alloc(READ_BYTES);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned len = 0;
	struct stat st;
	ssize_t got = -1;

	CHECK(EVP_DigestInit_ex(sha, EVP_sha256(), NULL) == 1);
	file->bytes = 0;
	if (fd >= 0 && fstat(fd, &st) == 0) {
		file->mode = st.st_mode & 07777;
		while ((got = read(fd, buffer, READ_BYTES)) > 0) {
			CHECK(EVP_DigestUpdate(sha, buffer, (size_t)got) == 1);
			file->bytes += (uint64_t)got;
		}
	}
	if (got < 0)
		err_set_errno(err, errno, "reading %s", path);
	if (fd >= 0)
		close(fd);
	CHECK(EVP_DigestFinal_ex(sha, digest, &len) == 1);
	EVP_MD_CTX_free(sha);
	mem_free(buffer);
	CHECK(2 * len < BACKUP_SHA256_MAX);
	hex_write(digest, len, file->sha256);
	return got < 0 ? -1 : 0;
}

int
backup_manifest_add_file(struct backup_manifest *m, const struct backup_folder *f, const char *name, const char *file,
			 struct err *err)
{
	char path[BACKUP_PATH_MAX];
	struct backup_file *added = &m->files[m->file_count];

	CHECK(m->file_count < BACKUP_FILES_MAX && strlen(file) < BACKUP_FILE_NAME_MAX);
	backup_folder_path(f, name, file, path);
	str_copy(str_c(file), added->name, sizeof(added->name));
	if (manifest_digest(path, added, err) != 0)
		return -1;
	m->file_count++;
	return 0;
}

int
backup_manifest_check_file(const struct backup_file *file, const struct backup_folder *f, const char *name,
			   struct err *err)
{
	char path[BACKUP_PATH_MAX];
	struct backup_file now = {.name = ""};

	backup_folder_path(f, name, file->name, path);
	if (manifest_digest(path, &now, err) != 0)
		return -1;
	if (now.bytes != file->bytes || strcmp(now.sha256, file->sha256) != 0)
		return err_set(err, ERR_CORRUPT, "%.180s is damaged: its digest does not match the manifest", path);
	return 0;
}

bool
backup_manifest_has_faults(const struct backup_manifest *m)
{
	return m->faults.missing != 0 || m->faults.damaged != 0 || m->unreadable != 0;
}

/* ---- JSON ---- */

cJSON *
backup_manifest_json(const struct backup_manifest *m)
{
	cJSON *o = cJSON_CreateObject(), *list;
	char text[BLOB_ID_TEXT > CLOCK_ISO8601_MAX ? BLOB_ID_TEXT : CLOCK_ISO8601_MAX];

	cJSON_AddNumberToObject(o, "format", MANIFEST_FORMAT);
	cJSON_AddStringToObject(o, "version", m->version);
	cJSON_AddNumberToObject(o, "store_version", m->store_version);
	clock_iso8601(m->time_ms, text, sizeof(text));
	cJSON_AddStringToObject(o, "time", text);
	cJSON_AddNumberToObject(o, "time_ms", (double)m->time_ms);
	cJSON_AddStringToObject(o, "hostname", m->hostname);
	cJSON_AddNumberToObject(o, "database", m->database);
	cJSON_AddNumberToObject(o, "keys", (double)m->keys);
	cJSON_AddNumberToObject(o, "bodies", (double)m->bodies);
	cJSON_AddNumberToObject(o, "bytes", (double)m->bytes);
	cJSON_AddNumberToObject(o, "missing", (double)m->faults.missing);
	cJSON_AddNumberToObject(o, "damaged", (double)m->faults.damaged);
	cJSON_AddNumberToObject(o, "unreadable", (double)m->unreadable);
	list = cJSON_AddArrayToObject(o, "faults");
	for (unsigned i = 0; i < m->faults.named; i++) {
		blob_id_text(&m->faults.ids[i], text);
		cJSON_AddItemToArray(list, cJSON_CreateString(text));
	}
	list = cJSON_AddArrayToObject(o, "files");
	for (unsigned i = 0; i < m->file_count; i++) {
		cJSON *file = cJSON_CreateObject();
		snprintf(text, sizeof(text), "%04o", m->files[i].mode);
		cJSON_AddStringToObject(file, "name", m->files[i].name);
		cJSON_AddStringToObject(file, "mode", text);
		cJSON_AddNumberToObject(file, "bytes", (double)m->files[i].bytes);
		cJSON_AddStringToObject(file, "sha256", m->files[i].sha256);
		cJSON_AddItemToArray(list, file);
	}
	return o;
}

int
backup_manifest_write(const struct backup_manifest *m, const struct backup_folder *f, const char *name, struct err *err)
{
	char path[BACKUP_PATH_MAX];
	cJSON *o = backup_manifest_json(m);
	char *text = cJSON_Print(o);
	FILE *file;
	int result = 0;

	backup_folder_path(f, name, MANIFEST_FILE, path);
	file = fopen(path, "wex");
	if (file == NULL || fprintf(file, "%s\n", text) < 0 || fflush(file) != 0 || fsync(fileno(file)) != 0)
		result = err_set_errno(err, errno, "writing %s", path);
	if (file != NULL)
		fclose(file);
	free(text);
	cJSON_Delete(o);
	return result;
}

static void
manifest_text(const cJSON *o, const char *name, char *out, size_t size)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(o, name));

	if (text != NULL)
		str_copy(str_c(text), out, size);
}

static uint64_t
manifest_number(const cJSON *o, const char *name)
{
	const cJSON *item = cJSON_GetObjectItem(o, name);

	return cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble < 9e15 ? (uint64_t)item->valuedouble
											  : 0;
}

/* A name that would lead outside the backup's folder is not ours. */
static bool
manifest_name_is_good(const char *name)
{
	return name[0] != '\0' && name[0] != '/' && strstr(name, "..") == NULL;
}

static bool
manifest_take(struct backup_manifest *m, const cJSON *o)
{
	const cJSON *item;
	char mode[8];

	if (manifest_number(o, "format") != MANIFEST_FORMAT)
		return false;
	manifest_text(o, "version", m->version, sizeof(m->version));
	manifest_text(o, "hostname", m->hostname, sizeof(m->hostname));
	m->store_version = (unsigned)manifest_number(o, "store_version");
	m->time_ms = (int64_t)manifest_number(o, "time_ms");
	m->database = (unsigned)manifest_number(o, "database");
	m->keys = manifest_number(o, "keys");
	m->bodies = manifest_number(o, "bodies");
	m->bytes = manifest_number(o, "bytes");
	m->faults.missing = manifest_number(o, "missing");
	m->faults.damaged = manifest_number(o, "damaged");
	m->unreadable = manifest_number(o, "unreadable");
	cJSON_ArrayForEach (item, cJSON_GetObjectItem(o, "faults"))
		if (m->faults.named < BACKUP_FAULTS_NAMED && cJSON_IsString(item))
			m->faults.named += blob_id_parse(str_c(item->valuestring), &m->faults.ids[m->faults.named]);
	cJSON_ArrayForEach (item, cJSON_GetObjectItem(o, "files")) {
		struct backup_file *file = &m->files[m->file_count];
		if (m->file_count == BACKUP_FILES_MAX)
			return false;
		mode[0] = '\0';
		manifest_text(item, "name", file->name, sizeof(file->name));
		manifest_text(item, "mode", mode, sizeof(mode));
		manifest_text(item, "sha256", file->sha256, sizeof(file->sha256));
		file->mode = (unsigned)strtoul(mode, NULL, 8) & 07777;
		file->bytes = manifest_number(item, "bytes");
		if (!manifest_name_is_good(file->name))
			return false;
		m->file_count++;
	}
	return m->file_count != 0 && strcmp(m->files[0].name, BACKUP_SNAPSHOT) == 0;
}

int
backup_manifest_read(struct backup_manifest *m, const struct backup_folder *f, const char *name, struct err *err)
{
	char path[BACKUP_PATH_MAX];
	struct buf text = BUF_EMPTY;
	size_t got;
	cJSON *o;
	bool good;
	FILE *file;

	*m = (struct backup_manifest){.time_ms = 0};
	backup_folder_path(f, name, MANIFEST_FILE, path);
	file = fopen(path, "re");
	if (file == NULL)
		return err_set_errno(err, errno, "opening %s", path);
	while ((got = fread(buf_reserve(&text, 4096), 1, 4096, file)) != 0 && text.len < MANIFEST_BYTES_MAX)
		text.len += got;
	fclose(file);
	o = cJSON_ParseWithLength(text.data != NULL ? text.data : "", text.len);
	good = o != NULL && manifest_take(m, o);
	cJSON_Delete(o);
	buf_fini(&text);
	return good ? 0 : err_set(err, ERR_CORRUPT, "%.180s is damaged, or has an unknown version", path);
}
