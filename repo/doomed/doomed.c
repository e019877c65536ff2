/*
 * Records of doomed packs.  See doomed.h.
 */
#include "repo/doomed/doomed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC "VARVEDM1"
#define MAGIC_LEN 8
#define HEADER_LEN 64
#define PREFIX "doomed/"

char *doomed_name(const struct id *id, char out[DOOMED_NAME_SIZE])
{
	char hex[ID_HEX_SIZE];

	snprintf(out, DOOMED_NAME_SIZE, PREFIX "%s", id_hex(id, hex));
	return out;
}

static int compare_ids(const void *a, const void *b)
{
	return id_compare(a, b);
}

static void sort_ids(struct id *ids, size_t n)
{
	if (n > 1)
		qsort(ids, n, sizeof(*ids), compare_ids);
}

/* --- One record --------------------------------------------------------------------------------------------------- */

static int encode(const struct doomed_place *at, const struct doomed_record *rec, struct buf *out)
{
	size_t n = rec->n;
	int rc = buf_reserve(out, HEADER_LEN + n * ID_LEN + CRYPT_BLOB_OVERHEAD);

	if (rc < 0)
		return rc;
	buf_append(out, MAGIC, MAGIC_LEN);
	buf_le32(out, (uint32_t)rec->stage);
	buf_le32(out, rec->grace_s);
	buf_append(out, at->repo_id, 16);
	buf_append(out, rec->boot_id, BOOT_ID_LEN);
	buf_le64(out, (uint64_t)rec->boot_ns);
	buf_le32(out, rec->n);
	buf_le32(out, 0);
	buf_append(out, rec->ids, n * ID_LEN);
	seal_blob(at->metadata, out->data, out->len, "", 0, out->data + out->len);
	out->len += CRYPT_BLOB_OVERHEAD;
	return 0;
}

int doomed_put(const struct doomed_place *at, struct doomed_record *rec)
{
	char name[DOOMED_NAME_SIZE];
	struct buf b = BUF_INIT;
	int rc;

	if (at->metadata == NULL || !at->metadata->can_seal)
		return -EACCES;
	if (rec->n > DOOMED_IDS_MAX)
		return -EINVAL;
	sort_ids(rec->ids, rec->n);
	rc = encode(at, rec, &b);
	if (rc == 0) {
		crypt_hash(b.data, b.len, &rec->id);
		rc = store_put(at->store, doomed_name(&rec->id, name), b.data, b.len, 0);
	}
	buf_free(&b);
	return rc;
}

void doomed_date(struct doomed_record *rec, const struct clock *clock)
{
	struct clock_reading now;

	clock_read(clock, &now);
	memcpy(rec->boot_id, now.boot_id, BOOT_ID_LEN);
	rec->boot_ns = now.boot_ns;
}

void doomed_record_destroy(struct doomed_record *rec)
{
	free(rec->ids);
	rec->ids = NULL;
}

/* Whose record it is, and that it was made by somebody with the secrets, as far as can be told. */
static int authenticate(const struct doomed_place *at, const uint8_t *data, size_t len)
{
	uint8_t nothing[1];

	if (at->repo_id != NULL && memcmp(data + 16, at->repo_id, 16) != 0)
		return -EBADMSG;
	if (at->metadata == NULL)
		return 0;
	return seal_open_blob(at->metadata, data, len - CRYPT_BLOB_OVERHEAD, data + len - CRYPT_BLOB_OVERHEAD,
	    CRYPT_BLOB_OVERHEAD, nothing);
}

static bool ascending(const struct id *ids, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (id_compare(&ids[i - 1], &ids[i]) >= 0)
			return false;
	return true;
}

