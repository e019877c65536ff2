/*
 * Packing: one pack on its way from the first segment to the index run that names it, with the records of its objects.
 *
 *   open       segments are appended             packing_append()
 *   committed  durable; its records wait         packing_commit()
 *   named      in a durable run; to be freed     run_put()
 *
 * Not thread-safe; it may pass from thread to thread.
 */
#ifndef VARVE_OBJECT_PACKING_H
#define VARVE_OBJECT_PACKING_H

#include "repo/object/writer.h"

struct packing {
	enum pack_kind kind;
	struct pack_writer *writer; /* while it is open */
	struct pack_info info;      /* once it is committed */
	struct buf records;         /* of each object, in pack order: id (32), place record */
	uint32_t nobjects;
	uint64_t nth;               /* of all that were begun: they may be committed in another order */
	struct packing *next;       /* for the user's lists */
};

/* Begin; parameters are those of pack_begin().  Return 0; -ENOMEM; what the store returns. */
int packing_begin(struct store *store, enum pack_kind kind, const struct seal_domain *domain,
    const struct seal_domain *metadata, struct packing **out);

/**
 * packing_append(p, s):
 * Seal the boxes of ${s} (overwriting them), append them, and enter its objects.  Return 0; -EINVAL if ${s} contradicts
 * itself; -EFBIG; -ENOMEM; what the store returns: then ${p} can only be freed.
 */
int packing_append(struct packing *p, struct segment_out *s);

/* Has it ${pack_size} bytes, or a table so long that it should be closed? */
bool packing_full(const struct packing *p, uint32_t pack_size);

/* Make it durable.  Return 0; -ENOMEM; what the store returns: then ${p} can only be freed. */
int packing_commit(struct packing *p);

/* Free a list of them; what is open is given up.  Does nothing for NULL. */
void packing_free(struct packing *list);

/**
 * packing_next(r, segment_size, id, place):
 * Take one object from ${r}, a cursor over the records of a packing.  Return 1; 0 at the end; -EBADMSG if they are no
 * records.
 */
int packing_next(struct rd *r, uint32_t segment_size, struct id *id, struct place *place);

#endif
