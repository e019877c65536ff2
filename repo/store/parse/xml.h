/*
 * XML as servers answer with it (listings, errors), by expat.  No DTD, no entity of the document's own is accepted.
 */
#ifndef VARVE_STORE_XML_H
#define VARVE_STORE_XML_H

#include <stdbool.h>
#include <stddef.h>

#define XML_DEPTH_MAX 16
#define XML_TEXT_MAX 4096 /* bytes of an element's text; longer ones are cut */

/**
 * An element has ended: its path of local names from the root ("/ListBucketResult/Contents/Key"; namespaces are left
 * out), and the text directly in it, decoded.  Elements end before those they are in.  Non-zero ends the parse.
 */
typedef int xml_element_fn(void *arg, const char *path, const char *text);

/**
 * xml_parse(data, len, fn, arg):
 * Call ${fn} for each element of the document.  Return 0; -EBADMSG if it is not well-formed, too deep, or has a DTD;
 * -ENOMEM; what ${fn} returned.
 */
int xml_parse(const void *data, size_t len, xml_element_fn *fn, void *arg);

#endif
