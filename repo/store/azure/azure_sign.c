/*
 * The signature of a request with the account's key.  See azure_sign.h.
 */
#include "repo/store/azure/azure_sign.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "repo/crypt/crypt.h"

static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
				      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

/* Headers whose values are signed without their names, in this order, each with a newline. */
static const char *const standard[] = {
	"content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
	"if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range",
};

#define NSTANDARD (sizeof(standard) / sizeof(standard[0]))

static int append_text(struct buf *out, const char *text)
{
	return buf_append(out, text, strlen(text));
}

static const char *value_of(const struct azure_message *m, const char *name)
{
	for (size_t i = 0; i < m->nheaders; i++)
		if (strcmp(m->headers[i].name, name) == 0)
			return m->headers[i].value;
	return "";
}

static int append_standard(const struct azure_message *m, struct buf *out)
{
	int rc = buf_printf(out, "%s\n", m->method);

	for (size_t i = 0; i < NSTANDARD && rc == 0; i++) {
		if (strcmp(standard[i], "content-length") == 0 && m->length > 0)
			rc = buf_printf(out, "%llu\n", (unsigned long long)m->length);
		else
			rc = buf_printf(out, "%s\n", value_of(m, standard[i]));
	}
	return rc;
}

/* The fields by their names: there are few. */
static void sort_fields(const struct azure_field *fields, size_t n, const struct azure_field *sorted[AZURE_FIELDS_MAX])
{
	size_t at;

	for (size_t i = 0; i < n; i++) {
		for (at = i; at > 0 && strcmp(sorted[at - 1]->name, fields[i].name) > 0; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = &fields[i];
	}
}

static int append_own_headers(const struct azure_message *m, struct buf *out)
{
	const struct azure_field *sorted[AZURE_FIELDS_MAX];
	int rc = 0;

	sort_fields(m->headers, m->nheaders, sorted);
	for (size_t i = 0; i < m->nheaders && rc == 0; i++)
		if (strncmp(sorted[i]->name, "x-ms-", 5) == 0)
			rc = buf_printf(out, "%s:%s\n", sorted[i]->name, sorted[i]->value);
	return rc;
}

static int append_resource(const struct azure_message *m, struct buf *out)
{
	const struct azure_field *sorted[AZURE_FIELDS_MAX];
	int rc;

	rc = buf_printf(out, "/%s%s", m->account, m->path);
	sort_fields(m->params, m->nparams, sorted);
	for (size_t i = 0; i < m->nparams && rc == 0; i++)
		rc = buf_printf(out, "\n%s:%s", sorted[i]->name, sorted[i]->value);
	return rc;
}

int azure_string_to_sign(const struct azure_message *m, struct buf *out)
{
	int rc;

	if (m->nheaders > AZURE_FIELDS_MAX || m->nparams > AZURE_FIELDS_MAX)
		return -EINVAL;
	rc = append_standard(m, out);
	if (rc == 0)
		rc = append_own_headers(m, out);
	return rc < 0 ? rc : append_resource(m, out);
}

int azure_authorize(const struct azure_message *m, const void *key, size_t keylen, struct buf *out)
{
	char encoded[CRYPT_BASE64_SIZE(CRYPT_HMAC_LEN)];
	uint8_t signature[CRYPT_HMAC_LEN];
	struct buf text = BUF_INIT;
	int rc;

	rc = azure_string_to_sign(m, &text);
	if (rc == 0) {
		crypt_hmac_sha256(key, keylen, text.data, text.len, signature);
		crypt_base64(signature, sizeof(signature), encoded);
		rc = buf_printf(out, "authorization: SharedKey %s:", m->account);
	}
	if (rc == 0)
		rc = append_text(out, encoded);
	if (rc == 0)
		rc = buf_u8(out, 0);
	buf_free(&text);
	return rc;
}

void azure_date(int64_t seconds, char out[AZURE_DATE_SIZE])
{
	time_t t = (time_t)seconds;
	struct tm tm;

	gmtime_r(&t, &tm);
	snprintf(out, AZURE_DATE_SIZE, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[(unsigned)tm.tm_wday % 7],
	    (unsigned)tm.tm_mday % 100, months[(unsigned)tm.tm_mon % 12], (unsigned)(tm.tm_year + 1900) % 10000,
	    (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
}
