/* ns-options.c - namespaces and identity as the line asks for them: rows, readers, contradictions, words. */
#include "plan/ns-options.h"

#include "plan/given.h"
#include "plan/lines.h"
#include "plan/map-options.h"
#include "plan/operand.h"
#include "plan/option.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "plan/reader.h"
#include "plan/shape.h"
#include "sys/nskind.h"
#include "utils.h"

#include <sched.h>
#include <string.h>

enum { UNSHARE_ALL, SHARE_NET, INNER_UID, INNER_GID, MONOTONIC_OFFSET, BOOTTIME_OFFSET };

#define ROW(...) OPTION(NS, __VA_ARGS__)
/* clang-format off */
static const struct option_row rows[] = {
	ROW("unshare-all", "", NAMESPACES, "all of the following that the kernel has, but time", OWN, .value = UNSHARE_ALL),
	ROW("share-net", "", NAMESPACES, "keep the network in spite of what was said before", OWN, .value = SHARE_NET),
	ROW("unshare-user", "", NAMESPACES, "a new user namespace", WANT, AT(ns.unshare_user), .value = WANT_YES),
	ROW("unshare-user-try", "", NAMESPACES, "the same, or go on without where the kernel has none", WANT, AT(ns.unshare_user), .value = WANT_TRY),
	ROW("unshare-ipc", "", NAMESPACES, "a new IPC namespace", FLAG, AT(ns.unshare_ipc)),
	ROW("unshare-pid", "", NAMESPACES, "a new pid namespace, with a reaper as pid 1", FLAG, AT(ns.unshare_pid), .with_init = 1),
	ROW("unshare-net", "", NAMESPACES, "a new network namespace with only a loopback device", FLAG, AT(ns.unshare_net)),
	ROW("unshare-uts", "", NAMESPACES, "a new UTS namespace (host name)", FLAG, AT(ns.unshare_uts)),
	ROW("unshare-cgroup", "", NAMESPACES, "a new cgroup namespace", WANT, AT(ns.unshare_cgroup), .value = WANT_YES),
	ROW("unshare-cgroup-try", "", NAMESPACES, "the same, or go on without where the kernel has none", WANT, AT(ns.unshare_cgroup), .value = WANT_TRY),
	ROW("unshare-time", "", NAMESPACES, "a new time namespace; the wall clock is the host's", FLAG, AT(ns.unshare_time)),
	ROW("monotonic-offset", "SECONDS", NAMESPACES, "add this to CLOCK_MONOTONIC; needs --unshare-time", OWN, .value = MONOTONIC_OFFSET, .needs = "--unshare-time", .traits = LAST_WINS),
	ROW("boottime-offset", "SECONDS", NAMESPACES, "add this to CLOCK_BOOTTIME; needs --unshare-time", OWN, .value = BOOTTIME_OFFSET, .needs = "--unshare-time", .traits = LAST_WINS),
	ROW("userns", "FD", NAMESPACES, "join this user namespace instead of making one", FD, AT(ns.userns), .use = USE_SHOWN),
	ROW("userns2", "FD", NAMESPACES, "join this user namespace once setup is done", FD, AT(ns.userns2), .use = USE_SHOWN),
	ROW("pidns", "FD", NAMESPACES, "join this pid namespace, or make the new one below it", FD, AT(ns.pidns), .use = USE_SHOWN, .supervised = 2),
	ROW("netns", "FD", NAMESPACES, "join this network namespace", FD, AT(ns.netns), .use = USE_SHOWN),
	ROW("ipcns", "FD", NAMESPACES, "join this IPC namespace", FD, AT(ns.ipcns), .use = USE_SHOWN),
	ROW("utsns", "FD", NAMESPACES, "join this UTS namespace", FD, AT(ns.utsns), .use = USE_SHOWN),
	ROW("cgroupns", "FD", NAMESPACES, "join this cgroup namespace", FD, AT(ns.cgroupns), .use = USE_SHOWN),
	ROW("timens", "FD", NAMESPACES, "join this time namespace", FD, AT(ns.timens), .use = USE_SHOWN),
	ROW("disable-userns", "", NAMESPACES, "no further user namespaces inside; needs --unshare-user", FLAG, AT(ns.disable_userns), .needs = "--unshare-user", .traits = PROMISES_SAFETY),
	ROW("assert-userns-disabled", "", NAMESPACES, "refuse to run where one could still be made inside", FLAG, AT(ns.assert_userns_disabled), .traits = PROMISES_SAFETY),
	ROW("uid", "UID", NAMESPACES, "the user id inside", OWN, .value = INNER_UID, .traits = LAST_WINS),
	ROW("gid", "GID", NAMESPACES, "the group id inside", OWN, .value = INNER_GID, .traits = LAST_WINS),
	ROW("hostname", "NAME", NAMESPACES, "the host name inside; needs --unshare-uts", WORD, AT(ns.hostname), .needs = "--unshare-uts"),
};
/* clang-format on */
const struct option_rows ns_option_rows = { rows, ARRAY_SIZE(rows) };

