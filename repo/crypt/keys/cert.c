/*
 * Certificates of writers: an owner's statement that a signing key may publish snapshots, and which.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/crypt/fields.h"
#include "repo/crypt/keys/secrets.h"

/* --- Lists -------------------------------------------------------------------------------------------------------- */

/* Take over ${s}, whatever becomes of it. */
static int add_string(char ***list, uint32_t *n, char *s)
{
	char **grown = NULL;
	int err = -EINVAL;

	if (*n >= CERT_LIST_MAX)
		goto out;
	err = -ENOMEM;
	grown = s ? realloc(*list, (*n + 1) * sizeof(*grown)) : NULL;
	if (!grown)
		goto out;
	*list = grown;
	grown[(*n)++] = s;
	s = NULL;
	err = 0;
out:
	free(s);
	return err;
}

static bool has_length(const char *s)
{
	size_t len = strlen(s);

	return len > 0 && len <= CERT_NAME_MAX;
}

static int add_strings(char ***list, uint32_t *n, const char *const *strings, size_t nstrings)
{
	int err = 0;

	for (size_t i = 0; i < nstrings && err == 0; i++)
		err = has_length(strings[i]) ? add_string(list, n, strdup(strings[i])) : -EINVAL;
	return err;
}

int cert_add_hosts(struct cert *c, const char *const *hosts, size_t n)
{
	return add_strings(&c->hosts, &c->nhosts, hosts, n);
}

int cert_add_tags(struct cert *c, const char *const *tags, size_t n)
{
	return add_strings(&c->tags, &c->ntags, tags, n);
}

