/* stub-end.c - the end of the stubs, in the supervisor, which has no capability for it and waits for nobody.
 *
 * Of those who make their shared lock an exclusive one at the same time, one succeeds and the others lose theirs
 * (flock(2): the old lock is gone first): the last one is always told.
 */
#include "mount/stub.h"

#include "mount/stub-mark.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "sys/channel.h"
#include "utils.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct stub {
	const struct op *op;
	int dir_fd;
	int lock_fd; /* -1: setup has died before it was made, or before we were told */
	const char *name;
};
struct stubs {
	struct stub *items;
	size_t n, capacity;
	char name[NAME_MAX + 1]; /* of the next one, as far as it was told */
	size_t length;
};

static void hear_name(struct stubs *stubs, const struct message *message)
{
	size_t n = strnlen((const char *) message->numbers, sizeof(message->numbers));
	if (stubs->length + n > NAME_MAX)
		die("The sandbox sent a name that is too long and is ended for it");
	memcpy(stubs->name + stubs->length, message->numbers, n);
	stubs->length += n;
}

void stubs_hear(struct run *run, const struct message *message, int attached_fd)
{
	if (!run->stubs)
		run->stubs = arena_alloc(sizeof(*run->stubs));
	struct stubs *stubs = run->stubs;
	if (message->kind == MESSAGE_STUB_NAME) {
		hear_name(stubs, message);
	} else if (message->kind == MESSAGE_STUB_LOCK && stubs->n) {
		stubs->items[stubs->n - 1].lock_fd = attached_fd;
	} else if (message->kind == MESSAGE_STUB_PLACE &&
		   (size_t) message->value < run->plan->root.n_ops) {
		stubs->items =
			arena_grow(stubs->items, stubs->n, &stubs->capacity, sizeof(*stubs->items));
		stubs->items[stubs->n++] =
			(struct stub){ .op = &run->plan->root.ops[message->value],
				       .dir_fd = attached_fd,
				       .lock_fd = -1,
				       .name = arena_copy(stubs->name, stubs->length) };
		stubs->length = 0;
	}
}

static void remove_one(const struct run *run, struct stub *stub)
{
	const char *what = "";
	struct stat status;
	if (stub->lock_fd < 0)
		stub->lock_fd = stub_open(run, stub->dir_fd, stub->name);
	if (stub->lock_fd < 0) /* it was never made */
		return;
	int error = flock(stub->lock_fd, LOCK_EX | LOCK_NB) < 0 ? errno : 0;
	if (error == EWOULDBLOCK) {
		run_tell(run, "%s stays for another sandbox", stub->name);
		return;
	}
	if (!error && fstat(stub->lock_fd, &status) < 0)
		error = errno;
	if (!error && (!stub_is_marked(&status) || status.st_uid != geteuid()))
		return; /* somebody has made something of it, or it is somebody else's */
	if (!error)
		error = stub_take_away(run, stub->dir_fd, stub->name, stub->lock_fd);
	if (error == EAGAIN) {
		what = arena_printf("; what it was is %s now", stub_hidden_name(stub->name));
		error = EEXIST;
	}
	if (error)
		say_warning("%s: The stub %s stays on the host: %s%s",
			    position_text(stub->op->position), stub->name, errno_text(error), what);
}

void stubs_remove(struct run *run, int socket)
{
	struct message message;
	int attached_fd;
	while (socket >= 0 && channel_receive(socket, false, &message, &attached_fd) > 0)
		if (message.kind >= MESSAGE_STUB_NAME && message.kind <= MESSAGE_STUB_LOCK)
			stubs_hear(run, &message, attached_fd);
	for (struct stubs *stubs = run->stubs; stubs && stubs->n; stubs->n--) {
		struct stub *stub = &stubs->items[stubs->n - 1];
		remove_one(run, stub);
		close_fd(&stub->lock_fd);
		close_fd(&stub->dir_fd);
	}
}
