/*
 * A thread's packs.  See scan.h.
 */
#include "repo/check/scan/scan.h"

#include <errno.h>
#include <stdlib.h>

#include "repo/check/scan/pack_scan.h"

struct scan {
	struct verify *verify;
	struct decompressor *decompressor;
	struct pack_scan *live[SCAN_PACKS_MAX]; /* in hand */
	struct pack_scan *idle[SCAN_PACKS_MAX];
	unsigned nlive, nidle;
};

int scan_new(struct check *c, unsigned npacks, struct scan **out)
{
	struct scan *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	if (c->r != NULL) {
		s->verify = verify_new(c);
		s->decompressor = decompressor_new();
	}
	while (s->nidle < npacks && (s->idle[s->nidle] = pack_scan_new(c)) != NULL)
		s->nidle++;
	if ((c->r != NULL && (s->verify == NULL || s->decompressor == NULL)) || s->nidle < npacks) {
		scan_free(s);
		return -ENOMEM;
	}
	*out = s;
	return 0;
}

void scan_free(struct scan *s)
{
	if (s == NULL)
		return;
	while (s->nlive > 0)
		pack_scan_free(s->live[--s->nlive]);
	while (s->nidle > 0)
		pack_scan_free(s->idle[--s->nidle]);
	verify_free(s->verify);
	decompressor_free(s->decompressor);
	free(s);
}

static int take_packs(struct scan *s, scan_next_fn *next, void *arg)
{
	struct check_pack *p;
	int rc = 0;

	while (rc == 0 && s->nidle > 0 && (p = next(arg)) != NULL) {
		s->live[s->nlive++] = s->idle[--s->nidle];
		rc = pack_scan_begin(s->live[s->nlive - 1], p);
	}
	return rc;
}

/* One more piece of each pack, hashed side by side. */
static int read_pieces(struct scan *s)
{
	struct hash_piece pieces[SCAN_PACKS_MAX];
	size_t n = 0;
	int rc = 0;

	for (unsigned i = 0; i < s->nlive && rc >= 0; i++) {
		if (pack_scan_at_end(s->live[i]))
			continue;
		rc = pack_scan_read(s->live[i], &pieces[n]);
		n += rc == 1;
	}
	if (rc >= 0)
		hash_streams_update(pieces, n);
	return rc < 0 ? rc : 0;
}

static int open_objects(struct scan *s)
{
	int rc = 0;

	for (unsigned i = 0; i < s->nlive && rc == 0; i++)
		rc = pack_scan_open(s->live[i], s->verify, s->decompressor);
	return rc;
}

/* Let go of those that are at their ends.  What waits to be verified is theirs, among others'. */
static int end_packs(struct scan *s)
{
	unsigned kept = 0, n = s->nlive;
	bool any = false;
	int rc;

	for (unsigned i = 0; i < n; i++)
		any = any || pack_scan_at_end(s->live[i]);
	rc = any && s->verify != NULL ? verify_flush(s->verify) : 0;
	if (rc < 0 || !any)
		return rc;
	for (unsigned i = 0; i < n; i++) {
		struct pack_scan *p = s->live[i];
		int ended = pack_scan_at_end(p) && rc == 0 ? pack_scan_end(p) : 1;

		if (ended > 0)
			s->live[kept++] = p;
		else
			s->idle[s->nidle++] = p;
		rc = ended < 0 ? ended : rc;
	}
	s->nlive = kept;
	return rc;
}

int scan_packs(struct scan *s, scan_next_fn *next, void *arg)
{
	int rc = take_packs(s, next, arg);

	while (rc == 0 && s->nlive > 0) {
		rc = read_pieces(s);
		if (rc == 0)
			rc = open_objects(s);
		if (rc == 0)
			rc = end_packs(s);
		if (rc == 0)
			rc = take_packs(s, next, arg);
	}
	return rc;
}
