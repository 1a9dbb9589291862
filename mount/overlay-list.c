/* overlay-list.c - the list of changes, one JSON line for each.
 *
 * A name is bytes, and JSON is not: what is no UTF-8 is told by lone surrogates, so that nothing is lost.
 *
 * Must not: write a list that looks whole when it is not: the last line says that it is.
 */
#include "mount/overlay-list.h"

#include "utils.h"

#include <stdio.h>
#include <string.h>

struct overlay_list {
	int fd;
	struct text lines;
	unsigned long long n_lines, n_changes;
};

struct overlay_list *overlay_list_new(int fd)
{
	struct overlay_list *list = arena_alloc(sizeof(*list));
	*list = (struct overlay_list){ .fd = fd };
	return list;
}

static void add_word(struct text *text, const char *word)
{
	text_add_bytes(text, word, strlen(word));
}

/* How many bytes from `s` on are one character of UTF-8, or plain ASCII; 0: they are neither. */
static size_t valid_length(const unsigned char *s)
{
	size_t n = 0;
	while (s[n] >= 0x20 && s[n] < 0x7f && s[n] != '"' && s[n] != '\\')
		n++;
	for (size_t length = 2; length <= 4 && !n && s[0] >= 0x80; length++) {
		/* escape_controls() leaves exactly what is valid and printable as it is. */
		char out[4 * 4 + 1];
		if (strnlen((const char *) s, length) == length &&
		    escape_controls((const char *) s, length, out) == length &&
		    memcmp(out, s, length) == 0)
			n = length;
	}
	return n;
}

/* Bytes that are no UTF-8 become lone low surrogates, as Python's surrogateescape has them: nothing
 * is lost. */
static void add_string(struct text *text, const char *name)
{
	add_word(text, "\"");
	for (const unsigned char *s = (const unsigned char *) name; *s;) {
		char escaped[8];
		size_t n = valid_length(s);
		if (n)
			text_add_bytes(text, s, n);
		else if (*s == '"' || *s == '\\')
			snprintf(escaped, sizeof(escaped), "\\%c", *s);
		else
			snprintf(escaped, sizeof(escaped), *s < 0x80 ? "\\u%04x" : "\\udc%02x", *s);
		if (!n)
			add_word(text, escaped);
		s += n ? n : 1;
	}
	add_word(text, "\"");
}

static const char *type_name(mode_t mode)
{
	return S_ISDIR(mode)    ? "directory"
	       : S_ISREG(mode)  ? "file"
	       : S_ISLNK(mode)  ? "symlink"
	       : S_ISFIFO(mode) ? "fifo"
	       : S_ISSOCK(mode) ? "socket"
	       : S_ISCHR(mode)  ? "character-device"
				: "block-device";
}

static bool flush(struct overlay_list *list)
{
	bool done = write_all(list->fd, list->lines.bytes, list->lines.length);
	list->lines.length = 0;
	return done;
}

static bool end_line(struct overlay_list *list)
{
	add_word(&list->lines, " }\n");
	list->n_lines++;
	return list->lines.length < 32768 || flush(list);
}

static void add_path(struct text *text, struct listed_path path)
{
	char number[40];
	if (path.in) {
		snprintf(number, sizeof(number), "\"in\": %llu, ", path.in);
		add_word(text, number);
	}
	add_word(text, "\"path\": ");
	add_string(text, path.path);
}

bool overlay_list_add(struct overlay_list *list, const char *change, struct listed_path path,
		      const struct stat *status, const char *from)
{
	struct text *text = &list->lines;
	char details[100];
	snprintf(details, sizeof(details), ", \"type\": \"%s\", \"mode\": \"%04o\", \"size\": %llu",
		 type_name(status->st_mode), status->st_mode & 07777,
		 (unsigned long long) status->st_size);
	add_word(text, "{ \"change\": \"");
	add_word(text, change);
	add_word(text, "\", ");
	add_path(text, path);
	add_word(text, details);
	if (from) {
		add_word(text, ", \"from\": ");
		add_string(text, from);
	}
	list->n_changes++;
	return end_line(list);
}

bool overlay_list_number(struct overlay_list *list, struct listed_path path,
			 unsigned long long *ret_number)
{
	add_word(&list->lines, "{ \"directory\": true, ");
	add_path(&list->lines, path);
	bool done = end_line(list);
	*ret_number = list->n_lines;
	return done;
}

bool overlay_list_end(struct overlay_list *list)
{
	char line[80];
	snprintf(line, sizeof(line), "{ \"complete\": true, \"changes\": %llu", list->n_changes);
	add_word(&list->lines, line);
	return end_line(list) && flush(list);
}
