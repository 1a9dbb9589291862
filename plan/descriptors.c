/* descriptors.c - the descriptors that the line names, each with what becomes of it.
 *
 * No reader of an option may take a descriptor's number but through fds_read(): so the list here is
 * whole, and with it what is kept from COMMAND and what the supervisor keeps.
 */
#include "plan/descriptors.h"

#include "plan/option.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "sys/self.h"
#include "utils.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static void note(struct plan *plan, const struct named_fd *named)
{
	plan->fds = arena_grow(plan->fds, plan->n_fds, &plan->capacity_fds, sizeof(*plan->fds));
	plan->fds[plan->n_fds++] = *named;
}

static enum fd_use use_of(const struct named_fd *named)
{
	return (enum fd_use) named->row->use;
}

static problem not_open(const struct plan *plan, struct position position, int fd)
{
	for (size_t i = 0; i < plan->n_fds; i++)
		if (use_of(&plan->fds[i]) == USE_DRAINED && plan->fds[i].fd == fd)
			return problem_at(
				position,
				"Invalid fd: descriptor %d is not open any more: %s has read all of it and closed it",
				fd, position_text(plan->fds[i].position));
	return problem_at(position, "Invalid fd: descriptor %d is not open", fd);
}

problem fds_read(struct plan *plan, const struct option_io *io, const struct option_row *row,
		 struct position position, const char *word, int *ret_fd)
{
	uint64_t number;
	if (!parse_decimal(word, INT_MAX, &number))
		return problem_at(
			position,
			"Invalid fd: %s is not a descriptor's number; a shell opens FILE as number 9 by 9<FILE or 9>FILE at the end of the line%s",
			word,
			row->traits & PROMISES_SAFETY
				? "; without a compiled program there are --seccomp-profile PROFILE and --seccomp-deny LIST"
				: "");
	int fd = (int) number;
	if (!io->fd_is_open(fd))
		return not_open(plan, position, fd);
	if (row->traits & WANTS_END && !io->fd_has_end(fd))
		return problem_at(
			position,
			"Descriptor %d is open for writing, too, and so has no end: open it by %d<",
			fd, fd);
	if (row->traits & (WRITES | SUPERVISOR_WRITES) && !io->fd_is_writable(fd))
		return problem_at(position, "Descriptor %d is not open for writing: open it by %d>",
				  fd, fd);
	*ret_fd = fd;
	note(plan, &(struct named_fd){ .fd = fd, .row = row, .position = position });
	return NULL;
}

void fds_supersede(struct plan *plan, const struct option_row *row)
{
	for (size_t i = 0; i < plan->n_fds; i++)
		plan->fds[i].is_superseded |= plan->fds[i].row == row;
}

static int compare_named_fds(const void *a, const void *b)
{
	const struct named_fd *one = a, *other = b;
	if (one->fd != other->fd)
		return one->fd < other->fd ? -1 : 1;
	if (one->position.argument != other->position.argument)
		return one->position.argument < other->position.argument ? -1 : 1;
	return one->position.args_word < other->position.args_word ? -1 : 1;
}

static bool may_share(const struct named_fd *one, const struct named_fd *other)
{
	/* bubblewrap's callers may wait with --sync-fd for the end of what another option writes.
	 */
	static const bool together[N_FD_USES][N_FD_USES] = {
		[USE_OWN] = { [USE_HELD] = true },
		[USE_SHOWN] = { [USE_SHOWN] = true, [USE_COPIED] = true, [USE_HELD] = true },
		[USE_COPIED] = { [USE_SHOWN] = true, [USE_COPIED] = true, [USE_HELD] = true },
		[USE_WAITED] = { [USE_WAITED] = true, [USE_HELD] = true },
		[USE_HELD] = { [USE_OWN] = true,
			       [USE_SHOWN] = true,
			       [USE_COPIED] = true,
			       [USE_WAITED] = true,
			       [USE_HELD] = true },
	};
	return together[use_of(one)][use_of(other)] || one->row == other->row;
}

/* What only --sync-fd names nobody else closes. */
static void note_shared_sync_fds(struct plan *plan)
{
	const struct fds_at *sync = &plan->report.sync;
	for (size_t i = 0; i < sync->n; i++)
		for (size_t j = 0; j < plan->n_fds; j++)
			sync->items[i].is_shared |= plan->fds[j].fd == sync->items[i].fd &&
						    use_of(&plan->fds[j]) != USE_HELD;
}

/* Who has drained one has closed it: what else would be found under its number then is ours. */
problem fds_check(struct plan *plan)
{
	const struct named_fd *first[N_FD_USES] = { 0 };
	if (plan->n_fds)
		qsort(plan->fds, plan->n_fds, sizeof(*plan->fds), compare_named_fds);
	for (size_t i = 0; i < plan->n_fds; i++) {
		const struct named_fd *named = &plan->fds[i];
		if (i && named[-1].fd != named->fd)
			memset(first, 0, sizeof(first));
		for (size_t use = 0; use < N_FD_USES; use++)
			if (first[use] && !may_share(first[use], named))
				return problem_at(
					named->position,
					"descriptor %d is that of %s, too: each needs one of its own",
					named->fd, position_text(first[use]->position));
		if (!first[use_of(named)])
			first[use_of(named)] = named;
	}
	note_shared_sync_fds(plan);
	return NULL;
}

int *fds_consumed(const struct plan *plan, size_t *ret_n)
{
	int *fds = arena_alloc(plan->n_fds * sizeof(*fds));
	size_t n = 0, n_unique = 0;
	for (size_t i = 0; i < plan->n_fds; i++)
		if (use_of(&plan->fds[i]) != USE_PASSED && use_of(&plan->fds[i]) != USE_DRAINED)
			fds[n++] = plan->fds[i].fd;
	if (n) /* most lines name none */
		qsort(fds, n, sizeof(*fds), compare_ints);
	for (size_t i = 0; i < n; i++)
		if (!n_unique || fds[n_unique - 1] != fds[i])
			fds[n_unique++] = fds[i];
	*ret_n = n_unique;
	return fds;
}

size_t fds_with_trait(const struct plan *plan, unsigned traits, int *ret_fds)
{
	size_t n = 0;
	for (size_t i = 0; i < plan->n_fds; i++)
		if (plan->fds[i].row->traits & traits && !plan->fds[i].is_superseded)
			ret_fds[n++] = plan->fds[i].fd;
	return n;
}

void fds_hold_copy(struct plan *plan, struct fd_at *held, int copy)
{
	for (size_t i = 0; i < plan->n_fds; i++) {
		struct named_fd named = plan->fds[i];
		if (named.fd != held->fd || use_of(&named) != USE_HELD)
			continue;
		named.fd = copy;
		note(plan, &named);
		break;
	}
	held->fd = copy;
}
