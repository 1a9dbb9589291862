/* flatten.c - the same filter in fewer instructions, and fewer of them run: both cost time when it is
 * loaded.
 *
 * What a program answers to a number that it judges by the number alone is found out by running it;
 * neighbours with one answer become a range, and the ranges a tree of comparisons. What looks at an
 * argument becomes such a tree of that argument's low half, which is all that the kernel takes of
 * those that are judged, or is copied. What is there already is not put a second time. x32's
 * numbers are x86_64's with bit 30 set, which the tree does not look at. The result is run beside
 * what it was made from, or nothing is built.
 */
#include "tools/flatten.h"

#include "filter/compose.h"
#include "utils.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

#define LOAD (BPF_LD | BPF_W | BPF_ABS)
#define MASK (BPF_ALU | BPF_AND | BPF_K)
#define GO   (BPF_JMP | BPF_JA)
#define END  (BPF_RET | BPF_K)
#define X32  0x40000000u
enum { NUMBER_AT = 0, ARCH_AT = 4, ARGUMENTS_AT = 16, X32_FIRST = 512, X32_END = 1024 };

/* ---- what a program answers ---- */

struct answer {
	bool looks_at_arguments;
	uint32_t value; /* what it returns, or where it begins to look at arguments */
};

static bool is_jump_taken(const struct sock_filter *instruction, uint32_t value)
{
	switch (BPF_OP(instruction->code)) {
	case BPF_JEQ:
		return value == instruction->k;
	case BPF_JGT:
		return value > instruction->k;
	case BPF_JGE:
		return value >= instruction->k;
	case BPF_JSET:
		return value & instruction->k;
	default:
		die("A filter has instruction %#x, which is not known here", instruction->code);
	}
}

struct call {
	uint32_t arch, number;
	bool has_arguments;
	/* The low and the high one of the arguments with an even and with an odd index: no two that are
	 * judged together are of one kind. */
	uint32_t halves[2][2];
};

static bool is_argument(const struct sock_filter *instruction)
{
	return instruction->code == LOAD && instruction->k >= ARGUMENTS_AT;
}

static bool is_high_half(uint32_t k, uint32_t arch)
{
	return (k % 8 != 0) == ((arch & __AUDIT_ARCH_LE) != 0);
}

/* Runs from `first` on; without arguments no further than to where it looks at one. */
static struct answer run(const struct program *program, size_t first, struct call call)
{
	uint32_t value = 0;
	for (size_t i = first; i < program->n; i++) {
		const struct sock_filter *instruction = &program->code[i];
		if (instruction->code == END)
			return (struct answer){ false, instruction->k };
		if (is_argument(instruction) && !call.has_arguments)
			return (struct answer){ true, (uint32_t) i };
		if (instruction->code == LOAD)
			value = is_argument(instruction)
					? call.halves[instruction->k / 8 % 2]
						     [is_high_half(instruction->k, call.arch)]
				: instruction->k == ARCH_AT ? call.arch
							    : call.number;
		else if (instruction->code == MASK)
			value &= instruction->k;
		else if (instruction->code == GO)
			i += instruction->k;
		else
			i += is_jump_taken(instruction, value) ? instruction->jt : instruction->jf;
	}
	die("A filter ends without an answer");
}

static bool is_same(struct answer a, struct answer b)
{
	return a.looks_at_arguments == b.looks_at_arguments && a.value == b.value;
}

/* ---- the new program, written from its end: jumps lead to what is there already ---- */

struct writer {
	struct sock_filter code[BPF_MAXINSNS]; /* the last one first */
	size_t n;
};

static bool is_near(const struct writer *writer, size_t position)
{
	enum { LONGEST_JUMP = 255, ROOM = 4 };
	return writer->n - position < LONGEST_JUMP - ROOM;
}

/* Whether the instruction at `position` does the same and goes on at the same places. */
static bool is_there(const struct writer *writer, size_t position, struct sock_filter wanted,
		     size_t yes, size_t no)
{
	const struct sock_filter *there = &writer->code[position];
	return there->code == wanted.code && there->k == wanted.k &&
	       (BPF_CLASS(wanted.code) != BPF_JMP ||
		(position - 1 - there->jt == yes && position - 1 - there->jf == no));
}

/* `yes` and `no` are positions that a jump leads to; other instructions go on at `no`, which is
 * what was put last. */
