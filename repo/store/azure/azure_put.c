/*
 * Writing: Put Blob, or blocks and Put Block List.  See azure_impl.h.
 *
 * Blocks that are never listed are removed by the service after a week.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/crypt/crypt.h"
#include "repo/store/azure/azure_impl.h"
#include "repo/store/http/spool.h"
#include "repo/util/bytes/md5.h"

#define BLOCK_SIZE ((uint64_t)16 * 1024 * 1024)
#define BLOCKS_MAX 50000 /* the service's limit */
#define BLOCK_ID_SIZE CRYPT_BASE64_SIZE(8)
#define SUM_SIZE CRYPT_BASE64_SIZE(MD5_LEN)

struct azure_put {
	struct store_put base;
	struct spool spool;
	uint64_t nblocks; /* of those that are up already, when a commit comes again */
};

static struct azure_put *put_of(struct store_put *p)
{
	return (struct azure_put *)p;
}

int azure_put_begin(struct store *s, struct store_put **out)
{
	struct azure_put *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		log_error(s->log, "%s: put: out of memory", s->url);
		return -ENOMEM;
	}
	p->base.store = s;
	spool_init(&p->spool, azure_of(s)->spool_dir);
	*out = &p->base;
	return 0;
}

int azure_put_append(struct store_put *base, const void *data, size_t len)
{
	return spool_append(&put_of(base)->spool, data, len, base->store->log);
}

void azure_put_abort(struct store_put *base)
{
	struct azure_put *p = put_of(base);

	spool_free(&p->spool);
	free(p);
}

/* ${size} bytes for a block: the usual, unless that would make too many of them. */
static uint64_t block_size(uint64_t len)
{
	uint64_t size = BLOCK_SIZE;

	while (size * BLOCKS_MAX < len)
		size *= 2;
	return size;
}

/* All ids of a blob have the same length. */
static void block_id(uint64_t number, char out[BLOCK_ID_SIZE])
{
	char text[24];

	snprintf(text, sizeof(text), "%08llu", (unsigned long long)(number % 100000000));
	crypt_base64(text, 8, out);
}

static void sum_of(const void *data, size_t len, char out[SUM_SIZE])
{
	uint8_t sum[MD5_LEN];
	struct md5 m;

	md5_init(&m);
	md5_update(&m, data, len);
	md5_final(&m, sum);
	crypt_base64(sum, sizeof(sum), out);
}

/* Of bytes [off, off + len) of the spool. */
static int sum_of_spool(const struct spool *s, uint64_t off, uint64_t len, char out[SUM_SIZE])
{
	uint8_t sum[MD5_LEN], *piece;
	size_t take, size = 256 * 1024;
	struct md5 m;
	int rc = 0;

	piece = malloc(size);
	if (piece == NULL)
		return -ENOMEM;
	md5_init(&m);
	for (; len > 0 && rc == 0; off += take, len -= take) {
		take = len < size ? (size_t)len : size;
		rc = spool_read(s, off, piece, take);
		if (rc == 0)
			md5_update(&m, piece, take);
	}
	md5_final(&m, sum);
	crypt_base64(sum, sizeof(sum), out);
	free(piece);
	return rc;
}

/* What is asked of the request that makes the blob appear. */
static void add_conditions(const struct store_azure *a, const char *name, unsigned flags, struct azure_call *c)
{
	if ((flags & STORE_EXCL) != 0)
		azure_add_header(c, "if-none-match", "*");
	if (a->tier != NULL && strncmp(name, "packs/", 6) == 0)
		azure_add_header(c, "x-ms-access-tier", a->tier);
}

static bool is_code(const char *code, const char *const *codes)
{
	for (; *codes != NULL; codes++)
		if (strcmp(code, *codes) == 0)
			return true;
	return false;
}

/*
 * The service refuses because there is a blob.  Without STORE_EXCL it is the same one, if it is as long: those who may
 * only add, and those whose blobs cannot be changed, have done their work.
 */
static int judge_existing(struct store_azure *a, const struct http_reply *r, const char *name, uint64_t len,
    unsigned flags)
{
	static const char *const there[] = { "BlobAlreadyExists", "ConditionNotMet", "TargetConditionNotMet", NULL };
	static const char *const kept[] = { "UnauthorizedBlobOverwrite", "AuthorizationPermissionMismatch",
		"BlobImmutableDueToPolicy", NULL };
	char code[AZURE_CODE_SIZE];
	uint64_t size = 0;
	int rc;

	azure_error_code(r, code);
	if (is_code(code, there))
		return -EEXIST;
	if (is_code(code, kept)) {
		rc = azure_stat(&a->base, name, &size);
		if (rc == 0 && (flags & STORE_EXCL) != 0)
			return -EEXIST;
		if (rc == -EAGAIN || (rc == 0 && size == len && (flags & STORE_REPLACE) == 0))
			return rc;
	}
	return azure_failed(a, 0, r, "put", name);
}

