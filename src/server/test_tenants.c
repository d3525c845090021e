/* SPDX-License-Identifier: Apache-2.0 */
/* Many tenants: their folders, what a hostile one may do to his, and how they come and go. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/test_fixture.h"

#define OURS   "tenants/acme/holdfast.sock"
#define OTHERS "tenants/db/holdfast.sock"

/* They outlive their connections, which the fixture's end closes. */
static struct tenant acme, db, admin;

static unsigned syncs;

int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	(void)fd;
	syncs++;
	return 0;
}

static struct tenant tenant_named(const char *name)
{
	struct tenant tenant = {.connections_max = 64};

	(void)snprintf(tenant.name, sizeof(tenant.name), "%s", name);
	return tenant;
}

static int setup(void **state)
{
	acme = tenant_named("acme");
	db = tenant_named("db");
	admin = (struct tenant){.name = "admin", .connections_max = 2, .rights = TENANT_ADMIN};
	return fixture_make(state);
}

static int listen_for(struct fixture *fixture, struct tenant *tenant, struct err *err)
{
	return server_listen_tenant(fixture->server, fixture->run, tenant, err);
}

static void path_of(const struct fixture *fixture, const char *name, char path[static 160])
{
	(void)snprintf(path, 160, "%.70s/%.80s", fixture->run, name);
}

static unsigned mode_of(const struct fixture *fixture, const char *name)
{
	char path[160];
	struct stat st;

	path_of(fixture, name, path);
	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static ino_t inode_of(const struct fixture *fixture, const char *name)
{
	char path[160];
	struct stat st;

	path_of(fixture, name, path);
	return lstat(path, &st) == 0 ? st.st_ino : 0;
}

static bool is_served(struct fixture *fixture, const char *name)
{
	int fd = dial_name(fixture, name);
	bool served = fd >= 0 && ask(fixture, fd, "/open") == 204;

	if (fd >= 0)
		close(fd);
	return served;
}

/* --- folders --- */

/* What is gone with the machine anyway is not waited for: there may be a thousand. */
static void test_nothing_is_synced(void **state)
{
	struct fixture *fixture = *state;
	struct err err;

	assert_true(syncs > 0); /* of the run folder itself, by the fixture */
	syncs = 0;
	assert_int_equal(listen_for(fixture, &acme, &err), 0);
	assert_int_equal(listen_for(fixture, &db, &err), 0);
	assert_true(is_served(fixture, OURS));
	server_unlisten(fixture->server, &acme, true);
	assert_int_equal(server_remove_folder(fixture->server, fixture->run, "acme", &err), 0);
	assert_int_equal(syncs, 0);
}

static void test_modes(void **state)
{
	struct fixture *fixture = *state;
	struct err err;

	assert_false(server_listens(fixture->server, &acme));
	assert_int_equal(listen_for(fixture, &acme, &err), 0);
	assert_true(server_listens(fixture->server, &acme));
	assert_int_equal(mode_of(fixture, "tenants"), 0710);
	assert_int_equal(mode_of(fixture, "tenants/acme"), 0755);
	assert_int_equal(mode_of(fixture, OURS), 0666);
	assert_true(is_served(fixture, OURS));
	assert_int_equal(inode_of(fixture, "tenants/.acme"), 0);
	server_stop(fixture->server);
	assert_int_equal(inode_of(fixture, OURS), 0);
	assert_true(inode_of(fixture, "tenants/acme") > 0);
}

/* Whoever holds the folder, as a mount does, finds the socket that is made later. */
static void test_folder_stays(void **state)
{
	struct fixture *fixture = *state;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char path[160];
	struct err err;
	int held, fd;

	assert_int_equal(listen_for(fixture, &acme, &err), 0);
	path_of(fixture, "tenants/acme", path);
	held = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(held >= 0);
	server_unlisten(fixture->server, &acme, false);
	assert_false(server_listens(fixture->server, &acme));
	assert_int_equal(dial_name(fixture, OURS), -1);
	assert_int_equal(listen_for(fixture, &acme, &err), 0);
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s", held,
		       SERVER_SOCKET);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(ask(fixture, fd, "/open"), 204);
	close(fd);
	close(held);
}

/* With something foreign in it, it gets another name: a later tenant has another folder. */
static void test_remove_folder(void **state)
{
	struct fixture *fixture = *state;
	char path[160];
	struct err err;
	ino_t before;

	assert_int_equal(server_remove_folder(fixture->server, fixture->run, "acme", &err), 0);
	assert_int_equal(listen_for(fixture, &acme, &err), 0);
	server_unlisten(fixture->server, &acme, false);
	path_of(fixture, "tenants/acme/foreign", path);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	before = inode_of(fixture, "tenants/acme");
	assert_int_equal(server_remove_folder(fixture->server, fixture->run, "acme", &err), 0);
	assert_int_equal(inode_of(fixture, "tenants/acme"), 0);
	assert_int_equal(listen_for(fixture, &acme, &err), 0);
	assert_int_not_equal(inode_of(fixture, "tenants/acme"), before);
	assert_int_equal(inode_of(fixture, "tenants/acme/foreign"), 0);
}

