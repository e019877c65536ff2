/*
 * May this writer make that snapshot?
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "repo/backup/entitled.h"
#include "repo/util/text/when.h"

/* "a, b"; cut with "..." where it is too long for a message. */
static const char *join(char *const *list, uint32_t n, char *out, size_t size)
{
	size_t len = 0;

	*out = '\0';
	for (uint32_t i = 0; i < n; i++) {
		char quoted[CERT_NAME_MAX * 4 + 1];
		int more;

		quote_name(list[i], (unsigned)strlen(list[i]), quoted, sizeof(quoted));
		more = snprintf(out + len, size - len, "%s%s", i > 0 ? ", " : "", quoted);
		if (more < 0 || (size_t)more >= size - len) {
			strcpy(out + (len < size - 4 ? len : size - 4), "...");
			break;
		}
		len += (size_t)more;
	}
	return out;
}

static void log_refusal(const struct repo *r, const struct cert *c, enum cert_verdict verdict, const char *host)
{
	char when[WHEN_SIZE], list[1024], name[CERT_NAME_MAX * 4 + 1];

	quote_name(c->name, (unsigned)strlen(c->name), name, sizeof(name));
	switch (verdict) {
	case CERT_EXPIRED:
		log_error(r->log, "the key of the writer \"%s\" was good until %s: nobody would accept the snapshot",
		    name, when_format(c->expires_ns, WHEN_HUMAN, false, when));
		break;
	case CERT_OTHER_HOST:
		log_error(r->log, "the key of the writer \"%s\" is for snapshots of %s only, not of %s", name,
		    join(c->hosts, c->nhosts, list, sizeof(list)), host);
		break;
	case CERT_OTHER_TAG:
		log_error(r->log, "the key of the writer \"%s\" is for snapshots with a tag, and only these: %s", name,
		    join(c->tags, c->ntags, list, sizeof(list)));
		break;
	case CERT_COVERS:
		break;
	}
}

/* Its own clock counts as well: readers go by what the snapshot says, but an expired key is not to be used. */
static enum cert_verdict judge(const struct cert *c, const struct backup_options *o, int64_t time_ns)
{
	if (cert_covers(c, when_now_ns(), o->host, o->tags, o->ntags) == CERT_EXPIRED)
		return CERT_EXPIRED;
	return cert_covers(c, time_ns, o->host, o->tags, o->ntags);
}

int entitled(const struct repo *r, const struct backup_options *opts, int64_t time_ns)
{
	enum cert_verdict verdict;
	struct cert cert;
	int rc;

	if (!(r->secrets->mask & SECRET_SIGNING) || !r->object_id || !r->tree_id) {
		log_error(r->log, "the key of the role \"%s\" cannot make backups", role_name(r->secrets->role));
		return -EACCES;
	}
	rc = cert_open(r->secrets->cert.data, r->secrets->cert.len, &r->secrets->owner_public, &cert);
	if (rc < 0) {
		log_error(r->log, "the writer's certificate: %s", ERR(rc));
		return rc;
	}
	verdict = judge(&cert, opts, time_ns);
	if (verdict != CERT_COVERS) {
		log_refusal(r, &cert, verdict, opts->host);
		rc = -EACCES;
	}
	cert_destroy(&cert);
	return rc;
}

int not_revoked(const struct repo *r)
{
	struct sign_public own;
	char when[WHEN_SIZE];
	int64_t revoked_ns;

	crypt_sign_public(&r->secrets->signing, &own);
	if (r->revocations == NULL || !revocations_find(r->revocations, &own, &revoked_ns))
		return 0;
	log_error(r->log, "this writer's key was revoked on %s: nobody would accept the snapshot",
	    when_format(revoked_ns, WHEN_HUMAN, false, when));
	return -EACCES;
}
