/* command-options.c - COMMAND and its surroundings as the line asks for them: rows, readers, contradictions,
 * words. */
#include "plan/command-options.h"

#include "plan/descriptors.h"
#include "plan/given.h"
#include "plan/lines.h"
#include "plan/mistakes.h"
#include "plan/operand.h"
#include "plan/option.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "plan/reader.h"
#include "plan/shape.h"
#include "sys/capabilities.h"
#include "utils.h"

#include <errno.h>
#include <string.h>

/* The value of what changes the environment is its enum env_action. */
enum { CAP_ADD = 100, CAP_DROP, EXIT_CODES, ENV_FD };

#define ROW(...) OPTION(COMMAND, __VA_ARGS__)
/* clang-format off */
static const struct option_row rows[] = {
	ROW("chdir", "DIR", COMMAND, "start in DIR, a path inside", WORD, AT(command.chdir)),
	ROW("argv0", "VALUE", COMMAND, "what COMMAND sees as its own name", WORD, AT(command.argv0), .traits = ONCE),
	ROW("clearenv", "", COMMAND, "forget the whole environment", OWN, .value = ENV_CLEAR),
	ROW("setenv", "VAR VALUE", COMMAND, "set a variable", OWN, .value = ENV_SET),
	ROW("env-fd", "FD", COMMAND, "set the variables that FD has, NUL-separated NAME=VALUE", OWN, .value = ENV_FD, .use = USE_DRAINED, .traits = WANTS_END),
	ROW("unsetenv", "VAR", COMMAND, "forget a variable", OWN, .value = ENV_UNSET),
	ROW("env", "NAME", COMMAND, "take a variable from the caller again, after --clearenv", OWN, .value = ENV_KEEP),
	/* setsid(2): EPERM for the leader of a process group, so its child does it */
	ROW("new-session", "", COMMAND, "a new terminal session (setsid)", FLAG, AT(command.new_session), .supervised = 10, .traits = FOR_LEADER),
	ROW("pty", "", COMMAND, "a terminal of the sandbox's own, in place of the caller's", FLAG, AT(command.pty), .supervised = 11),
};
static const struct option_row process_rows[] = {
	ROW("die-with-parent", "", COMMAND, "kill the sandbox when bwrapish or its parent dies", FLAG, AT(command.die_with_parent), .supervised = 5),
	ROW("die-with-fd", "FD", COMMAND, "kill the sandbox when FD ends: a pipe, a socket, a pidfd", FD, AT(command.die_with_fd), .use = USE_WAITED, .supervised = 11, .traits = WANTS_END | SUPERVISOR_WAITS),
	ROW("die-with-command", "", COMMAND, "kill what COMMAND leaves behind when it ends", FLAG, AT(command.die_with_command), .supervised = 9, .traits = ENDS_WITH_COMMAND),
	ROW("exit-codes", "CODES", COMMAND, "of failures before COMMAND: env (125, 126, 127) or bwrap (1)", OWN, .value = EXIT_CODES, .choices = "bwrap env", .traits = LAST_WINS),
	ROW("as-pid-1", "", COMMAND, "COMMAND itself is pid 1; needs --unshare-pid", FLAG, AT(command.as_pid_1), .supervised = 1, .needs = "--unshare-pid"),
	ROW("exit-signal", "", COMMAND, "end by the signal that COMMAND died of, not with 128 + its number", FLAG, AT(command.exit_signal)),
	ROW("close-fds", "", COMMAND, "pass no descriptor above 2 to COMMAND", FLAG, AT(command.close_fds)),
	ROW("keep-fd", "FD", COMMAND, "except this one", FDS, AT(command.keep_fds), .use = USE_PASSED, .needs = "--close-fds; without it every descriptor is passed on"),
	ROW("listen-fds", "", COMMAND, "pass on what a service manager has opened (LISTEN_FDS)", FLAG, AT(command.listen_fds)),
	ROW("cap-add", "CAP", SECURITY, "give COMMAND a capability, or ALL, within the sandbox", OWN, .value = CAP_ADD),
	ROW("cap-drop", "CAP", SECURITY, "take a capability, or ALL, away", OWN, .value = CAP_DROP),
};
/* clang-format on */
const struct option_rows command_option_rows = { rows, ARRAY_SIZE(rows) };
const struct option_rows process_option_rows = { process_rows, ARRAY_SIZE(process_rows) };

