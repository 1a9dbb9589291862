/* utils.c - what any program could use: numbers, strings, memory, descriptors, messages.
 *
 * Knows no sandbox. No stdio streams, no locale, no file opened by path: all of it is called in COMMAND's root, too.
 */
#include "utils.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- memory ---- */

static struct {
	char *next;
	size_t left;
	/* The first blocks come from .bss: a small command line never asks the kernel for memory. */
	_Alignas(16) char first[16384];
} arena;

void *arena_alloc(size_t size_bytes)
{
	size_t need;
	if (__builtin_add_overflow(size_bytes, 15, &need))
		die_errno(ENOMEM, "Can't reserve %zu bytes", size_bytes);
	need &= ~(size_t) 15;
	if (!arena.next) {
		arena.next = arena.first;
		arena.left = sizeof(arena.first);
	}
	if (need > arena.left) {
		size_t block_bytes = need > 65536 ? need : 65536;
		char *block = calloc(1, block_bytes);
		if (!block)
			die_errno(ENOMEM, "Can't reserve %zu bytes", size_bytes);
		if (block_bytes == need) /* the rest of the last block stays in use */
			return block;
		arena.next = block;
		arena.left = block_bytes;
	}
	char *memory = arena.next;
	arena.next += need;
	arena.left -= need;
	if (need) /* one page fault instead of two where it would be read before it is written */
		*(volatile char *) memory = 0;
	return memory;
}

char *arena_copy(const char *text, size_t length)
{
	char *copy = arena_alloc(length + 1);
	memcpy(copy, text, length);
	return copy;
}

char *arena_string(const char *text)
{
	return arena_copy(text, strlen(text));
}

char *arena_join(const char *first, const char *second)
{
	size_t first_length = strlen(first), second_length = strlen(second);
	char *joined = arena_alloc(first_length + second_length + 1);
	memcpy(joined, first, first_length);
	memcpy(joined + first_length, second, second_length);
	return joined;
}

char *arena_number(uint64_t value, unsigned base)
{
	char digits[24], *start = digits + sizeof(digits);
	do
		*--start = (char) ('0' + value % base);
	while (value /= base);
	return arena_copy(start, (size_t) (digits + sizeof(digits) - start));
}

char *arena_vprintf(const char *fmt, va_list args)
{
	va_list again;
	va_copy(again, args);
	int length = vsnprintf(NULL, 0, fmt, args);
	if (length < 0)
		length = 0;
	char *text = arena_alloc((size_t) length + 1);
	vsnprintf(text, (size_t) length + 1, fmt, again);
	va_end(again);
	return text;
}

char *arena_printf(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	char *text = arena_vprintf(fmt, args);
	va_end(args);
	return text;
}

void *arena_grow(void *items, size_t n_items, size_t *capacity, size_t item_bytes)
{
	if (n_items < *capacity)
		return items;
	size_t n_new = *capacity ? *capacity * 2 : 8, size_bytes;
	if (__builtin_mul_overflow(n_new, item_bytes, &size_bytes))
		die_errno(ENOMEM, "Can't reserve memory for %zu items", n_new);
	void *grown = arena_alloc(size_bytes);
	if (n_items)
		memcpy(grown, items, n_items * item_bytes);
	*capacity = n_new;
	return grown;
}

void text_add_bytes(struct text *text, const void *bytes, size_t length)
{
	size_t need = text->length + length + 1;
	if (need > text->capacity) {
		size_t capacity = text->capacity ? text->capacity : 256;
		while (capacity < need)
			capacity *= 2;
		char *grown = arena_alloc(capacity);
		if (text->length)
			memcpy(grown, text->bytes, text->length);
		text->bytes = grown;
		text->capacity = capacity;
	}
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
	text->bytes[text->length] = '\0';
}

void text_add(struct text *text, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	const char *more = arena_vprintf(fmt, args);
	va_end(args);
	text_add_bytes(text, more, strlen(more));
}

/* ---- strings and numbers ---- */

static unsigned digit_of(char c)
{
	unsigned letter = (unsigned) (c | 0x20) - 'a';
	return c >= '0' && c <= '9' ? (unsigned) (c - '0') : letter < 26 ? 10 + letter : UINT_MAX;
}

