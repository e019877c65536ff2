/*
 * A snapshot as JSON.
 */
#include "tools/print/snapshot_json.h"

json_value *snapshot_json(const struct id *id, const struct manifest *m, bool utc)
{
	json_value *o = json_new_object();

	json_set_id(o, "id", id);
	json_set_time(o, "time", m->time_ns, utc);
	json_set_text(o, "host", m->host);
	json_set_text(o, "user", m->user);
	json_set_texts(o, "paths", m->paths, m->npaths);
	json_set_texts(o, "tags", m->tags, m->ntags);
	json_set_text(o, "profile", m->profile);
	json_set_text(o, "program", m->program);
	json_set_text(o, "writer", m->writer);
	if (m->has_parent)
		json_set_id(o, "parent", &m->parent);
	if (m->has_previous)
		json_set_id(o, "previous", &m->previous);
	json_set_bool(o, "partial", m->unreadable > 0);
	json_set_u64(o, "unreadable", m->unreadable);
	json_set_u64(o, "files", m->files);
	json_set_u64(o, "dirs", m->dirs);
	json_set_u64(o, "others", m->others);
	json_set_u64(o, "bytes", m->bytes);
	json_set_u64(o, "added", m->added);
	json_set_u64(o, "stored", m->stored);
	json_set_real(o, "seconds", (double)m->duration_ns / 1e9);
	return o;
}