static void add_env_op(struct command_plan *command, const struct env_op *op)
{
	command->env_ops = arena_grow(command->env_ops, command->n_env_ops,
				      &command->capacity_env_ops, sizeof(*op));
	command->env_ops[command->n_env_ops++] = *op;
}

static problem read_env(struct command_plan *command, enum env_action action, char *const *words,
			struct position position)
{
	struct env_op op = { .action = action };
	if (action != ENV_CLEAR) {
		op.name = words[0];
		if (!*op.name || strchr(op.name, '=')) {
			const char *apart = action == ENV_UNSET ? "" : operand_in_one_word(op.name);
			return problem_at(
				position,
				"Invalid variable name: \"%s\" is empty or has a = in it%s%s",
				op.name, action == ENV_KEEP && *apart ? "; --setenv sets one" : "",
				apart);
		}
	}
	if (action == ENV_SET)
		op.value = words[1];
	if (action == ENV_SET && !position.args_word)
		op.value_on_line = words[1];
	add_env_op(command, &op);
	return NULL;
}

/* Messages tell the number of an entry and nothing of what is in it, which may be all value. */
static problem read_env_fd(struct reader *reader, const struct option_row *row, const char *word,
			   struct position position)
{
	int fd;
	char *bytes;
	size_t length, number = 0;
	problem bad = fds_read(reader->plan, reader->io, row, position, word, &fd);
	if (bad)
		return bad;
	if (!reader->io->read_fd(fd, &bytes, &length))
		return problem_at(position, "Can't read descriptor %d: %s", fd, errno_text(errno));
	if (strlen(bytes) == length && strchr(bytes, '\n'))
		return problem_at(position, "a variable of descriptor %d " MISTAKE_NEWLINE, fd);
	for (char *entry = bytes; entry < bytes + length; entry += strlen(entry) + 1) {
		char *equals = strchr(entry, '=');
		number++;
		if (!equals || equals == entry)
			return problem_at(
				position,
				"Invalid variable: entry %zu of descriptor %d %s; entries are NAME=VALUE, and each ends with a NUL",
				number, fd,
				!*entry   ? "is empty"
				: !equals ? "has no = in it"
					  : "has no name before its =");
		add_env_op(&reader->plan->command,
			   &(struct env_op){ .action = ENV_SET,
					     .name = arena_copy(entry, (size_t) (equals - entry)),
					     .value = equals + 1 });
	}
	return NULL;
}

static problem read_cap(struct command_plan *command, bool add, const char *word,
			struct position position)
{
	struct cap_op op = { .add = add, .position = position };
	if (!caps_from_name(word, &op.cap))
		return problem_at(
			position,
			"Unknown capability %s (they are named as in capabilities(7), or ALL)%s",
			word,
			caps_from_name(arena_join("CAP_", word), &op.cap)
				? arena_printf("; is CAP_%s meant?", word)
				: "");
	command->cap_ops = arena_grow(command->cap_ops, command->n_cap_ops,
				      &command->capacity_cap_ops, sizeof(op));
	command->cap_ops[command->n_cap_ops++] = op;
	return NULL;
}

static problem read_exit_codes(struct command_plan *command, const struct option_row *row,
			       const char *word, struct position position)
{
	int choice = operand_choice(row->choices, word);
	if (choice < 0)
		return problem_at(position, "Unknown exit codes %s; they are bwrap and env", word);
	command->exit_codes = (enum exit_codes) choice;
	return NULL;
}

bool command_options_ask_for_env_codes(char *const *words)
{
	bool asks = false;
	for (; *words && !streq(*words, "--"); words++)
		if (streq(*words, "--exit-codes") && words[1])
			asks = streq(words[1], "env");
	return asks;
}

problem command_options_read(struct reader *reader, const struct option_row *row,
			     char *const *words, struct position position)
{
	struct command_plan *command = &reader->plan->command;
	if (row->value == CAP_ADD || row->value == CAP_DROP)
		return read_cap(command, row->value == CAP_ADD, words[0], position);
	if (row->value == ENV_FD)
		return read_env_fd(reader, row, words[0], position);
	if (row->value == EXIT_CODES)
		return read_exit_codes(command, row, words[0], position);
	return read_env(command, (enum env_action) row->value, words, position);
}

