/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STACK_LOOK_H
#define STACK_LOOK_H

/* Look: the parts of looking; each fills its own facts. */

#include "stack/facts.h"

struct conf;
struct json_t;

/* Files below @root ("" = this machine), held against what is rendered and what was applied. */
void look_at_files(const char *root, const struct stack_tree *tree,
		   enum fact_file ret_files[STACK_PARTS], enum fact_ledger *ret_ledger);

/* Presence, kind and permissions of one path; @kind is of S_IFMT. */
void look_at_node(const char *path, mode_t kind, struct fact_node *ret_node);
enum fact_presence look_at_presence(const char *path);

/* Who has the nodes open and which of the daemons run; @proc is "/proc" but in tests. */
void look_at_processes(const char *proc, const struct fact_node nodes[FACT_NODES],
		       struct fact_manager *manager);

/*
 * Runs the tools; what they need of the facts is there already. After @limit_ms none is begun, nor
 * goes on. SIGINT, SIGTERM, SIGHUP and SIGQUIT end the one that runs, and come through at the end.
 */
void look_by_tools(const struct conf *conf, unsigned limit_ms, struct stack_facts *facts);

/*
 * Readers of what tools print; pure. Each gives false when the text is not as that tool prints it,
 * and leaves its result alone.
 */
bool look_parse_lockout(const char *text, struct fact_lockout *ret_lockout);
bool look_parse_handles(const char *text, struct fact_handles *ret_handles);
bool look_parse_public(const char *text, struct fact_public *ret_public);
bool look_parse_random(const char *text, size_t bytes);
bool look_parse_bus(const char *text, bool *ret_owned);
/* Is there a line of this module, "NAME: .."? */
bool look_parse_modules(const char *text, const char *module);
/* Of tabrmdConf: the name on the bus, else abrmd's own; and whether that is the session's bus. */
bool look_parse_bus_name(const char *conf, char ret_name[FACT_TEXT_SIZE], bool *ret_session);

/* The last line of a text that is not empty, cut at its size. */
void look_last_line(const char *text, char ret_line[FACT_TEXT_SIZE]);

#endif
