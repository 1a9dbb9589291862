/* mountinfo.c - the mounts that this process can see: proc_pid_mountinfo(5).
 *
 * The kernel makes it of all mounts, so it takes the longer the more there are: for what is seldom asked.
 */
#include "sys/mountinfo.h"

#include "sys/kernel.h"
#include "utils.h"

#include <stdlib.h>
#include <string.h>

static void unescape_octal(char *word)
{
	char *out = word;
	for (; *word; word++)
		if (word[0] == '\\' && word[1] && word[2] && word[3]) {
			*out++ = (char) ((word[1] - '0') * 64 + (word[2] - '0') * 8 +
					 (word[3] - '0'));
			word += 3;
		} else {
			*out++ = *word;
		}
	*out = '\0';
}

/* Splits a line in place. */
static bool read_line(char *line, struct mountinfo *ret)
{
	char *save = NULL, *fields[6] = { 0 }, *dash = strstr(line, " - ");
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		fields[i] = strtok_r(i ? NULL : line, " ", &save);
	if (!dash || !fields[5])
		return false;
	char *minor;
	unescape_octal(fields[3]);
	unescape_octal(fields[4]);
	char *type = dash + 3, *source = type + strcspn(type, " ");
	const char *super_options = source + strcspn(source + (*source == ' '), " ");
	*source = '\0';
	uint64_t major = strtoull(fields[2], &minor, 10);
	bool is_nfs = strncmp(type, "nfs", 3) == 0; /* nfs_show_path() says "/" of all */
	*ret = (struct mountinfo){ .id = strtoull(fields[0], NULL, 10),
				   .parent_id = strtoull(fields[1], NULL, 10),
				   .device = major << 32 | strtoull(minor + 1, NULL, 10),
				   .root = is_nfs ? NULL : fields[3],
				   .point = fields[4],
				   .type = type,
				   .is_read_only = strncmp(fields[5], "ro", 2) == 0 ||
						   strncmp(super_options + 2, "ro", 2) == 0 };
	return true;
}

struct mountinfo *mountinfo_read(int proc_fd, size_t *ret_n)
{
	AUTO_CLOSE int fd = openat(proc_fd, "self/mountinfo", O_RDONLY | O_CLOEXEC);
	char *bytes, *next_line;
	size_t length, n = 0, capacity = 0;
	if (fd < 0 || !read_all(fd, SIZE_MAX / 4, &bytes, &length))
		return NULL;
	struct mountinfo *mounts = arena_grow(NULL, 0, &capacity, sizeof(*mounts));
	for (char *line = bytes; line < bytes + length; line = next_line) {
		char *end = strchrnul(line, '\n');
		*end = '\0';
		next_line = end + 1;
		mounts = arena_grow(mounts, n, &capacity, sizeof(*mounts));
		n += read_line(line, &mounts[n]);
	}
	*ret_n = n;
	return mounts;
}

bool mountinfo_type_is_stored(const char *type)
{
	/* What a file of these says depends on who reads it, a helper's /proc/self is the helper's. Another
	 * user's FUSE answers nobody else. */
	static const char *const others[] = {
		"proc",        "sysfs",      "devpts",   "devtmpfs", "cgroup",  "cgroup2",
		"securityfs",  "debugfs",    "tracefs",  "bpf",      "mqueue",  "autofs",
		"binfmt_misc", "configfs",   "efivarfs", "pstore",   "fusectl", "hugetlbfs",
		"selinuxfs",   "rpc_pipefs", "nsfs"
	};
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (streq(type, others[i]))
			return false;
	return strncmp(type, "fuse", 4) != 0;
}
