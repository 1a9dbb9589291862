/* mapper.c - the process outside that writes id maps which no process may write for itself: newuidmap(1) and
 * newgidmap(1), or where the caller has the capabilities itself.
 *
 * It is forked when the line has been read, before no_new_privs is set and anything is entered: set-user-id programs have no
 * rights afterwards. It waits for setup's word, and is gone before COMMAND runs, since COMMAND could otherwise make
 * it execute what it likes, outside and with no_new_privs unset. What it has started ends with whom it works for.
 *
 * Must not: execute anything but what program_find() finds; read a number of a process that somebody sent.
 */
#include "ns/mapper.h"

#include "ns/subids.h"
#include "plan/given.h"
#include "plan/map-options.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/causes.h"
#include "run/diagnose.h"
#include "run/failure.h"
#include "sys/capabilities.h"
#include "sys/channel.h"
#include "sys/kernel.h"
#include "sys/procfile.h"
#include "sys/program.h"
#include "utils.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

struct mapper {
	int socket; /* setup's end */
	pid_t pid;
	int setup_pidfd, starter_pidfd; /* without either of them nobody waits for it */
	struct {
		struct id_ranges ranges; /* none: setup writes its own id */
		const char *text;        /* as the kernel wants it */
		const char *program;     /* NULL: the caller's capabilities do */
		int said_fd;             /* what that says */
		pid_t pid;
	} maps[N_ID_KINDS];
};

static const struct {
	char program[12], file[8], what[8], choice[6], option[10], grants[12];
	uint64_t cap;
} kinds[] = {
	[ID_UID] = { "newuidmap", "uid_map", "uid map", "--uid", "--uid-map", "/etc/subuid",
		     CAP_BIT(CAP_SETUID) },
	[ID_GID] = { "newgidmap", "gid_map", "gid map", "--gid", "--gid-map", "/etc/subgid",
		     CAP_BIT(CAP_SETGID) },
};

static const char *position(const struct run *run, enum id_kind kind)
{
	return position_text(options_position(
		run->plan, run->plan->ns.map_auto ? "--map-auto" : kinds[kind].option));
}

static _Noreturn void refuse(const struct run *run, enum id_kind kind, enum cause cause,
			     const char *name)
{
	die("%s: setting up %s%s", position(run, kind), kinds[kind].what, cause_text(cause, name));
}

/* ---- which ids ---- */

static const char *no_entry(const struct run *run, enum id_kind kind)
{
	return arena_printf("%s for %s", kinds[kind].grants, subids_owner(run));
}

/* The caller is 0, and what it was given is 1 and up. */
static struct id_ranges all_ids(const struct run *run, enum id_kind kind)
{
	const struct caller *caller = &run->host->caller;
	struct id_ranges ranges = { 0 };
	ranges.items = arena_grow(NULL, 0, &ranges.capacity, sizeof(*ranges.items));
	ranges.items[ranges.n++] =
		(struct id_range){ .outer = kind == ID_UID ? caller->uid : caller->gid,
				   .count = 1 };
	subids_find(run, kind, &ranges);
	if (ranges.n == 1)
		refuse(run, kind, CAUSE_SUBIDS_NONE, no_entry(run, kind));
	uint64_t next = 0;
	for (size_t i = 0; i < ranges.n; i++) {
		ranges.items[i].inner = (uint32_t) next;
		next += ranges.items[i].count;
	}
	/* The kernel has 340 ranges in a map, and no id that is -1: user_namespaces(7). */
	if (ranges.n > 340 || next > UINT32_MAX)
		die("%s: setting up %s: %s gives more than the kernel takes; name some by %s",
		    position(run, kind), kinds[kind].what, kinds[kind].grants, kinds[kind].option);
	uint32_t chosen = kind == ID_UID ? run->shape.inner_uid : run->shape.inner_gid;
	if (!map_has_inner(&ranges, chosen))
		die("%s: %u is none of the ids from 0 to %llu that --map-auto gives",
		    position_text(options_position(run->plan, kinds[kind].choice)), chosen,
		    (unsigned long long) next - 1);
	return ranges;
}

void mapper_check_size(const char *subject, size_t n_ranges, const struct text *map)
{
	const long page = sysconf(_SC_PAGESIZE);
	if (map->length >= (size_t) page)
		die("%s: %zu ranges take %zu bytes, and the kernel takes fewer than %ld in a map; name fewer of them, or smaller numbers",
		    subject, n_ranges, map->length, page);
}

static const char *map_text(const struct run *run, enum id_kind kind,
			    const struct id_ranges *ranges)
{
	struct text text = { 0 }, second = { 0 };
	const char *subject =
		arena_printf("%s: setting up %s", position(run, kind), kinds[kind].what);
	for (size_t i = 0; i < ranges->n; i++) {
		const struct id_range *range = &ranges->items[i];
		text_add(&text, "%u %u %u\n", range->inner, range->outer, range->count);
		text_add(&second, "%u %u %u\n", range->inner, range->inner, range->count);
	}
	mapper_check_size(subject, ranges->n, &text);
	if (run->shape.second_userns)
		mapper_check_size(arena_join(subject, " of the second user namespace"), ranges->n,
				  &second);
	return text.bytes;
}

