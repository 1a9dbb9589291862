/* flatten.c - the same filter in fewer instructions: every one costs time when it is loaded.
 *
 * What a program answers to a number that it judges by the number alone is found out by running it;
 * neighbours with one answer become a range, and the ranges a binary tree of comparisons, with the
 * longest ranges on top: the kernel runs a program for every number when it loads it (5.11). What
 * looks at arguments is copied. x32's numbers are x86_64's with bit 30 set, which the tree does not
 * look at. The result is run beside what it was made from, or nothing is built.
 */
#include "../policy.h"

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
enum { NUMBER_AT = 0, ARCH_AT = 4, X32_FIRST = 512, X32_END = 1024 };
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
enum { HIGH_HALF_AT = 4 };
#else
enum { HIGH_HALF_AT = 0 };
#endif

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

/* `halves` are the low and the high one of every argument; NULL: go no further than there. */
static struct answer run(const struct program *program, uint32_t arch, uint32_t number,
			 const uint32_t *halves)
{
	uint32_t value = 0;
	for (size_t i = 0; i < program->n; i++) {
		const struct sock_filter *instruction = &program->code[i];
		bool is_argument = instruction->k != NUMBER_AT && instruction->k != ARCH_AT;
		if (instruction->code == END)
			return (struct answer){ false, instruction->k };
		if (instruction->code == LOAD && is_argument && !halves)
			return (struct answer){ true, (uint32_t) i };
		if (instruction->code == LOAD)
			value = is_argument ? halves[instruction->k % 8 == HIGH_HALF_AT]
				: instruction->k == ARCH_AT ? arch
							    : number;
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
	struct {
		uint32_t value;
		size_t position;
	} returns[16]; /* the nearest of each kind */
	size_t n_returns;
};

static size_t put(struct writer *writer, unsigned code, size_t yes, size_t no, uint32_t k)
{
	if (writer->n == ARRAY_SIZE(writer->code))
		die("A filter does not fit");
	writer->code[writer->n] = (struct sock_filter){
		.code = (uint16_t) code, .jt = (uint8_t) yes, .jf = (uint8_t) no, .k = k
	};
	return writer->n++;
}

static bool is_near(const struct writer *writer, size_t position)
{
	enum { LONGEST_JUMP = 255, ROOM = 4 };
	return writer->n - position < LONGEST_JUMP - ROOM;
}

static size_t put_return(struct writer *writer, uint32_t value)
{
	size_t i = 0;
	while (i < writer->n_returns && writer->returns[i].value != value)
		i++;
	if (i == ARRAY_SIZE(writer->returns))
		die("A filter has too many answers");
	if (i == writer->n_returns || !is_near(writer, writer->returns[i].position)) {
		writer->returns[i].value = value;
		writer->returns[i].position = put(writer, END, 0, 0, value);
		writer->n_returns += i == writer->n_returns;
	}
	return writer->returns[i].position;
}

/* Goes on at `target` if that is not what comes next anyway. */
static void put_way_to(struct writer *writer, size_t target)
{
	if (target + 1 != writer->n)
		put(writer, GO, 0, 0, (uint32_t) (writer->n - target - 1));
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
	yes = bring_near(writer, yes);
	no = bring_near(writer, no);
	return put(writer, BPF_JMP | operation | BPF_K, writer->n - yes - 1, writer->n - no - 1, k);
}

/* ---- what looks at arguments ---- */

struct copier {
	struct writer *writer;
	const struct program *program;
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
	/* libseccomp looks whether no bit of the high half is another than it should be */
	if (from[0].code == LOAD && from[1].code == MASK && from[1].k == 0)
		return put_copy(copier, target_of(&from[2], is_jump_taken(&from[2], 0)));

	size_t position;
	uint32_t bits = 0;
	const struct sock_filter *rest = bit_asked_for(from) ? skip_bits(from, &bits) : NULL;
	if (bits && (rest->code == LOAD || rest->code == END)) { /* it loads anew */
		size_t no = put_copy(copier, rest);
		size_t yes = put_copy(copier, target_of(&from[2], true));
		put_jump(writer, BPF_JSET, bits, yes, no);
		position = put(writer, LOAD, 0, 0, from->k);
	} else if (BPF_CLASS(from->code) == BPF_JMP) {
		size_t no = put_copy(copier, target_of(from, false));
		size_t yes = put_copy(copier, target_of(from, true));
		position = put_jump(writer, BPF_OP(from->code), from->k, yes, no);
	} else {
		put_way_to(writer, put_copy(copier, from + 1));
		position = put(writer, from->code, 0, 0, from->k);
	}
	*copy = position + 1;
	return position;
}

/* ---- ranges ---- */

struct range {
	uint32_t first;
	struct answer answer;
	size_t position; /* of what looks at arguments */
};

struct ranges {
	struct range *items;
	size_t n, room;
};

static int compare_numbers(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;
	return (x > y) - (x < y);
}

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
		struct answer answer = run(program, arch, steps[i] | (is_x32s_own ? X32 : 0), NULL);
		if (ranges.n && is_same(answer, ranges.items[ranges.n - 1].answer))
			continue;
		ranges.items =
			arena_grow(ranges.items, ranges.n, &ranges.room, sizeof(*ranges.items));
		ranges.items[ranges.n++] = (struct range){ .first = steps[i], .answer = answer };
	}
	return ranges;
}

