/* idmap.c - who is who in a new user namespace: the id maps, and becoming the ids asked for.
 *
 * With --userns-block-fd the caller writes the maps; those of a joined namespace are there already. The maps of the
 * second user namespace show every id of the first under the same number.
 */
#include "ns/idmap.h"

#include "ns/join.h"
#include "ns/mapper.h"
#include "plan/given.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/diagnose.h"
#include "sys/capabilities.h"
#include "sys/procfile.h"
#include "utils.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static void write_proc_file(const struct run *run, const char *path, const char *what,
			    const char *value)
{
	/* The kernel takes a map in one write or not at all. */
	if (!procfile_write(run->host->proc_fd, path, value)) {
		int error = errno;
		die_because(error, "setting up %s: %s%s", what, errno_text(error),
			    diagnose_id_map(run, error));
	}
}

static const char *one_id_map(uint32_t inner, uint32_t outer)
{
	return arena_join(arena_join(arena_number(inner, 10), " "),
			  arena_join(arena_number(outer, 10), " 1\n"));
}

/* Those that nobody else writes. */
static void write_own_maps(const struct run *run)
{
	const struct shape *shape = &run->shape;
	const struct caller *caller = &run->host->caller;
	/* user_namespaces(7): without privilege outside, a gid map wants setgroups(2) denied for
	 * good. */
	if (!shape->maps_gids)
		write_proc_file(run, "self/setgroups", "setgroups", "deny");
	if (!shape->maps_uids)
		write_proc_file(run, "self/uid_map", "uid map",
				one_id_map(shape->inner_uid, caller->uid));
	if (!shape->maps_gids)
		write_proc_file(run, "self/gid_map", "gid map",
				one_id_map(shape->inner_gid, caller->gid));
}

/* The supervisor has waited already: its answer to tell_namespaces() comes when the caller
 * is ready. */
static void wait_for_maps(const struct run *run)
{
	const struct fd_at *block = &run->plan->report.userns_block;
	if (run->supervisor_fd < 0 && !wait_for_byte(block->fd))
		die_errno(errno, "%s: Can't read descriptor %d", position_text(block->position),
			  block->fd);
}

/* The kernel denies it where there is no map of gids, and for good where one was written without privilege:
 * user_namespaces(7). */
static bool groups_can_be_left(const struct run *run)
{
	const char *word = procfile_read(run->host->proc_fd, "self/setgroups"),
		   *map = procfile_read(run->host->proc_fd, "self/gid_map");
	return !word || !map || (strncmp(word, "deny", strlen("deny")) != 0 && *map);
}

/* Groups of the caller's would be members of a sandbox that has other ids; where setgroups(2) is denied they
 * have no number in it, and stay. A filter around may deny it, too, or answer in the kernel's place. */
static void leave_groups(const struct run *run)
{
	if (run->plan->ns.keep_groups)
		return;
	const int error = setgroups(0, NULL) < 0 ? errno : 0;
	if (error ? error != EPERM || groups_can_be_left(run) : getgroups(0, NULL) != 0)
		die_because(error, "Can't leave the caller's groups: %s; --keep-groups keeps them",
			    error ? errno_text(error)
				  : "a filter around answers in the kernel's place");
}

/* With maps of more than one id, or of the caller's, or in a namespace that was joined, the ids asked for
 * may be others than ours. */
void idmap_switch_ids(const struct run *run)
{
	const struct plan *plan = run->plan;
	const struct shape *shape = &run->shape;
	/* An id without a number is shown as one that may be asked for. */
	bool other_gid = shape->maps_gids || (plan->ns.has_gid && getgid() != shape->inner_gid);
	bool other_uid = shape->maps_uids || (plan->ns.has_uid && getuid() != shape->inner_uid);
	if (!other_gid && !other_uid)
		return;
	leave_groups(run);
	if (prctl(PR_SET_KEEPCAPS, 1) < 0)
		die_errno(errno, "Can't keep capabilities over the change of uid");
	if (other_gid && setresgid(shape->inner_gid, shape->inner_gid, shape->inner_gid) < 0)
		die_errno(errno, "%s: Can't become gid %u",
			  position_text(options_position(plan, "--gid")), shape->inner_gid);
	if (other_uid && setresuid(shape->inner_uid, shape->inner_uid, shape->inner_uid) < 0)
		die_errno(errno, "%s: Can't become uid %u",
			  position_text(options_position(plan, "--uid")), shape->inner_uid);
	caps_raise_permitted();
	/* A change of ids sets it: see ns_hide(). In a namespace of our own whoever has mapped it is to
	 * reach child-pid all the same. */
	if (ns_joins_strangers(plan))
		ns_hide();
	else if (prctl(PR_SET_DUMPABLE, 1) < 0)
		die_errno(errno, "Can't become dumpable again after the change of uid");
	if (prctl(PR_SET_KEEPCAPS, 0) < 0)
		die_errno(errno, "Can't stop keeping capabilities");
}

void idmap_become(struct run *run)
{
	if (run->plan->report.userns_block.fd >= 0) {
		wait_for_maps(run);
	} else if (run->shape.user_namespace) {
		write_own_maps(run);
		if (run->mapper)
			mapper_ask(run);
	}
	idmap_switch_ids(run);
}

/* ---- the second user namespace ---- */

bool idmap_wrote_first(const struct run *run)
{
	return run->plan->report.userns_block.fd < 0 && run->plan->ns.userns.fd < 0 && !run->mapper;
}

void idmap_write_own_second(const struct run *run)
{
	const struct shape *shape = &run->shape;
	/* setgroups(2) is denied in the first one, which is inherited: user_namespaces(7). */
	write_proc_file(run, "self/uid_map", "uid map",
			one_id_map(shape->inner_uid, shape->inner_uid));
	write_proc_file(run, "self/gid_map", "gid map",
			one_id_map(shape->inner_gid, shape->inner_gid));
}

/* Every id that exists in the first user namespace exists in the second under the same number. */
static const char *identity_map(const struct run *run, const char *path)
{
	struct text map = { 0 };
	size_t n = 0;
	const char *bytes = procfile_read_lines(run->host->proc_fd, path);
	if (!bytes)
		die_errno(errno, "Can't read /proc/%s", path);
	unsigned inner, outer, count;
	int used;
	for (; sscanf(bytes, "%u %u %u%n", &inner, &outer, &count, &used) == 3; bytes += used, n++)
		text_add(&map, "%u %u %u\n", inner, inner, count);
	if (!map.length)
		die("No id exists in the sandbox: /proc/%s is empty", path);
	mapper_check_size(arena_printf("setting up /proc/%s of the second user namespace", path), n,
			  &map);
	return map.bytes;
}

void idmap_find_identity(const struct run *run, struct idmap *ret_map)
{
	ret_map->uid = identity_map(run, "self/uid_map");
	ret_map->gid = identity_map(run, "self/gid_map");
	ret_map->single = streq(ret_map->uid, one_id_map(getuid(), getuid())) &&
			  streq(ret_map->gid, one_id_map(getgid(), getgid()));
}

void idmap_write_of(const struct run *run, int process, const struct idmap *map)
{
	if (map->single)
		write_proc_file(run, arena_printf("%d/setgroups", process), "setgroups", "deny");
	write_proc_file(run, arena_printf("%d/uid_map", process), "uid map", map->uid);
	write_proc_file(run, arena_printf("%d/gid_map", process), "gid map", map->gid);
}
