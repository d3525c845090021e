/* SPDX-License-Identifier: Apache-2.0 */
/* The certificates that a device makes for itself, and the request for one that a CA makes. */
#include "identity/impl.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/base64.h"
#include "crypto/certificate.h"
#include "crypto/x509.h"

#define DAY		  86400
#define FINGERPRINT_SHOWN 8u
#define SERIAL_SIZE	  16u
/* 2026-01-01: no clock is right that is before it, as many are until they are set. */
#define SANE_TIME INT64_C(1767225600)

void identity_time(int64_t when, char ret_text[IDENTITY_TIME_MAX])
{
	time_t seconds = (time_t)when;
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) ||
	    strftime(ret_text, IDENTITY_TIME_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		ret_text[0] = '\0';
}

static struct slice first_of(struct slice chain)
{
	return slice_of(chain.data, certificate_len(chain));
}

/* Nobody would take it. One that is not valid yet may become so, or the clock is wrong. */
static int check_usable(const struct x509_facts *facts, int64_t now, struct err *err)
{
	char until[IDENTITY_TIME_MAX];

	if (facts->is_ca)
		return err_set(err, ERR_INVALID, "the first certificate is that of a CA");
	if (now <= facts->not_after)
		return 0;
	identity_time(facts->not_after, until);
	return err_set(err, ERR_INVALID, "the first certificate has expired at %s", until);
}

int identity_chain_check(struct slice chain, int64_t now, struct err *err)
{
	CLEANUP(x509_facts_cleanup) struct x509_facts facts = X509_FACTS_INIT;
	int r = x509_chain_check(chain, err);

	if (r == 0)
		r = x509_read(first_of(chain), &facts, err);
	return r < 0 ? r : check_usable(&facts, now, err);
}

int identity_chain_spki(struct slice chain, struct buf *ret_spki, struct err *err)
{
	CLEANUP(x509_facts_cleanup) struct x509_facts facts = X509_FACTS_INIT;
	int r = x509_read(first_of(chain), &facts, err);

	if (r < 0)
		return r;
	buf_put(ret_spki, buf_slice(&facts.spki));
	return buf_ok(ret_spki) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

const char *identity_chain_problem(struct slice chain, int64_t now)
{
	CLEANUP(x509_facts_cleanup) struct x509_facts facts = X509_FACTS_INIT;
	struct err ignored;

	if (chain.len == 0 || x509_read(first_of(chain), &facts, &ignored) < 0)
		return "";
	if (now < facts.not_before)
		return "the certificate is not valid yet, by this clock";
	if (now > facts.not_after)
		return "the certificate has expired: holdfast device renew, or one from your CA";
	if (!facts.for_client && !facts.for_server)
		return "the certificate is for neither clients nor servers of TLS: another one "
		       "from your CA";
	return "";
}

/* As configured, or by the key's fingerprint. */
static int subject_of(const struct identity *identity, struct slice spki, struct buf *ret_subject,
		      struct err *err)
{
	uint8_t digest[HASH_MAX_SIZE];
	int r;

	if (identity->subject[0] != '\0') {
		buf_put_str(ret_subject, identity->subject);
	} else {
		r = hash_digest(HASH_SHA256, &spki, 1, digest, err);
		if (r < 0)
			return r;
		buf_put_str(ret_subject, "CN=holdfast-");
		hex_encode(ret_subject, slice_of(digest, FINGERPRINT_SHOWN));
	}
	return buf_ok(ret_subject) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

/*
 * One of its own for each certificate of a key, without asking anybody for randomness: who signs
 * is the device itself, and guessing a serial number takes nobody further (RFC 5280, 4.1.2.2).
 */
static int serial_of(const struct certificate_order *order, uint8_t ret_serial[X509_SERIAL_MAX],
		     struct err *err)
{
	struct timespec moment = {0};
	const struct slice parts[] = {order->spki, order->issuer,
				      slice_of(&moment, sizeof(moment))};
	uint8_t digest[HASH_MAX_SIZE];
	int r;

	(void)clock_gettime(CLOCK_REALTIME, &moment);
	r = hash_digest(HASH_SHA256, parts, ARRAY_LEN(parts), digest, err);
	if (r < 0)
		return r;
	memset(ret_serial, 0, X509_SERIAL_MAX);
	memcpy(ret_serial + X509_SERIAL_MAX - SERIAL_SIZE, digest, SERIAL_SIZE);
	ret_serial[X509_SERIAL_MAX - SERIAL_SIZE] |= 1; /* never zero */
	return 0;
}

static int sign_info(const struct signer *signer, struct slice info, struct buf *ret_signature,
		     struct err *err)
{
	uint8_t digest[HASH_MAX_SIZE];
	int r = hash_digest(HASH_SHA256, &info, 1, digest, err);

	if (r < 0)
		return r;
	return signer_sign(signer, HASH_SHA256, slice_of(digest, hash_size(HASH_SHA256)),
			   ret_signature, err);
}

int identity_certify(const struct identity *identity, const struct signer *signer,
		     const struct certificate_order *order, struct buf *ret_der, struct err *err)
{
	CLEANUP(buf_fini) struct buf subject = BUF_INIT(IDENTITY_SUBJECT_MAX);
	CLEANUP(buf_fini) struct buf info = BUF_INIT(X509_MAX);
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);
	int64_t now = order->now > SANE_TIME ? order->now : SANE_TIME;
	struct x509_spec spec = {
		.spki = order->spki,
		.not_before = now > SANE_TIME + DAY ? now - DAY : SANE_TIME,
		.not_after = now + (int64_t)identity->days * DAY,
		.scheme = PKEY_ECDSA,
		.hash = HASH_SHA256,
	};
	int r = subject_of(identity, order->spki, &subject, err);

	if (order->issuer.len > 0)
		spec.issuer = first_of(order->issuer);
	spec.subject = buf_slice(&subject);
	if (r == 0)
		r = serial_of(order, spec.serial, err);
	if (r == 0)
		r = x509_info(&spec, &info, err);
	if (r == 0)
		r = sign_info(signer, buf_slice(&info), &signature, err);
	if (r == 0)
		r = x509_finish(buf_slice(&info), PKEY_ECDSA, HASH_SHA256, buf_slice(&signature),
				ret_der, err);
	return r;
}

int identity_request(const struct signer *signer, const struct identity_order *order,
		     struct slice spki, struct slice chain, struct buf *ret_pem, struct err *err)
{
	CLEANUP(buf_fini) struct buf subject = BUF_INIT(X509_MAX);
	CLEANUP(buf_fini) struct buf info = BUF_INIT(REQUEST_MAX);
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);
	struct request request = {.subject = order->subject,
				  .spki = spki,
				  .names = order->names,
				  .count = order->name_count};
	int r = 0;

	/* That of the certificate as it is: a CA may have put into it what we do not write. */
	if (order->subject.len == 0)
		r = x509_subject(first_of(chain), &subject, err);
	request.subject_der = buf_slice(&subject);
	if (r == 0)
		r = request_info(&request, &info, err);
	if (r == 0)
		r = sign_info(signer, buf_slice(&info), &signature, err);
	if (r == 0)
		r = request_finish(buf_slice(&info), PKEY_ECDSA, HASH_SHA256, buf_slice(&signature),
				   ret_pem, err);
	return r;
}