static size_t put(struct writer *writer, unsigned code, uint32_t k, size_t yes, size_t no)
{
	if (writer->n == ARRAY_SIZE(writer->code))
		die("A filter does not fit");
	bool is_jump = BPF_CLASS(code) == BPF_JMP && code != GO;
	writer->code[writer->n] =
		(struct sock_filter){ .code = (uint16_t) code,
				      .jt = (uint8_t) (is_jump ? writer->n - yes - 1 : 0),
				      .jf = (uint8_t) (is_jump ? writer->n - no - 1 : 0),
				      .k = k };
	return writer->n++;
}

static size_t put_return(struct writer *writer, uint32_t value)
{
	const struct sock_filter wanted = { .code = END, .k = value };
	for (size_t i = writer->n; i > 0 && is_near(writer, i - 1); i--)
		if (is_there(writer, i - 1, wanted, 0, 0))
			return i - 1;
	return put(writer, END, value, 0, 0);
}

/* Goes on at `target` if that is not what comes next anyway. */
static void put_way_to(struct writer *writer, size_t target)
{
	if (target + 1 != writer->n)
		put(writer, GO, (uint32_t) (writer->n - target - 1), 0, 0);
}

/* A place from which the next instruction can get to `target`. */
static size_t bring_near(struct writer *writer, size_t target)
{
	if (is_near(writer, target))
		return target;
	if (writer->code[target].code == END)
		return put_return(writer, writer->code[target].k);
	put_way_to(writer, target);
	return writer->n - 1;
}

static size_t put_jump(struct writer *writer, unsigned operation, uint32_t k, size_t yes, size_t no)
{
	const struct sock_filter wanted = { .code = (uint16_t) (BPF_JMP | operation | BPF_K),
					    .k = k };
	for (size_t i = writer->n; i > 0 && is_near(writer, i - 1); i--)
		if (is_there(writer, i - 1, wanted, yes, no))
			return i - 1;
	yes = bring_near(writer, yes);
	no = bring_near(writer, no);
	return put(writer, wanted.code, k, yes, no);
}

/* A load or a mask; then it goes on at `next`. */
static size_t put_step(struct writer *writer, unsigned code, uint32_t k, size_t next)
{
	const struct sock_filter wanted = { .code = (uint16_t) code, .k = k };
	for (size_t i = next + 1; i < writer->n && i <= next + 1; i++)
		if (is_near(writer, i) && is_there(writer, i, wanted, 0, 0))
			return i;
	put_way_to(writer, next);
	return put(writer, code, k, 0, next);
}

/* ---- ranges ---- */

struct range {
	uint32_t first;
	struct answer answer;
	size_t position; /* of what looks at arguments */
};

struct ranges {
	struct range *items;
	size_t n, capacity;
};

static void add_range(struct ranges *ranges, uint32_t first, struct answer answer)
{
	if (ranges->n && is_same(answer, ranges->items[ranges->n - 1].answer))
		return;
	ranges->items =
		arena_grow(ranges->items, ranges->n, &ranges->capacity, sizeof(*ranges->items));
	ranges->items[ranges->n++] = (struct range){ .first = first, .answer = answer };
}

static int compare_numbers(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;
	return (x > y) - (x < y);
}

/* The kernel runs a program for every number when it loads it (5.11): 4 ns an instruction. One more
 * instruction is 200 ns more of compiling. (6.18, x86_64) */
enum { COST_OF_STEP = 4, COST_OF_INSTRUCTION = 200 };

/* The cheapest tree of ranges[first] to ranges[last - 1] begins with a comparison with the beginning
 * of ranges[split]; 0: single numbers among others of one answer are asked for one by one. */
struct tree {
	uint64_t cost;
	size_t split;
};

struct forest {
	struct writer *writer;
	const struct range *ranges;
	size_t n;
	uint32_t end;       /* how far it matters where the last range ends */
	struct tree *trees; /* n + 1 times n + 1 */
};

static struct tree *tree_of(const struct forest *forest, size_t first, size_t last)
{
	return &forest->trees[first * (forest->n + 1) + last];
}

static uint32_t begin_of(const struct forest *forest, size_t i)
{
	uint32_t begin = i < forest->n ? forest->ranges[i].first : forest->end;
	return begin < forest->end ? begin : forest->end;
}

/* Whether every other range is a single number and those between have one answer. */
static bool is_row_of_singles(const struct forest *forest, size_t first, size_t last)
{
	const struct range *ranges = forest->ranges;
	if ((last - first) % 2 == 0)
		return false;
	for (size_t i = first + 1; i < last; i += 2)
		if (ranges[i + 1].first - ranges[i].first != 1 ||
		    !is_same(ranges[i + 1].answer, ranges[first].answer))
			return false;
	return true;
}

