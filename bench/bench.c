/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/bench.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define RUNS_MAX  1000000u
#define FILE_SIZE (4u * 1024u * 1024u)

static char reason[512] = "it did not say why";

int bench_say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	return -1;
}

void bench_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fputc('\n', stderr);
	exit(1);
}

uint64_t bench_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static void answer(uint64_t *times, size_t count)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < count; i++)
		sum += times[i];
	qsort(times, count, sizeof(*times), compare);
	printf("%llu %llu %llu\n", (unsigned long long)times[count / 2],
	       (unsigned long long)times[count * 99 / 100], (unsigned long long)(sum / count));
}

static int run_all(const struct bench_op *op, size_t warm, uint64_t *times, size_t count)
{
	uint64_t before;
	size_t i;

	for (i = 0; i < warm; i++)
		if (op->run(op->arg) < 0)
			return -1;
	for (i = 0; i < count; i++) {
		before = bench_now_ns();
		if (op->run(op->arg) < 0)
			return -1;
		times[i] = bench_now_ns() - before;
	}
	return 0;
}

static void batch(const struct bench_op *op, size_t warm, size_t count)
{
	uint64_t *times = calloc(count, sizeof(*times));
	int r = 0;

	if (!times)
		bench_die("memory is short");
	if (op->begin)
		r = op->begin(op->arg);
	if (r == 0)
		r = run_all(op, warm, times, count);
	if (op->end)
		op->end(op->arg);
	if (r < 0)
		printf("error %s: %s\n", op->name, reason);
	else
		answer(times, count);
	free(times);
}

static const struct bench_op *find(const struct bench_op *ops, size_t count, const char *name)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (strcmp(ops[i].name, name) == 0)
			return &ops[i];
	return NULL;
}

int bench_serve(const struct bench_op *ops, size_t count)
{
	char line[256], name[64];
	unsigned warm, runs;

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	puts("ready");
	while (fgets(line, sizeof(line), stdin)) {
		const struct bench_op *op = NULL;

		if (sscanf(line, "%63s %u %u", name, &warm, &runs) == 3)
			op = find(ops, count, name);
		if (op && runs > 0 && runs <= RUNS_MAX)
			batch(op, warm, runs);
		else
			puts("error not a line of OP WARM COUNT");
	}
	return 0;
}

int bench_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return bench_say("the socket's path is too long");
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return bench_say("socket: %s", strerror(errno));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		(void)bench_say("connecting: %s", strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

uint8_t *bench_read_file(const char *path, size_t *ret_len)
{
	FILE *file = fopen(path, "re");
	uint8_t *bytes = malloc(FILE_SIZE);

	if (!file || !bytes)
		bench_die("%s cannot be read", path);
	*ret_len = fread(bytes, 1, FILE_SIZE, file);
	if (ferror(file) || !feof(file))
		bench_die("%s cannot be read whole", path);
	(void)fclose(file);
	return bytes;
}
