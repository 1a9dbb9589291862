/* entries.c - the sockets at which connections come in, told by setup to the helper that carries them. */
#include "run/entries.h"

#include "plan/net-options.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/helper.h"
#include "sys/channel.h"
#include "utils.h"

#include <unistd.h>

void entries_send(const struct run *run, size_t passage, int socket)
{
	/* Where there is no carrier any more entries_await_ready() hears why. */
	channel_try_send_fd(run->carrier_fds[0], MESSAGE_ENTRY, (int) passage, socket);
}

void entries_end(const struct run *run)
{
	if (run->carrier_fds[0] >= 0)
		channel_try_send(run->carrier_fds[0], MESSAGE_ENTRIES_END, 0);
}

void entries_await_ready(struct run *run)
{
	struct failure failure;
	if (run->carrier_fds[0] < 0)
		return;
	enum helper_answer answer = helper_receive_answer(run->carrier_fds[0], NULL, &failure);
	if (answer == HELPER_HAS_FAILED)
		die_silently(&failure);
	if (answer == HELPER_IS_GONE)
		die("%s: The process that carries its connections was ended; nothing was run",
		    position_text(run->plan->net.passages[0].position));
	close_fd(&run->carrier_fds[0]);
}

bool entries_receive(const struct run *run, int socket, size_t *ret_passage, int *ret_socket)
{
	struct message message;
	if (channel_receive(socket, true, &message, ret_socket) != 1)
		_exit(1); /* setup is gone, and has said why */
	if (message.kind == MESSAGE_ENTRIES_END)
		return false;
	*ret_passage = (size_t) message.value;
	if (message.kind != MESSAGE_ENTRY || *ret_socket < 0 ||
	    *ret_passage >= run->plan->net.n_passages)
		_exit(1); /* not from setup */
	return true;
}
