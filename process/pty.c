/* pty.c - the helper that relays between the caller's terminal and --pty's: keys, what is shown, and the size.
 *
 * It is in the caller's session and process group, so that it is in the foreground when bwrapish is; in the
 * background it does not touch the terminal's modes and takes no key. It has no capability, no descriptor but these and
 * no call that takes a path (guards_confine_relay()), and cannot be looked into. It ends when the supervisor does.
 *
 * Must not: write a message once it relays; wait for one side without hearing the supervisor.
 */
#include "process/pty.h"

#include "filter/guards.h"
#include "plan/given.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "process/protocol.h"
#include "process/state.h"
#include "run/helper.h"
#include "sys/capabilities.h"
#include "sys/channel.h"
#include "sys/self.h"
#include "sys/terminal.h"
#include "utils.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* At most one turn of a terminal in either direction: it takes no more at a time. */
enum { N_SHOWN = 65536, N_KEYS = 4096 };

struct relay {
	int socket, signals, master;
	int in, out; /* the caller's terminal */
	bool out_blocks;
	bool is_shared; /* who reads our standard output may want the keys */
	pid_t group;
	struct terminal_modes *modes;
	bool goes_on;     /* COMMAND runs, and we are not about to be stopped */
	bool is_in_front; /* keys are ours */
	bool is_unused;   /* no process has COMMAND's terminal open at the moment */
	size_t n_shown, n_keys;
	char shown[N_SHOWN], keys[N_KEYS];
};

/* ---- the caller's terminal ---- */

/* Whenever somebody else may have had it. */
static void look_at_terminal(struct relay *relay)
{
	relay->is_in_front = terminal_is_in_front(relay->in, relay->group);
	if (relay->is_in_front && !relay->is_shared)
		terminal_make_raw(relay->modes, relay->in);
	else
		terminal_restore(relay->modes, relay->in);
	terminal_copy_size(relay->out, relay->master);
}

static _Noreturn void leave(struct relay *relay)
{
	terminal_restore(relay->modes, relay->in);
	_exit(0); /* which hangs COMMAND's terminal up */
}

/* Whoever reads our standard output, less(1) for instance, has taken the keys by setting modes of its own. */
static bool has_keys(const struct relay *relay)
{
	struct termios modes;
	return relay->is_in_front &&
	       (!relay->is_shared || (tcgetattr(relay->in, &modes) == 0 && modes.c_lflag & ICANON));
}

/* ---- moving bytes ---- */

/* The end of a line that has nothing in it: it means what COMMAND's terminal says it means. */
static void type_end_of_file(struct relay *relay)
{
	struct termios modes;
	if (tcgetattr(relay->in, &modes) < 0) /* it was not typed: the caller's terminal is gone */
		leave(relay);
	if (tcgetattr(relay->master, &modes) == 0 && modes.c_lflag & ICANON)
		relay->keys[relay->n_keys++] = (char) modes.c_cc[VEOF];
}

static void read_keys(struct relay *relay)
{
	ssize_t n = read(relay->in, relay->keys, N_KEYS);
	if (n > 0)
		relay->n_keys = (size_t) n;
	else if (n == 0)
		type_end_of_file(relay);
	else if (errno == EIO && terminal_is_in_front(relay->in, relay->group))
		leave(relay);
	else if (errno == EIO) /* another group has come to the foreground */
		look_at_terminal(relay);
}

static void drop_first(char *bytes, size_t *n_bytes, size_t n)
{
	memmove(bytes, bytes + n, *n_bytes - n);
	*n_bytes -= n;
}

static void type_keys(struct relay *relay)
{
	ssize_t n = write(relay->master, relay->keys, relay->n_keys);
	if (n > 0)
		drop_first(relay->keys, &relay->n_keys, (size_t) n);
}

/* As much as there is: a terminal gives one page at a time. */
static void read_shown(struct relay *relay)
{
	while (relay->n_shown < N_SHOWN) {
		ssize_t n = read(relay->master, relay->shown + relay->n_shown,
				 N_SHOWN - relay->n_shown);
		if (n > 0) {
			relay->n_shown += (size_t) n;
			continue;
		}
		/* Everything is read before the kernel says so; and it may be opened again. */
		relay->is_unused = n == 0 || errno == EIO;
		return;
	}
}

static void show(struct relay *relay)
{
	ssize_t n = write(relay->out, relay->shown, relay->n_shown);
	if (n > 0)
		drop_first(relay->shown, &relay->n_shown, (size_t) n);
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		leave(relay);
}

/* ---- the supervisor ---- */

static void show_all(struct relay *relay)
{
	while (relay->n_shown) {
		struct pollfd events[] = { { .fd = relay->out, .events = POLLOUT },
					   { .fd = relay->socket, .events = POLLIN } };
		poll(events, ARRAY_SIZE(events), -1);
		if (events[1].revents) /* the supervisor is gone */
			leave(relay);
		if (events[0].revents)
			show(relay);
	}
}

/* What was written before COMMAND's end is all there, since a read waits for what is on its way; what others
 * still write is not waited for: more than a terminal holds is theirs. */
static _Noreturn void finish(struct relay *relay)
{
	enum { MOST = 1 << 18 };
	size_t n_read = 0, n = 1;
	look_at_terminal(relay); /* what is said when COMMAND could not be started is shown, too */
	for (show_all(relay); n && n_read < MOST; n_read += n) {
		read_shown(relay);
		n = relay->n_shown;
		show_all(relay);
	}
	leave(relay);
}

