/* notify.c - the one listener of system calls that a sandbox can have (seccomp_unotify(2)).
 *
 * The kernel stops the caller of such a call and asks the supervisor, which lets every one go on. That is a diagnosis
 * and no sandbox: nothing is ever denied, and even a supervisor that meant to deny would look at arguments that may
 * have changed since.
 */
#include "filter/notify.h"

#include "plan/position.h"
#include "sys/channel.h"
#include "sys/kernel.h"
#include "utils.h"

#include <errno.h>
#include <linux/filter.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>

#ifndef SECCOMP_USER_NOTIF_FLAG_CONTINUE
#define SECCOMP_USER_NOTIF_FLAG_CONTINUE 1
#endif
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5) /* 5.19 */
#endif

#define FIELD(name) ((uint32_t) offsetof(struct seccomp_data, name))
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LOW  0
#define HIGH 4
#else
#define LOW  4
#define HIGH 0
#endif

static const char *position(const struct run *run)
{
	const struct plan *plan = run->plan;
	return position_text(plan->filter.policy.trace.fd >= 0 ? plan->filter.policy.trace.position
							       : plan->report.denied.position);
}

/* ---- in COMMAND's process ---- */

/* Handing over the listener must not itself be stopped: nobody would answer yet. The exception
 * means this very message and is gone with our memory at exec. */
static size_t add_exception(struct sock_filter *code, const struct fd_letter *letter)
{
	uint64_t address = (uintptr_t) channel_letter_address(letter);
	const struct sock_filter exception[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendmsg, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(args[1]) + LOW),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t) address, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(args[1]) + HIGH),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t) (address >> 32), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	memcpy(code, exception, sizeof(exception));
	return ARRAY_SIZE(exception);
}

/* Once it was received only a signal that kills interrupts it: a program that is sent many would have its calls begun
 * anew for ever. */
static int load(const struct sock_fprog *program)
{
	const unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
	int listener = (int) syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
				     flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, program);
	return listener < 0 && errno == EINVAL
		       ? (int) syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, program)
		       : listener;
}

void notify_load(const struct run *run, const struct sock_filter *code, size_t n)
{
	struct fd_letter *letter = arena_alloc(sizeof(*letter));
	struct sock_filter *whole = arena_alloc((n + 16) * sizeof(*whole));
	size_t n_exception = add_exception(whole, letter);
	memcpy(whole + n_exception, code, n * sizeof(*code));
	struct sock_fprog program = { .len = (unsigned short) (n + n_exception), .filter = whole };
	channel_write_letter(letter, MESSAGE_LISTENER);
	int listener = load(&program);
	if (listener < 0)
		die_because(
			errno, "%s: Can't be notified of system calls: %s%s", position(run),
			errno_text(errno),
			errno == EBUSY
				? "; a filter that is in force outside has a listener of its own, and the kernel allows one"
			: errno == EINVAL ? "; this kernel is too old for it or the list too long"
			: errno == EACCES || errno == EPERM || errno == ENOSYS
				? "; a filter that is in force outside forbids it"
				: "");
	channel_send_letter(run->supervisor_fd, letter, listener);
	close(listener);
}

/* ---- in the supervisor ---- */

bool notify_receive(const struct run *run, int listener, union notified *ret_notified)
{
	memset(ret_notified, 0, sizeof(*ret_notified));
	if (sys_ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &ret_notified->call) == 0)
		return true;
	/* ENOENT: it was interrupted or killed meanwhile */
	if (errno != EINTR && errno != ENOENT)
		die_errno(errno, "%s: Can't receive what is notified", position(run));
	return false;
}

void notify_let_through(const struct run *run, int listener, uint64_t id)
{
	union {
		char capacity[512];
		struct seccomp_notif_resp answer;
	} sent = { .answer = { .id = id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE } };
	if (sys_ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &sent.answer) < 0 && errno != ENOENT)
		die_errno(errno, "%s: Can't let a system call through", position(run));
}

void notify_write_line(const struct fd_at *to, bool *is_unheard, const char *line)
{
	enum { PATIENCE_MS = 2000 }; /* a call may be waiting */
	if (*is_unheard || write_all_within(to->fd, line, strlen(line), PATIENCE_MS))
		return;
	*is_unheard = true;
	if (errno != ETIMEDOUT) /* otherwise the run is to end */
		say_warning("%s: Can't write to descriptor %d: %s; no more is told",
			    position_text(to->position), to->fd,
			    errno == ETIME ? "nobody has read it for two seconds"
					   : errno_text(errno));
}
