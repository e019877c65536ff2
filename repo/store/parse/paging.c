/*
 * Paging.  See paging.h.
 */
#include <errno.h>
#include <string.h>

#include "repo/store/parse/paging.h"

int paging_next(struct paging *p, const char *token, bool empty)
{
	p->empty = empty ? p->empty + 1 : 0;
	if (p->empty > PAGING_EMPTY_MAX)
		return -ELOOP;
	if (p->mark.len > 0 && strcmp((const char *)p->mark.data, token) == 0)
		return -ELOOP;
	p->pages++;
	if (p->mark_at != 0 && p->pages < 2 * p->mark_at)
		return 0;
	p->mark_at = p->pages;
	buf_clear(&p->mark);
	return buf_append(&p->mark, token, strlen(token) + 1);
}

void paging_free(struct paging *p)
{
	buf_free(&p->mark);
}
