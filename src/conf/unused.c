/* SPDX-License-Identifier: Apache-2.0 */
/* What the file says without any effect. */
#include "conf/conf.h"
#include "conf/schema.h"

void conf_unused_sections(const struct conf *conf, void (*visit)(void *arg, const char *section),
			  void *arg)
{
	unsigned id;

	for (id = 0; id < SCHEMA_HOLDFAST.section_count; id++)
		if (SCHEMA_HOLDFAST.sections[id].unused && (conf->sections & UINT32_C(1) << id))
			visit(arg, SCHEMA_HOLDFAST.sections[id].name);
}