/* Not strtoull(3): that takes blanks and signs, and 0b for binary since glibc 2.38. */
static bool parse_number(const char *word, unsigned base, uint64_t max, uint64_t *ret_value)
{
	uint64_t value = 0;
	const char *digit = word;
	do {
		unsigned d = digit_of(*digit);
		if (d >= base || __builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, d, &value))
			return false;
	} while (*++digit);
	if (value > max)
		return false;
	*ret_value = value;
	return true;
}

bool parse_decimal(const char *word, uint64_t max, uint64_t *ret_value)
{
	return parse_number(word, 10, max, ret_value);
}

bool parse_any_base(const char *word, uint64_t max, uint64_t *ret_value)
{
	bool hexadecimal = word[0] == '0' && (word[1] | 0x20) == 'x';
	return parse_number(hexadecimal ? word + 2 : word,
			    hexadecimal      ? 16
			    : word[0] == '0' ? 8
					     : 10,
			    max, ret_value);
}

bool parse_size(const char *word, uint64_t max, uint64_t *ret_value)
{
	static const char units[] = "kmgt";
	size_t length = strlen(word);
	const char *unit = length > 1 ? strchr(units, word[length - 1] | 0x20) : NULL;
	unsigned shift = unit && *unit ? 10 * (unsigned) (unit - units + 1) : 0;
	char digits[24];
	length -= shift != 0;
	if (length >= sizeof(digits))
		return false;
	memcpy(digits, word, length);
	digits[length] = '\0';
	if (!parse_decimal(digits, max >> shift, ret_value))
		return false;
	*ret_value <<= shift;
	return true;
}

bool parse_seconds(const char *word, int64_t *ret_ms)
{
	const char *point = strchrnul(word, '.');
	char whole[16];
	uint64_t seconds, ms = 0;
	size_t length = (size_t) (point - word);
	if (length >= sizeof(whole) || streq(point, "."))
		return false;
	memcpy(whole, word, length);
	whole[length] = '\0';
	if (!parse_decimal(whole, UINT64_C(10) * 366 * 86400, &seconds))
		return false;
	bool more = false;
	for (size_t i = 1; *point && point[i]; i++) {
		if (point[i] < '0' || point[i] > '9')
			return false;
		uint64_t digit = (uint64_t) (point[i] - '0');
		ms += i == 1 ? digit * 100 : i == 2 ? digit * 10 : i == 3 ? digit : 0;
		more |= i > 3 && digit;
	}
	*ret_ms = (int64_t) (seconds * 1000 + ms + more);
	return true;
}

bool parse_octal_mode(const char *word, mode_t *ret_mode)
{
	uint64_t mode;
	if (!parse_number(word, 8, 07777, &mode))
		return false;
	*ret_mode = (mode_t) mode;
	return true;
}

size_t find_variable(char *const *entries, const char *name)
{
	size_t length = strlen(name), i = 0;
	while (entries[i] && !(strncmp(entries[i], name, length) == 0 && entries[i][length] == '='))
		i++;
	return i;
}

const char *get_variable(char *const *entries, const char *name)
{
	const char *entry = entries[find_variable(entries, name)];
	return entry ? entry + strlen(name) + 1 : NULL;
}

