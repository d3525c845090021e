/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords are compared by their MACs under a key of this process, which are of one length. Where
 * nobody has the email, the MAC of the key itself is what does not fit.
 */

#include "origin/users.h"

#include <stdlib.h>

#include "crypto/cipher.h"
#include "crypto/hash.h"

#define KEY_SIZE 32u
#define MAC_SIZE 32u /* SHA-256 */
#define STEP_US	 ((uint64_t)USERS_STEP_S * 1000000u)

/* Where a password is told; those who have a token are not kept waiting by those who have none. */
enum door { DOOR_LOGIN, DOOR_TOKEN, DOORS };

struct account {
	uint8_t mac[MAC_SIZE];	 /* of the password */
	uint64_t paid_us[DOORS]; /* the time that its failures have cost, on the clock of now_us */
};

struct users {
	const struct origin_user *list;
	size_t count;
	uint8_t key[KEY_SIZE];
	struct account accounts[]; /* of the list, and one of nobody */
};

static int mac_of(const struct users *users, struct slice text, uint8_t ret_mac[MAC_SIZE],
		  struct err *err)
{
	return hash_hmac(HASH_SHA256, slice_of(users->key, KEY_SIZE), &text, 1, ret_mac, err);
}

/* The place of an email, that of nobody when there is none. Looks at all of them. */
static size_t find(const struct users *users, struct slice email)
{
	size_t found = users->count;

	for (size_t i = 0; i < users->count; i++)
		if (secret_equal(secret_slice(users->list[i].email), email))
			found = i;
	return found;
}

static bool is_field(const struct secret *field)
{
	return secret_size(field) > 0 && secret_size(field) <= V1_FIELD_MAX;
}

static int add(struct users *users, const struct origin_user *user, struct err *err)
{
	if (!is_field(user->email) || !is_field(user->password))
		return err_set(err, ERR_INVALID,
			       "user %zu: email or password is empty or over %u bytes",
			       users->count + 1, V1_FIELD_MAX);
	if (find(users, secret_slice(user->email)) < users->count)
		return err_set(err, ERR_INVALID, "user %zu: the email is there already",
			       users->count + 1);
	users->count++;
	return mac_of(users, secret_slice(user->password), users->accounts[users->count - 1].mac,
		      err);
}

int users_new(const struct origin_user *list, size_t count, struct users **ret_users,
	      struct err *err)
{
	CLEANUP(users_cleanup)
	struct users *users = calloc(1, sizeof(*users) + (count + 1) * sizeof(users->accounts[0]));
	int r;

	if (!users)
		return err_set(err, ERR_INTERNAL, "memory is short");
	users->list = list;
	r = cipher_random(users->key, KEY_SIZE, err);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = add(users, &list[i], err);
	if (r == 0)
		r = mac_of(users, slice_of(users->key, KEY_SIZE), users->accounts[count].mac, err);
	if (r == 0)
		*ret_users = TAKE(users);
	return r;
}

void users_free(struct users *users)
{
	if (!users)
		return;
	wipe(users, sizeof(*users) + (users->count + 1) * sizeof(users->accounts[0]));
	free(users);
}

/* --- guessing --- */

static int has_turn(uint64_t paid_us, uint64_t now_us, struct err *err)
{
	if (paid_us <= now_us + (USERS_BURST - 1) * STEP_US)
		return 0;
	(void)err_set(err, ERR_QUOTA, "too many wrong passwords");
	err->retry_after = USERS_STEP_S;
	return err_add_remedy(err, "Wait as long as Retry-After says, then repeat.");
}

static void pay(uint64_t *paid_us, uint64_t now_us)
{
	if (*paid_us < now_us)
		*paid_us = now_us;
	*paid_us += STEP_US;
}

/* ERR_NOT_FOUND for the account of nobody, after the same work. */
static int judge(struct users *users, size_t at, enum door door, struct slice password,
		 uint64_t now_us, struct err *err)
{
	struct account *account = &users->accounts[at];
	uint64_t *paid_us = &account->paid_us[door];
	uint8_t mac[MAC_SIZE];
	bool equal;
	int r = has_turn(*paid_us, now_us, err);

	if (r == 0)
		r = mac_of(users, password, mac, err);
	if (r < 0)
		return r;
	equal = secret_equal(slice_of(mac, MAC_SIZE), slice_of(account->mac, MAC_SIZE));
	wipe(mac, sizeof(mac));
	if (equal && at < users->count)
		return 0;
	pay(paid_us, now_us);
	if (at == users->count)
		return err_set(err, ERR_NOT_FOUND, "nobody has this email");
	return err_set(err, ERR_AUTH_FAILED, "the password is wrong");
}

int users_login(struct users *users, struct slice email, struct slice password, uint64_t now_us,
		unsigned *ret_id, struct err *err)
{
	size_t at = find(users, email);
	int r = judge(users, at, DOOR_LOGIN, password, now_us, err);

	if (r == 0)
		*ret_id = (unsigned)at;
	return r;
}

int users_confirm(struct users *users, unsigned id, struct slice password, uint64_t now_us,
		  struct err *err)
{
	if (id >= users->count)
		return err_set(err, ERR_AUTH_FAILED, "there is no such user");
	return judge(users, id, DOOR_TOKEN, password, now_us, err);
}

const struct secret *users_email(const struct users *users, unsigned id)
{
	return id < users->count ? users->list[id].email : NULL;
}