/* `end`: how far it matters where the last range ends. */
static size_t put_tree(struct writer *writer, const struct range *ranges, size_t n, uint32_t end)
{
	if (n == 1)
		return ranges[0].answer.looks_at_arguments
			       ? ranges[0].position
			       : put_return(writer, ranges[0].answer.value);
	uint32_t first = ranges[0].first, middle = end > first ? first + (end - first) / 2 : first;
	size_t half = 1;
	while (half + 1 < n && ranges[half + 1].first <= middle)
		half++;
	if (half + 1 < n && ranges[half].first < middle &&
	    ranges[half + 1].first - middle < middle - ranges[half].first)
		half++;
	size_t right = put_tree(writer, ranges + half, n - half, end);
	size_t left = put_tree(writer, ranges, half, ranges[half].first);
	return put_jump(writer, BPF_JGE, ranges[half].first, right, left);
}

static size_t put_arch(struct writer *writer, const struct program *program, uint32_t arch)
{
	struct ranges ranges = find_ranges(program, arch);
	struct copier copier = { writer, program, arena_alloc(program->n * sizeof(size_t)) };
	memset(copier.copies, 0, program->n * sizeof(size_t));
	for (size_t i = 0; i < ranges.n; i++)
		if (ranges.items[i].answer.looks_at_arguments)
			ranges.items[i].position =
				put_copy(&copier, &program->code[ranges.items[i].answer.value]);
	put_way_to(writer, put_tree(writer, ranges.items, ranges.n, X32_FIRST));
	if (arch == AUDIT_ARCH_X86_64)
		put(writer, MASK, 0, 0, ~X32);
	return put(writer, LOAD, 0, 0, NUMBER_AT);
}

/* ---- both compared ---- */

/* At one number, with every argument that either may tell from another. */
static void compare_at(const struct program *old, const struct program *new, uint32_t arch,
		       uint32_t number)
{
	struct answer was_at_once = run(old, arch, number, NULL);
	if (!was_at_once.looks_at_arguments && is_same(was_at_once, run(new, arch, number, NULL)))
		return;
	for (size_t i = 0; i < old->n; i++) {
		uint32_t k = old->code[i].k;
		const uint32_t tried[][2] = { { k, 0 }, { k - 1, 0 }, { k + 1, 0 },
					      { k, 1 }, { ~k, 0 },    { ~k, UINT32_MAX } };
		for (size_t t = 0; t < ARRAY_SIZE(tried); t++) {
			struct answer was = run(old, arch, number, tried[t]);
			struct answer is = run(new, arch, number, tried[t]);
			/* libseccomp looks at the high half for x86_64 and not for x32: no call of
			 * either that it judges means anything there */
			bool is_stricter = number & X32 && tried[t][1] &&
					   (int32_t) is.value < (int32_t) was.value;
			if (!is_same(was, is) && !is_stricter)
				die("A filter has become another at call %u of %#x", number, arch);
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
	size_t unknown = put_return(&writer, run(program, 0, 0, NULL).value);
	if (foreign != native)
		unknown = put_jump(&writer, BPF_JEQ, foreign, other, unknown);
	put_jump(&writer, BPF_JEQ, native, own, unknown);
	put(&writer, LOAD, 0, 0, ARCH_AT);

	struct sock_filter *code = arena_alloc(writer.n * sizeof(*code));
	for (size_t i = 0; i < writer.n; i++)
		code[i] = writer.code[writer.n - 1 - i];
	struct program result = { code, writer.n };
	compare(program, &result, native);
	compare(program, &result, foreign);
	compare(program, &result, 0);
	return result;
}
