/* report-options.c - descriptors and files for the caller as the line asks for them: rows, readers, words. */
#include "plan/report-options.h"

#include "plan/given.h"
#include "plan/lines.h"
#include "plan/operand.h"
#include "plan/option.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "plan/reader.h"
#include "utils.h"

#define ROW(...) OPTION(REPORT, __VA_ARGS__)
/* clang-format off */
static const struct option_row rows[] = {
	ROW("lock-file", "DEST", DESCRIPTORS, "hold a shared lock on DEST, a file inside, while the sandbox lives", OWN, .with_init = 2),
	ROW("sync-fd", "FD", DESCRIPTORS, "keep FD open while the sandbox lives", FDS, AT(report.sync), .use = USE_HELD, .with_init = 3),
	ROW("block-fd", "FD", DESCRIPTORS, "wait for FD before COMMAND starts", FD, AT(report.block), .use = USE_WAITED),
	ROW("userns-block-fd", "FD", DESCRIPTORS, "wait for FD while the caller writes the id maps", FD, AT(report.userns_block), .use = USE_WAITED, .needs = "--info-fd, which tells the caller whose id maps to write", .traits = SUPERVISOR_WAITS),
	ROW("info-fd", "FD", DESCRIPTORS, "write child-pid and namespaces to FD as JSON", FD, AT(report.info), .use = USE_OWN, .traits = SUPERVISOR_WRITES),
	ROW("pidfd-socket", "FD", DESCRIPTORS, "send COMMAND's pidfd over FD, a connected Unix socket, before it runs", FD, AT(report.pidfd_socket), .use = USE_OWN),
	ROW("json-status-fd", "FD", DESCRIPTORS, "write status lines to FD as JSON", FD, AT(report.json_status), .use = USE_OWN, .supervised = 4, .traits = SUPERVISOR_WRITES),
	ROW("trace-denied", "FD", DESCRIPTORS, "write to FD what only the sandbox denies, and what would allow it", FD, AT(report.denied), .use = USE_OWN, .supervised = 12, .traits = SUPERVISOR_WRITES | ENDS_WITH_COMMAND),
};
/* clang-format on */
const struct option_rows report_option_rows = { rows, ARRAY_SIZE(rows) };

problem report_options_read(struct reader *reader, const struct option_row *row, char *const *words,
			    struct position position)
{
	struct report_plan *report = &reader->plan->report;
	report->lock_files = arena_grow(report->lock_files, report->n_lock_files,
					&report->capacity_lock_files, sizeof(*report->lock_files));
	report->lock_files[report->n_lock_files++] = (struct path_at){ words[0], position };
	return operand_path(position, row->words, words[0]);
}

problem report_options_check(const struct plan *plan)
{
	if (plan->report.userns_block.fd >= 0 && plan->ns.unshare_user == WANT_NO)
		return option_refused(plan, "--userns-block-fd", "needs --unshare-user");
	return NULL;
}

void report_options_explain_split(const struct plan *plan, struct text *text)
{
	const struct {
		const struct fd_at *at;
		const char *what;
	} served[] = {
		{ &plan->report.info, "write child-pid and namespaces to" },
		{ &plan->report.json_status, "write status lines to" },
		{ &plan->report.denied, "write what is denied to" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(served); i++)
		if (served[i].at->fd >= 0)
			explain_line(text, "", "%s: %s descriptor %d",
				     position_text(served[i].at->position), served[i].what,
				     served[i].at->fd);
	for (size_t i = 0; i < plan->report.sync.n; i++)
		explain_line(text, "", "%s: keep open while the sandbox lives: descriptor %d",
			     position_text(plan->report.sync.items[i].position),
			     plan->report.sync.items[i].fd);
}

void report_options_explain_prepare(const struct plan *plan, struct text *text)
{
	for (size_t i = 0; i < plan->report.n_lock_files; i++)
		explain_line(text, "", "%s: hold a lock on %s",
			     position_text(plan->report.lock_files[i].position),
			     plan->report.lock_files[i].path);
	if (plan->report.pidfd_socket.fd >= 0)
		explain_line(text, "", "%s: send COMMAND's pidfd over descriptor %d",
			     position_text(plan->report.pidfd_socket.position),
			     plan->report.pidfd_socket.fd);
	if (plan->report.block.fd >= 0)
		explain_line(text, "", "%s: wait for descriptor %d",
			     position_text(plan->report.block.position), plan->report.block.fd);
}