/* The length of the UTF-8 sequence at `s`, 0 when it may not be shown: malformed, a surrogate, a C1 control. */
static size_t utf8_length(const unsigned char *s, size_t left)
{
	size_t n = s[0] >= 0xf0 && s[0] <= 0xf4  ? 4
		   : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
		   : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
						 : 0;
	if (n == 0 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xc2 && s[1] < 0xa0) || (s[0] == 0xe0 && s[1] < 0xa0) ||
	    (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
	    (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

size_t escape_controls(const char *text, size_t length, char *out)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *s = (const unsigned char *) text;
	size_t o = 0;
	for (size_t i = 0; i < length;) {
		size_t n = s[i] >= 0x20 && s[i] < 0x7f ? 1 : utf8_length(s + i, length - i);
		if (n) {
			memcpy(out + o, text + i, n);
			o += n;
			i += n;
			continue;
		}
		out[o++] = '\\';
		out[o++] = 'x';
		out[o++] = hex[s[i] >> 4];
		out[o++] = hex[s[i] & 15];
		i++;
	}
	out[o] = '\0';
	return o;
}

const char *errno_text(int error)
{
#ifdef __GLIBC__
	const char *text = strerrordesc_np(error);
	return text ? text : "unknown error";
#else
	return strerror(error); /* musl translates only after setlocale(), which is never called */
#endif
}

const char *errno_name(int error)
{
#ifdef __GLIBC__
	return strerrorname_np(error);
#else
	(void) error;
	return NULL;
#endif
}

/* ---- messages ---- */

static struct {
	const char *prefix;
	bool levels;
	int failure_status; /* 0: nobody has set it; the hook may */
	void (*before_dying)(void *argument, const struct failure *failure);
	void *before_dying_argument;
	const char *failing_path;
	/* No arena: the message may be about memory. Two, as the hook may speak before the last words. */
	char raw[65536], last_words[65536], line[4 * 3072 + 256];
} message;

void say_set_prefix(const char *prefix)
{
	message.prefix = prefix;
}

void say_set_levels(bool shown)
{
	message.levels = shown;
}

void die_first_call(void (*hook)(void *argument, const struct failure *failure), void *argument)
{
	message.before_dying = hook;
	message.before_dying_argument = argument;
}

const char *failing_path(const char *path)
{
	return message.failing_path = path;
}

/* Of one that is too long the middle is left out: where it happened stands at the front, why at the end. */
static void shorten(char *raw)
{
	enum { HEAD = 2048, TAIL = 1000 };
	size_t length = strlen(raw);
	if (length <= HEAD + TAIL)
		return;
	memcpy(raw + HEAD, "...", 3);
	memmove(raw + HEAD + 3, raw + length - TAIL, TAIL + 1);
}

static void say_line(const char *level, const char *raw)
{
	char *line = message.line;
	size_t n = (size_t) snprintf(line, 200, "%s%.80s: ", message.levels ? level : "",
				     message.prefix ? message.prefix : "bwrapish");
	n += escape_controls(raw, strlen(raw), line + n);
	line[n++] = '\n';
	write_all(STDERR_FILENO, line, n);
}

#define FORMAT(buffer)                                                  \
	do {                                                            \
		va_list args;                                           \
		va_start(args, fmt);                                    \
		if (vsnprintf((buffer), sizeof(buffer), fmt, args) < 0) \
			*(buffer) = '\0';                               \
		va_end(args);                                           \
	} while (0)

void say_warning(const char *fmt, ...)
{
	FORMAT(message.raw);
	shorten(message.raw);
	say_line("<4>", message.raw);
}

void say_note(const char *fmt, ...)
{
	FORMAT(message.raw);
	shorten(message.raw);
	say_line("<6>", message.raw);
}

static void call_hook(const struct failure *failure)
{
	void (*hook)(void *argument, const struct failure *failure) = message.before_dying;
	message.before_dying = NULL; /* it may die itself */
	if (hook)
		hook(message.before_dying_argument, failure);
}

static _Noreturn void end_process(int exit_status, int error)
{
	shorten(message.last_words);
	struct failure failure = { message.last_words, message.failing_path, error,
				   exit_status ? exit_status : die_status() };
	call_hook(&failure);
	say_line("<3>", message.last_words);
	_exit(exit_status ? exit_status : die_status());
}

int die_status(void)
{
	return message.failure_status ? message.failure_status : 1;
}

void die_set_status(int exit_status)
{
	message.failure_status = exit_status;
}

void die(const char *fmt, ...)
{
	FORMAT(message.last_words);
	end_process(0, 0);
}

void die_as(int exit_status, const char *fmt, ...)
{
	FORMAT(message.last_words);
	end_process(exit_status, 0);
}

void die_because(int error, const char *fmt, ...)
{
	FORMAT(message.last_words);
	end_process(0, error);
}

void die_errno(int error, const char *fmt, ...)
{
	FORMAT(message.last_words);
	shorten(message.last_words);
	snprintf(strchr(message.last_words, '\0'), 256, ": %s", errno_text(error)); /* short now */
	end_process(0, error);
}

void die_silently(const struct failure *failure)
{
	call_hook(failure);
	_exit(failure->exit_status);
}

/* ---- time ---- */

int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- descriptors ---- */

void close_fd(int *fd)
{
	int error = errno;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = error;
}

static struct {
	bool (*may_go_on)(const void *argument);
	const void *argument;
	bool ticks; /* there is a timer */
	timer_t timer;
	int64_t end_ms; /* of the write at hand; 0: at no time */
} patience;

static void wake(int number)
{
	(void) number;
}

bool write_patiently(bool (*may_go_on)(const void *argument), const void *argument)
{
	struct sigaction action = { .sa_handler = wake }; /* no SA_RESTART: what sleeps returns */
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = WAKE_WRITER };
	sigset_t only;
	sigemptyset(&only);
	sigaddset(&only, WAKE_WRITER);
	patience.may_go_on = may_go_on;
	patience.argument = argument;
	patience.ticks = may_go_on && sigaction(WAKE_WRITER, &action, NULL) == 0 &&
			 sigprocmask(SIG_UNBLOCK, &only, NULL) == 0 &&
			 timer_create(CLOCK_MONOTONIC, &event, &patience.timer) == 0;
	return !may_go_on || patience.ticks;
}

/* Of a timer that goes off again and again, as the first time may come before the call sleeps. */
enum { TICK_MS = 50 };
static void tick_every(int ms)
{
	const struct timespec tick = { .tv_nsec = ms * 1000000L };
	if (patience.ticks)
		timer_settime(patience.timer, 0,
			      &(struct itimerspec){ .it_value = tick, .it_interval = tick }, NULL);
}

/* False with errno when a write that would have to wait may not. */
static bool wait_to_write(int fd)
{
	struct pollfd ready = { .fd = fd, .events = POLLOUT };
	bool is_late = patience.end_ms && now_ms() >= patience.end_ms;
	bool may_go_on = !patience.may_go_on || patience.may_go_on(patience.argument);
	errno = may_go_on ? ETIME : ETIMEDOUT;
	return may_go_on && !is_late && (poll(&ready, 1, TICK_MS) >= 0 || errno == EINTR);
}

bool write_all(int fd, const void *bytes, size_t length)
{
	/* A reader that went away must give EPIPE, not a death by SIGPIPE that explains nothing:
	 * the signal stays blocked while we write, and one that became pending through us is taken
	 * back. */
	sigset_t pipe_only, before, pending;
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	sigprocmask(SIG_BLOCK, &pipe_only, &before);
	bool was_pending = sigismember(&before, SIGPIPE) && sigpending(&pending) == 0 &&
			   sigismember(&pending, SIGPIPE);

	const char *next = bytes;
	int error = 0;
	tick_every(TICK_MS);
	while (length > 0 && !error) {
		ssize_t n = write(fd, next, length);
		/* EAGAIN: the caller's descriptor may be non-blocking */
		bool must_wait = n < 0 && (errno == EAGAIN || errno == EINTR);
		if ((must_wait && !wait_to_write(fd)) || (n < 0 && !must_wait))
			error = errno;
		if (n > 0) {
			next += n;
			length -= (size_t) n;
		}
	}
	tick_every(0);
	const struct timespec now = { 0 };
	if (error == EPIPE && !was_pending)
		sigtimedwait(&pipe_only, NULL, &now);
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = error;
	return !error;
}

bool write_all_within(int fd, const void *bytes, size_t length, int ms)
{
	struct pollfd ready = { .fd = fd, .events = POLLOUT };
	/* A pipe may take more than poll(2) says: what can be woken tries. */
	errno = ETIME;
	patience.end_ms = now_ms() + ms;
	bool done = (patience.ticks || poll(&ready, 1, ms) > 0) && write_all(fd, bytes, length);
	patience.end_ms = 0;
	return done;
}

ssize_t read_some(int fd, void *bytes, size_t capacity)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	ssize_t n;
	while ((n = read(fd, bytes, capacity)) < 0 &&
	       (errno == EINTR ||
		(errno == EAGAIN && (poll(&ready, 1, -1) >= 0 || errno == EINTR))))
		;
	return n;
}

bool read_all(int fd, size_t max_bytes, char **ret_bytes, size_t *ret_length)
{
	size_t capacity = 4096, length = 0;
	char *bytes = arena_alloc(capacity);
	ssize_t n;
	while ((n = read_some(fd, bytes + length, capacity - length - 1)) > 0) {
		length += (size_t) n;
		bytes = arena_grow(bytes, length + 1, &capacity, 1);
		if (length > max_bytes) {
			errno = EFBIG;
			return false;
		}
	}
	bytes[length] = '\0';
	*ret_bytes = bytes;
	*ret_length = length;
	return n == 0;
}

bool wait_for_byte(int fd)
{
	char byte;
	return read_some(fd, &byte, 1) >= 0;
}