/* Perform the request that makes the blob appear. */
static int publish(struct store_azure *a, struct azure_call *c, const char *name, uint64_t len, unsigned flags)
{
	struct http_reply r = { 0 };
	int rc;

	add_conditions(a, name, flags, c);
	rc = azure_perform(a, c, &r);
	if (rc < 0)
		rc = azure_failed(a, rc, &r, "put", name);
	else if (r.status != 201)
		rc = judge_existing(a, &r, name, len, flags);
	http_reply_free(&r);
	return rc == -ENOENT ? -EIO : rc;
}

static int put_whole(struct store_azure *a, const struct spool *spool, const char *name, unsigned flags)
{
	struct azure_call c = { .method = "PUT", .name = name };
	struct http_body body = spool_body(spool);
	char sum[SUM_SIZE];
	int rc;

	rc = sum_of_spool(spool, 0, spool->len, sum);
	if (rc < 0) {
		log_error(a->base.log, "%s/%s: put: read the spool: %s", a->base.url, name, ERR(rc));
		return rc;
	}
	c.body = &body;
	azure_add_header(&c, "content-md5", sum);
	azure_add_header(&c, "x-ms-blob-type", "BlockBlob");
	return publish(a, &c, name, spool->len, flags);
}

static int put_block(struct store_azure *a, const struct spool *spool, const char *name, uint64_t number)
{
	struct azure_call c = { .method = "PUT", .name = name };
	struct http_body body = spool_body(spool);
	struct http_reply r = { 0 };
	uint64_t size = block_size(spool->len), off = number * size;
	char id[BLOCK_ID_SIZE], sum[SUM_SIZE];
	int rc;

	body.len = spool->len - off < size ? spool->len - off : size;
	if (body.data != NULL)
		body.data = (const uint8_t *)body.data + off;
	else
		body.offset += off;
	rc = sum_of_spool(spool, off, body.len, sum);
	if (rc < 0) {
		log_error(a->base.log, "%s/%s: put: read the spool: %s", a->base.url, name, ERR(rc));
		return rc;
	}
	block_id(number, id);
	c.body = &body;
	azure_add_param(&c, "comp", "block");
	azure_add_param(&c, "blockid", id);
	azure_add_header(&c, "content-md5", sum);
	rc = azure_perform(a, &c, &r);
	if (rc < 0 || r.status != 201)
		rc = azure_failed(a, rc, &r, "put", name);
	http_reply_free(&r);
	return rc;
}

static int put_block_list(struct store_azure *a, uint64_t nblocks, const char *name, uint64_t len, unsigned flags)
{
	struct azure_call c = { .method = "PUT", .name = name };
	struct buf xml = BUF_INIT;
	struct http_body body;
	char id[BLOCK_ID_SIZE], sum[SUM_SIZE];
	int rc;

	rc = buf_printf(&xml, "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
	for (uint64_t i = 0; i < nblocks && rc == 0; i++) {
		block_id(i, id);
		rc = buf_printf(&xml, "<Latest>%s</Latest>", id);
	}
	if (rc == 0)
		rc = buf_printf(&xml, "</BlockList>");
	if (rc == 0) {
		body = (struct http_body){ .data = xml.data, .fd = -1, .len = xml.len };
		c.body = &body;
		sum_of(xml.data, xml.len, sum);
		azure_add_param(&c, "comp", "blocklist");
		azure_add_header(&c, "content-md5", sum);
		rc = publish(a, &c, name, len, flags);
	} else {
		log_error(a->base.log, "%s/%s: put: out of memory", a->base.url, name);
	}
	buf_free(&xml);
	return rc;
}

static int put_in_blocks(struct store_azure *a, struct azure_put *p, const char *name, unsigned flags)
{
	uint64_t size = block_size(p->spool.len), nblocks = (p->spool.len + size - 1) / size;
	int rc = 0;

	while (p->nblocks < nblocks && rc == 0) {
		rc = put_block(a, &p->spool, name, p->nblocks);
		if (rc == 0)
			p->nblocks++;
	}
	if (rc < 0)
		return rc == -ENOENT ? -EIO : rc;
	rc = put_block_list(a, nblocks, name, p->spool.len, flags);
	/* Whatever went wrong may concern the blocks too: another commit begins with the first one. */
	if (rc == -EAGAIN)
		p->nblocks = 0;
	return rc;
}

int azure_put_commit(struct store_put *base, const char *name, unsigned flags)
{
	struct store_azure *a = azure_of(base->store);
	struct azure_put *p = put_of(base);
	int rc;

	if (p->spool.len <= AZURE_SINGLE_MAX)
		rc = put_whole(a, &p->spool, name, flags);
	else
		rc = put_in_blocks(a, p, name, flags);
	if (rc != -EAGAIN)
		azure_put_abort(base);
	return rc;
}
