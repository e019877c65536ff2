/*
 * Fields of one repository with a signature behind them, as manifests, revocations, grants and generations have them.
 *
 * What is signed is the repository's id and the fields, so that nothing signed for one repository counts in another
 * that has the same keys.
 */
#ifndef VARVE_CRYPT_SIGNED_FIELDS_H
#define VARVE_CRYPT_SIGNED_FIELDS_H

#include "repo/crypt/crypt.h"
#include "repo/util/bytes/buf.h"

/* Sign the fields that ${fields} holds, and append the signature.  Return 0 or -ENOMEM. */
int signed_fields_seal(const struct sign_secret *key, const char *context, const uint8_t repo_id[16],
    struct buf *fields);

/* How many bytes of ${plain} are fields; ${sig} is what stands behind them.  -EBADMSG if there is no room for that. */
int signed_fields_split(const struct buf *plain, size_t *fields_len, struct signature *sig);

/* Is ${sig} this key's, of ${len} bytes of fields?  Return 0; -EKEYREJECTED; -ENOMEM. */
int signed_fields_verify(const struct sign_public *key, const char *context, const uint8_t repo_id[16],
    const void *fields, size_t len, const struct signature *sig);

/* Both for ${len} bytes with the signature: how many of them are fields, if it is this key's.  Errors as above. */
int signed_fields_open(const struct sign_public *key, const char *context, const uint8_t repo_id[16],
    const void *data, size_t len, size_t *fields_len);

#endif