/* ---- who writes them ---- */

/* Known beforehand, so that it is said of what it is: later the program says "Operation not permitted". */
static const char *find_program(const struct run *run, enum id_kind kind)
{
	struct stat status;
	struct statvfs fs;
	const char *program = program_find(kinds[kind].program);
	if (!program || stat(program, &status) < 0 || statvfs(program, &fs) < 0)
		refuse(run, kind, CAUSE_MAPPER_MISSING, kinds[kind].program);
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 0)
		refuse(run, kind, CAUSE_NO_NEW_PRIVS, NULL);
	if (fs.f_flag & ST_NOSUID)
		refuse(run, kind, CAUSE_NOSUID, program);
	bool is_roots = status.st_mode & S_ISUID && status.st_uid == 0;
	if (!is_roots && getxattr(program, "security.capability", NULL, 0) <= 0)
		refuse(run, kind, CAUSE_MAPPER_RIGHTS, program);
	return program;
}

static void start_program(const struct run *run, enum id_kind kind, pid_t target)
{
	__auto_type map = &run->mapper->maps[kind];
	char **words = arena_alloc((map->ranges.n * 3 + 3) * sizeof(*words));
	size_t n = 0;
	words[n++] = arena_string(kinds[kind].program);
	words[n++] = arena_number((uint64_t) target, 10);
	for (size_t i = 0; i < map->ranges.n; i++) {
		words[n++] = arena_number(map->ranges.items[i].inner, 10);
		words[n++] = arena_number(map->ranges.items[i].outer, 10);
		words[n++] = arena_number(map->ranges.items[i].count, 10);
	}
	int ends[2];
	map->pid = pipe2(ends, O_CLOEXEC) < 0 ? -1 : sys_clone_process(0);
	if (map->pid == 0) {
		char *const no_environment[] = { NULL };
		if (program_take_stdio(ends[1]) && !program_leave_caller(NULL, 0))
			execve(map->program, words, no_environment);
		say_warning("Can't run it: %s", errno_text(errno));
		_exit(1);
	}
	if (map->pid < 0)
		return;
	close(ends[1]);
	map->said_fd = ends[0];
}

/* Until `fd` can be read, or for good. PR_SET_PDEATHSIG would not do: set-user-id programs lose it. */
static void await(const struct mapper *mapper, int fd)
{
	struct pollfd polls[] = { { .fd = fd, .events = POLLIN },
				  { .fd = mapper->setup_pidfd, .events = POLLIN },
				  { .fd = mapper->starter_pidfd, .events = POLLIN } };
	while (poll(polls, ARRAY_SIZE(polls), -1) < 0 && errno == EINTR)
		;
	if (!polls[1].revents && !polls[2].revents)
		return;
	for (enum id_kind kind = 0; kind < N_ID_KINDS; kind++)
		if (mapper->maps[kind].pid > 0)
			kill(mapper->maps[kind].pid, SIGKILL);
	_exit(1);
}

/* The first line of it. */
static const char *first_words(const struct mapper *mapper, int fd)
{
	char said[1024];
	size_t length = 0;
	for (ssize_t n = 1; n > 0 && length<sizeof(said); length += n> 0 ? (size_t) n : 0) {
		await(mapper, fd);
		n = read(fd, said + length, sizeof(said) - length);
	}
	close(fd);
	char *line = arena_copy(said, length);
	line[strcspn(line, "\n")] = '\0';
	return line;
}

static const char *cause_of_refusal(const struct run *run, enum id_kind kind, const char *said)
{
	struct id_ranges granted = { 0 };
	struct text text = { 0 };
	if (!strstr(said, "not allowed"))
		return "";
	subids_find(run, kind, &granted);
	for (size_t i = 0; i < granted.n; i++)
		text_add(&text, "%s%u to %u", i ? ", " : "", granted.items[i].outer,
			 granted.items[i].outer + (granted.items[i].count - 1));
	return granted.n ? cause_text(CAUSE_SUBIDS_OTHERS, text.bytes)
			 : cause_text(CAUSE_SUBIDS_NONE, no_entry(run, kind));
}

/* NULL, or why it could not be written, with errno where that is known. */
static const char *await_program(const struct run *run, enum id_kind kind)
{
	__auto_type map = &run->mapper->maps[kind];
	int status = 0;
	if (map->pid < 0)
		return arena_printf("Can't start %s: %s", map->program, errno_text(errno));
	const char *said = first_words(run->mapper, map->said_fd);
	AUTO_CLOSE int pidfd = sys_pidfd_open(map->pid, 0);
	await(run->mapper, pidfd);
	while (waitpid(map->pid, &status, 0) < 0 && errno == EINTR)
		;
	map->pid = 0;
	errno = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return NULL;
	const char *cause = cause_of_refusal(run, kind, said);
	if (*said)
		return arena_printf("%s%s", said, cause);
	return WIFSIGNALED(status)
		       ? arena_printf("%s was ended by signal %d", map->program, WTERMSIG(status))
		       : arena_printf("%s failed without a word", map->program);
}

