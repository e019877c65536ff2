/*
 * XML by expat.  See xml.h.
 *
 * Names are taken as they stand and cut at their ":": what a prefix stands for does not matter to those who know what
 * they have asked, and servers that forget to declare one are understood.
 */
#include <errno.h>
#include <expat.h>
#include <stdlib.h>
#include <string.h>

#include "repo/store/parse/xml.h"
#include "repo/util/bytes/buf.h"

#define FEED_MAX (1u << 20) /* XML_Parse() takes an int */

/* An element that has begun and not ended. */
struct level {
	size_t path_len; /* of the path without it */
	struct buf text;
};

struct parse {
	XML_Parser expat;
	xml_element_fn *fn;
	void *arg;
	int rc;          /* why it was stopped */
	struct buf path; /* with a NUL behind it that is not counted */
	struct level levels[XML_DEPTH_MAX];
	unsigned depth;
};

static void stop(struct parse *p, int rc)
{
	p->rc = rc;
	XML_StopParser(p->expat, XML_FALSE);
}

static const char *local_name(const char *name)
{
	const char *colon = strrchr(name, ':');

	return colon != NULL ? colon + 1 : name;
}

/* expat may still call after a stop. */
static void on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	struct parse *p = arg;
	struct level *l;

	(void)attributes;
	if (p->rc != 0)
		return;
	if (p->depth == XML_DEPTH_MAX) {
		stop(p, -EBADMSG);
		return;
	}
	l = &p->levels[p->depth++];
	l->path_len = p->path.len;
	buf_clear(&l->text);
	if (buf_printf(&p->path, "/%s", local_name(name)) != 0)
		stop(p, -ENOMEM);
}

static void on_text(void *arg, const XML_Char *text, int len)
{
	struct parse *p = arg;
	struct level *l;
	size_t room, n = (size_t)len;

	if (p->rc != 0 || p->depth == 0)
		return;
	l = &p->levels[p->depth - 1];
	room = XML_TEXT_MAX - l->text.len;
	if (buf_append(&l->text, text, n < room ? n : room) != 0)
		stop(p, -ENOMEM);
}

static void on_end(void *arg, const XML_Char *name)
{
	struct parse *p = arg;
	struct level *l;
	int rc;

	(void)name;
	if (p->rc != 0)
		return;
	l = &p->levels[--p->depth];
	rc = buf_append(&l->text, "", 1);
	if (rc == 0)
		rc = p->fn(p->arg, (const char *)p->path.data, (const char *)l->text.data);
	p->path.len = l->path_len;
	if (p->path.data != NULL)
		p->path.data[p->path.len] = '\0';
	if (rc != 0)
		stop(p, rc);
}

static void on_doctype(void *arg, const XML_Char *name, const XML_Char *sysid, const XML_Char *pubid, int internal)
{
	(void)name;
	(void)sysid;
	(void)pubid;
	(void)internal;
	stop(arg, -EBADMSG);
}

static int feed(struct parse *p, const char *data, size_t len)
{
	enum XML_Status status;
	size_t n;

	do {
		n = len < FEED_MAX ? len : FEED_MAX;
		status = XML_Parse(p->expat, data, (int)n, n == len);
		data += n;
		len -= n;
	} while (status == XML_STATUS_OK && len > 0);
	if (p->rc != 0)
		return p->rc;
	if (status == XML_STATUS_OK)
		return 0;
	return XML_GetErrorCode(p->expat) == XML_ERROR_NO_MEMORY ? -ENOMEM : -EBADMSG;
}

int xml_parse(const void *data, size_t len, xml_element_fn *fn, void *arg)
{
	struct parse p = { .fn = fn, .arg = arg };
	int rc = -ENOMEM;

	p.expat = XML_ParserCreate(NULL);
	if (p.expat == NULL)
		goto out;
	XML_SetUserData(p.expat, &p);
	XML_SetElementHandler(p.expat, on_start, on_end);
	XML_SetCharacterDataHandler(p.expat, on_text);
	XML_SetStartDoctypeDeclHandler(p.expat, on_doctype);
	rc = feed(&p, len > 0 ? data : "", len);
out:
	if (p.expat != NULL)
		XML_ParserFree(p.expat);
	for (unsigned i = 0; i < XML_DEPTH_MAX; i++)
		buf_free(&p.levels[i].text);
	buf_free(&p.path);
	return rc;
}
