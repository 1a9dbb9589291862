/* overlay-list.c - the list of changes, one JSON line for each.
 *
 * A name is bytes, and JSON is not: what is no UTF-8 is told by lone surrogates, so that nothing is lost.
 *
 * Must not: write a list that looks whole when it is not: the last line says that it is.
 */
#include "mount/overlay-list.h"

#include "run/json.h"
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
	json_add_string(text, path.path);
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
		json_add_string(text, from);
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
