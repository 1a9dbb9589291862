/* utils.h - what any program could use: numbers, strings, memory, descriptors, messages.
 *
 * This room knows no sandbox. Nothing here reads the environment, a locale or a file by path.
 */
#ifndef UTILS_H
#define UTILS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ARRAY_SIZE(a)           (sizeof(a) / sizeof((a)[0]))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

/* ---- memory: one arena per program run, never freed piecewise ---- */

/* Returns zeroed memory that lives until the program ends; dies when there is none. */
void *arena_alloc(size_t size_bytes) __attribute__((malloc, alloc_size(1), returns_nonnull));
char *arena_copy(const char *text, size_t length) __attribute__((returns_nonnull));
char *arena_string(const char *text) __attribute__((returns_nonnull)); /* a copy of all of it */
char *arena_printf(const char *fmt, ...) PRINTF_LIKE(1, 2) __attribute__((returns_nonnull));
char *arena_vprintf(const char *fmt, va_list args) PRINTF_LIKE(1, 0)
	__attribute__((returns_nonnull));
/* What every run writes does without printf(3): the pages it touches cost each process 15 us. */
char *arena_join(const char *first, const char *second) __attribute__((returns_nonnull));
/* In base 8 or 10. */
char *arena_number(uint64_t value, unsigned base) __attribute__((returns_nonnull));

/* Makes room for one more element in `items` (arena memory, `n_items` used, `*capacity` there) and
 * returns where the array is now; grows by doubling, so n appends cost O(n). */
void *arena_grow(void *items, size_t n_items, size_t *capacity, size_t item_bytes)
	__attribute__((returns_nonnull));

/* ---- text that grows ---- */
struct text {
	char *bytes; /* NUL-terminated once anything was added */
	size_t length, capacity;
};
void text_add(struct text *text, const char *fmt, ...) PRINTF_LIKE(2, 3);
void text_add_bytes(struct text *text, const void *bytes, size_t length);

/* ---- strings and numbers ---- */
static inline bool streq(const char *a, const char *b)
{
	return __builtin_strcmp(a, b) == 0;
}

/* Decimal only, no sign, no blanks, nothing behind it, at most `max`. Returns false otherwise. */
bool parse_decimal(const char *word, uint64_t max, uint64_t *ret_value);
/* As parse_decimal, with 0x for hexadecimal and 0 for octal. */
bool parse_any_base(const char *word, uint64_t max, uint64_t *ret_value);
/* A number with K, M, G or T (powers of 1024, either case) behind it or not, at most `max` in all.
 */
bool parse_size(const char *word, uint64_t max, uint64_t *ret_value);
/* Decimal seconds with or without a fraction, rounded up to milliseconds, at most ten years. */
bool parse_seconds(const char *word, int64_t *ret_ms);
/* An octal number up to 07777, as chmod(1) takes it. */
bool parse_octal_mode(const char *word, mode_t *ret_mode);

static inline const char *skip_slashes(const char *path)
{
	while (*path == '/')
		path++;
	return path;
}

/* In a NULL-terminated array of "NAME=VALUE": the entry's index, that of the NULL if there is none;
 * and its value, or NULL. */
size_t find_variable(char *const *entries, const char *name);
const char *get_variable(char *const *entries, const char *name);

/* Writes `text` with every control character (C0, DEL, C1, also as UTF-8) and every byte that is
 * not UTF-8 as \xNN, so that no user's word can steer a terminal or forge a second line. Returns
 * the length written; `out` needs 4 * length + 1 bytes. */
size_t escape_controls(const char *text, size_t length, char *out);

/* A fixed English text, without the locale machinery that strerror() would start (its files would
 * be looked up in the sandbox's root). */
const char *errno_text(int error);
/* "ENOENT"; NULL where the C library does not know it. */
const char *errno_name(int error);

/* ---- messages: one line on stderr ---- */
void say_set_prefix(const char *prefix); /* kept, not copied */
void say_set_levels(bool shown);         /* `<3>` before errors, `<4>` before warnings */
/* Every line goes out in one write(2), controls escaped. */
void say_warning(const char *fmt, ...) PRINTF_LIKE(1, 2);
void say_note(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* Prints the line as an error and ends the process with die_status(), after the hook if one is set. */
_Noreturn void die(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* The same with another exit status. */
_Noreturn void die_as(int exit_status, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* As die(), with `: ` and the text of `error` behind it. */
_Noreturn void die_errno(int error, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* As die(): the sentence has the text of `error` in it already. */
_Noreturn void die_because(int error, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Among the arguments of these, and nowhere else: the path that the sentence is about. */
const char *failing_path(const char *path);
/* The same as data, and no more than is known. */
struct failure {
	const char *sentence; /* NULL: it is silent */
	const char *path;     /* NULL: not known */
	int error;            /* errno; 0: not known */
	int exit_status;
};
/* As die_as(), without the line: another process has said it, or nobody has to. */
_Noreturn void die_silently(const struct failure *failure);
/* How a process ends that has failed, or is told that another has, which said why; 1 unless set. */
int die_status(void);
void die_set_status(int exit_status);
/* Called once before a dying process prints, with what it is to know; NULL for none. */
void die_first_call(void (*hook)(void *argument, const struct failure *failure), void *argument);

/* ---- time ---- */
int64_t now_ms(void); /* of a clock that nobody sets */

/* ---- descriptors ---- */
/* Closes, sets to -1 and leaves errno; -1 is fine; for cleanup attributes too. */
void close_fd(int *fd);
#define AUTO_CLOSE __attribute__((cleanup(close_fd)))

/* Write all of it, retrying EINTR; false with errno set. A closed pipe is EPIPE, never a signal. */
bool write_all(int fd, const void *bytes, size_t length);
/* The same; ETIME: not all of it was taken in time. */
bool write_all_within(int fd, const void *bytes, size_t length, int ms);
/* From now on a write that cannot go on, messages too, asks from time to time whether it may still wait, and is
 * ETIMEDOUT when it may not: a terminal that was stopped, a pipe that nobody reads. (A file does not
 * let itself be interrupted.) For one process: its children wait as ever. NULL: no more. False with errno
 * when the kernel gives no timer: then it asks when somebody sends WAKE_WRITER. */
#define WAKE_WRITER SIGRTMIN
bool write_patiently(bool (*may_go_on)(const void *argument), const void *argument);
/* As read(2), but waits also where the descriptor does not block. */
ssize_t read_some(int fd, void *bytes, size_t capacity);
/* Reads to the end into arena memory, at most `max_bytes` (EFBIG beyond), with a NUL behind it.
 * Returns false with errno set. */
bool read_all(int fd, size_t max_bytes, char **ret_bytes, size_t *ret_length);
/* Waits for a byte or the end of file. False with errno. */
bool wait_for_byte(int fd);

#endif