static void plant_tree(const struct forest *forest, size_t first, size_t last)
{
	struct tree *tree = tree_of(forest, first, last);
	uint64_t width = begin_of(forest, last) - begin_of(forest, first);
	uint64_t node = COST_OF_INSTRUCTION + COST_OF_STEP * width;
	*tree = (struct tree){ .cost = UINT64_MAX };
	if (last - first == 1 || is_row_of_singles(forest, first, last))
		*tree = (struct tree){ .cost = (last - first) / 2 * node };
	for (size_t split = first + 1; split < last; split++) {
		uint64_t cost = node + tree_of(forest, first, split)->cost +
				tree_of(forest, split, last)->cost;
		if (cost < tree->cost)
			*tree = (struct tree){ cost, split };
	}
}

static size_t put_answer(struct writer *writer, const struct range *range)
{
	return range->answer.looks_at_arguments ? range->position
						: put_return(writer, range->answer.value);
}

static size_t put_tree(const struct forest *forest, size_t first, size_t last)
{
	struct writer *writer = forest->writer;
	size_t split = tree_of(forest, first, last)->split;
	if (split) {
		size_t right = put_tree(forest, split, last);
		size_t left = put_tree(forest, first, split);
		return put_jump(writer, BPF_JGE, forest->ranges[split].first, right, left);
	}
	size_t position = put_answer(writer, &forest->ranges[first]);
	for (size_t i = last - 1; i > first; i -= 2) {
		size_t yes = put_answer(writer, &forest->ranges[i - 1]);
		position = put_jump(writer, BPF_JEQ, forest->ranges[i - 1].first, yes, position);
	}
	return position;
}

static size_t put_ranges(struct writer *writer, const struct ranges *ranges, uint32_t end)
{
	size_t n = ranges->n;
	struct forest forest = { writer, ranges->items, n, end,
				 arena_alloc((n + 1) * (n + 1) * sizeof(struct tree)) };
	for (size_t length = 1; length <= n; length++)
		for (size_t first = 0; first + length <= n; first++)
			plant_tree(&forest, first, first + length);
	return put_tree(&forest, 0, n);
}

/* ---- what looks at arguments ---- */

struct copier {
	struct writer *writer;
	const struct program *program;
	uint32_t arch;
	size_t *copies; /* position + 1 of what was copied already */
};

static const struct sock_filter *target_of(const struct sock_filter *jump, bool taken)
{
	return jump + 1 + (taken ? jump->jt : jump->jf);
}

/* The bit that is asked for at `at` (load, mask, compare with the mask); 0: something else is. */
static uint32_t bit_asked_for(const struct sock_filter *at)
{
	bool is_test = at[0].code == LOAD && at[1].code == MASK &&
		       at[2].code == (BPF_JMP | BPF_JEQ | BPF_K) && at[2].k == at[1].k;
	return is_test && (at[1].k & (at[1].k - 1)) == 0 ? at[1].k : 0;
}

/* Where several bits of one word are asked for one after the other, with one answer: what follows
 * them. */
static const struct sock_filter *skip_bits(const struct sock_filter *first, uint32_t *ret_bits)
{
	const struct sock_filter *at = first, *yes = target_of(&first[2], true);
	*ret_bits = 0;
	while (bit_asked_for(at) && at->k == first->k && yes->code == END &&
	       target_of(&at[2], true)->code == END && target_of(&at[2], true)->k == yes->k) {
		*ret_bits |= bit_asked_for(at);
		at = target_of(&at[2], false);
	}
	return at;
}

struct steps {
	uint32_t *items;
	size_t n, capacity;
	bool *is_seen; /* for each instruction */
};

/* Collects the values of the argument loaded first at which the answer may change. False where more
 * is looked at than comparisons of it with numbers. */
static bool find_steps_of_argument(const struct copier *copier, const struct sock_filter *at,
				   uint32_t argument, struct steps *steps)
{
	size_t i = (size_t) (at - copier->program->code);
	if (steps->is_seen[i] || at->code == END)
		return true;
	steps->is_seen[i] = true;
	if (at->code == GO)
		return find_steps_of_argument(copier, at + 1 + at->k, argument, steps);
	if (is_argument(at) && at->k / 8 == argument)
		return find_steps_of_argument(copier, at + 1, argument, steps);
	/* libseccomp looks whether no bit of the high half is another than it should be */
	if (at->code == MASK && at->k == 0)
		return find_steps_of_argument(copier, at + 1, argument, steps);
	if (BPF_CLASS(at->code) != BPF_JMP || BPF_OP(at->code) == BPF_JSET)
		return false;
	for (uint32_t more = 0; more < 2; more++) {
		steps->items =
			arena_grow(steps->items, steps->n, &steps->capacity, sizeof(*steps->items));
		steps->items[steps->n++] = at->k + more;
	}
	return find_steps_of_argument(copier, target_of(at, true), argument, steps) &&
	       find_steps_of_argument(copier, target_of(at, false), argument, steps);
}

