/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STACK_TEST_MACHINE_H
#define STACK_TEST_MACHINE_H

/* What the tests of apply share: the tree of a machine, and calls on its disk that fail. */

#include <stdbool.h>
#include <sys/types.h>

#include "base/slice.h"
#include "stack/apply.h"

#define PATH_SIZE 512u
#define FULL                                                                                       \
	"tpm2 { enable = true abrmd { enable = true } pkcs11 { enable = true } "                   \
	"tctiEnvironment { enable = true interface = tabrmd } }"
#define LESS   "tpm2 { enable = true applyUdevRules = false }"
#define OTHER  "tpm2 { enable = true tssGroup = other fapi { ekCertLess = true } }"
#define OFF    "tpm2 { }"
#define FAPI   "/etc/tpm2-tss/fapi-config.json"
#define HIDDEN "/etc/tpm2-tss/.fapi-config.json"
#define ORIG   HIDDEN STACK_ORIG
#define THEIR  HIDDEN STACK_BACKUP

extern int calls_left; /* that succeed before one fails; -1 = none fails */
extern uid_t caller;   /* whom geteuid() tells */
extern char root[PATH_SIZE];

int machine_begin(void **state);
int machine_end(void **state);
const char *at(const char *path);
void make_folders(const char *path);
void put(const char *path, const char *text);
bool is_there(const char *path);
bool holds(const char *path, struct slice wanted);
bool says(const char *path, const char *text);
void put_status(const char *text);
void render(const char *text, struct stack_tree *tree);
int apply_as(const char *text, const struct stack_wish *wish, struct stack_change *change,
	     struct err *err);
void apply(const char *text, bool force, struct stack_change *change);
int apply_code(const char *text, struct err *err);
enum stack_deed deed_of(const char *text, enum stack_part part);
void assert_all(const struct stack_change *change, enum stack_deed deed);
void assert_is(const char *text);

#endif
