/* A command line, with what its descriptors hold: read, checked, explained.
 *
 * The input: words that end in NUL each. A word of one byte 1 to 31 begins what the descriptor of that number holds;
 * all words before the first such are argv. */
#include "fuzz_arena.h"

#include "plan/explain.h"
#include "plan/options.h"
#include "plan/plan.h"
#include "plan/shape.h"
#include "sys/capabilities.h"
#include "utils.h"

#include <errno.h>
#include <string.h>

enum { N_FDS = 32 };
static struct {
	const char *bytes;
	size_t length;
	bool closed;
} fds[N_FDS];

static bool fake_is_open(int fd)
{
	MUST(fd >= 0);
	return fd < N_FDS && !fds[fd].closed;
}

static bool fake_read(int fd, char **ret_bytes, size_t *ret_length)
{
	fds[fd].closed = true;
	errno = EIO;
	if (fd == 31)
		return false;
	*ret_bytes = arena_copy(fds[fd].bytes ? fds[fd].bytes : "", fds[fd].length);
	*ret_length = fds[fd].length;
	return true;
}

static const struct option_io fake_io = { fake_is_open, fake_is_open, fake_is_open, fake_read };

/* Returns argc. */
static int split(char *words, size_t size, char **argv)
{
	int argc = 0, fd = -1;
	memset(fds, 0, sizeof(fds));
	argv[argc++] = arena_copy("bwrap", 5);
	for (char *word = words, *end = words + size; word < end;) {
		char *behind = memchr(word, 0, (size_t) (end - word));
		behind = behind ? behind + 1 : end;
		if (behind - word == 2 && word[0] > 0 && word[0] < N_FDS) {
			fd = word[0];
			fds[fd].bytes = behind;
			fds[fd].length = 0;
		} else if (fd >= 0) {
			fds[fd].length += (size_t) (behind - word);
		} else {
			argv[argc++] = word;
		}
		word = behind;
	}
	argv[argc] = NULL;
	return argc;
}

static void check_plan(const struct plan *plan, char *const *argv, int argc)
{
	MUST(plan->command.argv >= argv + 1 && plan->command.argv < argv + argc);
	for (size_t i = 0; i < plan->root.n_ops; i++) {
		const struct op *op = &plan->root.ops[i];
		MUST(op->inner_path && op->inner_path[0] && strncmp(op->inner_path, "--", 2) != 0);
		MUST(op->kind != OP_BIND || (op->outer_path != NULL) != (op->outer_fd >= 0));
		MUST(!op->outer_path || op->outer_path[0]);
		MUST(op->mode <= 07777 && (op->parent_mode & ~0055u) == 0700);
		MUST(op->size_bytes <= SIZE_MAX / 2 && op->position.argument > 0 &&
		     (int) op->position.argument < argc);
	}
	for (size_t i = 0; i < plan->filter.n_seccomp; i++)
		MUST(!plan->filter.seccomp[i].bytes ||
		     (plan->filter.seccomp[i].length && plan->filter.seccomp[i].length % 8 == 0));
	for (size_t i = 0; i < plan->command.n_env_ops; i++)
		MUST(plan->command.env_ops[i].action == ENV_CLEAR ||
		     (plan->command.env_ops[i].name[0] &&
		      !strchr(plan->command.env_ops[i].name, '=')));
	for (size_t i = 0; i < plan->command.n_cap_ops; i++)
		MUST(plan->command.cap_ops[i].cap >= -1 &&
		     plan->command.cap_ops[i].cap <= caps_last());
	MUST(plan->ns.inner_uid != UINT32_MAX && plan->ns.inner_gid != UINT32_MAX);
}

static void explain(const struct plan *plan, const struct caller *caller)
{
	struct shape shape;
	if (plan_check(plan, caller, &shape))
		return;
	MUST(shape.user_namespace || plan->ns.userns.fd >= 0 || caller->may_mount);
	MUST(!(shape.ambient_caps & ~shape.caps) &&
	     (!shape.second_userns_required || shape.second_userns));
	MUST(!(shape.namespaces & shape.second_namespaces & ~0x00020000ul)); /* CLONE_NEWNS */
	struct text text = { 0 };
	plan_explain(plan, &shape, caller, &text);
	MUST(strlen(text.bytes) == text.length && text.bytes[text.length - 1] == '\n');
	for (const char *line = text.bytes; *line; line = strchr(line, '\n') + 1)
		MUST(line[0] == ' ' &&
		     line[10] == ' '); /* no word can look like a line of its own */
	for (const char *c = text.bytes; *c; c++)
		MUST(*c == '\n' || (unsigned char) *c >= 0x20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct caller user = {
		.uid = 1000, .gid = 1000, .is_group_leader = true, .directory = "/home/me"
	};
	static const struct caller root = { .permitted_caps = 0xff, .may_mount = true };
	char *words = arena_alloc(size + 1), **argv = arena_alloc((size + 2) * sizeof(*argv));
	memcpy(words, data, size);
	int argc = split(words, size, argv);

	struct plan plan;
	enum reading reading = READ_NOTHING;
	problem bad = options_read(argc, argv, &fake_io, &plan, &reading);
	if (bad)
		MUST(*bad);
	else if (reading == READ_PLAN) {
		check_plan(&plan, argv, argc);
		explain(&plan, &user);
		explain(&plan, &root);
	}
	fuzz_free_arena();
	return 0;
}
