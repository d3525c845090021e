/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IDENTITY_FILES_H
#define IDENTITY_FILES_H

/*
 * Files: what the device's identity keeps on disk (docs/IDENTITY.md, normative):
 *
 *   <config>/device.cert.pem               the certificate, and its issuers behind it
 *   <config>/device.key.pem                the private key of a software identity, 0600
 *   <config>/device.identity.json[.copy]   second place of the record
 *   <persist>/holdfast/identity.json[.copy]  the record: a twin file, each copy with a checksum
 *   <state>/identity.journal[.copy]        what is being done; absent when nothing is
 *   <persist>/holdfast/identity.journal[.copy]  second place of the journal
 *   <persist>/holdfast/previous/           certificates of identities before this one
 *   <persist>/holdfast/quarantine/         software pairs that appeared beside a TPM's identity,
 *                                          and what could not be read when it was removed
 *   <persist>/config/tpm_in_use            output only; a copy is <run>/tpm_in_use
 *
 * What can be neither read nor moved to the quarantine stays in its folder, renamed to
 * NAME.unreadable-TIME. The journal of a reset outlives a lost <persist>.
 *
 * Reading tells apart what is there, what is absent and what cannot be read; only absent may lead
 * to something new. All writes are durable when they return (base/file.h). One user at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/slice.h"
#include "crypto/pkey.h"
#include "crypto/x509.h"

#define IDENTITY_NAME_MAX   66u
#define IDENTITY_CHAIN_MAX  32768u /* bytes of DER, the device's certificate first */
#define IDENTITY_OBJECT_MAX 4096u
#define IDENTITY_HEADER_MAX 512u
#define IDENTITY_TIME_MAX   32u /* RFC 3339, UTC */
/* Identities that a device may have had; the number stays at it. More in a copy is no record. */
#define IDENTITY_GENERATION_MAX UINT32_MAX

/* What is known of a TPM's identity without asking the chip. */
struct identity_record {
	bool enabled; /* this device has had an identity in a TPM: never cleared but by a reset */
	bool present; /* the members below describe the one that it has */
	uint64_t generation; /* of identities of this device, from 1 */
	char since[IDENTITY_TIME_MAX];
	uint32_t handle;
	uint8_t name[IDENTITY_NAME_MAX];
	size_t name_len;
	struct buf header; /* the header that the key's password is made of */
	struct buf spki;
	struct buf chain; /* certificates in DER, the first one of that public key */
};
#define IDENTITY_RECORD_INIT                                                                       \
	{                                                                                          \
		.header = BUF_INIT(IDENTITY_HEADER_MAX), .spki = BUF_INIT(1024),                   \
		.chain = BUF_INIT(IDENTITY_CHAIN_MAX)                                              \
	}
void identity_record_fini(struct identity_record *record);
static inline void identity_record_cleanup(struct identity_record *record)
{
	identity_record_fini(record);
}

/* How the four copies were found; the best of all is what is read. */
enum identity_found {
	IDENTITY_FOUND_NONE,   /* no copy anywhere */
	IDENTITY_FOUND_WHOLE,  /* all four good, and equal */
	IDENTITY_FOUND_MENDED, /* a good one; others were torn, older or missing: rewrite them */
	IDENTITY_FOUND_TORN,   /* there are copies and none is good */
	IDENTITY_FOUND_UNREADABLE, /* of a place nobody knows what is there, and no other is good */
};

struct identity_files;

/*
 * @config, @persist and @run are absolute. Folders that are missing are made when something is
 * written to them, never by reading; @config and @persist themselves are made only when they lie
 * below @state (the default where the machine has no /config and /persist), which is absolute too.
 */
struct identity_places {
	const char *config, *persist, *run, *state;
};
/*
 * "" in @config or @persist is /config or /persist when both exist, else <state>/device; texts are
 * copied. A record in <state>/device keeps it there when they appear later, unless <persist> has
 * one too. ERR_UNREADABLE: whether they exist nobody knows, or one is no folder.
 */