/* Without a user namespace of its own the sandbox has no capabilities but the caller's. */
static problem check_caps(const struct plan *plan, const struct caller *caller)
{
	for (size_t i = 0; i < plan->command.n_cap_ops; i++) {
		const struct cap_op *op = &plan->command.cap_ops[i];
		if (op->add && op->cap >= 0 && !(caller->permitted_caps >> op->cap & 1))
			return problem_at(
				op->position,
				"the caller does not have %s itself; with --unshare-user it can be given within the sandbox",
				caps_name(op->cap));
	}
	return NULL;
}

/* What was opened for COMMAND is 3 and above, whatever the line says of these numbers. */
static problem check_listen_fds(const struct plan *plan, const struct caller *caller)
{
	for (size_t i = 0; i < plan->n_fds; i++) {
		const struct named_fd *named = &plan->fds[i];
		if (named->fd >= LISTEN_FDS_START &&
		    named->fd - LISTEN_FDS_START < caller->n_listen_fds &&
		    named->row->use != USE_PASSED)
			return problem_at(
				named->position,
				"descriptor %d is one of the %d from %d that --listen-fds passes to COMMAND",
				named->fd, caller->n_listen_fds, LISTEN_FDS_START);
	}
	return NULL;
}

problem command_options_check(const struct plan *plan, const struct caller *caller,
			      const struct shape *shape)
{
	if (plan->command.as_pid_1 && plan->report.n_lock_files)
		return option_refused(
			plan, "--as-pid-1",
			"cannot be combined with --lock-file, which needs a process to hold it");
	problem bad = check_listen_fds(plan, caller);
	if (bad)
		return bad;
	bool callers_caps = !shape->user_namespace && plan->ns.userns.fd < 0;
	return callers_caps ? check_caps(plan, caller) : NULL;
}

static void explain_caps_and_environment(const struct plan *plan, const struct shape *shape,
					 struct text *text)
{
	static const char *const verbs[] = { [ENV_CLEAR] = "forget all of it",
					     [ENV_SET] = "set ",
					     [ENV_UNSET] = "forget ",
					     [ENV_KEEP] = "take from the caller " };
	struct text caps = { 0 };
	for (int cap = 0; cap <= caps_last(); cap++)
		if (shape->caps >> cap & 1)
			text_add(&caps, " %s", caps_name(cap));
	explain_line(text, "prepare", "capabilities:%s", caps.bytes ? caps.bytes : " none");
	for (size_t i = 0; i < plan->command.n_env_ops;
	     i++) /* names only: values are often secrets */
		explain_line(text, "", "environment: %s%s", verbs[plan->command.env_ops[i].action],
			     plan->command.env_ops[i].name ? plan->command.env_ops[i].name : "");
}

void command_options_explain(const struct plan *plan, const struct shape *shape,
			     const struct caller *caller, struct text *text)
{
	explain_caps_and_environment(plan, shape, text);
	if (plan->command.chdir)
		explain_line(text, "", "directory: %s", plan->command.chdir);
	else
		explain_line(text, "", "directory: %s%sHOME if it exists, else /",
			     caller->directory ? caller->directory : "",
			     caller->directory ? " if it exists inside, else " : "");
	if (plan->command.new_session && !plan->command.pty)
		explain_line(text, "", "a new terminal session");
	if (plan->command.pty)
		explain_line(text, "", "a new terminal session, at a terminal of its own");
	if (plan->command.exit_codes == EXIT_CODES_ENV)
		explain_line(
			text, "",
			"exit status %d when something fails before, %d or %d when COMMAND is not executable or not found",
			EXIT_SETUP, EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND);
	if (plan->command.exit_signal)
		explain_line(text, "", "a signal that ends COMMAND is what the caller sees");
	if (plan->command.close_fds)
		explain_line(text, "", "no descriptor above 2 is passed on%s",
			     plan->command.keep_fds.n ? " but those of --keep-fd" : "");
	if (caller->n_listen_fds)
		explain_line(text, "", "descriptors passed on as LISTEN_FDS: %d from %d",
			     caller->n_listen_fds, LISTEN_FDS_START);
}
