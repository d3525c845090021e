/* SPDX-License-Identifier: Apache-2.0 */
/* What the file says without any effect. */
#include "conf/conf.h"
#include "conf/schema.h"

void conf_unused_sections(const struct conf *conf, void (*visit)(void *arg, const char *section),
			  void *arg)
{
	unsigned id;

	for (id = 0; id < SCHEMA_SECTION_COUNT; id++)
		if (SCHEMA_SECTIONS[id].unused && (conf->sections & UINT32_C(1) << id))
			visit(arg, SCHEMA_SECTIONS[id].name);
}
