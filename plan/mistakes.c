/* mistakes.c - what people type, and what they meant. Pure. */
#include "plan/mistakes.h"

#include "plan/given.h"
#include "plan/lines.h"
#include "plan/nearest.h"
#include "plan/operand.h"
#include "plan/option.h"
#include "plan/options.h"
#include "plan/position.h"
#include "utils.h"

#include <string.h>

/* ---- options that nobody knows ---- */

/* What other sandboxes, and containers, call it, without dashes; and the words that follow "; ". */
static const struct {
	char words[88], meant[120];
} other_names[] = {
	{ "bind-ro bindro ro readonly read-only read-only-bind readonly-bind bind-readonly",
	  "is --ro-bind meant?" },
	{ "bind-ro-try try-ro-bind", "is --ro-bind-try meant?" },
	{ "rw-bind bind-rw rw writable read-write",
	  "is --bind SRC DEST meant? COMMAND can write to it" },
	{ "try-bind", "is --bind-try meant?" },
	{ "bind-dev", "is --dev-bind meant?" },
	{ "B volume mount whitelist bindmount M",
	  "--ro-bind SRC DEST shows SRC, and --bind lets COMMAND write to it" },
	{ "v",
	  "is --verbose meant? a volume is --ro-bind SRC DEST, or --bind for COMMAND to write to it" },
	{ "net network no-net no-network nonet disable-net disable-network unshare-network",
	  "is --unshare-net meant (a network of its own, with nothing but a loopback)? without it the host's is shared" },
	{ "share-network", "is --share-net meant?" },
	{ "C w cd cwd pwd workdir working-directory directory", "is --chdir DIR meant?" },
	{ "e E setvar", "is --setenv VAR VALUE meant?" },
	{ "clear-env clean-env", "is --clearenv meant?" },
	{ "u user", "is --uid UID meant?" },
	{ "g group", "is --gid GID meant?" },
	{ "tmp temp ramfs", "is --tmpfs DEST meant?" },
	{ "unshare-mount unshare-mnt mount-ns",
	  "a mount namespace is always a new one: leave it out" },
	{ "device", "is --dev-add NAME, behind --dev DEST, meant?" },
	{ "unshare", "--unshare-all, or one of --unshare-net, --unshare-pid and their like" },
	{ "h", "is --help meant?" },
	{ "V", "is --version meant?" },
	{ "n", "is --dry-run meant?" },
	{ "hide deny deny-read exclude blacklist mask-file mask-dir", "is --mask PATH meant?" },
	{ "mask-glob-try mask-try-glob",
	  "is --mask-glob meant? where nothing matches it is no error" },
	{ "protect-glob-try protect-try-glob",
	  "is --protect-glob meant? where nothing matches it is no error" },
	{ "m memory", "is --limit memory.max BYTES meant?" },
	{ "root rootfs chroot", "is --ro-bind DIR / meant?" },
	{ "landlock connect",
	  "--connect-tcp PORT, --connect-udp PORT, --connect-unix PATH name all that COMMAND may reach" },
	{ "port p expose", "is --publish PORT, behind --unshare-net --net-pasta, meant?" },
	{ "ipc unshare-ipc-ns", "is --unshare-ipc meant? without it the host's is shared" },
	{ "pid", "is --unshare-pid meant? without it the host's is shared" },
	{ "uts", "is --unshare-uts meant? without it the host's is shared" },
	{ "cgroupns", "is --unshare-cgroup meant? without it the host's is shared" },
	{ "userns=keep-id userns=host map-current-user map-user c",
	  "leave it out: COMMAND has the caller's uid and gid, unless --uid and --gid say another" },
	{ "userns=auto", "is --map-auto meant?" },
	{ "r map-root-user fakeroot", "is --unshare-user --uid 0 --gid 0 meant?" },
	{ "noroot rootless", "leave it out, or is --unshare-user meant?" },
	{ "fork f init", "leave it out: with --unshare-pid there is a pid 1 above COMMAND" },
	{ "mount-proc", "is --unshare-pid --proc /proc meant?" },
	{ "kill-child", "is --die-with-parent meant?" },
	{ "R bindmount-ro", "is --ro-bind SRC DEST meant?" },
	{ "T tmpfsmount private-tmp", "is --tmpfs DEST meant, as --tmpfs /tmp?" },
	{ "private private-home", "is --tmpfs \"$HOME\", before what is to be seen in it, meant?" },
	{ "private-dev", "is --dev /dev meant?" },
	{ "private-etc private-bin private-lib private-opt private-srv",
	  "what is to be seen is named, file by file: --ro-bind SRC DEST, behind --tmpfs" },
	{ "time-limit max-time", "is --timeout SECONDS meant?" },
	{ "keep-env preserve-env pass-env",
	  "leave it out: COMMAND has the caller's environment, unless --clearenv" },
	{ "keep-fds preserve-fds pass-fd",
	  "leave it out: descriptors are passed on, unless --close-fds, where --keep-fd FD excepts one" },
	{ "nonewprivs no-new-privs no-new-privileges", "leave it out: it is always so" },
	{ "rm", "leave it out: nothing is kept of a sandbox" },
	{ "noprofile quiet q",
	  "leave it out: no profile is read, and nothing is said that need not be" },
	{ "it ti i interactive tty stdin",
	  "leave it out: COMMAND has the caller's terminal; --pty gives it one of its own" },
	{ "d detach background mo me",
	  "leave it out: the shell's & lets it run in the background" },
	{ "name", "leave it out: a sandbox has none; --unshare-uts --hostname NAME is a host's" },
	{ "privileged allow-privileged",
	  "leave it out: nobody has more rights inside than outside, and --cap-add gives them there" },
	{ "security-opt", "is --seccomp-profile PROFILE or --exec-label LABEL meant?" },
	{ "entrypoint image exec",
	  "COMMAND and its words stand at the end of the line: leave it out" },
	{ "env-file",
	  "is --env-fd FD meant? each variable ends with a NUL there: tr '\\n' '\\0' <FILE" },
	{ "cpus cpu-quota", "is --limit cpu.max meant? 200% of a CPU are two" },
	{ "pids-limit", "is --limit pids.max N meant?" },
	{ "add-host", "is --hosts NAME=ADDR meant?" },
	{ "dns", "is --data \"nameserver ADDR\" /etc/resolv.conf meant?" },
	{ "shm-size", "is --size BYTES --tmpfs /dev/shm, behind --dev /dev, meant?" },
	{ "property",
	  "there are --unshare-net, --tmpfs \"$HOME\", --ro-bind SRC DEST, --limit KEY VALUE; --help lists all" },
	{ "filesystem", "is --bind SRC DEST meant? COMMAND can write to it" },
	{ "socket x11 wayland",
	  "is --ro-bind meant, of the socket: /tmp/.X11-unix, or \"$XDG_RUNTIME_DIR/wayland-0\"?" },
	{ "gpus gpu", "is --dev-bind-try /dev/dri /dev/dri, behind --dev /dev, meant?" },
};

