/*
 * Names of snapshots as directories.
 */
#include <stdio.h>
#include <string.h>

#include "repo/snapshot/catalog.h"

bool snapshot_name(const struct snapshot *s, enum when_style style, bool utc, unsigned form,
    char out[SNAPSHOT_NAME_MAX])
{
	static const unsigned digits[] = { 0, 0, 8, 16, 32, 2 * ID_LEN };
	char time[WHEN_SIZE], hex[ID_HEX_SIZE];

	if (form >= sizeof(digits) / sizeof(digits[0]))
		return false;
	when_format(s->time_ns, style == WHEN_MINUTES && form > 0 ? WHEN_SECONDS : style, utc, time);
	if (digits[form] == 0)
		snprintf(out, SNAPSHOT_NAME_MAX, "%s", time);
	else
		snprintf(out, SNAPSHOT_NAME_MAX, "%.30s-%.*s", time, (int)digits[form], id_hex(&s->id, hex));
	return true;
}
