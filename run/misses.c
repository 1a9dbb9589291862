/* misses.c - what programs look for at usual places, and miss inside: told by --check alone, which a run would be silent of.
 *
 * Must not: decide anything, or open what it looks for.
 */
#include "run/misses.h"

#include "plan/plan.h"
#include "run/causes.h"
#include "run/run.h"
#include "utils.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static const struct {
	char path[20];
	uint8_t cause;
	bool of_network;
} places[] = {
	{ "/dev/null", CAUSE_NO_DEV, false },
	{ "/proc/self", CAUSE_NO_PROC, false },
	{ "/tmp", CAUSE_NO_TMP, false },
	{ "/etc/passwd", CAUSE_NO_USERS, false },
	{ "/etc/localtime", CAUSE_NO_TIMEZONE, false },
	{ "/etc/resolv.conf", CAUSE_NO_RESOLVER, true },
	{ "/etc/ssl/certs", CAUSE_NO_CERTIFICATES, true },
	{ "/etc/pki/tls/certs", CAUSE_NO_CERTIFICATES_PKI, true },
};

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

void misses_look_outside(struct run *run)
{
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (is_there(places[i].path))
			run->places_outside |= 1U << i;
}

static void tell(enum cause cause, const char *what)
{
	say_note("%s", cause_text(cause, what) + strlen("; "));
}

/* As the variables of the caller's session name it; NULL: they do not, or it is there. */
static const char *missing_socket(const struct run *run, const char *name)
{
	static const char by_path[] = "unix:path=";
	const char *value = get_variable(run->environment, name), *path = NULL;
	if (value && streq(name, "DISPLAY") && value[0] == ':')
		path = arena_printf("/tmp/.X11-unix/X%.*s", (int) strcspn(value + 1, "."),
				    value + 1);
	else if (value && streq(name, "WAYLAND_DISPLAY") && *value)
		path = *value == '/'
			       ? value
			       : arena_printf("%s/%s",
					      get_variable(run->environment, "XDG_RUNTIME_DIR")
						      ?: "",
					      value);
	else if (value && strncmp(value, by_path, strlen(by_path)) == 0)
		path = arena_copy(value + strlen(by_path), strcspn(value + strlen(by_path), ",;"));
	return path && !is_there(path) ? path : NULL;
}

static void look_at_session(const struct run *run)
{
	static const struct {
		char variable[26];
		uint8_t cause;
	} sockets[] = {
		{ "DISPLAY", CAUSE_NO_DISPLAY },
		{ "WAYLAND_DISPLAY", CAUSE_NO_DISPLAY },
		{ "DBUS_SESSION_BUS_ADDRESS", CAUSE_NO_BUS },
	};
	const char *home = get_variable(run->environment, "HOME");
	/* Debian's users of services have /nonexistent. */
	if (home && *home && !streq(home, "/nonexistent") && !is_there(home))
		tell(CAUSE_NO_HOME, home);
	for (size_t i = 0; i < ARRAY_SIZE(sockets); i++) {
		const char *path = missing_socket(run, sockets[i].variable);
		if (path)
			tell(sockets[i].cause, path);
	}
}

static void look_at_program(const struct run *run, const char *program)
{
	struct stat status;
	const char *slash = strrchr(program, '/'), *name = slash ? slash + 1 : program;
	if (geteuid() && stat(program, &status) == 0 &&
	    (status.st_mode & S_ISUID || getxattr(program, "security.capability", NULL, 0) > 0))
		tell(CAUSE_NO_RIGHTS, name);
	if (streq(name, "git") && run->shape.user_namespace && stat(".git", &status) == 0 &&
	    status.st_uid != geteuid())
		tell(CAUSE_IDS_GIT, NULL);
}

void misses_foresee(const struct run *run, const char *program)
{
	const struct plan *plan = run->plan;
	bool has_network = !plan->ns.unshare_net || plan->net.pasta;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (run->places_outside & 1U << i && (has_network || !places[i].of_network) &&
		    !is_there(places[i].path))
			tell(places[i].cause, NULL);
	look_at_session(run);
	look_at_program(run, program);
}
