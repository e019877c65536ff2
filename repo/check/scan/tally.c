/*
 * What was found in a pack, in words.
 */
#include "repo/check/scan/tally.h"

#include <stdarg.h>
#include <stdio.h>

__attribute__((format(printf, 2, 3))) static void add_text(struct buf *b, const char *fmt, ...)
{
	char part[WHAT_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(part, sizeof(part), fmt, ap);
	va_end(ap);
	buf_printf(b, "%s%s", b->len > 0 ? "; " : "", part);
}

void tally_describe(const struct tally *t, struct buf *out)
{
	if (t->read_error != 0)
		add_text(out, "cannot be read: %s", ERR(t->read_error));
	else if (t->other_hash)
		add_text(out, "its bytes do not hash to its name");
	if (t->table_error != 0)
		add_text(out, "its table cannot be read: %s", ERR(t->table_error));
	if (t->bad_key)
		add_text(out, "its key does not open");
	if (t->disorder > 0)
		add_text(out, "places in it are out of order");
	if (t->damaged > 0)
		add_text(out, "%llu of its %llu objects are damaged", (unsigned long long)t->damaged,
		    (unsigned long long)t->objects);
	if (t->other_key)
		add_text(out, "the index has another key for it");
	if (t->moved > 0)
		add_text(out, "the index has other places for %llu of its objects", (unsigned long long)t->moved);
	if (t->table_error == 0 && t->named > t->matched + t->moved)
		add_text(out, "the index names %llu objects that its table does not",
		    (unsigned long long)(t->named - t->matched - t->moved));
}
