/*
 * Findings, and which objects they make unreadable.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/check/check_impl.h"

static uint32_t note(struct check *c, enum check_kind kind, const char *object)
{
	struct finding *f;

	if (c->nfindings == c->cap_findings) {
		uint32_t cap = c->cap_findings ? c->cap_findings * 2 : 64;

		f = realloc(c->findings, cap * sizeof(*f));
		if (f == NULL)
			return 0;
		c->findings = f;
		c->cap_findings = cap;
	}
	f = &c->findings[c->nfindings];
	*f = (struct finding){ .kind = kind, .object = strdup(object) };
	return f->object != NULL ? ++c->nfindings : 0;
}

/* Under the lock. */
static void tell(struct check *c, enum check_kind kind, const char *object, const char *what)
{
	struct check_finding f = { .kind = kind, .object = object, .what = what };

	c->out->findings++;
	if (c->o->progress != NULL)
		c->o->progress->findings++;
	c->o->found(c->o->arg, &f);
}

uint32_t finding_open(struct check *c, enum check_kind kind, const char *object)
{
	uint32_t number;

	pthread_mutex_lock(&c->lock);
	number = note(c, kind, object);
	pthread_mutex_unlock(&c->lock);
	return number;
}

void finding_tell(struct check *c, uint32_t number, const char *what)
{
	pthread_mutex_lock(&c->lock);
	if (number > 0)
		tell(c, c->findings[number - 1].kind, c->findings[number - 1].object, what);
	pthread_mutex_unlock(&c->lock);
}

uint32_t finding_add(struct check *c, enum check_kind kind, const char *object, const char *fmt, ...)
{
	char what[WHAT_SIZE];
	uint32_t number;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&c->lock);
	number = note(c, kind, object);
	tell(c, kind, object, what);
	pthread_mutex_unlock(&c->lock);
	return number;
}

/* Does a local directory give anything at all?  If so, what it does not give is lost on its disk. */
static bool answers(struct check *c)
{
	struct buf config = BUF_INIT;
	int rc = store_get_all(c->store, "config", CONFIG_MAX, &config);

	buf_free(&config);
	return rc == 0 || rc == -ENOENT || rc == -EBADMSG;
}

bool store_failed(struct check *c, int rc)
{
	switch (rc) {
	case 0:
	case -ENOENT:
	case -EBADMSG:
	case -EPROTONOSUPPORT:
	case -EKEYREJECTED:
		return false;
	case -EIO:
		return store_local_path(c->store) == NULL || !answers(c);
	default:
		return true;
	}
}

int unreachable_add(struct check *c, enum check_kind kind, const char *object, int rc, const char *what)
{
	struct check_finding f = { .kind = kind, .object = object, .what = what, .unreachable = true };
	bool enough;

	pthread_mutex_lock(&c->lock);
	enough = ++c->out->unreachable >= UNREACHABLE_MAX;
	c->o->found(c->o->arg, &f);
	pthread_mutex_unlock(&c->lock);
	return enough ? rc : 0;
}

int object_fails(struct check *c, enum check_kind kind, const char *object, int rc, const char *what)
{
	if (rc == -ENOMEM)
		return rc;
	if (rc == -ECANCELED || rc == -EINTR)
		return -EINTR;
	if (store_failed(c, rc))
		return unreachable_add(c, kind, object, rc, what);
	finding_add(c, kind, object, "%s", what);
	return 1;
}

void tell_snapshot(struct check *c, enum check_kind kind, const char *object, const struct id *snapshot)
{
	char hex[ID_HEX_SIZE];
	struct check_finding f = { .kind = kind, .object = object, .what = "everything", .path = "",
		.snapshot = id_hex(snapshot, hex) };

	pthread_mutex_lock(&c->lock);
	c->o->found(c->o->arg, &f);
	pthread_mutex_unlock(&c->lock);
}

void finding_add_pack(struct check *c, struct check_pack *p, const char *what)
{
	char name[PACK_NAME_SIZE];

	p->finding = finding_add(c, CHECK_PACK, pack_name(p->kind, &p->id, name), "%s", what);
}

static int add_damage(struct check *c, uint64_t key, uint32_t finding)
{
	int rc;

	pthread_mutex_lock(&c->lock);
	c->damage.with_values = true;
	rc = hash_map_add(&c->damage, key, finding);
	pthread_mutex_unlock(&c->lock);
	return rc < 0 ? rc : 0;
}

static uint32_t find_damage(struct check *c, uint64_t key)
{
	uint64_t finding = 0;

	pthread_mutex_lock(&c->lock);
	hash_map_get(&c->damage, key, &finding);
	pthread_mutex_unlock(&c->lock);
	return (uint32_t)finding;
}

int damage_add(struct check *c, const struct id *id, uint32_t finding)
{
	return add_damage(c, id_hash(id), finding);
}

int damage_add_span(struct check *c, const struct id *id, uint32_t len, uint32_t finding)
{
	return add_damage(c, span_key(id, len), finding);
}

uint32_t damage_of(struct check *c, const struct id *id)
{
	return find_damage(c, id_hash(id));
}

uint32_t damage_of_span(struct check *c, const struct id *id, uint32_t len)
{
	uint32_t finding = damage_of(c, id);

	return finding != 0 ? finding : find_damage(c, span_key(id, len));
}

char *last_message(struct check *c, const char *object, int rc, char out[WHAT_SIZE])
{
	size_t len = strlen(object);
	const char *text;

	pthread_mutex_lock(&c->message_lock);
	text = c->message;
	if (strncmp(text, object, len) == 0 && strncmp(text + len, ": ", 2) == 0)
		text += len + 2;
	if (*text != '\0')
		snprintf(out, WHAT_SIZE, "%.*s", WHAT_SIZE - 1, text);
	else
		err_text(rc, out, WHAT_SIZE);
	pthread_mutex_unlock(&c->message_lock);
	return out;
}

void forget_message(struct check *c)
{
	pthread_mutex_lock(&c->message_lock);
	c->message[0] = '\0';
	pthread_mutex_unlock(&c->message_lock);
}
