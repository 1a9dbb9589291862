/* cgroup-find.c - where the group of version 2 can be: in a subtree that was delegated to the caller, and whose group
 * has no processes of its own ("no internal processes": cgroups(7)).
 */
#include "limit/cgroup-find.h"

#include "limit/cgroup-end.h"
#include "plan/plan.h"
#include "run/run.h"
#include "sys/procfile.h"
#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static bool is_alone(int dir_fd)
{
	const char *pids = procfile_read(dir_fd, "cgroup.procs");
	return pids && streq(pids, arena_number((uint64_t) getpid(), 10));
}

static const char *wanted_controllers(const struct run *run, const char *available)
{
	const char *list = "";
	for (size_t i = 0; i < run->plan->limit.n_limits; i++) {
		const char *controller = run->plan->limit.limits[i].controller;
		if (*controller && cgroup_list_has(available, controller) &&
		    !cgroup_list_has(list, controller))
			list = arena_join(*list ? arena_join(list, " ") : "", controller);
	}
	return list;
}

/* A group with processes has no children with controllers ("no internal processes"): where we are
 * the only one, we go into a leaf. False with errno. */
static bool make_leaf(struct cgroups *groups, int parent_fd, const char *parent, const char *wanted)
{
	bool alone = is_alone(parent_fd);
	errno = EBUSY;
	if (!alone || !cgroup_make(&groups->leaf, parent_fd, parent))
		return false;
	groups->enabled = wanted;
	if (procfile_write(groups->leaf.fd, "cgroup.procs", "0") &&
	    cgroup_switch_controllers(parent_fd, '+', wanted))
		return true;
	int error = errno;
	cgroup_leave_leaf(groups);
	errno = error;
	return false;
}

struct place_found {
	int fd;
	const char *path;
	problem bad;
};

static const char *not_usable_text(int error)
{
	return error == EACCES || error == EPERM || error == EROFS ? "is not writable"
	       : error == EBUSY ? "has other processes in the same group"
				: "can't be used";
}

problem cgroup_not_usable(const char *path, const char *file, int error)
{
	return arena_printf("%s%s%s %s (%s)", path, *file ? "/" : "", file, not_usable_text(error),
			    errno_text(error));
}

static struct place_found find_given(const struct run *run, const char *path,
				     const char **ret_wanted)
{
	struct place_found found = { .fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
				     .path = path };
	if (found.fd < 0)
		return (struct place_found){
			-1, path, arena_printf("Can't open %s: %s", path, errno_text(errno))
		};
	if (!cgroup_is_v2(found.fd))
		return (struct place_found){
			-1, path, arena_printf("%s is no control group of version 2", path)
		};
	*ret_wanted = wanted_controllers(run, procfile_read(found.fd, "cgroup.controllers"));
	if (!cgroup_switch_controllers(found.fd, '+', *ret_wanted))
		return (struct place_found){
			-1, path, cgroup_not_usable(path, "cgroup.subtree_control", errno)
		};
	return found;
}

/* Slices belong to systemd whoever may write to them (systemd.resource-control(5): they cannot be
 * delegated), and it switches off the controllers that none of its own units needs; a limit of ours
 * would be gone without a word. */
static bool is_slice(const char *path)
{
	size_t length = strlen(path);
	return length > 6 && streq(path + length - 6, ".slice");
}

