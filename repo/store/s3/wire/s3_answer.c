/*
 * Answers in XML.  See s3_answer.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/store/parse/xml.h"
#include "repo/store/s3/wire/s3_answer.h"
#include "repo/util/bytes/id.h"
#include "repo/util/bytes/le.h"

static int on_error_element(void *arg, const char *path, const char *text)
{
	struct s3_error *e = arg;

	if (strcmp(path, "/Error/Code") == 0)
		snprintf(e->code, sizeof(e->code), "%s", text);
	else if (strcmp(path, "/Error/Message") == 0)
		snprintf(e->message, sizeof(e->message), "%s", text);
	else if (strcmp(path, "/Error/Region") == 0)
		snprintf(e->region, sizeof(e->region), "%s", text);
	else if (strcmp(path, "/Error/StorageClass") == 0)
		snprintf(e->class, sizeof(e->class), "%s", text);
	return 0;
}

int s3_error_parse(const void *data, size_t len, struct s3_error *out)
{
	int rc;

	*out = (struct s3_error){ 0 };
	rc = xml_parse(data, len, on_error_element, out);
	if (rc == -EBADMSG) {
		*out = (struct s3_error){ 0 };
		rc = 0;
	}
	return rc;
}

/* A page that is being read. */
struct page_reading {
	struct s3_page *page;
	uint64_t size; /* of the entry that is being read */
	bool has_size, has_key;
	size_t entry;  /* where it begins in ${page->entries} */
	bool truncated, root;
};

static int begin_entry(struct page_reading *r)
{
	r->entry = r->page->entries.len;
	r->has_key = r->has_size = false;
	return 0;
}

static int take_key(struct page_reading *r, const char *text)
{
	struct buf *b = &r->page->entries;
	int rc;

	if (r->has_key)
		return -EBADMSG;
	r->has_key = true;
	rc = buf_le64(b, 0);
	return rc == 0 ? buf_append(b, text, strlen(text) + 1) : rc;
}

static int take_size(struct page_reading *r, const char *text)
{
	char *end;

	errno = 0;
	r->size = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0)
		return -EBADMSG;
	r->has_size = true;
	return 0;
}

static int end_entry(struct page_reading *r)
{
	if (!r->has_key || !r->has_size)
		return -EBADMSG;
	le64enc(r->page->entries.data + r->entry, r->size);
	return begin_entry(r);
}

static int on_page_element(void *arg, const char *path, const char *text)
{
	static const char root[] = "/ListBucketResult";
	struct page_reading *r = arg;
	struct s3_page *p = r->page;

	if (strncmp(path, root, sizeof(root) - 1) != 0)
		return -EBADMSG;
	path += sizeof(root) - 1;
	if (strcmp(path, "/Contents/Key") == 0)
		return take_key(r, text);
	if (strcmp(path, "/Contents/Size") == 0)
		return take_size(r, text);
	if (strcmp(path, "/Contents") == 0)
		return end_entry(r);
	if (strcmp(path, "/EncodingType") == 0)
		p->encoded = strcmp(text, "url") == 0;
	else if (strcmp(path, "/IsTruncated") == 0)
		r->truncated = strcmp(text, "true") == 0;
	else if (strcmp(path, "/NextContinuationToken") == 0 && p->next.len == 0 && *text != '\0')
		return buf_append(&p->next, text, strlen(text) + 1);
	else if (*path == '\0')
		r->root = true;
	return 0;
}

int s3_page_parse(const void *data, size_t len, struct s3_page *out)
{
	struct page_reading r = { .page = out };
	int rc;

	begin_entry(&r);
	rc = xml_parse(data, len, on_page_element, &r);
	if (rc != 0)
		return rc;
	/* A page that is not the last and does not say what comes next would cut the listing short. */
	if (!r.root || (r.truncated && out->next.len == 0))
		return -EBADMSG;
	if (!r.truncated)
		buf_clear(&out->next);
	return 0;
}

void s3_page_free(struct s3_page *p)
{
	buf_free(&p->entries);
	buf_free(&p->next);
}

/* In place; as forms are encoded, so that "+" is a space.  A "%" without digits stays. */
static void decode(char *text)
{
	char *to = text;
	int high, low;

	for (; *text != '\0'; text++) {
		high = *text == '%' ? hex_digit(text[1]) : -1;
		low = high >= 0 ? hex_digit(text[2]) : -1;
		if (low >= 0) {
			*to++ = (char)(high << 4 | low);
			text += 2;
		} else {
			*to++ = (char)(*text == '+' ? ' ' : *text);
		}
	}
	*to = '\0';
}

bool s3_page_next(struct s3_page *p, size_t *at, char **key, uint64_t *size)
{
	if (*at >= p->entries.len)
		return false;
	*size = le64dec(p->entries.data + *at);
	*key = (char *)p->entries.data + *at + 8;
	*at += 8 + strlen(*key) + 1;
	if (p->encoded)
		decode(*key);
	return true;
}

static int on_upload_element(void *arg, const char *path, const char *text)
{
	struct buf *out = arg;

	if (strcmp(path, "/InitiateMultipartUploadResult/UploadId") == 0 && out->len == 0 && *text != '\0')
		return buf_append(out, text, strlen(text) + 1);
	return 0;
}

int s3_upload_id_parse(const void *data, size_t len, struct buf *out)
{
	size_t before = out->len;
	int rc = xml_parse(data, len, on_upload_element, out);

	if (rc == 0 && out->len == before)
		rc = -EBADMSG;
	return rc;
}

static int on_completion_element(void *arg, const char *path, const char *text)
{
	bool *complete = arg;

	(void)text;
	if (strcmp(path, "/CompleteMultipartUploadResult") == 0)
		*complete = true;
	return 0;
}

int s3_completion_parse(const void *data, size_t len)
{
	bool complete = false;
	int rc = xml_parse(data, len, on_completion_element, &complete);

	return rc == 0 && !complete ? -EBADMSG : rc;
}

static int on_retention_element(void *arg, const char *path, const char *text)
{
	struct s3_retention *r = arg;

	if (strcmp(path, "/Retention/Mode") == 0)
		snprintf(r->mode, sizeof(r->mode), "%s", text);
	else if (strcmp(path, "/Retention/RetainUntilDate") == 0)
		snprintf(r->until, sizeof(r->until), "%s", text);
	return 0;
}

int s3_retention_parse(const void *data, size_t len, struct s3_retention *out)
{
	int rc;

	*out = (struct s3_retention){ 0 };
	rc = xml_parse(data, len, on_retention_element, out);
	return rc == 0 && *out->mode == '\0' ? -EBADMSG : rc;
}
