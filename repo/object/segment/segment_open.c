/*
 * From a place in a pack to plaintext.  See segment_open.h.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "repo/object/compress.h"
#include "repo/object/packing/pack_keys.h"
#include "repo/object/segment/segment_open.h"
#include "repo/util/told.h"

#define TOLD_SECONDS 60 /* in which one segment is complained of once */
#define END_NEAR (16u * 1024 * 1024) /* bytes before a pack's end at which the one after it is of interest */

struct scratch {
	struct decompressor *decompressor;
	struct scratch *next;
	uint8_t box[]; /* of the largest segment */
};

struct segment_opener {
	struct store *store;
	struct index *index;
	const struct seal_domain *data, *metadata;
	const struct log *log;
	uint32_t box_max;
	struct pack_keys *keys;
	atomic_flag told_access;
	struct told told; /* of which segments something has been said */
	_Atomic uint32_t ending; /* the pack near whose end was read last */
	pthread_mutex_t lock; /* of the idle ones */
	struct scratch *idle;
};

struct segment_opener *segment_opener_new(const struct object_reader_options *opts)
{
	struct segment_opener *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return NULL;
	o->store = opts->store;
	o->index = opts->index;
	o->data = opts->data;
	o->metadata = opts->metadata;
	o->log = opts->log;
	o->box_max = 1 + opts->segment_size + CRYPT_TAG_LEN;
	atomic_flag_clear(&o->told_access);
	o->ending = UINT32_MAX;
	told_init(&o->told, TOLD_SECONDS);
	pthread_mutex_init(&o->lock, NULL);
	o->keys = pack_keys_new(opts->index, opts->data, opts->metadata);
	if (o->keys == NULL) {
		segment_opener_free(o);
		o = NULL;
	}
	return o;
}

static void scratch_free(struct scratch *s)
{
	decompressor_free(s->decompressor);
	free(s);
}