int identity_files_new(const struct identity_places *places, struct identity_files **ret_files,
		       struct err *err) MUST_CHECK;
void identity_files_free(struct identity_files *files);
MEM_DEFINE_CLEANUP(identity_files)
const char *identity_files_config(const struct identity_files *files);
const char *identity_files_persist(const struct identity_files *files);
/* "" or what an operator should know of where they are. */
const char *identity_files_problem(const struct identity_files *files);

/*
 * What the copies say, each thing once. One with a key comes before one without, whatever their
 * age; then one of <persist> before one of <config>, which more people may write; then the newer.
 * Whether the chip agrees is the caller's to ask.
 */
#define IDENTITY_RECORDS_MAX 4u
struct identity_records {
	struct identity_record of[IDENTITY_RECORDS_MAX]; /* .enabled: if any of them says so */
	size_t count;
	bool differ; /* of whether there is or was a key, or of which */
};
void identity_records_init(struct identity_records *records);
void identity_records_fini(struct identity_records *records);
static inline void identity_records_cleanup(struct identity_records *records)
{
	identity_records_fini(records);
}

/*
 * *ret_records is filled when FOUND_WHOLE or FOUND_MENDED. @err tells why not to be read; that is
 * also where no copy has a key, and of <persist>, which may have one, nobody knows.
 */
enum identity_found identity_records_read(struct identity_files *files,
					  struct identity_records *ret_records, struct err *err);
/* The first of them. */
enum identity_found identity_record_read(struct identity_files *files,
					 struct identity_record *ret_record, struct err *err);
/*
 * Both places, the worse first, so that a good copy is on disk at every moment. ERR_INVALID: its
 * members do not fit together. ERR_DAMAGED, ERR_UNREADABLE: as read, TORN or UNREADABLE, or a
 * folder is not there; nothing was written. After other errors the old one or the new one is read.
 */
int identity_record_write(struct identity_files *files, const struct identity_record *record,
			  struct err *err) MUST_CHECK;
/* All copies, those that cannot be read into the quarantine; absent is good. */
int identity_record_remove(struct identity_files *files, struct err *err) MUST_CHECK;

/* What is being done, so that a power cut in between is no end. */
enum identity_doing {
	IDENTITY_DOING_NOTHING,
	IDENTITY_DOING_INIT,	/* a key is being made */
	IDENTITY_DOING_MIGRATE, /* the same, beside a software identity that is in force until .. */
	IDENTITY_DOING_CONFIRM, /* .. somebody confirms: both are there */
	IDENTITY_DOING_RESET,	/* everything is being erased (cmd/holdfastd) */
};
struct identity_journal {
	enum identity_doing doing;
	struct buf object; /* INIT, MIGRATE: the new key before it is persistent */
	struct buf header; /* of it */
	uint32_t handle;   /* where it is going to lie, or lies; RESET: the identity key's */
	uint8_t name[IDENTITY_NAME_MAX]; /* of that key */
	size_t name_len;
	struct buf chain; /* MIGRATE, CONFIRM: its certificates */
	struct buf cross; /* CONFIRM: one of it by the software key, DER (docs/IDENTITY.md) */
	/* RESET */
	uint32_t hsk_handle; /* 0 = not persistent */
	uint8_t hsk_name[IDENTITY_NAME_MAX];
	size_t hsk_name_len;
	bool clear_tpm;
	bool partial; /* something was left that could not be erased */
	unsigned step;
	char asked[IDENTITY_TIME_MAX]; /* when */
	/* Of the persist folder alone: whoever can write there may have made it up. */
	bool of_persist;
	/* NOTHING is done, and the persist folder has a RESET that was never begun here. */
	bool stray;
};
#define IDENTITY_JOURNAL_INIT                                                                      \
	{                                                                                          \
		.object = BUF_INIT(IDENTITY_OBJECT_MAX), .header = BUF_INIT(IDENTITY_HEADER_MAX),  \
		.chain = BUF_INIT(IDENTITY_CHAIN_MAX), .cross = BUF_INIT(X509_MAX)                 \
	}
