/* pasta-options.c - a network carried by pasta(1), as the line asks for it: rows, readers, and the words of the program.
 *
 * The words are those of version 2023_03_29, the oldest that a supported distribution has, and of the newest.
 */
#include "plan/pasta-options.h"

#include "plan/given.h"
#include "plan/lines.h"
#include "plan/net-options.h"
#include "plan/option.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "utils.h"

#include <arpa/inet.h>
#include <string.h>

enum { PASTA_OPT, PUBLISH };

#define ROW(...) OPTION(PASTA, __VA_ARGS__)
/* clang-format off */
static const struct option_row rows[] = {
	ROW("net-pasta", "", NAMESPACES, "the new network namespace reaches what the host reaches, by pasta", FLAG, AT(net.pasta), .supervised = 12, .needs = "--unshare-net", .traits = ENDS_WITH_COMMAND),
	ROW("pasta-opt", "WORD", NAMESPACES, "one more word for pasta's command line", OWN, .value = PASTA_OPT, .needs = "--net-pasta"),
	ROW("publish", "[ADDR:]PORT[:PORT]", NAMESPACES, "TCP to PORT of the host, at ADDR or everywhere, reaches PORT inside", OWN, .value = PUBLISH, .needs = "--net-pasta"),
};
/* clang-format on */
const struct option_rows pasta_option_rows = { rows, ARRAY_SIZE(rows) };

/* What is before the next colon, behind which *rest is then; NULL: there is none. */
static const char *take_part(const char **rest)
{
	const char *part = *rest ? *rest : "", *end = part;
	if (*part == '[')
		end += strcspn(part, "]");
	end += strcspn(end, ":");
	*rest = *end ? end + 1 : NULL;
	return arena_copy(part, (size_t) (end - part));
}

static problem read_publish(struct position position, const char *word,
			    struct published *ret_published)
{
	const char *rest = word, *first = take_part(&rest), *address = NULL;
	bool in_brackets = *first == '[' && first[strlen(first) - 1] == ']';
	int family = in_brackets ? AF_INET6 : AF_INET;
	struct in6_addr bytes;
	uint16_t port;
	bool is_no_number = !*first || first[strspn(first, "0123456789")];
	if (in_brackets || strchr(first, '.') || (rest && is_no_number)) {
		address = in_brackets ? arena_copy(first + 1, strlen(first) - 2) : first;
		if (inet_pton(family, address, &bytes) != 1)
			return problem_at(
				position,
				"Invalid address: \"%s\" is neither an IPv4 address nor an IPv6 address in brackets; without one it is every address",
				first);
		first = take_part(&rest);
	}
	problem bad = net_options_read_port(position, first, &port);
	if (bad)
		return bad;
	struct socket_address *outer = &ret_published->outer;
	*outer = loopback_address(family, port);
	if (!address)
		outer->as.any.sa_family = AF_UNSPEC;
	else if (in_brackets)
		outer->as.in6.sin6_addr = bytes;
	else
		memcpy(&outer->as.in.sin_addr, &bytes, sizeof(outer->as.in.sin_addr));
	ret_published->word = word;
	ret_published->position = position;
	return net_options_read_port(position, rest ? rest : first, &ret_published->port);
}

problem pasta_options_read(struct reader *reader, const struct option_row *row, char *const *words,
			   struct position position)
{
	struct net_plan *net = &reader->plan->net;
	struct words_at *list = &net->pasta_opts;
	/* pasta may quote it in a message, and a line that is a number says that it is ready. */
	if (strchr(words[0], '\n'))
		return problem_at(position, "A line break is in \"%s\"", words[0]);
	if (row->value == PUBLISH) {
		net->published = arena_grow(net->published, net->n_published,
					    &net->capacity_published, sizeof(*net->published));
		return read_publish(position, words[0], &net->published[net->n_published++]);
	}
	list->items = arena_grow(list->items, list->n, &list->capacity, sizeof(*list->items));
	list->items[list->n++] = (struct word_at){ words[0], position };
	return NULL;
}

/* ---- pasta's words ---- */

struct words {
	char **items;
	size_t n, capacity;
};

static void add(struct words *words, const char *word)
{
	words->items = arena_grow(words->items, words->n, &words->capacity, sizeof(*words->items));
	words->items[words->n++] = word ? arena_string(word) : NULL;
}

static void add_two(struct words *words, const char *option, const char *value)
{
	add(words, option);
	add(words, value);
}