/* What gives, and what is to be named in its place where the word is as near to that, or says `mark`. */
static const struct {
	char gives[16], safer[20], mark[4];
} pairs[] = {
	{ "bind", "ro-bind", "r" },           { "bind-try", "ro-bind-try", "ro" },
	{ "dev-bind", "ro-bind", "ro" },      { "dev-bind-try", "ro-bind-try", "ro" },
	{ "bind-fd", "ro-bind-fd", "r" },     { "bind-data", "ro-bind-data", "r" },
	{ "same-bind", "same-ro-bind", "r" }, { "same-bind-try", "same-ro-bind-try", "ro" },
	{ "share-net", "unshare-net", "un" }, { "cap-add", "cap-drop", "dr" },
	{ "overlay", "ro-overlay", "ro" },    { "seccomp-allow", "seccomp-deny", "den" },
};

/* Whether `word` stands among the words, between spaces. */
static bool is_among(const char *words, const char *word)
{
	return operand_choice(words, word) >= 0;
}

/* What gives is the nearest only where nothing in the word speaks for its safer twin. */
static const char *safer_twin(const char *bare, const char *near)
{
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		if (!streq(near, pairs[i].gives))
			continue;
		struct nearest twins = nearest_begin(bare);
		nearest_offer(&twins, pairs[i].safer);
		nearest_offer(&twins, pairs[i].gives);
		return strstr(bare, pairs[i].mark) ? pairs[i].safer : twins.best;
	}
	return near;
}

static const char *nearest_option(const char *bare, mistakes_next_row next)
{
	struct option_walk walk = { 0 };
	struct nearest options = nearest_begin(bare);
	for (const struct option_row *row; (row = next(&walk));)
		nearest_offer(&options, row->name + 2 /* its dashes */);
	const char *near = options.best;
	/* The opposite is never meant. */
	bool is_opposite = near && strncmp(near, "un", 2) == 0 && streq(near + 2, bare);
	return !near || is_opposite ? NULL : safer_twin(bare, near);
}

