/*
 * Renewal secret and generations of a bundle.  See renewal.h.
 */
#include "repo/crypt/keys/renewal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "repo/crypt/keys/grant.h"

#define KEY_LEN 32
#define FIELD_MAX (4 + 4 * KEY_LEN) /* SECRETS_GENERATION, with the data secret */

static bool has_data(enum role role)
{
	return (role_mask(role) & SECRET_DATA) != 0;
}

int renewal_give(struct secrets *s, const struct sign_secret *owner, const char *name)
{
	struct grant g = { .role = s->role, .signs = (s->mask & SECRET_SIGNING) != 0 };

	crypt_box_keypair(&s->renewal, &g.renewal);
	if (g.signs)
		crypt_sign_public(&s->signing, &g.signing);
	if (name != NULL)
		snprintf(g.name, sizeof(g.name), "%s", name);
	return grant_sign(&g, s->repo_id, owner, &s->grant);
}

void renewal_hand_on(const struct secrets *from, struct secrets *to)
{
	to->ngenerations = from->ngenerations;
	memcpy(to->generations, from->generations, sizeof(to->generations));
	for (unsigned i = 0; i < to->ngenerations && !has_data(to->role); i++)
		crypt_wipe(&to->generations[i].data, sizeof(to->generations[i].data));
}

/* --- Generations -------------------------------------------------------------------------------------------------- */

static int compare(const struct generation_secrets *a, const struct generation_secrets *b)
{
	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return id_compare(&a->id, &b->id);
}

int secrets_add_generation(struct secrets *s, const struct generation_secrets *g)
{
	unsigned at = s->ngenerations;
	int order = 1;

	while (at > 0 && (order = compare(g, &s->generations[at - 1])) < 0)
		at--;
	if (at > 0 && order == 0)
		return -EEXIST;
	if (s->ngenerations == GENERATIONS_MAX)
		return -ENOSPC;
	memmove(&s->generations[at + 1], &s->generations[at], (s->ngenerations - at) * sizeof(s->generations[0]));
	s->generations[at] = *g;
	s->ngenerations++;
	return 0;
}

static int put_generation(const struct secrets *s, const struct generation_secrets *g, struct buf *out)
{
	uint32_t len = has_data(s->role) ? FIELD_MAX : FIELD_MAX - KEY_LEN;
	int err = buf_le16(out, SECRETS_GENERATION);

	if (err == 0)
		err = buf_le32(out, len);
	if (err == 0)
		err = buf_le32(out, g->number);
	if (err == 0)
		err = buf_append(out, g->id.b, KEY_LEN);
	if (err == 0)
		err = buf_append(out, g->metadata.b, KEY_LEN);
	if (err == 0)
		err = buf_append(out, g->data_public.b, KEY_LEN);
	if (err == 0 && has_data(s->role))
		err = buf_append(out, g->data.b, KEY_LEN);
	return err;
}

static void take_key(struct rd *r, uint8_t out[KEY_LEN])
{
	const uint8_t *p;

	if (rd_take(r, KEY_LEN, &p) == 0)
		memcpy(out, p, KEY_LEN);
}

static int take_generation(struct secrets *s, const struct tlv *t)
{
	struct generation_secrets g = { .number = 0 };
	struct rd r = rd_init(t->value, t->len);
	int err;

	if (t->len != (has_data(s->role) ? FIELD_MAX : FIELD_MAX - KEY_LEN) || rd_le32(&r, &g.number) < 0)
		return -EBADMSG;
	take_key(&r, g.id.b);
	take_key(&r, g.metadata.b);
	take_key(&r, g.data_public.b);
	take_key(&r, g.data.b);
	/* In order, as they are put. */
	if (g.number == 0 || (s->ngenerations > 0 && compare(&s->generations[s->ngenerations - 1], &g) >= 0) ||
	    !crypt_box_public_valid(&g.data_public))
		err = -EBADMSG;
	else
		err = secrets_add_generation(s, &g) == 0 ? 0 : -EBADMSG;
	crypt_wipe(&g, sizeof(g));
	return err;
}

/* --- The fields --------------------------------------------------------------------------------------------------- */

int renewal_put(const struct secrets *s, struct buf *out)
{
	int err = 0;

	if (s->grant.len > 0) {
		err = tlv_put(out, SECRETS_RENEWAL, s->renewal.b, sizeof(s->renewal.b));
		if (err == 0)
			err = tlv_put(out, SECRETS_GRANT, s->grant.data, s->grant.len);
	}
	for (unsigned i = 0; i < s->ngenerations && err == 0; i++)
		err = put_generation(s, &s->generations[i], out);
	return err;
}

int renewal_take(struct secrets *s, const struct tlv *t)
{
	if (t->tag == SECRETS_GENERATION)
		return take_generation(s, t);
	if (t->tag == SECRETS_RENEWAL)
		return tlv_bytes(t, s->renewal.b, sizeof(s->renewal.b));
	return t->len == 0 || t->len > GRANT_MAX ? -EBADMSG : buf_append(&s->grant, t->value, t->len);
}

/* Is it the grant of this bundle? */
static int check_grant(const struct secrets *s)
{
	struct sign_public signing;
	struct box_public own;
	struct grant g;
	int err = grant_open(s->grant.data, s->grant.len, s->repo_id, &s->owner_public, &g);

	if (err < 0)
		return err == -EKEYREJECTED ? -EBADMSG : err;
	crypt_box_public(&s->renewal, &own);
	if (g.role != s->role || !crypt_equal(own.b, g.renewal.b, sizeof(own.b)))
		return -EBADMSG;
	if (!g.signs)
		return 0;
	crypt_sign_public(&s->signing, &signing);
	return crypt_equal(signing.b, g.signing.b, sizeof(signing.b)) ? 0 : -EBADMSG;
}

int renewal_check(const struct secrets *s)
{
	static const struct box_secret none;
	struct box_public pk;

	for (unsigned i = 0; i < s->ngenerations && has_data(s->role); i++) {
		crypt_box_public(&s->generations[i].data, &pk);
		if (!crypt_equal(pk.b, s->generations[i].data_public.b, sizeof(pk.b)))
			return -EBADMSG;
	}
	if (s->grant.len > 0)
		return check_grant(s);
	return crypt_equal(&none, &s->renewal, sizeof(none)) ? 0 : -EBADMSG;
}
