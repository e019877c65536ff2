/*
 * Pages that were put.  See pages.h.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/crypt/crypt.h"
#include "tests/unit/tree/build/pages.h"

int pages_take(void *arg, const void *data, size_t len, struct id *id)
{
	struct pages *p = arg;
	struct page_put *at;

	if (p->fail_at && p->n + 1 >= p->fail_at)
		return -ENOSPC;
	p->put = realloc(p->put, (p->n + 1) * sizeof(*p->put));
	assert_non_null(p->put);
	at = &p->put[p->n++];
	crypt_hash(data, len, &at->id);
	at->data = malloc(len);
	assert_non_null(at->data);
	memcpy(at->data, data, len);
	at->len = len;
	*id = at->id;
	return 0;
}

void pages_free(struct pages *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->put[i].data);
	free(p->put);
	*p = (struct pages){ 0 };
}

const struct page_put *pages_find(const struct pages *p, const struct id *id)
{
	for (size_t i = 0; i < p->n; i++) {
		if (id_equal(&p->put[i].id, id))
			return &p->put[i];
	}
	fail_msg("a page was not put");
	return NULL;
}

struct tree_entry pages_file(const char *name)
{
	return (struct tree_entry){
		.name = name,
		.name_len = (uint16_t)strlen(name),
		.type = ENTRY_REG,
		.mode = 0644,
	};
}
