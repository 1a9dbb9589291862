/* etc-options.c - names and addresses inside, as the line asks for them: rows, readers, words. */
#include "plan/etc-options.h"

#include "plan/operand.h"
#include "plan/option.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "utils.h"

#include <arpa/inet.h>
#include <string.h>

#define ROW(...) OPTION(ROOT, __VA_ARGS__)
/* clang-format off */
static const struct option_row rows[] = {
	ROW("resolv-conf", "FROM", FILESYSTEM, "auto: the host's resolver at /etc/resolv.conf, wherever its file is", OWN, .value = OP_RESOLV_CONF, .mode = 0444, .choices = "auto", .traits = MOUNTS | READ_ONLY),
	ROW("hosts", "NAME=ADDR", FILESYSTEM, "NAME has the address ADDR, in a new /etc/hosts", OWN, .value = OP_HOSTS, .mode = 0444, .traits = MOUNTS | READ_ONLY),
};
/* clang-format on */
const struct option_rows etc_option_rows = { rows, ARRAY_SIZE(rows) };

/* RFC 1123, and the underscore that many use. A last part of digits would be read as a part of an address. */
static bool is_host_name(const char *name)
{
	enum { MOST = 253, MOST_PART = 63 };
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-",
			  digits[] = "0123456789";
	if (strlen(name) > MOST)
		return false;
	for (;;) {
		size_t length = strcspn(name, "."), n_digits = strspn(name, digits);
		for (size_t i = 0; i < length; i++)
			if (!strchr(letters, name[i]) && !strchr(digits, name[i]))
				return false;
		if (!length || length > MOST_PART || name[0] == '-' || name[length - 1] == '-')
			return false;
		if (!name[length])
			return n_digits < length;
		name += length + 1;
	}
}

static problem read_host(const char *word, struct op *op)
{
	struct in6_addr unused;
	const char *equals = strchr(word, '=');
	if (!equals)
		return problem_at(op->position, "\"%s\" is not NAME=ADDR, which is one word", word);
	const char *name = arena_copy(word, (size_t) (equals - word)), *address = equals + 1;
	if (!is_host_name(name))
		return problem_at(
			op->position,
			"Invalid host name: \"%s\" is no name of letters, digits, dashes and underscores, in parts with dots between them",
			name);
	if (inet_pton(AF_INET, address, &unused) != 1 && inet_pton(AF_INET6, address, &unused) != 1)
		return problem_at(
			op->position,
			"Invalid address: \"%s\" is neither an IPv4 nor an IPv6 address; names are not looked up here",
			address);
	op->text = arena_printf("%s\t%s\n", address, name);
	return NULL;
}

problem etc_options_read(const struct option_row *row, const char *word, struct op *op)
{
	if (op->kind == OP_HOSTS) {
		op->inner_path = "/etc/hosts";
		return read_host(word, op);
	}
	op->inner_path = "/etc/resolv.conf";
	if (operand_choice(row->choices, word) >= 0)
		return NULL;
	return problem_at(
		op->position,
		"Invalid source: \"%s\" is not auto; for a file of your own there are --ro-bind SRC /etc/resolv.conf, and --data \"nameserver ADDR\" /etc/resolv.conf",
		word);
}

bool etc_options_join(const struct root_plan *root, const struct op *op)
{
	struct op *last = root->n_ops ? &root->ops[root->n_ops - 1] : NULL;
	if (op->kind != OP_HOSTS || !last || last->kind != OP_HOSTS ||
	    last->mount_flags != op->mount_flags)
		return false;
	last->text = arena_join(last->text, op->text);
	return true;
}

/* "a is 1.2.3.4, b is ::1" */
static const char *hosts_text(const char *lines)
{
	struct text text = { 0 };
	for (const char *line = lines; *line; line += strcspn(line, "\n") + 1) {
		int n_address = (int) strcspn(line, "\t"), n_line = (int) strcspn(line, "\n");
		text_add(&text, "%s%.*s is %.*s", text.length ? ", " : "", n_line - n_address - 1,
			 line + n_address + 1, n_address, line);
	}
	return text.bytes;
}

const char *etc_options_text(const struct op *op)
{
	return op->kind == OP_HOSTS
		       ? arena_printf("what is at %s by then, and %s, read-only there",
				      op->inner_path, hosts_text(op->text))
		       : arena_printf("show a copy of the host's resolv.conf read-only at %s",
				      op->inner_path);
}