/* What looks at one argument from `from` on, as a tree of its values; false where it is no such. */
static bool put_argument(struct copier *copier, const struct sock_filter *from,
			 size_t *ret_position)
{
	const struct program *program = copier->program;
	struct steps steps = { .is_seen = arena_alloc(program->n * sizeof(bool)) };
	struct ranges ranges = { 0 };
	memset(steps.is_seen, 0, program->n * sizeof(bool));
	if (!is_argument(from) || !find_steps_of_argument(copier, from, from->k / 8, &steps))
		return false;
	qsort(steps.items, steps.n, sizeof(*steps.items), compare_numbers);
	for (size_t i = 0; i <= steps.n; i++) {
		uint32_t value = i ? steps.items[i - 1] : 0;
		struct call call = { .arch = copier->arch,
				     .has_arguments = true,
				     .halves = { { value, 0 }, { value, 0 } } };
		if (i == 0 || value > 0)
			add_range(&ranges, value,
				  run(program, (size_t) (from - program->code), call));
	}
	uint32_t low = from->k / 8 * 8 + (copier->arch & __AUDIT_ARCH_LE ? 0 : 4);
	*ret_position = put_step(copier->writer, LOAD, low, put_ranges(copier->writer, &ranges, 0));
	return true;
}

/* What can be reached from `from`. */
static size_t put_copy(struct copier *copier, const struct sock_filter *from)
{
	struct writer *writer = copier->writer;
	size_t *copy = &copier->copies[from - copier->program->code];
	if (*copy)
		return *copy - 1;
	if (from->code == END)
		return put_return(writer, from->k);
	if (from->code == GO)
		return put_copy(copier, from + 1 + from->k);
	if (from[0].code == LOAD && from[1].code == MASK && from[1].k == 0)
		return put_copy(copier, target_of(&from[2], is_jump_taken(&from[2], 0)));

	size_t position;
	uint32_t bits = 0;
	const struct sock_filter *rest = bit_asked_for(from) ? skip_bits(from, &bits) : NULL;
	if (bits && (rest->code == LOAD || rest->code == END)) { /* it loads anew */
		size_t no = put_copy(copier, rest);
		size_t yes = put_copy(copier, target_of(&from[2], true));
		position =
			put_step(writer, LOAD, from->k, put_jump(writer, BPF_JSET, bits, yes, no));
	} else if (put_argument(copier, from, &position)) {
		/* it is there */
	} else if (BPF_CLASS(from->code) == BPF_JMP) {
		size_t no = put_copy(copier, target_of(from, false));
		size_t yes = put_copy(copier, target_of(from, true));
		position = put_jump(writer, BPF_OP(from->code), from->k, yes, no);
	} else {
		position = put_step(writer, from->code, from->k, put_copy(copier, from + 1));
	}
	*copy = position + 1;
	return position;
}

/* ---- numbers ---- */

/* Every number at which an answer may change, from 0, sorted; x32's without their bit. */
static uint32_t *find_steps(const struct program *program, bool has_x32, size_t *ret_n)
{
	uint32_t *steps = arena_alloc((2 * program->n + 3) * sizeof(*steps));
	size_t n = 0;
	steps[n++] = 0;
	steps[n++] = X32_FIRST;
	steps[n++] = X32_END;
	for (size_t i = 0; i < program->n; i++)
		if (BPF_CLASS(program->code[i].code) == BPF_JMP)
			for (uint32_t more = 0; more < 2; more++) {
				uint32_t step = program->code[i].k + more;
				steps[n++] = has_x32 ? step & ~X32 : step;
			}
	qsort(steps, n, sizeof(*steps), compare_numbers);
	*ret_n = n;
	return steps;
}

static struct ranges find_ranges(const struct program *program, uint32_t arch)
{
	struct ranges ranges = { 0 };
	bool has_x32 = arch == AUDIT_ARCH_X86_64;
	size_t n;
	uint32_t *steps = find_steps(program, has_x32, &n);
	for (size_t i = 0; i < n; i++) {
		bool is_x32s_own = has_x32 && steps[i] >= X32_FIRST && steps[i] < X32_END;
		struct call call = { .arch = arch, .number = steps[i] | (is_x32s_own ? X32 : 0) };
		add_range(&ranges, steps[i], run(program, 0, call));
	}
	return ranges;
}