void identity_journal_fini(struct identity_journal *journal);
static inline void identity_journal_cleanup(struct identity_journal *journal)
{
	identity_journal_fini(journal);
}
/*
 * *ret_journal is doing NOTHING when there is none. ERR_UNREADABLE or ERR_DAMAGED: something is
 * there and cannot be understood; nothing may be made or erased then. What the state folder has
 * counts; where it has none, what the persist folder has, unless that is a RESET: who can write the
 * persist folder alone orders none, and ends none. Writing a RESET takes the state folder, all else
 * both; removing takes both.
 */
int identity_journal_read(struct identity_files *files, struct identity_journal *ret_journal,
			  struct err *err) MUST_CHECK;
int identity_journal_write(struct identity_files *files, const struct identity_journal *journal,
			   struct err *err) MUST_CHECK;
int identity_journal_remove(struct identity_files *files, struct err *err) MUST_CHECK;

/*
 * device.cert.pem as DER certificates one after the other. ERR_NOT_FOUND, ERR_UNREADABLE;
 * ERR_DAMAGED: no certificates.
 */
int identity_certificate_read(struct identity_files *files, struct buf *ret_chain, struct err *err)
	MUST_CHECK;
int identity_certificate_write(struct identity_files *files, struct slice chain, struct err *err)
	MUST_CHECK;
/* Puts the present one aside under previous/, by its key's fingerprint and time; absent is good. */
int identity_certificate_retire(struct identity_files *files, struct err *err) MUST_CHECK;
/* A copy of it, where another one is going to be written over it: it is never absent in between. */
int identity_certificate_keep(struct identity_files *files, struct err *err) MUST_CHECK;
/* The same of certificates that lie in no file: @chain, DER. */
int identity_certificate_keep_chain(struct identity_files *files, struct slice chain,
				    struct err *err) MUST_CHECK;
/* Puts one certificate there as KEY.cross.pem, by the first half of its key's fingerprint. */
int identity_certificate_keep_cross(struct identity_files *files, struct slice der, struct err *err)
	MUST_CHECK;

/*
 * The software key, P-256: PKCS#8 in PEM; read is also "EC PRIVATE KEY", which other software has
 * written. ERR_NOT_FOUND, ERR_UNREADABLE, ERR_DAMAGED.
 */
int identity_soft_read(struct identity_files *files, struct pkey **ret_key, struct err *err)
	MUST_CHECK;
int identity_soft_write(struct identity_files *files, const struct pkey *key, struct err *err)
	MUST_CHECK;
/* Overwritten as far as a file system does that, then removed; absent is good. */
int identity_soft_erase(struct identity_files *files, struct err *err) MUST_CHECK;
/* The pair goes to quarantine/; the certificate only when @with_certificate. */
int identity_soft_quarantine(struct identity_files *files, bool with_certificate, struct err *err)
	MUST_CHECK;

/* tpm_in_use: {"mode", "key_name", "boot_id", "time"}, and its copy in the run folder. */
struct identity_marker {
	const char *mode; /* "enabled" | "degraded" */
	struct slice key_name;
	const char *boot_id;
	const char *time;
};
int identity_marker_write(struct identity_files *files, const struct identity_marker *marker,
			  struct err *err) MUST_CHECK;
/*
 * Where one is, or @marker names a key: the same as far as it can be done, with the key that the
 * present one names where @marker names none. For when a part cannot be read.
 */
void identity_marker_renew(struct identity_files *files, const struct identity_marker *marker);
/* Is it there, and just this but for boot_id and time? For a report, never for a decision. */
bool identity_marker_is(struct identity_files *files, const struct identity_marker *marker);
int identity_marker_remove(struct identity_files *files, struct err *err) MUST_CHECK;

/*
 * All of the above but the journal, for a reset: certificates retired before and the quarantine,
 * too. Keys are overwritten. It can be repeated after it was cut off.
 */
int identity_files_erase(struct identity_files *files, struct err *err) MUST_CHECK;

#endif
