/* facts.c - what is there, without trying it: programs, devices, the caller's ranges of ids, groups.
 *
 * Must not: start any of them, but those that tell which ids a user has.
 */
#include "check/facts.h"

#include "limit/cgroup.h"
#include "ns/subids.h"
#include "run/causes.h"
#include "run/diagnose.h"
#include "sys/kernel.h"
#include "sys/program.h"
#include "utils.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
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
	static const char key[] = "pasta", good_for[] = "--net-pasta";
	const char *pasta = program_find("pasta"),
		   *program = pasta ? pasta : program_find("slirp4netns");
	AUTO_CLOSE int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (!program)
		finding_add(findings, key, ABSENT, good_for,
			    "not installed (package passt), and slirp4netns neither");
	else if (fd < 0)
		finding_add(findings, key, errno == EACCES || errno == EPERM ? FAILS : ABSENT,
			    good_for,
			    arena_printf("Can't open /dev/net/tun: %s%s", errno_text(errno),
					 diagnose_tun(errno)));
	else
		finding_add(findings, key, WORKS, good_for, program);
}

/* ---- newuidmap ---- */

static unsigned long long count(const struct id_ranges *ranges)
{
	unsigned long long n = 0;
	for (size_t i = 0; i < ranges->n; i++)
		n += ranges->items[i].count;
	return n;
}

void facts_add_newuidmap(const struct run *run, struct findings *findings)
{
	static const char key[] = "newuidmap", good_for[] = "--map-auto";
	const char *program = program_find("newuidmap");
	struct statvfs fs;
	if (!program || !program_find("newgidmap")) {
		finding_add(findings, key, ABSENT, good_for, "not installed (package uidmap)");
		return;
	}
	if (statvfs(program, &fs) == 0 && fs.f_flag & ST_NOSUID) {
		finding_add(findings, key, FAILS, good_for,
			    arena_join(program, cause_text(CAUSE_NOSUID, program)));
		return;
	}
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 0) {
		finding_add(findings, key, FAILS, good_for,
			    arena_join(program, cause_text(CAUSE_NO_NEW_PRIVS, NULL)));
		return;
	}
	struct id_ranges uids = { 0 }, gids = { 0 };
	subids_find(run, ID_UID, &uids);
	subids_find(run, ID_GID, &gids);
	if (uids.n && gids.n)
		finding_add(findings, key, WORKS, good_for,
			    arena_printf("%s, with %llu uids and %llu gids of this user's", program,
					 count(&uids), count(&gids)));
	else
		finding_add(
			findings, key, ABSENT, good_for,
			arena_printf(
				"%s has no range for this user: as root, usermod --add-sub%cids 100000-165535 %s",
				uids.n ? "/etc/subgid" : "/etc/subuid", uids.n ? 'g' : 'u',
				subids_owner(run)));
}

/* ---- groups ---- */

void facts_add_groups(const struct run *run, struct findings *findings)
{
	const char *where;
	problem bad = cgroups_look(run, &where);
	finding_add(findings, "control-groups", bad ? ABSENT : WORKS, "--limit", bad ? bad : where);
}