/* The fixed fields behind the magic. */
static int decode_header(struct rd *r, struct doomed_record *rec)
{
	const uint8_t *repo_id, *boot_id;
	uint32_t stage = 0, zero = 0;
	uint64_t boot = 0;
	int rc = rd_le32(r, &stage);

	if (rc == 0 && (stage < STAGE_DOOMED || stage > STAGE_NEEDED))
		return stage > 0xff || stage == 0 ? -EBADMSG : -EPROTONOSUPPORT;
	if (rc == 0)
		rc = rd_le32(r, &rec->grace_s);
	if (rc == 0)
		rc = rd_take(r, 16, &repo_id);
	if (rc == 0)
		rc = rd_take(r, BOOT_ID_LEN, &boot_id);
	if (rc == 0)
		rc = rd_le64(r, &boot);
	if (rc == 0)
		rc = rd_le32(r, &rec->n);
	if (rc == 0)
		rc = rd_le32(r, &zero);
	if (rc != 0)
		return rc;
	memcpy(rec->boot_id, boot_id, BOOT_ID_LEN);
	rec->boot_ns = (int64_t)boot;
	rec->stage = (enum doomed_stage)stage;
	return rec->n > DOOMED_IDS_MAX || zero != 0 ? -EBADMSG : 0;
}

int doomed_decode(const struct doomed_place *at, const void *data, size_t len, const struct id *id,
    struct doomed_record *out)
{
	struct rd r = rd_init(data, len);
	struct doomed_record rec = { .id = *id };
	const uint8_t *p;
	size_t n;
	int rc;

	if (rd_take(&r, MAGIC_LEN, &p) < 0 || memcmp(p, MAGIC, MAGIC_LEN - 1) != 0)
		return -EBADMSG;
	if (p[MAGIC_LEN - 1] != MAGIC[MAGIC_LEN - 1])
		return p[MAGIC_LEN - 1] > MAGIC[MAGIC_LEN - 1] ? -EPROTONOSUPPORT : -EBADMSG;
	rc = decode_header(&r, &rec);
	if (rc < 0)
		return rc;
	n = rec.n;
	if (rd_take(&r, n * ID_LEN, &p) < 0 || r.len != CRYPT_BLOB_OVERHEAD)
		return -EBADMSG;
	rc = authenticate(at, data, len);
	if (rc < 0)
		return rc;
	rec.ids = malloc(n * ID_LEN + 1);
	if (rec.ids == NULL)
		return -ENOMEM;
	memcpy(rec.ids, p, n * ID_LEN);
	if (!ascending(rec.ids, n)) {
		free(rec.ids);
		return -EBADMSG;
	}
	*out = rec;
	return 0;
}

/* --- All of them -------------------------------------------------------------------------------------------------- */

static int take_name(void *arg, const char *name, uint64_t size)
{
	struct doomed_set *set = arg;
	struct doomed_record *grown;
	struct id id;

	(void)size;
	if (id_parse(name + strlen(PREFIX), &id) < 0)
		return 0;
	if (set->n == set->cap) {
		grown = realloc(set->record, (2 * set->cap + 8) * sizeof(*grown));
		if (grown == NULL)
			return -ENOMEM;
		set->record = grown;
		set->cap = 2 * set->cap + 8;
	}
	set->record[set->n++] = (struct doomed_record){ .id = id };
	return 0;
}

/* Fetch and decode one, if there is memory for it in ${b}. */
static int read_once(const struct doomed_place *at, const char *name, struct buf *b, struct doomed_record *rec)
{
	struct id hash, id = rec->id;
	int rc;

	buf_clear(b);
	rc = store_get_all(at->store, name, DOOMED_MAX, b);
	if (rc < 0)
		return rc;
	crypt_hash(b->data, b->len, &hash);
	return id_equal(&hash, &id) ? doomed_decode(at, b->data, b->len, &id, rec) : -EBADMSG;
}