void cgroup_learn_own(struct cgroups *groups, const struct run *run)
{
	groups->own.groups = procfile_read(run->host->proc_fd, "self/cgroup");
	const char *at = groups->v2_root ? cgroup_own_path(groups->own.groups, "") : NULL;
	close_fd(&groups->own.fd);
	groups->own.path = at ? arena_join(groups->v2_root, streq(at, "/") ? "" : at) : NULL;
	groups->own.fd = at ? open(groups->own.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	groups->own.controllers =
		groups->own.fd < 0 ? NULL : procfile_read(groups->own.fd, "cgroup.controllers");
}

/* The group above ours, where that is the caller's too and has the controllers enabled. */
static struct place_found find_above(const struct cgroups *groups, const struct run *run,
				     const char **ret_wanted)
{
	const char *own = groups->own.path, *slash = strrchr(own, '/');
	struct place_found above = { .fd = -1,
				     .path = arena_copy(own, (size_t) (slash - own)),
				     .bad = "not the caller's" };
	if (streq(own, groups->v2_root) || (is_slice(above.path) && run->host->caller.uid != 0))
		return above;
	int fd = open(above.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *enabled = fd < 0 ? NULL : procfile_read(fd, "cgroup.subtree_control");
	if (!enabled || faccessat(fd, "cgroup.procs", W_OK, AT_EACCESS) < 0 ||
	    faccessat(fd, ".", W_OK, AT_EACCESS) < 0) {
		close_fd(&fd);
		return above;
	}
	*ret_wanted = wanted_controllers(run, enabled);
	return (struct place_found){ fd, above.path, NULL };
}

/* The delegated subtree that we run in: our own group where it may have children with the
 * controllers, or will once we have left it for a leaf; otherwise the one above it. */
static struct place_found find_own(struct cgroups *groups, const struct run *run,
				   const char **ret_wanted)
{
	struct place_found own = { groups->own.fd, groups->own.path, NULL };
	if (!own.path || own.fd < 0)
		return (struct place_found){
			-1, own.path,
			own.path ? arena_printf("Can't open %s", own.path)
				 : "this process is in no control group of version 2"
		};
	*ret_wanted = wanted_controllers(run, groups->own.controllers);
	int error = faccessat(own.fd, ".", W_OK, AT_EACCESS) < 0 ? errno : 0;
	/* Only the root has no type, and only it may have processes beside children with
	 * controllers. (The threaded controllers, cpu and pids, can be enabled all the same, but
	 * then no process gets into a child.) */
	bool is_root =
		streq(own.path, groups->v2_root) && faccessat(own.fd, "cgroup.type", F_OK, 0) < 0;
	if (!error && (is_root || !**ret_wanted)) {
		if (cgroup_switch_controllers(own.fd, '+', *ret_wanted))
			return own;
		error = errno;
	} else if (!error) {
		if (make_leaf(groups, own.fd, own.path, *ret_wanted))
			return own;
		error = errno;
	}
	const char *file = **ret_wanted ? "cgroup.subtree_control" : "cgroup.procs";
	struct place_found above = find_above(groups, run, ret_wanted);
	if (above.bad)
		return (struct place_found){ -1, own.path,
					     cgroup_not_usable(own.path, file, error) };
	return above;
}

void cgroup_find_v2(struct cgroups *groups)
{
	static const char *const usual[] = { CGROUP_TOP, CGROUP_TOP "/unified" };
	for (size_t i = 0; !groups->v2_root && i < ARRAY_SIZE(usual); i++)
		if (cgroup_leads_to_v2(usual[i]))
			groups->v2_root = usual[i];
}

bool cgroup_v2_knows(struct cgroups *groups, const char *controller)
{
	if (!*controller || !groups->v2_root ||
	    cgroup_list_has(groups->own.controllers, controller))
		return groups->v2_root != NULL;
	if (!groups->v2_list) {
		AUTO_CLOSE int fd = open(groups->v2_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		const char *list = fd < 0 ? NULL : procfile_read(fd, "cgroup.controllers");
		groups->v2_list = list ? list : "";
	}
	return cgroup_list_has(groups->v2_list, controller);
}

problem cgroup_make_v2(struct cgroups *groups, const struct run *run, scope_await await,
		       const char **ret_wanted)
{
	const char *given = run->plan->limit.cgroup;
	*ret_wanted = "";
	struct place_found found =
		given ? find_given(run, given, ret_wanted) : find_own(groups, run, ret_wanted);
	if (found.bad && !given) {
		problem no_scope = scope_enter(run, await);
		if (no_scope)
			return arena_printf(
				"%s; systemd's user manager gives no other: %s" CGROUP_CURE,
				found.bad, no_scope);
		cgroup_learn_own(groups, run);
		found = find_own(groups, run, ret_wanted);
	}
	if (found.bad)
		return found.bad;
	if (!cgroup_make(&groups->all[0], found.fd, found.path)) {
		int error = errno;
		if (groups->leaf.fd >= 0)
			cgroup_leave_leaf(groups);
		return cgroup_not_usable(found.path, "", error);
	}
	groups->n = 1;
	return NULL;
}

problem cgroup_look_v2(struct cgroups *groups, const struct run *run, const char **ret_where)
{
	cgroup_find_v2(groups);
	cgroup_learn_own(groups, run);
	if (!groups->own.path || groups->own.fd < 0)
		return "this process is in no control group of version 2";
	const char *path = groups->own.path, *controllers = groups->own.controllers, *wanted,
		   *program;
	if (faccessat(groups->own.fd, ".", W_OK, AT_EACCESS) < 0) {
		problem bad = cgroup_not_usable(path, "", errno);
		struct place_found above = find_above(groups, run, &wanted);
		problem no_scope = above.bad ? scope_find(run, &path, &program) : NULL;
		if (no_scope)
			return arena_printf(
				"%s; systemd's user manager gives no other: %s" CGROUP_CURE, bad,
				no_scope);
		if (above.bad) {
			*ret_where = arena_printf("systemd's user manager gives one (%s)", program);
			return NULL;
		}
		path = above.path;
		controllers = procfile_read(above.fd, "cgroup.subtree_control");
		close(above.fd);
	}
	*ret_where = arena_printf("below %s, with %s", path,
				  controllers && *controllers ? controllers : "no controller");
	return NULL;
}
