/*
 * Names of snapshots as directories.
 *
 * Which names are taken is known by a hash table that needs no memory of its own, so that this cannot fail: it stands
 * in the last bytes of the names' own slots, where no name reaches, and is wiped at the end.  Slot b has the head of
 * bucket b, and slot i the link behind name i; both are numbers of slots plus one.
 */
#include <stdio.h>
#include <string.h>

#include "repo/snapshot/catalog.h"
#include "repo/util/le.h"
#include "repo/util/when.h"

#define HEAD_AT (SNAPSHOT_NAME_SIZE - 8)
#define LINK_AT (SNAPSHOT_NAME_SIZE - 4)
#define NAME_MAX_LEN (HEAD_AT - 1)
#define ID_SHORT 4 /* bytes of an id in a name: 8 digits */
#define ID_LONG 20 /* 160 bits of the hash: two alike cannot be made */

struct namer {
	char (*names)[SNAPSHOT_NAME_SIZE];
	size_t n;
	enum when_style style;
	bool utc;
};

static size_t bucket_of(const struct namer *nm, const char *name)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *name != '\0'; name++)
		h = (h ^ (uint8_t)*name) * 0x100000001b3;
	return (size_t)((h ^ h >> 32) % nm->n);
}

/* Is ${name} still free?  Then it is that of slot ${i}. */
static bool claim(struct namer *nm, size_t i, const char *name)
{
	char *head = nm->names[bucket_of(nm, name)] + HEAD_AT;
	uint32_t at;

	for (at = le32dec(head); at != 0; at = le32dec(nm->names[at - 1] + LINK_AT)) {
		if (strcmp(nm->names[at - 1], name) == 0)
			return false;
	}
	memcpy(nm->names[i], name, strlen(name) + 1);
	le32enc(nm->names[i] + LINK_AT, le32dec(head));
	le32enc(head, (uint32_t)i + 1);
	return true;
}

static bool claim_with_id(struct namer *nm, size_t i, const char *time, const struct snapshot *s, size_t id_len)
{
	char hex[ID_HEX_SIZE], name[NAME_MAX_LEN + 1];

	hex_encode(s->id.b, id_len, hex);
	snprintf(name, sizeof(name), "%.30s-%.40s", time, hex);
	return claim(nm, i, name);
}

/* Ids that were not made from hashes, but by somebody who wanted them to look alike. */
static void claim_numbered(struct namer *nm, size_t i, const char *time, const struct snapshot *s)
{
	char hex[ID_HEX_SIZE], name[NAME_MAX_LEN + 1];

	hex_encode(s->id.b, ID_SHORT, hex);
	for (uint32_t number = 2;; number++) {
		snprintf(name, sizeof(name), "%.30s-%.8s-%u", time, hex, number);
		if (claim(nm, i, name))
			return;
	}
}

static void name_one(struct namer *nm, size_t i, const struct snapshot *s)
{
	char time[WHEN_SIZE];

	when_format(s->time_ns, nm->style, nm->utc, time);
	if (claim(nm, i, time))
		return;
	if (nm->style == WHEN_MINUTES) {
		when_format(s->time_ns, WHEN_SECONDS, nm->utc, time);
		if (claim(nm, i, time))
			return;
	}
	if (!claim_with_id(nm, i, time, s, ID_SHORT) && !claim_with_id(nm, i, time, s, ID_LONG))
		claim_numbered(nm, i, time, s);
}

void snapshot_names(const struct snapshot *snaps, size_t n, int style, bool utc, char (*names)[SNAPSHOT_NAME_SIZE])
{
	struct namer nm = { .names = names, .n = n, .style = (enum when_style)style, .utc = utc };

	if (n == 0)
		return;
	memset(names, 0, n * sizeof(*names));
	for (size_t i = 0; i < n; i++)
		name_one(&nm, i, &snaps[i]);
	for (size_t i = 0; i < n; i++)
		memset(names[i] + HEAD_AT, 0, SNAPSHOT_NAME_SIZE - HEAD_AT);
}
