/* facts.c - what is there, without trying it: programs, devices, the caller's ranges of ids, groups.
 *
 * Must not: start any of them.
 */
#include "check/facts.h"

#include "limit/cgroup.h"
#include "run/causes.h"
#include "sys/kernel.h"
#include "sys/program.h"
#include "utils.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif
enum { LANDLOCK_VERSION = 1 };

void facts_add_fuse(struct findings *findings)
{
	static const char fuse[] = "overlay-fuse", overlays[] = "overlays that the kernel refuses";
	const char *program = program_find("fuse-overlayfs");
	AUTO_CLOSE int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		finding_add(findings, fuse, errno == ENOENT ? ABSENT : FAILS, overlays,
			    arena_printf("Can't open /dev/fuse: %s; %s", errno_text(errno),
					 errno == ENOENT
						 ? "as root, modprobe fuse"
						 : "usually everybody may open it (mode 0666)"));
	else if (!program)
		finding_add(findings, fuse, ABSENT, overlays,
			    "not installed (package fuse-overlayfs)");
	else
		finding_add(findings, fuse, WORKS, overlays, program);
}

void facts_add_landlock(struct findings *findings)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION);
	if (version > 0)
		finding_add(findings, "landlock", WORKS, NULL, arena_printf("ABI %ld", version));
	else
		finding_add(
			findings, "landlock", ABSENT, NULL,
			errno == EOPNOTSUPP
				? "it is not switched on: lsm=landlock,... on the kernel's command line"
			: errno == ENOSYS
				? "this kernel has none (Linux 5.13), or a seccomp filter hides it"
				: errno_text(errno));
}

void facts_add_pasta(struct findings *findings)
{
	const char *program = program_find("pasta");
	finding_add(findings, "pasta", program ? WORKS : ABSENT, NULL,
		    program ? program : "not installed (package passt)");
}

/* ---- newuidmap ---- */

static const char *read_file(const char *path)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *bytes;
	size_t length;
	return fd >= 0 && read_all(fd, 1 << 24, &bytes, &length) ? bytes : "";
}

/* The first name that /etc/passwd has for it; "" where another service knows the user. */
static const char *user_name(uid_t uid)
{
	for (const char *line = read_file("/etc/passwd"); *line; line += *line == '\n') {
		unsigned id;
		int n_name = (int) strcspn(line, ":\n");
		if (sscanf(line + n_name, ":%*[^:]:%u:", &id) == 1 && id == uid)
			return arena_copy(line, (size_t) n_name);
		line = strchrnul(line, '\n');
	}
	return "";
}

/* How many ids the file gives the user: subuid(5). */
static uint64_t count_range(const char *path, const char *name, uid_t uid)
{
	uint64_t n = 0;
	const char *number = arena_number(uid, 10);
	for (const char *line = read_file(path); *line; line += *line == '\n') {
		unsigned first, count;
		size_t n_owner = strcspn(line, ":\n");
		const char *owner = arena_copy(line, n_owner);
		if (((*name && streq(owner, name)) || streq(owner, number)) &&
		    sscanf(line + n_owner, ":%u:%u", &first, &count) == 2)
			n += count;
		line = strchrnul(line, '\n');
	}
	return n;
}

void facts_add_newuidmap(const struct run *run, struct findings *findings)
{
	static const char key[] = "newuidmap";
	const char *program = program_find("newuidmap");
	struct statvfs fs;
	if (!program || !program_find("newgidmap")) {
		finding_add(findings, key, ABSENT, NULL, "not installed (package uidmap)");
		return;
	}
	if (statvfs(program, &fs) == 0 && fs.f_flag & ST_NOSUID) {
		finding_add(findings, key, FAILS, NULL,
			    arena_join(program, cause_text(CAUSE_NOSUID, program)));
		return;
	}
	uid_t uid = run->host->caller.uid;
	const char *name = user_name(uid);
	uint64_t n_uids = count_range("/etc/subuid", name, uid),
		 n_gids = count_range("/etc/subgid", name, uid);
	if (n_uids && n_gids)
		finding_add(findings, key, WORKS, NULL,
			    arena_printf("%s, with %llu uids and %llu gids of this user's", program,
					 (unsigned long long) n_uids, (unsigned long long) n_gids));
	else
		finding_add(
			findings, key, ABSENT, NULL,
			arena_printf(
				"%s has no range for this user: as root, usermod --add-sub%cids 100000-165535 %s",
				n_uids ? "/etc/subgid" : "/etc/subuid", n_uids ? 'g' : 'u',
				*name ? name : arena_number(uid, 10)));
}

/* ---- groups ---- */

void facts_add_groups(const struct run *run, struct findings *findings)
{
	const char *where;
	problem bad = cgroups_look(run, &where);
	finding_add(findings, "control-groups", bad ? ABSENT : WORKS, "--limit", bad ? bad : where);
}
