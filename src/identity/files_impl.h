/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IDENTITY_FILES_IMPL_H
#define IDENTITY_FILES_IMPL_H

/* What the files*.c share. For this room only. */

#include <sys/types.h>

#include "base/secret.h"
#include "identity/files.h"
#include "store/twin.h"

#define FILES_KEY	  "device.key.pem"
#define FILES_CERTIFICATE "device.cert.pem"
#define FILES_RECORD_COPY "device.identity.json"
#define FILES_RECORD	  "identity.json"
#define FILES_JOURNAL	  "identity.journal"
#define FILES_MARKER	  "tpm_in_use"
/* What lies in a folder of its own behind this cannot be moved elsewhere. */
#define FILES_LEFT ".unreadable-"

struct identity_files {
	char *config, *persist, *run, *state;
	bool stays; /* below the state folder, though the machine has folders by now */
};

enum files_folder {
	FILES_IN_CONFIG,
	FILES_IN_RUN,
	FILES_IN_STATE,
	FILES_IN_HOLDFAST,   /* <persist>/holdfast */
	FILES_IN_PREVIOUS,   /* <persist>/holdfast/previous */
	FILES_IN_QUARANTINE, /* <persist>/holdfast/quarantine */
	FILES_IN_MARKER,     /* <persist>/config */
	FILES_FOLDERS,
};

/*
 * ERR_NOT_FOUND: the folder is absent, and with it all that would be in it. ERR_UNREADABLE: nobody
 * knows; also where a folder of the machine is not there, which may be one that is not mounted.
 * With
 * @create, folders of ours are made.
 */
int files_open(const struct identity_files *files, enum files_folder folder, bool create,
	       int *ret_fd, struct err *err) MUST_CHECK;

/* One file by its folder. Reading: ERR_NOT_FOUND, ERR_UNREADABLE, ERR_TOO_LARGE. */
int files_read(const struct identity_files *files, enum files_folder folder, const char *name,
	       size_t max, struct secret **ret_bytes, struct err *err) MUST_CHECK;
struct files_content {
	const char *name;
	struct slice bytes;
	mode_t mode;
};
int files_write(const struct identity_files *files, enum files_folder folder,
		const struct files_content *content, struct err *err) MUST_CHECK;
/* Absent is good. */
int files_remove(const struct identity_files *files, enum files_folder folder, const char *name,
		 struct err *err) MUST_CHECK;

/* The same by file_erase(). */
int files_erase(const struct identity_files *files, enum files_folder folder, const char *name,
		struct err *err) MUST_CHECK;

/* Adds a remedy where a folder cannot be written; returns the code. */
int files_explain(struct err *err);

/*
 * Moves to the folder @to, also onto another file system, under NAME.TIME, or -2, -3, .. behind it.
 * What can be neither moved nor read stays in its folder under a name with FILES_LEFT. Absent is
 * good.
 */
struct files_move {
	enum files_folder from;
	const char *name;
	enum files_folder to;
	const char *new_name;
	bool keep; /* it is copied, and stays where it is */
};
int files_move(const struct identity_files *files, const struct files_move *move, struct err *err)
	MUST_CHECK;
int files_quarantine(const struct identity_files *files, enum files_folder folder, const char *name,
		     struct err *err) MUST_CHECK;
/* These bytes as a new file, under the first name of @name that is free. */
int files_keep(const struct identity_files *files, enum files_folder folder, const char *name,
	       struct slice bytes, struct err *err) MUST_CHECK;

/* --- twin files in several places --- */

struct files_place {
	enum files_folder folder;
	const char *name;
};
struct files_twin {
	const struct files_place *places;
	size_t count; /* of them, one or two */
	twin_judge *judge;
	int dirs[2];
	struct twin copies;
};
#define FILES_TWIN(places_, judge_)                                                                \
	{                                                                                          \
		.places = (places_), .count = ARRAY_LEN(places_), .judge = (judge_), .dirs = {     \
			-1,                                                                        \
			-1                                                                         \
		}                                                                                  \
	}
void files_twin_fini(struct files_twin *twin);

/* As twin_load(). To write, the folders are made; one that is not to be had is an error then. */
enum files_need { FILES_LOOK, FILES_MAKE };
int files_twin_load(const struct identity_files *files, struct files_twin *twin,
		    enum files_need need, struct err *err) MUST_CHECK;
/*
 * After files_twin_load(), as twin_write(). A copy that cannot be read while another one can goes
 * to the quarantine first; one that is only torn is written over.
 */
int files_twin_write(const struct identity_files *files, struct files_twin *twin,
		     struct slice content, struct err *err) MUST_CHECK;
/* What is not good goes to the quarantine. All that can be is removed, also after an error. */
int files_twin_remove(const struct identity_files *files, struct files_twin *twin, struct err *err)
	MUST_CHECK;

/* --- texts (JSON), strict --- */

/* ERR_DAMAGED; ERR_UNREADABLE: of a later version. */
int files_record_of_text(struct slice text, struct identity_record *ret_record, struct err *err)
	MUST_CHECK;
int files_journal_of_text(struct slice text, struct identity_journal *ret_journal, struct err *err)
	MUST_CHECK;
/* ERR_INVALID: would not be read again. */
int files_record_to_text(const struct identity_record *record, struct buf *ret_text,
			 struct err *err) MUST_CHECK;
int files_journal_to_text(const struct identity_journal *journal, struct buf *ret_text,
			  struct err *err) MUST_CHECK;

#endif