static void unshare_all(struct ns_plan *ns)
{
	if (ns->unshare_user == WANT_NO)
		ns->unshare_user = WANT_TRY;
	if (ns->unshare_cgroup == WANT_NO)
		ns->unshare_cgroup = WANT_TRY;
	ns->unshare_ipc = ns->unshare_pid = ns->unshare_net = ns->unshare_uts = true;
}

problem ns_options_read(struct reader *reader, const struct option_row *row, char *const *words,
			struct position position)
{
	struct ns_plan *ns = &reader->plan->ns;
	switch (row->value) {
	case UNSHARE_ALL:
		unshare_all(ns);
		return NULL;
	case SHARE_NET:
		ns->unshare_net = false;
		return NULL;
	case INNER_UID:
		ns->has_uid = true;
		return operand_id(position, words[0], &ns->inner_uid);
	case INNER_GID:
		ns->has_gid = true;
		return operand_id(position, words[0], &ns->inner_gid);
	case MONOTONIC_OFFSET:
		return operand_offset(position, words[0], &ns->monotonic_offset_ns);
	case BOOTTIME_OFFSET:
		return operand_offset(position, words[0], &ns->boottime_offset_ns);
	}
	return NULL;
}

const struct fd_at *ns_options_joined(const struct ns_plan *ns, enum ns_kind kind)
{
	const struct fd_at *const fds[N_NS_KINDS] = {
		[NS_USER] = &ns->userns, [NS_PID] = &ns->pidns, [NS_NET] = &ns->netns,
		[NS_IPC] = &ns->ipcns,   [NS_UTS] = &ns->utsns, [NS_CGROUP] = &ns->cgroupns,
		[NS_TIME] = &ns->timens,
	};
	return fds[kind] && fds[kind]->fd >= 0 ? fds[kind] : NULL;
}

const struct fd_at *ns_options_first_joined(const struct ns_plan *ns)
{
	const struct fd_at *fd = NULL;
	for (enum ns_kind kind = 0; kind < N_NS_KINDS && !fd; kind++)
		fd = ns_options_joined(ns, kind);
	return fd;
}

/* A pid namespace is an exception: the new one is made below the one that is joined. */
static problem check_joined_or_made(const struct plan *plan)
{
	const struct ns_plan *ns = &plan->ns;
	const bool made[N_NS_KINDS] = {
		[NS_NET] = ns->unshare_net,   [NS_IPC] = ns->unshare_ipc,
		[NS_UTS] = ns->unshare_uts,   [NS_CGROUP] = ns->unshare_cgroup != WANT_NO,
		[NS_TIME] = ns->unshare_time,
	};
	for (enum ns_kind kind = 0; kind < N_NS_KINDS; kind++)
		if (made[kind] && ns_options_joined(ns, kind))
			return problem_at(
				ns_options_joined(ns, kind)->position,
				"cannot be combined with --unshare-%s%s: a namespace is joined or made, not both",
				ns_kinds[kind].file,
				kind == NS_NET    ? " or --unshare-all without --share-net"
				: kind == NS_TIME ? ""
						  : " or --unshare-all");
	return NULL;
}

const char *ns_options_taken_back(const struct plan *plan)
{
	bool was_asked_for =
		options_given(plan, "--unshare-net") || options_given(plan, "--unshare-all");
	return was_asked_for && options_given(plan, "--share-net")
		       ? arena_printf(", which %s has taken back",
				      position_text(options_position(plan, "--share-net")))
		       : "";
}