/* In small letters, with - for _, and without the dashes. */
static const char *bare_name(const char *word)
{
	char *bare = arena_string(word + strspn(word, "-"));
	for (char *c = bare; *c; c++)
		*c = *c == '_' ? '-' : *c >= 'A' && *c <= 'Z' ? (char) (*c + 'a' - 'A') : *c;
	return bare;
}

/* NULL: there is none of that name. */
static const struct option_row *find_row(const char *name, mistakes_next_row next)
{
	struct option_walk walk = { 0 };
	const struct option_row *row;
	while ((row = next(&walk)) && !streq(row->name, name))
		;
	return row;
}

/* NULL: nobody calls anything so. */
static const char *other_name(const char *bare)
{
	for (size_t i = 0; i < ARRAY_SIZE(other_names); i++)
		if (is_among(other_names[i].words, bare))
			return arena_printf("; %s", other_names[i].meant);
	return NULL;
}

const char *mistakes_unknown_option(const char *word, bool in_args, mistakes_next_row next)
{
	if (in_args && strchr(word, '\n'))
		return arena_join("; a word of --args ", MISTAKE_NEWLINE);
	const char *whole = strchr(word, '=') ? other_name(bare_name(word)) : NULL;
	if (whole)
		return whole;
	size_t length = strcspn(word, "= ");
	const char *name = arena_copy(word, length);
	const struct option_row *row = find_row(name, next);
	if (row && word[length] && !*row->words)
		return arena_printf("; %s takes nothing", row->name);
	if (row && word[length])
		return arena_printf("; %s and what it takes are words of their own: %s %s",
				    row->name, row->name, row->words);
	/* One letter may be another's in capitals. */
	const char *bare = length <= 2 ? name + strspn(name, "-") : bare_name(name);
	const char *other = other_name(bare),
		   *limit = strncmp(bare, "rlimit-", 7) == 0 ? bare + 7 : NULL;
	if (other)
		return other;
	if (limit)
		return arena_printf("; is --rlimit %s SOFT[:HARD] meant?", limit);
	const char *near = strlen(bare) > 1 ? nearest_option(bare, next) : NULL;
	return near ? arena_printf("; is --%s meant?", near) : "; --help lists all of them";
}

/* ---- no COMMAND ---- */

/* The option with the operand that it lacks, before what was to be COMMAND: "--ro-bind / / ls" for "--ro-bind / ls". */
static const char *with_what_it_lacks(const struct option_row *row, char *const *words)
{
	struct text text = { 0 };
	const char *name = row->words, *colon = strchr(words[0], ':');
	text_add(&text, "%s", row->name);
	if (streq(name, "SRC DEST") && !streq(row->name, "--symlink"))
		return arena_printf(
			"%s %s %s %s", row->name,
			shell_word(colon ? arena_copy(words[0], (size_t) (colon - words[0]))
					 : words[0]),
			shell_word(colon ? colon + 1 : words[0]), shell_word(words[1]));
	for (const char *space; (space = strchr(name, ' ')); name = space + 1)
		text_add(&text, " %s", shell_word(*words++));
	return arena_printf("%s %s %s", text.bytes, name, shell_word(*words));
}

static const char *last_operand(const struct option_row *row)
{
	const char *space = strrchr(row->words, ' ');
	return space ? space + 1 : row->words;
}

bool mistakes_took_command(const struct plan *plan, int argc, char *const *argv)
{
	const struct given_option *given = options_last(plan);
	const char *word = argv[argc - 1];
	return given && given->last.argument < (unsigned) argc - 1 &&
	       is_among("DEST PATH DIR", last_operand(given->row)) && !strchr(word, '/');
}

const char *mistakes_no_command(const struct plan *plan, int argc, char *const *argv)
{
	const struct given_option *given = options_last(plan);
	const char *word = argv[argc - 1];
	if (streq(word, "--"))
		return "no COMMAND: nothing stands behind --";
	struct position last = given->last;
	if (last.argument == (unsigned) argc - 1)
		return arena_printf(
			"no COMMAND: the line ends with %s; what is to be run stands behind that, and in a script a line goes on in the next one only behind a \\",
			position_text(last));
	const struct option_row *row = given->row;
	bool is_number = *word && !word[strspn(word, "0123456789")];
	bool is_operand = strchr(word, '/') || is_number || operand_choice(row->choices, word) >= 0;
	return arena_printf("no COMMAND: %s took %s as its %s; %s%s", position_text(last), word,
			    last_operand(row),
			    is_operand ? "what is to be run stands behind that" : "write ",
			    is_operand ? "" : with_what_it_lacks(row, argv + last.argument + 1));
}