static void hear_supervisor(struct relay *relay)
{
	struct message message;
	if (read(relay->socket, &message, sizeof(message)) != (ssize_t) sizeof(message))
		leave(relay); /* it is gone */
	switch (message.kind) {
	case MESSAGE_RELAY_GO_ON:
		relay->goes_on = true;
		look_at_terminal(relay);
		break;
	case MESSAGE_RELAY_PAUSE:
		relay->goes_on = false;
		terminal_restore(relay->modes, relay->in);
		channel_try_send(relay->socket, MESSAGE_RELAY_PAUSED, 0);
		break;
	case MESSAGE_RELAY_FINISH:
		finish(relay);
	}
}

/* The size has changed; or we were stopped, and somebody else may have had the terminal. */
static void hear_signal(struct relay *relay)
{
	struct signalfd_siginfo info;
	if (read(relay->signals, &info, sizeof(info)) == (ssize_t) sizeof(info) && relay->goes_on)
		look_at_terminal(relay);
}

/* ---- the loop ---- */

static int to_poll(bool wanted, int fd)
{
	return wanted ? fd : -1;
}

/* Neither a terminal that nobody has open nor coming to the foreground wakes anybody. */
static int ms_to_sleep(const struct relay *relay, bool wants_keys)
{
	enum { UNUSED_MS = 50, BACKGROUND_MS = 200 };
	if (relay->goes_on && relay->is_unused)
		return UNUSED_MS;
	return relay->goes_on && !wants_keys && !relay->n_keys ? BACKGROUND_MS : -1;
}

static _Noreturn void serve(struct relay *relay)
{
	for (;;) {
		bool on = relay->goes_on, wants_keys = on && !relay->n_keys && has_keys(relay);
		/* Also while the caller's terminal takes no more: who writes at COMMAND's goes on meanwhile. */
		bool reads = on && relay->n_shown < N_SHOWN && !relay->is_unused;
		bool types = on && relay->n_keys;
		struct pollfd events[] = {
			{ .fd = relay->socket, .events = POLLIN },
			{ .fd = relay->signals, .events = POLLIN },
			{ .fd = to_poll(reads || types, relay->master),
			  .events = (short) ((reads ? POLLIN : 0) | (types ? POLLOUT : 0)) },
			{ .fd = to_poll(wants_keys, relay->in), .events = POLLIN },
			{ .fd = to_poll(on && relay->n_shown, relay->out), .events = POLLOUT },
		};
		int n = poll(events, ARRAY_SIZE(events), ms_to_sleep(relay, wants_keys));
		if (n == 0) {
			relay->is_unused = false;
			look_at_terminal(relay);
		}
		if (n <= 0)
			continue;
		if (events[0].revents)
			hear_supervisor(relay);
		if (events[1].revents)
			hear_signal(relay);
		if (events[3].revents && relay->goes_on && has_keys(relay))
			read_keys(relay);
		if (relay->n_keys && relay->goes_on)
			type_keys(relay);
		if (reads && events[2].revents)
			read_shown(relay);
		if (relay->n_shown && relay->goes_on && (events[4].revents || !relay->out_blocks))
			show(relay);
	}
}

/* ---- becoming it ---- */

static const char *position(const struct run *run)
{
	return position_text(options_position(run->plan, "--pty"));
}

static int take_signals(void)
{
	static const int blocked[] = { SIGWINCH, SIGCONT, SIGTSTP, SIGTTIN };
	sigset_t set, heard;
	sigemptyset(&heard);
	sigaddset(&heard, SIGWINCH);
	sigaddset(&heard, SIGCONT);
	if (sigprocmask(SIG_BLOCK, NULL, &set) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(blocked); i++)
		sigaddset(&set, blocked[i]);
	/* Who writes from the background where that is not wanted (stty tostop) is stopped, and so
	 * are we, with the supervisor. */
	sigdelset(&set, SIGTTOU);
	return sigprocmask(SIG_SETMASK, &set, NULL) < 0
		       ? -1
		       : signalfd(-1, &heard, SFD_CLOEXEC | SFD_NONBLOCK);
}

void pty_be_relay(const struct run *run, int socket)
{
	struct relay *relay = arena_alloc(sizeof(*relay));
	const struct outer_terminal *outer = &run->host->terminal;
	bool in_blocks;
	relay->socket = socket;
	relay->master = run->pty.master;
	relay->signals = take_signals();
	relay->in = terminal_open_again(outer->in_fd, run->host->proc_fd, &in_blocks);
	relay->out = terminal_open_again(outer->out_fd, run->host->proc_fd, &relay->out_blocks);
	relay->is_shared = outer->is_shared;
	relay->group = getpgrp();
	relay->modes = run->supervisor->modes;
	int keep[] = { relay->socket, relay->master, relay->signals, relay->in, relay->out };
	if (relay->signals < 0 || relay->in < 0 || relay->out < 0 ||
	    !close_all_except(keep, ARRAY_SIZE(keep)))
		die_errno(errno, "%s: Can't open the caller's terminal", position(run));
	caps_drop_all();
	if (prctl(PR_SET_DUMPABLE, 0) < 0 || !guards_confine_relay())
		die_errno(errno, "%s: Can't confine the process that relays the terminal",
			  position(run));
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		close(fd); /* their readers wait for the end of file */
	if (!channel_try_send(relay->socket, MESSAGE_HELPER_READY, 0))
		_exit(1);
	serve(relay);
}
