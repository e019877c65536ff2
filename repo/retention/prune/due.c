/*
 * How long ago a record was put, on one clock: no more than is certain.
 *
 * The record says at which moment of which boot it was made.  In that boot the age is known exactly, whoever asks.  In
 * others a note is kept beside the local index, of how long this machine knows the record.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/retention/prune/prune_impl.h"
#include "repo/util/bytes/le.h"

#define NS 1000000000LL
#define NOTE_LEN (BOOT_ID_LEN + 24)
#define NOTE_NAME_SIZE (DOOMED_NAME_SIZE + 8)

/* What this machine knows of a record: when it looked last, and how old it was then at least. */
struct note {
	struct clock_reading last;
	int64_t age_ns;
};

static int read_note(struct index *x, const char *name, struct note *out)
{
	struct buf b = BUF_INIT;
	int rc = index_kept(x, name, &b);

	if (rc == 0 && b.len != NOTE_LEN)
		rc = -ENOENT;
	if (rc == 0) {
		memcpy(out->last.boot_id, b.data, BOOT_ID_LEN);
		out->last.boot_ns = (int64_t)le64dec(b.data + BOOT_ID_LEN);
		out->last.real_ns = (int64_t)le64dec(b.data + BOOT_ID_LEN + 8);
		out->age_ns = (int64_t)le64dec(b.data + BOOT_ID_LEN + 16);
	}
	buf_free(&b);
	return rc;
}

static void write_note(struct index *x, const char *name, const struct note *n)
{
	uint8_t b[NOTE_LEN];

	memcpy(b, n->last.boot_id, BOOT_ID_LEN);
	le64enc(b + BOOT_ID_LEN, (uint64_t)n->last.boot_ns);
	le64enc(b + BOOT_ID_LEN + 8, (uint64_t)n->last.real_ns);
	le64enc(b + BOOT_ID_LEN + 16, (uint64_t)n->age_ns);
	index_keep(x, name, b, sizeof(b));
}

/* The note's name in the local index.  Return ${out}. */
static char *note_name(const struct id *record, char out[NOTE_NAME_SIZE])
{
	char name[DOOMED_NAME_SIZE];

	strcpy(out, "age/");
	return strcat(out, doomed_name(record, name));
}

void prune_forget_age(struct prune *p, const struct id *record)
{
	char key[NOTE_NAME_SIZE];

	index_drop(p->r->index, note_name(record, key));
}

static int64_t age_of(struct prune *p, const struct doomed_record *rec)
{
	char key[NOTE_NAME_SIZE];
	struct note n = { .age_ns = 0 };

	note_name(&rec->id, key);
	if (memcmp(rec->boot_id, p->start.boot_id, BOOT_ID_LEN) == 0)
		n.age_ns = p->start.boot_ns > rec->boot_ns ? p->start.boot_ns - rec->boot_ns : 0;
	else if (read_note(p->r->index, key, &n) == 0)
		n.age_ns += clock_at_least(&n.last, &p->start);
	n.last = p->start;
	write_note(p->r->index, key, &n);
	return n.age_ns;
}

static int64_t grace_of(const struct prune *p, const struct doomed_record *rec)
{
	uint32_t least = config_grace_s(&p->r->config);

	return NS * (rec->grace_s > least ? rec->grace_s : least);
}

int prune_judge_ages(struct prune *p)
{
	uint64_t left, first = UINT64_MAX;

	p->due = calloc(p->set.n + 1, sizeof(*p->due));
	if (p->due == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < p->set.n; i++) {
		const struct doomed_record *rec = &p->set.record[i];
		int64_t age = age_of(p, rec), grace = grace_of(p, rec);

		if (rec->stage == STAGE_DOOMED && doomed_is_spent(&p->set, &rec->id)) {
			p->due[i] = SPENT;
		} else if (age >= grace) {
			p->due[i] = DUE;
		} else if (rec->stage == STAGE_DOOMED) {
			left = (uint64_t)(grace - age + NS - 1) / NS;
			first = left < first ? left : first;
		}
	}
	p->out->waiting_s = first != UINT64_MAX ? first : 0;
	return 0;
}