/* 0; -ENOENT if it has gone since it was listed; an error, which is logged. */
static int read_record(const struct doomed_place *at, struct doomed_record *rec)
{
	char name[DOOMED_NAME_SIZE];
	struct buf b = BUF_INIT;
	int rc;

	doomed_name(&rec->id, name);
	rc = read_once(at, name, &b, rec);
	if (rc == -EBADMSG && store_distrust(at->store, name, 0, b.len) == 0)
		rc = read_once(at, name, &b, rec);
	if (rc == -EBADMSG || rc == -EPROTONOSUPPORT)
		log_error(at->log, "%s: %s: it is not known which packs are about to be deleted%s", name, ERR(rc),
		    rc == -EBADMSG ? "; a prune, and another one a grace later, give it up" : "");
	buf_free(&b);
	return rc;
}

/*
 * A record that has gone since the listing was spent a whole grace ago: it blocks nothing any more.  Damaged ones are
 * gathered, all of them, that each is told.
 */
static int read_all(const struct doomed_place *at, struct doomed_set *set)
{
	size_t kept = 0;
	int rc = 0;

	set->damaged = malloc((set->n + 1) * sizeof(*set->damaged));
	if (set->damaged == NULL)
		rc = -ENOMEM;
	for (size_t i = 0; i < set->n && rc == 0; i++) {
		struct doomed_record rec = { .id = set->record[i].id };

		rc = read_record(at, &rec);
		if (rc == 0)
			set->record[kept++] = rec;
		else if (rc == -EBADMSG)
			set->damaged[set->ndamaged++] = rec.id;
		if (rc == -ENOENT || rc == -EBADMSG)
			rc = 0;
	}
	set->n = kept;
	return rc;
}

static int gather_blocked(struct doomed_set *set)
{
	size_t total = 0, n = 0;

	for (size_t i = 0; i < set->n; i++)
		total += set->record[i].n;
	set->blocked = malloc((total + 1) * sizeof(*set->blocked));
	if (set->blocked == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < set->n; i++) {
		if (set->record[i].stage != STAGE_DOOMED)
			continue;
		memcpy(set->blocked + n, set->record[i].ids, set->record[i].n * sizeof(struct id));
		n += set->record[i].n;
	}
	set->nblocked = n;
	sort_ids(set->blocked, n);
	return 0;
}

int doomed_load(const struct doomed_place *at, struct doomed_set *out)
{
	struct doomed_set set;
	int rc = doomed_load_some(at, &set);

	if (rc != 0)
		return rc;
	if (set.ndamaged == 0) {
		*out = set;
		return 0;
	}
	doomed_set_destroy(&set);
	return -EBADMSG;
}

int doomed_load_some(const struct doomed_place *at, struct doomed_set *out)
{
	struct doomed_set set = { .record = NULL };
	int rc = store_list_names(at->store, PREFIX, take_name, &set);

	if (rc == 0)
		rc = read_all(at, &set);
	else
		set.n = 0;
	if (rc == 0)
		rc = gather_blocked(&set);
	if (rc == 0)
		*out = set;
	else
		doomed_set_destroy(&set);
	return rc;
}

void doomed_set_destroy(struct doomed_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		doomed_record_destroy(&set->record[i]);
	free(set->record);
	free(set->blocked);
	free(set->damaged);
	*set = (struct doomed_set){ .record = NULL };
}

bool doomed_blocks(const struct doomed_set *set, const struct id *pack)
{
	return set->nblocked > 0 && bsearch(pack, set->blocked, set->nblocked, sizeof(*pack), compare_ids) != NULL;
}

bool doomed_names(const struct doomed_record *rec, enum doomed_stage stage, const struct id *id)
{
	return rec->stage == stage && rec->n > 0 &&
	    bsearch(id, rec->ids, rec->n, sizeof(*id), compare_ids) != NULL;
}

bool doomed_is_spent(const struct doomed_set *set, const struct id *id)
{
	for (size_t i = 0; i < set->n; i++)
		if (doomed_names(&set->record[i], STAGE_SPENT, id))
			return true;
	return false;
}