/* Whether --pasta-opt says it, in whatever of its forms: -t, -t80, --tcp-ports, --tcp-ports=80. */
static bool is_asked_for(const struct plan *plan, const char *letter, const char *name)
{
	for (size_t i = 0; i < plan->net.pasta_opts.n; i++) {
		const char *word = plan->net.pasta_opts.items[i].word;
		if (strncmp(word, letter, strlen(letter)) == 0 ||
		    strncmp(word, name, strlen(name)) == 0)
			return true;
	}
	return false;
}

/* ADDR/PORT:PORT */
static const char *spec_text(const struct published *published)
{
	const struct socket_address *outer = &published->outer;
	char address[INET6_ADDRSTRLEN] = "";
	int family = outer->as.any.sa_family;
	if (family)
		inet_ntop(family,
			  family == AF_INET ? (const void *) &outer->as.in.sin_addr
					    : &outer->as.in6.sin6_addr,
			  address, sizeof(address));
	return arena_printf("%s%s%u:%u", address, family ? "/" : "", ntohs(outer->as.in.sin_port),
			    published->port);
}

/* What pasta would do by itself for ports of loopback devices: that of the host is the host's. */
static void close_ports(const struct plan *plan, struct words *words)
{
	static const struct {
		char letter[3], name[12];
	} kinds[] = { { "-t", "--tcp-ports" },
		      { "-u", "--udp-ports" },
		      { "-T", "--tcp-ns" },
		      { "-U", "--udp-ns" } };
	for (size_t i = 0; i < plan->net.n_published; i++)
		add_two(words, "-t", spec_text(&plan->net.published[i]));
	for (size_t i = plan->net.n_published ? 1 : 0; i < ARRAY_SIZE(kinds); i++)
		if (!is_asked_for(plan, kinds[i].letter, kinds[i].name))
			add_two(words, kinds[i].letter, "none");
}

static bool has_userns(const struct plan *plan, const struct shape *shape)
{
	return shape->user_namespace || plan->ns.userns.fd >= 0;
}

char **pasta_options_words(const struct plan *plan, const struct shape *shape,
			   const struct caller *caller)
{
	struct words words = { 0 };
	add(&words, "pasta");
	add_two(&words, "--foreground", "--quiet");
	add_two(&words, "--config-net", "--no-map-gw");
	close_ports(plan, &words);
	if (options_given(plan, "--resolv-conf"))
		add_two(&words, "--dns-forward", PASTA_RESOLVER);
	if (caller->uid == 0) /* nobody is not let into root's namespaces */
		add_two(&words, "--runas", "0");
	/* It ends when it is told to; what is written to --pid is that it is ready. */
	add(&words, "--no-netns-quit");
	add_two(&words, "--pid", "/proc/self/fd/2");
	add_two(&words, "--netns", "/proc/self/fd/0");
	if (has_userns(plan, shape))
		add_two(&words, "--userns", "/proc/self/fd/1");
	else
		add(&words, "--netns-only");
	for (size_t i = 0; i < plan->net.pasta_opts.n; i++)
		add(&words, plan->net.pasta_opts.items[i].word);
	add(&words, NULL);
	return words.items;
}

char **pasta_options_slirp_words(const struct plan *plan, const struct shape *shape,
				 const struct caller *caller)
{
	struct words words = { 0 };
	add(&words, "slirp4netns");
	add_two(&words, "--configure", "--mtu=65520");
	add_two(&words, "--disable-host-loopback", "--ready-fd=2");
	add(&words, "--enable-seccomp");
	if (caller->uid == 0) /* it has all of root's rights otherwise */
		add(&words, "--enable-sandbox");
	add(&words, "--netns-type=path");
	if (has_userns(plan, shape))
		add(&words, "--userns-path=/proc/self/fd/1");
	add_two(&words, "/proc/self/fd/0", "tap0");
	add(&words, NULL);
	return words.items;
}

const struct position *pasta_options_not_for_slirp(const struct plan *plan)
{
	const struct net_plan *net = &plan->net;
	return net->n_published    ? &net->published[0].position
	       : net->pasta_opts.n ? &net->pasta_opts.items[0].position
				   : NULL;
}

void pasta_options_explain_become(const struct plan *plan, const struct shape *shape,
				  const struct caller *caller, struct text *text)
{
	struct text words = { 0 };
	if (!plan->net.pasta)
		return;
	for (char **word = pasta_options_words(plan, shape, caller); *word; word++)
		text_add(&words, " %s", shell_word(*word));
	explain_line(text, "", "--net-pasta: a network by%s", words.bytes);
}