problem ns_options_check(const struct plan *plan, const struct caller *caller,
			 const struct shape *shape)
{
	const struct ns_plan *ns = &plan->ns;
	bool other_ids = shape->user_namespace || ns->userns.fd >= 0;
	if (ns->userns.fd >= 0 && ns->unshare_user != WANT_NO)
		return option_refused(
			plan, "--userns",
			"cannot be combined with --unshare-user, --unshare-user-try or --unshare-all: a user namespace is joined or made, not both");
	if (ns->disable_userns && plan->report.userns_block.fd >= 0)
		return option_refused(plan, "--disable-userns",
				      "cannot be combined with --userns-block-fd");
	if (ns->disable_userns && ns->userns2.fd >= 0)
		return option_refused(plan, "--disable-userns",
				      "cannot be combined with --userns2");
	if (!other_ids && shape->inner_uid != caller->uid)
		return option_refused(plan, "--uid", "needs --unshare-user or --userns");
	if (!other_ids && shape->inner_gid != caller->gid)
		return option_refused(plan, "--gid", "needs --unshare-user or --userns");
	problem bad = check_joined_or_made(plan);
	if (bad)
		return bad;
	if (ns->hostname && strlen(ns->hostname) > 64)
		return option_refused(plan, "--hostname", "a host name has at most 64 bytes");
	return NULL;
}

static const char *offset_text(int64_t offset_ns)
{
	int64_t size_ns = offset_ns < 0 ? -offset_ns : offset_ns;
	struct text text = { 0 };
	text_add(&text, "%s%lld.%09lld", offset_ns < 0 ? "-" : "+",
		 (long long) (size_ns / NS_PER_SECOND), (long long) (size_ns % NS_PER_SECOND));
	while (text.bytes[text.length - 1] == '0')
		text.bytes[--text.length] = '\0';
	if (text.bytes[text.length - 1] == '.')
		text.bytes[--text.length] = '\0';
	return text.bytes;
}

static const char *new_namespaces(const struct shape *shape)
{
	struct text new = { 0 };
	for (size_t i = 0; i < N_NS_KINDS; i++)
		if ((shape->namespaces | shape->second_namespaces) & ns_kinds[i].flag)
			text_add(&new, " %s%s", ns_kinds[i].name,
				 shape->optional_namespaces & ns_kinds[i].flag
					 ? " (if the kernel has it)"
					 : "");
	return new.bytes;
}

void ns_options_explain_become(const struct plan *plan, const struct shape *shape,
			       const struct caller *caller, struct text *text)
{
	explain_line(text, "become", "new namespaces:%s", new_namespaces(shape));
	for (enum ns_kind kind = 0; kind < N_NS_KINDS; kind++) {
		const struct fd_at *fd = ns_options_joined(&plan->ns, kind);
		if (fd)
			explain_line(text, "", "%s: join what descriptor %d refers to",
				     position_text(fd->position), fd->fd);
	}
	if (plan->report.userns_block.fd >= 0)
		explain_line(text, "", "%s: the caller writes the id maps",
			     position_text(plan->report.userns_block.position));
	else if (map_options_in_use(plan))
		map_options_explain(plan, shape, caller, text);
	else if (shape->user_namespace)
		explain_line(text, "",
			     "uid %u inside is %u outside, gid %u is %u; no other id exists",
			     shape->inner_uid, caller->uid, shape->inner_gid, caller->gid);
	if (plan->ns.unshare_time)
		explain_line(
			text, "",
			"CLOCK_MONOTONIC %s s, CLOCK_BOOTTIME %s s; the wall clock is the host's",
			offset_text(plan->ns.monotonic_offset_ns),
			offset_text(plan->ns.boottime_offset_ns));
	if (plan->ns.hostname)
		explain_line(text, "", "host name %s", plan->ns.hostname);
	if (plan->ns.unshare_net)
		explain_line(text, "", "the network is a loopback device");
}

void ns_options_explain_lock(const struct plan *plan, const struct shape *shape, struct text *text)
{
	if (plan->ns.userns2.fd >= 0)
		explain_line(text, "lock", "%s: join what descriptor %d refers to",
			     position_text(plan->ns.userns2.position), plan->ns.userns2.fd);
	else if (shape->second_userns)
		explain_line(text, "lock", "a second user namespace for COMMAND%s",
			     shape->userns_disabled ? ", the last one: a third is impossible" : "");
	if (plan->ns.assert_userns_disabled)
		explain_line(text, "lock",
			     "refuse to go on where one more user namespace can be made");
}
