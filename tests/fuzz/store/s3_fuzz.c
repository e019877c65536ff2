/*
 * What is read of S3 servers, of metadata services, and of AWS' files.  The first byte chooses.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "repo/store/aws/s3_profile.h"
#include "repo/store/parse/json.h"
#include "repo/store/s3/wire/s3_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(int rc, int other)
{
	if (rc != 0 && rc != other && rc != -ENOMEM)
		abort();
}

static void read_error(const uint8_t *data, size_t size)
{
	struct s3_error e;

	need(s3_error_parse(data, size, &e), 0);
	if (memchr(e.code, '\0', sizeof(e.code)) == NULL || memchr(e.message, '\0', sizeof(e.message)) == NULL)
		abort();
}

static void read_page(const uint8_t *data, size_t size)
{
	struct s3_page p = { 0 };
	uint64_t bytes;
	size_t at = 0;
	char *key;
	int rc = s3_page_parse(data, size, &p);

	need(rc, -EBADMSG);
	if (rc == 0 && p.next.len > 0 && p.next.data[p.next.len - 1] != '\0')
		abort();
	while (rc == 0 && s3_page_next(&p, &at, &key, &bytes))
		if ((uint8_t *)key + strlen(key) >= p.entries.data + p.entries.len)
			abort();
	s3_page_free(&p);
}

static void read_upload_id(const uint8_t *data, size_t size)
{
	struct buf id = BUF_INIT;
	int rc = s3_upload_id_parse(data, size, &id);

	need(rc, -EBADMSG);
	if (rc == 0 && (id.len < 2 || id.data[id.len - 1] != '\0'))
		abort();
	buf_free(&id);
}

static void read_json(const uint8_t *data, size_t size)
{
	char out[16];
	int rc = http_json_string((const char *)data, size, "Token", out, sizeof(out));

	if (rc == 0 && memchr(out, '\0', sizeof(out)) == NULL)
		abort();
	if (rc != 0 && rc != -ENOENT && rc != -EBADMSG && rc != -EMSGSIZE)
		abort();
}

static void read_profile(const uint8_t *data, size_t size, enum s3_file file)
{
	char name[] = "default";
	struct s3_profile p = { .name = name };
	struct buf out = BUF_INIT;

	need(buf_append(&p.text[file], data, size), 0);
	need(s3_profile_value(&p, file, "key", &out), 0);
	if (out.len > 0 && (out.len < 2 || strlen((char *)out.data) != out.len - 1))
		abort();
	buf_free(&out);
	buf_free(&p.text[file]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	switch (data[0]) {
	case 'e':
		read_error(data + 1, size - 1);
		break;
	case 'l':
		read_page(data + 1, size - 1);
		break;
	case 'u':
		read_upload_id(data + 1, size - 1);
		break;
	case 'j':
		read_json(data + 1, size - 1);
		break;
	case 'p':
		read_profile(data + 1, size - 1, S3_FILE_CREDENTIALS);
		break;
	default:
		read_profile(data + 1, size - 1, S3_FILE_CONFIG);
		break;
	}
	return 0;
}