static void free_list(char **list, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

void cert_destroy(struct cert *c)
{
	free(c->name);
	free_list(c->hosts, c->nhosts);
	free_list(c->tags, c->ntags);
	c->name = NULL;
	c->hosts = c->tags = NULL;
	c->nhosts = c->ntags = 0;
}

/* --- Signing ------------------------------------------------------------------------------------------------------ */

static int put_string(struct buf *out, uint16_t tag, const char *s)
{
	return has_length(s) ? tlv_put(out, tag, s, strlen(s)) : -EINVAL;
}

static int put_list(struct buf *out, uint16_t tag, char *const *list, uint32_t n)
{
	int err = n > CERT_LIST_MAX ? -EINVAL : 0;

	for (uint32_t i = 0; i < n && err == 0; i++)
		err = put_string(out, tag, list[i]);
	return err;
}

static int put_fields(const struct cert *c, struct buf *out)
{
	int err = c->name ? tlv_put(out, CERT_KEY, c->key.b, sizeof(c->key.b)) : -EINVAL;

	if (err == 0)
		err = tlv_put_u64(out, CERT_ISSUED, (uint64_t)c->issued_ns);
	if (err == 0)
		err = tlv_put_u64(out, CERT_EXPIRES, (uint64_t)c->expires_ns);
	if (err == 0)
		err = put_string(out, CERT_NAME, c->name);
	if (err == 0)
		err = put_list(out, CERT_HOST, c->hosts, c->nhosts);
	return err == 0 ? put_list(out, CERT_TAG, c->tags, c->ntags) : err;
}

int cert_sign(struct cert *c, const struct sign_secret *owner, struct buf *out)
{
	size_t start = out->len;
	int err = put_fields(c, out);

	if (err == 0 && out->len - start + sizeof(c->signature.b) > CERT_MAX)
		err = -EINVAL;
	if (err < 0)
		goto out;
	crypt_sign(owner, CERT_CONTEXT, out->data + start, out->len - start, &c->signature);
	err = buf_append(out, c->signature.b, sizeof(c->signature.b));
out:
	if (err < 0)
		out->len = start;
	return err;
}

/* --- Opening ------------------------------------------------------------------------------------------------------ */

static int take_string(const struct tlv *t, char **out)
{
	return t->len == 0 ? -EBADMSG : tlv_string(t, CERT_NAME_MAX, out);
}

static int take_into(const struct tlv *t, char ***list, uint32_t *n)
{
	char *s = NULL;
	int err = take_string(t, &s);

	if (err == 0)
		err = add_string(list, n, s);
	return err == -EINVAL ? -EBADMSG : err;
}

static int take_ns(const struct tlv *t, int64_t *out)
{
	uint64_t v = 0;
	int err = tlv_u64(t, &v);

	*out = (int64_t)v;
	return err;
}

static int take_field(void *record, const struct tlv *t)
{
	struct cert *c = record;

	switch (t->tag) {
	case CERT_KEY:
		return tlv_bytes(t, c->key.b, sizeof(c->key.b));
	case CERT_ISSUED:
		return take_ns(t, &c->issued_ns);
	case CERT_EXPIRES:
		return take_ns(t, &c->expires_ns);
	case CERT_NAME:
		return take_string(t, &c->name);
	case CERT_HOST:
		return take_into(t, &c->hosts, &c->nhosts);
	case CERT_TAG:
		return take_into(t, &c->tags, &c->ntags);
	}
	return tlv_unknown(t);
}

int cert_open(const void *data, size_t len, const struct sign_public *owner, struct cert *out)
{
	const struct field_set set = {
		.required = FIELD_BIT(CERT_KEY) | FIELD_BIT(CERT_ISSUED) | FIELD_BIT(CERT_EXPIRES) |
		    FIELD_BIT(CERT_NAME),
		.repeats = FIELD_BIT(CERT_HOST) | FIELD_BIT(CERT_TAG),
	};
	struct rd r = rd_init(data, len);
	const uint8_t *fields, *sig;
	struct cert c = { 0 };
	size_t nfields;
	int err;

	if (len > CERT_MAX || len < sizeof(c.signature.b))
		return -EBADMSG;
	nfields = len - sizeof(c.signature.b);
	if (rd_take(&r, nfields, &fields) < 0 || rd_take(&r, sizeof(c.signature.b), &sig) < 0)
		return -EBADMSG;
	memcpy(c.signature.b, sig, sizeof(c.signature.b));
	err = crypt_verify(owner, CERT_CONTEXT, fields, nfields, &c.signature);
	if (err == 0)
		err = fields_decode_set(fields, nfields, set, take_field, &c);
	if (err < 0)
		cert_destroy(&c);
	else
		*out = c;
	return err;
}

/* --- Limits ------------------------------------------------------------------------------------------------------- */

bool cert_host_matches(const char *pattern, const char *host)
{
	const char *star = NULL, *from = NULL;

	/* What follows a star is tried from every place on; only the last star need be tried again. */
	while (*host != '\0') {
		if (*pattern == '*') {
			star = pattern++;
			from = host;
		} else if (*pattern == '?' || (*pattern != '\0' && *pattern == *host)) {
			pattern++;
			host++;
		} else if (star != NULL) {
			pattern = star + 1;
			host = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

static bool host_is_covered(const struct cert *c, const char *host)
{
	for (uint32_t i = 0; i < c->nhosts; i++)
		if (cert_host_matches(c->hosts[i], host))
			return true;
	return c->nhosts == 0;
}

static bool tag_is_covered(const struct cert *c, const char *tag)
{
	for (uint32_t i = 0; i < c->ntags; i++)
		if (strcmp(c->tags[i], tag) == 0)
			return true;
	return c->ntags == 0;
}

enum cert_verdict cert_covers(const struct cert *c, int64_t time_ns, const char *host, const char *const *tags,
    size_t ntags)
{
	if (c->expires_ns != 0 && time_ns > c->expires_ns)
		return CERT_EXPIRED;
	if (!host_is_covered(c, host))
		return CERT_OTHER_HOST;
	if (c->ntags > 0 && ntags == 0)
		return CERT_OTHER_TAG;
	for (size_t i = 0; i < ntags; i++)
		if (!tag_is_covered(c, tags[i]))
			return CERT_OTHER_TAG;
	return CERT_COVERS;
}