static size_t put_arch(struct writer *writer, const struct program *program, uint32_t arch)
{
	struct ranges ranges = find_ranges(program, arch);
	struct copier copier = { writer, program, arch, arena_alloc(program->n * sizeof(size_t)) };
	memset(copier.copies, 0, program->n * sizeof(size_t));
	for (size_t i = 0; i < ranges.n; i++)
		if (ranges.items[i].answer.looks_at_arguments)
			ranges.items[i].position =
				put_copy(&copier, &program->code[ranges.items[i].answer.value]);
	size_t tree = put_ranges(writer, &ranges, X32_FIRST);
	if (arch == AUDIT_ARCH_X86_64)
		tree = put_step(writer, MASK, ~X32, tree);
	return put_step(writer, LOAD, NUMBER_AT, tree);
}

/* ---- both compared ---- */

/* At one number, with every argument that either may tell from another. High halves are the
 * kernel's to ignore: they must change nothing. */
static void compare_at(const struct program *old, const struct program *new, uint32_t arch,
		       uint32_t number)
{
	struct call call = { .arch = arch, .number = number };
	struct answer was_at_once = run(old, 0, call);
	if (!was_at_once.looks_at_arguments && is_same(was_at_once, run(new, 0, call)))
		return;
	call.has_arguments = true;
	for (size_t i = 0; i < old->n; i++) {
		uint32_t k = old->code[i].k;
		const uint32_t tried[][2] = { { k, 0 }, { k - 1, 0 }, { k + 1, 0 },
					      { k, 1 }, { ~k, 0 },    { ~k, UINT32_MAX } };
		for (size_t t = 0; t < ARRAY_SIZE(tried); t++) {
			const uint32_t others[] = { tried[t][0], 0, UINT32_MAX };
			for (size_t other = 0; other < 2 * ARRAY_SIZE(others); other++) {
				struct call whole = call;
				size_t kind = other % 2;
				memcpy(whole.halves[kind], tried[t], sizeof(tried[t]));
				whole.halves[!kind][0] = others[other / 2];
				whole.halves[!kind][1] = tried[t][1];
				struct call low = whole;
				low.halves[0][1] = low.halves[1][1] = 0;
				if (!is_same(run(old, 0, low), run(new, 0, whole)))
					die("A filter has become another at call %u of %#x", number,
					    arch);
			}
		}
	}
}

static bool is_call_of_x32(uint32_t number)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X32, (int) (number | X32));
	bool is_one = number < X32 && name;
	free(name);
	return is_one;
}

static void compare(const struct program *old, const struct program *new, uint32_t arch)
{
	bool has_x32 = arch == AUDIT_ARCH_X86_64;
	size_t n;
	uint32_t *steps = find_steps(old, has_x32, &n);
	for (size_t i = 0; i < n; i++) {
		if (i && steps[i] == steps[i - 1])
			continue;
		for (uint32_t number = steps[i] - 1, left = 3; left > 0; number++, left--) {
			if (has_x32 && is_call_of_x32(number))
				compare_at(old, new, arch, number | X32);
			if (!has_x32 || number < X32_FIRST || number >= X32_END)
				compare_at(old, new, arch, number);
		}
	}
}

struct program flatten(const struct program *program, uint32_t native)
{
	static struct writer writer;
	memset(&writer, 0, sizeof(writer));
	/* libseccomp's tokens are the kernel's, but for x32 */
	uint32_t foreign = native == SCMP_ARCH_X86_64    ? AUDIT_ARCH_I386
			   : native == SCMP_ARCH_AARCH64 ? AUDIT_ARCH_ARM
							 : native;
	size_t other = foreign == native ? 0 : put_arch(&writer, program, foreign);
	size_t own = put_arch(&writer, program, native);
	size_t unknown = put_return(&writer, run(program, 0, (struct call){ 0 }).value);
	if (foreign != native)
		unknown = put_jump(&writer, BPF_JEQ, foreign, other, unknown);
	put_step(&writer, LOAD, ARCH_AT, put_jump(&writer, BPF_JEQ, native, own, unknown));

	struct sock_filter *code = arena_alloc(writer.n * sizeof(*code));
	for (size_t i = 0; i < writer.n; i++)
		code[i] = writer.code[writer.n - 1 - i];
	struct program result = { code, writer.n };
	compare(program, &result, native);
	compare(program, &result, foreign);
	compare(program, &result, 0);
	return result;
}
