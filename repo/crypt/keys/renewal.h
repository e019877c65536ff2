/*
 * The part of a bundle that has to do with the renewal of secrets: the renewal secret with its grant, and the
 * generations after the first.  For secrets.c.
 */
#ifndef VARVE_CRYPT_RENEWAL_H
#define VARVE_CRYPT_RENEWAL_H

#include "repo/crypt/keys/secrets.h"
#include "repo/util/bytes/tlv.h"

/* Give ${s}, which has all else, a new renewal secret and the grant of it, for ${name} (NULL: nobody).  0, -ENOMEM. */
int renewal_give(struct secrets *s, const struct sign_secret *owner, const char *name);

/* Give ${to} what its role is given of the generations of ${from}. */
void renewal_hand_on(const struct secrets *from, struct secrets *to);

/* Append the fields to an encoded bundle.  0, -ENOMEM. */
int renewal_put(const struct secrets *s, struct buf *out);

/* Take one of the fields into a bundle whose role is known by then.  0, -EBADMSG, -ENOMEM. */
int renewal_take(struct secrets *s, const struct tlv *t);

/* Do they belong together, and to the rest of the bundle?  0, -EBADMSG, -EPROTONOSUPPORT, -ENOMEM. */
int renewal_check(const struct secrets *s);

#endif