void segment_opener_free(struct segment_opener *o)
{
	struct scratch *s;

	if (o == NULL)
		return;
	while ((s = o->idle) != NULL) {
		o->idle = s->next;
		scratch_free(s);
	}
	pack_keys_free(o->keys);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

static struct scratch *scratch_new(const struct segment_opener *o)
{
	struct scratch *s = malloc(sizeof(*s) + o->box_max);

	if (s == NULL)
		return NULL;
	s->decompressor = decompressor_new();
	if (s->decompressor == NULL) {
		free(s);
		s = NULL;
	}
	return s;
}

static struct scratch *scratch_take(struct segment_opener *o)
{
	struct scratch *s;

	pthread_mutex_lock(&o->lock);
	s = o->idle;
	if (s != NULL)
		o->idle = s->next;
	pthread_mutex_unlock(&o->lock);
	return s != NULL ? s : scratch_new(o);
}

static void scratch_give(struct segment_opener *o, struct scratch *s)
{
	pthread_mutex_lock(&o->lock);
	s->next = o->idle;
	o->idle = s;
	pthread_mutex_unlock(&o->lock);
}

char *segment_pack_name(struct segment_opener *o, uint32_t number, char out[PACK_NAME_SIZE])
{
	struct pack_info info;

	if (index_pack(o->index, number, &info) == 0)
		return pack_name(info.kind, &info.id, out);
	snprintf(out, PACK_NAME_SIZE, "pack %u of the index", number);
	return out;
}

static int complain(struct segment_opener *o, const struct segment_place *sp, int rc, const char *cause)
{
	char name[PACK_NAME_SIZE];

	/* A segment is wanted for each of its files, and again by each who tries again. */
	if (told_before(&o->told, (uint64_t)sp->pack << 32 | sp->offset))
		return rc;
	segment_pack_name(o, sp->pack, name);
	log_error(o->log, "%s: open %u bytes at %u: %s", name, sp->box, sp->offset, cause);
	return rc;
}

int segment_pack_missing(struct segment_opener *o, uint32_t number)
{
	char name[PACK_NAME_SIZE];

	if (!told_before(&o->told, (uint64_t)number << 32 | UINT32_MAX))
		log_error(o->log, "%s: the pack is missing", segment_pack_name(o, number, name));
	return -EBADMSG;
}

void segment_pack_doubt(struct segment_opener *o, uint32_t number)
{
	pack_keys_forget(o->keys, number);
}

/* Who has not the key learns that once, and not for each of a million files. */
static int refuse(struct segment_opener *o)
{
	if (!atomic_flag_test_and_set(&o->told_access))
		log_error(o->log, "this key does not open the contents of files");
	return -EACCES;
}

/* Name and key of the pack; the caller wipes the key. */
static int find_key(struct segment_opener *o, enum pack_kind kind, const struct segment_place *sp,
    struct pack_info *info, struct aead_key *key)
{
	int rc = pack_keys_get(o->keys, sp->pack, info, key);

	switch (rc) {
	case 0:
		if (info->kind != kind)
			return complain(o, sp, -EBADMSG, "the pack is of the other kind");
		return 0;
	case -EACCES:
		return refuse(o);
	case -EBADMSG:
		return complain(o, sp, -EBADMSG, "the pack's key in the index does not open");
	case -ENOENT:
		return complain(o, sp, -EBADMSG, "the index does not name the pack");
	}
	return rc;
}

/* Contents are stored in the order of the tree: who comes to a pack's end may go on in the one that was stored next. */
static void tell_next(struct segment_opener *o, const struct segment_place *sp, const struct pack_info *info)
{
	char name[PACK_NAME_SIZE], next[PACK_NAME_SIZE];
	struct pack_info after;

	if (info->kind != PACK_DATA || info->size == 0 || (uint64_t)sp->offset + END_NEAR < info->size ||
	    store_local_path(o->store) != NULL || atomic_exchange(&o->ending, sp->pack) == sp->pack)
		return;
	if (index_pack_after(o->index, sp->pack, &after) == 0)
		store_follows(o->store, pack_name(info->kind, &info->id, name),
		    pack_name(after.kind, &after.id, next), after.size);
}

static int fetch(struct segment_opener *o, const struct segment_place *sp, const struct pack_info *info, uint8_t *box)
{
	char name[PACK_NAME_SIZE];
	bool sized = info->size >= (uint64_t)sp->offset + sp->box;
	int rc;

	if (sp->box > o->box_max || sp->box <= CRYPT_TAG_LEN || sp->len > o->box_max - CRYPT_TAG_LEN - 1)
		return complain(o, sp, -EBADMSG, "its length is out of bounds");
	/* An index that has learned this place alone does not know how long the pack is. */
	pack_name(info->kind, &info->id, name);
	if (sized)
		rc = store_get_in(o->store, name, info->size, sp->offset, sp->box, box);
	else
		rc = store_get(o->store, name, sp->offset, sp->box, box);
	return rc == -ENOENT ? -ESTALE : rc;
}

static int expand(struct segment_opener *o, const struct segment_place *sp, struct scratch *s, uint8_t *out)
{
	int rc = decompress_segment(s->decompressor, s->box, sp->box - CRYPT_TAG_LEN, out, sp->len);

	if (rc == -EPROTONOSUPPORT)
		return complain(o, sp, rc, "its compression is of a newer version");
	return rc < 0 ? complain(o, sp, rc, "it does not expand to what the index says") : 0;
}

/* Fetch the box and open it in place.  Where another copy may be good, ask once more for what does not open. */
static int fetch_and_open(struct segment_opener *o, const struct segment_place *sp, const struct pack_info *info,
    const struct aead_key *key, uint8_t *box)
{
	enum cipher cipher = (info->kind == PACK_DATA ? o->data : o->metadata)->cipher;
	char name[PACK_NAME_SIZE];
	int rc = 0, opened = -EBADMSG;

	for (unsigned attempt = 0; attempt < 2 && rc == 0 && opened == -EBADMSG; attempt++) {
		if (attempt > 0 &&
		    store_distrust(o->store, pack_name(info->kind, &info->id, name), sp->offset, sp->box) != 0)
			break;
		rc = fetch(o, sp, info, box);
		if (rc == 0)
			opened = pack_open_segment(cipher, info->kind, key, sp->offset, box, sp->box, box);
	}
	if (rc < 0)
		return rc;
	return opened < 0 ? complain(o, sp, opened, "authentication failed") : 0;
}

int segment_open(struct segment_opener *o, enum pack_kind kind, const struct segment_place *sp, uint8_t *out)
{
	struct scratch *s = NULL;
	struct pack_info info;
	struct aead_key key;
	int rc = find_key(o, kind, sp, &info, &key);

	if (rc < 0)
		goto out;
	tell_next(o, sp, &info);
	s = scratch_take(o);
	rc = s == NULL ? -ENOMEM : fetch_and_open(o, sp, &info, &key, s->box);
	if (rc == 0)
		rc = expand(o, sp, s, out);
out:
	crypt_wipe(&key, sizeof(key));
	if (s != NULL)
		scratch_give(o, s);
	return rc;
}