/* --- what somebody may have put there --- */

static void put_link(const char *place, const char *outside)
{
	assert_int_equal(symlink(outside, place), 0);
}

static void put_dangling_link(const char *place, const char *outside)
{
	(void)outside;
	assert_int_equal(symlink("/nowhere/at/all", place), 0);
}

static void put_file(const char *place, const char *outside)
{
	(void)outside;
	close(open(place, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

static void put_second_name(const char *place, const char *outside)
{
	assert_int_equal(link(outside, place), 0);
}

static void put_fifo(const char *place, const char *outside)
{
	(void)outside;
	assert_int_equal(mkfifo(place, 0600), 0);
}

static int strangers_socket = -1;

static void put_socket(const char *place, const char *outside)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	(void)outside;
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%.100s", place);
	strangers_socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(strangers_socket, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(strangers_socket, 1), 0);
}

/* All of it makes room for our socket, and what a link leads to is left alone. */
static void test_hostile_names(void **state)
{
	static void (*const PUTS[])(const char *place, const char *outside) = {
		put_link, put_dangling_link, put_file, put_second_name, put_fifo, put_socket};
	struct fixture *fixture = *state;
	char place[160], outside[160];
	struct err err;
	struct stat st;
	size_t i;

	path_of(fixture, OURS, place);
	path_of(fixture, "outside", outside);
	close(open(outside, O_CREAT | O_WRONLY | O_CLOEXEC, 0640));
	for (i = 0; i < ARRAY_LEN(PUTS); i++) {
		assert_int_equal(listen_for(fixture, &acme, &err), 0);
		server_unlisten(fixture->server, &acme, false);
		PUTS[i](place, outside);
		assert_int_equal(listen_for(fixture, &acme, &err), 0);
		assert_true(is_served(fixture, OURS));
		assert_int_equal(mode_of(fixture, OURS), 0666);
		server_unlisten(fixture->server, &acme, false);
		assert_int_equal(stat(outside, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0640);
		assert_int_equal(st.st_nlink, 1);
		if (strangers_socket >= 0)
			close(strangers_socket);
		strangers_socket = -1;
	}
}

/* The same while we listen: our end takes nothing else with it. */
static void test_replaced_while_listening(void **state)
{
	struct fixture *fixture = *state;
	char place[160], outside[160];
	struct err err;

	path_of(fixture, OURS, place);
	path_of(fixture, "outside", outside);
	close(open(outside, O_CREAT | O_WRONLY | O_CLOEXEC, 0640));
	assert_int_equal(listen_for(fixture, &acme, &err), 0);
	assert_int_equal(unlink(place), 0);
	put_link(place, outside);
	server_stop(fixture->server);
	assert_int_equal(access(outside, F_OK), 0);
	assert_int_equal(inode_of(fixture, OURS), 0);
}

/* A folder in the socket's place is that tenant's trouble alone. */
static void test_folder_in_its_place(void **state)
{
	struct fixture *fixture = *state;
	char place[160];
	struct err err = {.code = 0};

	assert_int_equal(listen_for(fixture, &acme, &err), 0);
	server_unlisten(fixture->server, &acme, false);
	path_of(fixture, OURS, place);
	assert_int_equal(mkdir(place, 0700), 0);
	assert_int_equal(listen_for(fixture, &acme, &err), ERR_CONFLICT);
	assert_non_null(strstr(err_remedy(&err), "read-only"));
	assert_false(server_listens(fixture->server, &acme));
	assert_int_equal(inode_of(fixture, "tenants/.acme"), 0);
	assert_int_equal(listen_for(fixture, &db, &err), 0);
	assert_true(is_served(fixture, OTHERS));
	assert_int_equal(rmdir(place), 0);
	assert_int_equal(listen_for(fixture, &acme, &err), 0);
	assert_true(is_served(fixture, OURS));
}

/* What a container's root can do to the folder itself. */
static void test_folder_changed(void **state)
{
	struct fixture *fixture = *state;
	char folder[160];
	struct err err;

	assert_int_equal(listen_for(fixture, &acme, &err), 0);
	server_unlisten(fixture->server, &acme, false);
	path_of(fixture, "tenants/acme", folder);
	assert_int_equal(chmod(folder, 0777), 0);
	assert_int_equal(listen_for(fixture, &acme, &err), 0);
	assert_int_equal(mode_of(fixture, "tenants/acme"), 0755);
	server_unlisten(fixture->server, &acme, false);
	/* A link where the folder was: nobody but us can make one, and it is not followed. */
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(symlink("/tmp", folder), 0);
	assert_true(listen_for(fixture, &acme, &err) < 0);
	assert_int_equal(access("/tmp/holdfast.sock", F_OK), -1);
	assert_int_equal(unlink(folder), 0);
	if (geteuid() != 0)
		return; /* only root can give folders away */
	assert_int_equal(mkdir(folder, 0755), 0);
	assert_int_equal(chown(folder, 4711, 4711), 0);
	assert_int_equal(listen_for(fixture, &acme, &err), ERR_INVALID);
	assert_non_null(strstr(err_remedy(&err), "Remove that folder"));
}

/* What a killed daemon leaves half made. */
static void test_left_by_a_kill(void **state)
{
	struct fixture *fixture = *state;
	char staged[160];
	struct err err;

	assert_int_equal(listen_for(fixture, &acme, &err), 0);
	server_unlisten(fixture->server, &acme, false);
	path_of(fixture, "tenants/.acme", staged);
	put_socket(staged, NULL);
	close(strangers_socket);
	strangers_socket = -1;
	assert_int_equal(listen_for(fixture, &acme, &err), 0);
	assert_true(is_served(fixture, OURS));
	assert_int_equal(inode_of(fixture, "tenants/.acme"), 0);
}

/* --- coming and going --- */

static void test_own_tenant(void **state)
{
	struct fixture *fixture = *state;
	struct err err;
	int fd;

	acme.rights = TENANT_SEAL;
	assert_int_equal(listen_for(fixture, &acme, &err), 0);
	assert_int_equal(listen_for(fixture, &db, &err), 0);
	fd = dial_name(fixture, OURS);
	assert_int_equal(ask(fixture, fd, "/sealed"), 204);
	assert_int_equal(acme.connections, 1);
	assert_int_equal(acme.requests.value, 1);
	/* Another policy holds for connections that are open. */
	tenant_set_policy(&acme, &(struct tenant_policy){.connections_max = 1});
	assert_int_equal(ask(fixture, fd, "/sealed"), 403);
	assert_int_equal(ask(fixture, fd, "/open"), 204);
	assert_int_equal(acme.requests.value, 2);
	close(fd);
	fd = dial_name(fixture, OTHERS);
	assert_int_equal(ask(fixture, fd, "/sealed"), 403);
	assert_int_equal(db.requests.value, 0);
	close(fd);
}

static unsigned ended;

static void count_end(struct tenant *tenant)
{
	assert_int_equal(tenant->connections, 0);
	ended++;
}

static void test_unlisten(void **state)
{
	struct fixture *fixture = *state;
	struct err err;
	int first, second, other;

	ended = 0;
	acme.free = count_end;
	(void)tenant_hold(&acme);
	assert_int_equal(listen_for(fixture, &acme, &err), 0);
	assert_int_equal(listen_for(fixture, &db, &err), 0);
	first = dial_name(fixture, OURS);
	second = dial_name(fixture, OURS);
	other = dial_name(fixture, OTHERS);
	assert_int_equal(ask(fixture, first, "/open"), 204);
	assert_int_equal(ask(fixture, second, "/open"), 204);
	assert_int_equal(ask(fixture, other, "/open"), 204);
	acme.over = true;
	server_unlisten(fixture->server, &acme, false);
	tenant_drop(&acme);
	assert_int_equal(ended, 0);
	assert_int_equal(ask(fixture, first, "/open"), 0);
	assert_int_equal(ask(fixture, second, "/open"), 0);
	assert_int_equal(ask(fixture, other, "/open"), 204);
	assert_int_equal(ended, 1);
	assert_int_equal(dial_name(fixture, OURS), -1);
	close(first);
	close(second);
	close(other);
}

/* --- places --- */

static unsigned connect_many(struct fixture *fixture, const char *name, int *fds, unsigned count)
{
	unsigned served = 0, i;

	for (i = 0; i < count; i++) {
		fds[i] = dial_name(fixture, name);
		served += fds[i] >= 0 && ask(fixture, fds[i], "/open") == 204;
	}
	return served;
}

static void close_many(const int *fds, unsigned count)
{
	unsigned i;

	for (i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* One who takes all that he gets leaves as much for all others, and the administrator gets in. */
static void test_places(void **state)
{
	struct fixture *fixture = *state;
	int greedy[12], others[12], admins[3];
	struct err err;

	server_set_connections(fixture->server, 8);
	assert_int_equal(listen_for(fixture, &acme, &err), 0);
	assert_int_equal(listen_for(fixture, &db, &err), 0);
	assert_int_equal(server_listen_admin(fixture->server, fixture->run, &admin, &err), 0);
	assert_int_equal(connect_many(fixture, OURS, greedy, 12), 4);
	assert_int_equal(acme.connections, 4);
	assert_int_equal(connect_many(fixture, OTHERS, others, 12), 2);
	assert_int_equal(connect_many(fixture, SERVER_SOCKET, admins, 1), 1);
	close_many(admins, 1);
	assert_int_equal(connect_many(fixture, SERVER_ADMIN_SOCKET, admins, 3), 2);
	close_many(greedy, 12);
	close_many(others, 12);
	close_many(admins, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_is_synced),
		TEST(test_modes),
		TEST(test_folder_stays),
		TEST(test_remove_folder),
		TEST(test_hostile_names),
		TEST(test_replaced_while_listening),
		TEST(test_folder_in_its_place),
		TEST(test_folder_changed),
		TEST(test_left_by_a_kill),
		TEST(test_own_tenant),
		TEST(test_unlisten),
		TEST(test_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
