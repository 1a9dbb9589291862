/* foresee.c - what --dry-run and --verbose can tell of the host before anything is done: sources and targets that are
 * not there, and what programs of other names than COMMAND's will complain about.
 *
 * Must not: change anything, or end the run.
 */
#include "run/foresee.h"

#include "plan/cover.h"
#include "plan/net-options.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/causes.h"
#include "run/diagnose.h"
#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* The cause without its "; ". */
static void warn_of(const char *what, const char *cause)
{
	say_warning("%s: %s", what, cause + strlen("; "));
}

/* ---- sources ---- */

static void look_at_source(const struct run *run, const struct op *op)
{
	struct stat status;
	const char *position = position_text(op->position), *text;
	if (stat(op->outer_path, &status) < 0) {
		int error = errno;
		if (error != ENOENT || !(op->skip_missing || op->makes_source))
			say_warning("%s: there is no source %s: %s%s", position, op->outer_path,
				    errno_text(error),
				    diagnose_source(run, op, op->outer_path, error));
		return;
	}
	if (!status.st_nlink)
		warn_of(position, cause_text(CAUSE_MOUNT_DELETED, op->outer_path));
	if (S_ISREG(status.st_mode) && (text = diagnose_link(AT_FDCWD, op->outer_path)))
		say_warning(
			"%s: %s is a link, which says %s: that file is shown, whatever the link will say later",
			position, op->outer_path, text);
}

/* ---- passages ---- */

/* Whoever is to listen there may come later. */
static void look_at_target(const struct passage *passage)
{
	const struct sockaddr_un *un = &passage->beyond.as.un;
	struct stat status;
	if (un->sun_family == AF_UNIX && un->sun_path[0] && stat(un->sun_path, &status) < 0 &&
	    errno == ENOENT)
		say_warning("%s: there is no socket %s yet", position_text(passage->position),
			    un->sun_path);
}

/* ---- what programs miss ---- */

/* Whether some operation shows the host's file at its own path, by the words of the line. */
static const struct op *who_shows(const struct plan *plan, const char *path)
{
	for (size_t i = plan->root.n_ops; i-- > 0;) {
		const struct op *op = &plan->root.ops[i];
		if (!op->pattern && !plan_is_mask(op) && op->kind != OP_CHMOD &&
		    op->kind != OP_REMOUNT_RO && plan_path_below(path, op->inner_path))
			return op;
	}
	return NULL;
}

/* systemd-resolved's lies in /run, which few lines show. */
static void look_at_resolver(const struct plan *plan)
{
	static const char path[] = "/etc/resolv.conf";
	const char *text = diagnose_link(AT_FDCWD, path);
	const struct op *op = text && !plan->ns.unshare_net ? who_shows(plan, path) : NULL;
	bool as_link = op && op->kind == OP_BIND && op->outer_path &&
		       !plan_path_below(op->inner_path, path) &&
		       plan_path_below(path, op->outer_path);
	if (!as_link)
		return;
	const char *target = text[0] == '/' ? text : arena_join("/etc/", text);
	if (!who_shows(plan, target))
		warn_of(position_text(op->position), cause_text(CAUSE_RESOLV_LINK, target));
}

static bool is_one_of(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (streq(name, names[i]))
			return true;
	return false;
}

static void look_at_ids(const struct run *run)
{
	static const char *const ssh[] = { "ssh", "scp", "sftp", "rsync" };
	static const char *const chown[] = { "chown",   "chgrp", "install", "apt",
					     "apt-get", "dpkg",  "rpm",     "apk" };
	const char *command = run->plan->command.argv[0];
	if (!command || !run->shape.user_namespace) /* --check needs none */
		return;
	const char *slash = strrchr(command, '/'), *name = slash ? slash + 1 : command;
	const char *uid = arena_number(run->shape.inner_uid, 10);
	if (run->shape.inner_uid && is_one_of(name, ssh, ARRAY_SIZE(ssh)) &&
	    who_shows(run->plan, "/etc/ssh/ssh_config"))
		warn_of(name, cause_text(CAUSE_IDS_SSH, uid));
	if (is_one_of(name, chown, ARRAY_SIZE(chown)))
		warn_of(name, cause_text(CAUSE_IDS_CHOWN, uid));
}

void foresee(const struct run *run)
{
	const struct root_plan *root = &run->plan->root;
	for (const struct op *op = root->ops; op < root->ops + root->n_ops; op++)
		if (op->kind == OP_BIND && op->outer_path)
			look_at_source(run, op);
	for (size_t i = 0; i < run->plan->net.n_passages; i++)
		look_at_target(&run->plan->net.passages[i]);
	look_at_resolver(run->plan);
	look_at_ids(run);
}