static const char *write_itself(const struct run *run, enum id_kind kind, pid_t target)
{
	caps_raise_permitted();
	const char *path = arena_printf("%d/%s", target, kinds[kind].file);
	if (procfile_write(run->host->proc_fd, path, run->mapper->maps[kind].text))
		return NULL;
	int error = errno;
	const char *why = arena_printf("%s%s", errno_text(error), diagnose_id_map(run, error));
	errno = error;
	return why;
}

/* The process is what the descriptor refers to, and lives until it has our answer: its number is nobody else's. */
static _Noreturn void be_mapper(const struct run *run, int socket)
{
	struct message message;
	struct failure failure = { 0 };
	struct mapper *mapper = run->mapper;
	sigset_t all;
	sigfillset(&all); /* a terminal's would end it before what it has started */
	sigprocmask(SIG_SETMASK, &all, NULL);
	die_first_call(NULL, NULL);
	if (channel_receive(socket, true, &message, &mapper->setup_pidfd) != 1 ||
	    message.kind != MESSAGE_MAP)
		_exit(1);
	pid_t target = procfile_pid_of(run->host->proc_fd, mapper->setup_pidfd);
	if (target <= 0)
		_exit(1);
	for (enum id_kind kind = 0; kind < N_ID_KINDS; kind++)
		if (mapper->maps[kind].program)
			start_program(run, kind, target);
	for (enum id_kind kind = 0; kind < N_ID_KINDS; kind++) {
		__auto_type map = &mapper->maps[kind];
		if (!map->ranges.n)
			continue;
		const char *told =
			map->program ? await_program(run, kind) : write_itself(run, kind, target);
		const int error = errno;
		if (told && !failure.sentence)
			failure = (struct failure){
				.sentence =
					arena_printf("%s: setting up %s: %s", position(run, kind),
						     kinds[kind].what, told),
				.error = error,
			};
	}
	if (failure.sentence)
		failure_send(socket, MESSAGE_MAP_FAILED,
			     &(struct told_failure){ .failure = failure, .stage = -1 });
	else
		channel_try_send(socket, MESSAGE_MAPPED, 0);
	_exit(0);
}

/* ---- for who is to be mapped ---- */

void mapper_start(struct run *run)
{
	const struct plan *plan = run->plan;
	const bool wanted[] = { [ID_UID] = run->shape.maps_uids, [ID_GID] = run->shape.maps_gids };
	if (!wanted[ID_UID] && !wanted[ID_GID])
		return;
	struct mapper *mapper = run->mapper = arena_alloc(sizeof(*mapper));
	for (enum id_kind kind = 0; kind < N_ID_KINDS; kind++) {
		__auto_type map = &mapper->maps[kind];
		if (!wanted[kind])
			continue;
		map->ranges = plan->ns.map_auto ? all_ids(run, kind)
			      : kind == ID_UID  ? plan->ns.uid_map
						: plan->ns.gid_map;
		map->text = map_text(run, kind, &map->ranges);
		if (!(run->host->caller.permitted_caps & kinds[kind].cap))
			map->program = find_program(run, kind);
	}
	int ends[2];
	channel_make_pair(ends);
	mapper->starter_pidfd = sys_pidfd_open(getpid(), 0);
	mapper->pid = mapper->starter_pidfd < 0 ? -1 : sys_clone_process(0);
	if (mapper->pid < 0)
		die_errno(errno, "Can't start the process that writes the id maps");
	close(ends[mapper->pid != 0]);
	if (mapper->pid == 0)
		be_mapper(run, ends[1]);
	mapper->socket = ends[0];
	close_fd(&mapper->starter_pidfd);
}

void mapper_leave(struct run *run)
{
	if (run->mapper)
		close_fd(&run->mapper->socket);
}

void mapper_ask(struct run *run)
{
	struct mapper *mapper = run->mapper;
	struct message message;
	char *words = arena_alloc(WORDS_CAPACITY + 2);
	AUTO_CLOSE int pidfd = sys_pidfd_open(getpid(), 0);
	if (pidfd < 0)
		die_errno(errno, "setting up uid map: Can't tell who is to be mapped");
	channel_send_fd(mapper->socket, MESSAGE_MAP, 0, pidfd);
	message.kind = 0;
	channel_receive_words(mapper->socket, true, &message, NULL, words);
	if (message.kind == MESSAGE_MAP_FAILED) {
		struct failure failure = failure_read(&message, words).failure;
		if (failure.sentence)
			die_because(failure.error, "%s", failure.sentence);
	}
	if (message.kind != MESSAGE_MAPPED)
		die("setting up uid map: the process that writes the id maps was ended");
	channel_receive(mapper->socket, true, &message, NULL); /* its end of file */
	close_fd(&mapper->socket);
	/* COMMAND is to have no child that it does not know; otherwise it is the supervisor's. */
	while (run->supervisor_fd < 0 && waitpid(mapper->pid, NULL, 0) < 0 && errno == EINTR)
		;
}
